"""The ledger keeps what a rollback needs and passes over what is not its own."""

from release import ledger
from release.model import Phase
from tests.unit.test_plan import V1, V2, V3, release


def grown(*outcomes, keep=10):
    records = ()
    for one, outcome in outcomes:
        records = ledger.append(records, one, outcome, seconds=1, message="", provenance={"commit": "c"}, keep=keep)
    return records


def test_records_survive_the_trip_through_the_config_map():
    records = grown((V1, Phase.HEALTHY), (V2, Phase.DEGRADED))
    assert ledger.decode(ledger.encode(records)) == records


def test_an_entry_written_by_hand_is_passed_over():
    data = {**ledger.encode(grown((V1, Phase.HEALTHY))), "note": "hello", "000009": "{}"}
    assert [r.release for r in ledger.decode(data)] == [V1]


def test_failures_in_a_row_never_push_out_the_two_releases_a_rollback_needs():
    failures = [(release(f"bad@sha256:{i}"), Phase.DEGRADED) for i in range(20)]
    records = grown((V1, Phase.HEALTHY), (V2, Phase.HEALTHY), *failures, keep=3)
    healthy = [r.release for r in records if r.outcome is Phase.HEALTHY]
    assert healthy == [V1, V2]
    assert len(records) == 5


def test_the_same_outcome_twice_in_a_row_is_one_record_and_sequences_only_grow():
    records = grown((V1, Phase.HEALTHY), (V1, Phase.HEALTHY), (V2, Phase.HEALTHY), (V3, Phase.DEGRADED), keep=2)
    sequences = [r.sequence for r in records]
    assert sequences == sorted(set(sequences))
    assert records[-1].release == V3
