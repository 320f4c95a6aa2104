"""The ledger: a release written down while it is on its way, kept for a rollback, passed over where it is not ours."""

import json
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_slipway.cluster import retry
from pulumi_slipway.core.model import CheckResult, Event, Moment, Phase, Record, Release, TrackName
from pulumi_slipway.release import ledger
from pulumi_slipway.release.ledger import Book, decode, encode, kept
from pulumi_slipway.release.manifests import Subject
from pulumi_slipway.release.observe import observe
from pulumi_slipway.release.pod_template import pod_template
from pulumi_slipway.settings import Workload
from tests.unit.simulation import ENVIRONMENT, NAME, Cluster, release

HEALTHY, DEGRADED, PAUSED, PROGRESSING = Phase.HEALTHY, Phase.DEGRADED, Phase.PAUSED, Phase.PROGRESSING
V1, V2, V3 = release(1), release(2), release(3)
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """Stands still until it is moved."""

    def __init__(self):
        self.now = BEGAN

    def __call__(self):
        return self.now

    def on(self, **time):
        self.now += timedelta(**time)


def book(*records, keep=10):
    """A book, what it has stored, oldest first, and its clock."""
    stored, clock = [], Clock()
    return Book(records, stored.append, keep=keep, now=clock), stored, clock


def grown(*outcomes, keep=10):
    """The records after these releases came to these outcomes, one after the other."""
    made, _, clock = book(keep=keep)
    for one, outcome in outcomes:
        made.begin(one, TrackName.STABLE, "rolling", {})
        clock.on(seconds=1)
        if outcome is not PROGRESSING:
            made.finish(outcome)
    return made.records


# On its way


def test_a_release_is_written_down_as_soon_as_it_begins_and_again_with_its_outcome():
    made, stored, clock = book()
    made.begin(V1, TrackName.BLUE, "blueGreen", {"commit": "c"})
    (begun,) = stored[-1]
    assert (begun.release, begun.track, begun.strategy, begun.outcome) == (V1, TrackName.BLUE, "blueGreen", PROGRESSING)
    assert (begun.finished, begun.seconds, begun.provenance) == ("", 0.0, {"commit": "c"})
    clock.on(seconds=90)
    made.finish(HEALTHY, track=TrackName.GREEN, window=600)
    (ended,) = stored[-1]
    assert (ended.outcome, ended.seconds, ended.track) == (HEALTHY, 90.0, TrackName.GREEN)
    assert ended.finished == "2026-01-01T00:01:30.000+00:00"
    assert ended.kept_until == "2026-01-01T00:11:30+00:00"


@pytest.mark.parametrize(("window", "until"), [(0, ""), (None, "forever")])
def test_a_track_that_is_not_kept_or_kept_for_ever_has_no_time(window, until):
    made, stored, _ = book()
    made.begin(V1, TrackName.BLUE, "blueGreen", {})
    made.finish(HEALTHY, window=window)
    assert stored[-1][-1].kept_until == until


@pytest.mark.parametrize("under_way", [PROGRESSING, PAUSED])
@pytest.mark.parametrize(("newer", "why"), [(V2, f"superseded by {V2.id}"), (V1, "begun anew")])
def test_what_is_still_under_way_ends_where_another_begins(under_way, newer, why):
    made, stored, _ = book(*grown((V1, under_way)))
    made.begin(newer, TrackName.STABLE, "rolling", {})
    assert [(r.sequence, r.release, r.outcome, r.message) for r in stored[-1]] == [
        (1, V1, DEGRADED, why),
        (2, newer, PROGRESSING, ""),
    ]


def test_what_has_ended_stays_as_it_is():
    before = grown((V1, HEALTHY))
    made, stored, _ = book(*before)
    made.begin(V2, TrackName.STABLE, "rolling", {})
    assert stored[-1][:-1] == before


def test_a_step_that_is_passed_makes_a_paused_release_progressing_again():
    made, stored, _ = book()
    made.begin(V1, TrackName.CANARY, "canary", {})
    made.finish(PAUSED, "promote it", step=1)
    assert (stored[-1][-1].outcome, stored[-1][-1].message, stored[-1][-1].step) == (PAUSED, "promote it", 1)
    made.mark(2)
    assert (stored[-1][-1].outcome, stored[-1][-1].message, stored[-1][-1].step) == (PROGRESSING, "", 2)
    made.finish(HEALTHY)
    assert stored[-1][-1].step == 2


def test_every_step_can_be_written_down_twice():
    made, stored, _ = book()
    made.begin(V1, TrackName.CANARY, "canary", {})
    for _ in range(2):
        made.mark(1)
    for _ in range(2):
        made.finish(HEALTHY)
    assert len(stored[-1]) == 1
    assert stored[-1] == stored[-2]


def test_of_a_check_the_last_result_counts_and_moments_are_stored_with_the_next_write():
    made, stored, _ = book()
    made.begin(V1, TrackName.STABLE, "rolling", {})
    writes = len(stored)
    made.note(Moment(Event.READY, pods={V1.id: 3}, track=TrackName.STABLE))
    for status in ("Failed", "Successful"):
        made.checked(CheckResult("good", status, "", {}, ()))
    assert len(stored) == writes
    made.finish(HEALTHY)
    assert [(c.name, c.status) for c in stored[-1][-1].checks] == [("good", "Successful")]
    assert [(m.event, m.pods) for m in stored[-1][-1].timeline] == [(Event.READY, {V1.id: 3})]


def test_a_timeline_that_gets_too_long_loses_its_middle():
    made, *_ = book(*grown((V1, PROGRESSING)))
    for number in range(ledger.MOMENTS * 3):
        made.note(Moment(Event.SCALED, replicas=number))
    told = [moment.replicas for moment in made.records[-1].timeline]
    assert len(told) == ledger.MOMENTS
    assert (told[0], told[-1]) == (0, ledger.MOMENTS * 3 - 1)


def test_an_empty_book_can_be_asked_for_anything():
    made, stored, _ = book()
    made.note(Moment(Event.BEGUN))
    made.checked(CheckResult("good", "Failed", "", {}, ()))
    made.mark(1)
    made.finish(DEGRADED, "why")
    assert made.last is None
    assert set(stored) == {()}


def test_a_write_waits_for_an_api_server_that_is_away(monkeypatch):
    monkeypatch.setattr(retry.time, "sleep", lambda seconds: None)
    answers = [httpx2.ConnectError("refused"), httpx2.ReadTimeout("silent"), None]

    def store(records):
        if answer := answers.pop(0):
            raise answer

    Book(grown((V1, HEALTHY)), store, keep=10).save()
    assert answers == []


# What is kept


def test_failures_in_a_row_never_push_out_the_two_releases_a_rollback_needs():
    failures = [(release(f"bad{number}"), DEGRADED) for number in range(20)]
    records = grown((V1, HEALTHY), (V2, HEALTHY), *failures, keep=3)
    assert [r.release for r in records if r.outcome is HEALTHY] == [V1, V2]
    assert len(records) == 5


def test_a_release_that_became_healthy_again_does_not_push_out_the_one_before_it():
    records = grown((V1, HEALTHY), (V2, HEALTHY), (V2, HEALTHY), (V2, HEALTHY), keep=2)
    assert {r.release for r in records} == {V1, V2}


@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from([HEALTHY, DEGRADED])), max_size=20), st.integers(2, 6))
def test_whatever_came_the_newest_are_kept_and_two_to_go_back_to(outcomes, keep):
    whole = grown(*((release(number), outcome) for number, outcome in outcomes), keep=100)
    left = kept(whole, keep)
    assert left[-keep:] == whole[-keep:]
    assert len(left) <= keep + 2
    assert [r.sequence for r in left] == sorted(r.sequence for r in left)

    def to_go_back_to(records):
        return list(dict.fromkeys(r.release for r in reversed(records) if r.outcome is HEALTHY))[:2]

    assert to_go_back_to(left) == to_go_back_to(whole)
    assert kept(left, keep) == left


# In the ConfigMap

TEXT = st.text(max_size=20)
STAMPS = st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32)
CHECKS = st.builds(
    CheckResult,
    name=TEXT,
    status=TEXT,
    message=TEXT,
    threshold=st.dictionaries(st.sampled_from(["min", "max"]), NUMBERS),
    values=st.lists(st.tuples(STAMPS, st.none() | NUMBERS, TEXT), max_size=3).map(tuple),
)
RECORDS = st.lists(
    st.builds(
        Record,
        sequence=st.just(0),
        release=st.integers(0, 5).map(release),
        outcome=st.sampled_from(Phase),
        started=STAMPS,
        finished=STAMPS,
        seconds=NUMBERS,
        message=TEXT,
        provenance=st.dictionaries(TEXT, TEXT, max_size=2),
        track=st.sampled_from(TrackName),
        strategy=TEXT,
        step=st.integers(0, 20),
        kept_until=STAMPS | st.sampled_from(["", "forever"]),
        checks=st.lists(CHECKS, max_size=2).map(tuple),
        timeline=st.lists(
            st.builds(
                Moment,
                st.none() | st.sampled_from(Event),
                STAMPS,
                st.dictionaries(TEXT, st.integers(0, 9), max_size=2),
                track=st.none() | st.sampled_from(TrackName),
                release=st.none() | TEXT,
                replicas=st.none() | st.integers(0, 9),
                step=st.none() | st.integers(1, 9),
                weight=st.none() | st.integers(1, 100),
                outcome=st.none() | st.sampled_from(Phase),
                text=st.none() | TEXT,
            ),
            max_size=2,
        ).map(tuple),
        steps=st.integers(0, 20),
    ),
    max_size=ledger.DETAILED,
).map(lambda records: tuple(Record(**{**vars(r), "sequence": n}) for n, r in enumerate(records, 1)))


@given(RECORDS)
def test_records_survive_the_trip_through_the_config_map(records):
    assert decode(encode(records)) == records


def test_older_records_lose_their_timeline_and_values_and_keep_what_came_of_their_checks():
    at = BEGAN.isoformat()
    check = CheckResult("good", "Successful", "it is", {"min": 0.99}, ((at, 1.0, "Successful"),))
    whole = tuple(
        Record(number, V1, HEALTHY, at, at, 1.0, checks=(check,), timeline=(Moment(Event.BEGUN, at),))
        for number in range(1, ledger.DETAILED + 2)
    )
    oldest, *others = decode(encode(whole))
    assert (oldest.timeline, oldest.checks[0].values) == ((), ())
    assert (oldest.checks[0].message, oldest.checks[0].threshold) == ("it is", {"min": 0.99})
    assert tuple(others) == whole[1:]


@pytest.mark.parametrize("text", ["hello", "{}", "[]", "null", '{"template": {}}'])
@pytest.mark.parametrize("key", ["000009", "note"])
def test_an_entry_written_by_hand_is_passed_over(key, text):
    records = grown((V1, HEALTHY))
    assert decode({**encode(records), key: text}) == records


def test_no_ledger_has_no_records():
    assert decode(None) == decode({}) == ()


def test_what_is_stored_can_be_read_by_a_person_with_kubectl():
    (text,) = encode(grown((V1, HEALTHY))).values()
    told = json.loads(text)
    assert (told["id"], told["image"], told["outcome"]) == (V1.id, V1.image, "Healthy")


def test_a_hundred_releases_with_long_tales_stay_below_the_limit_of_a_config_map():
    settings = Workload.model_validate({"env": {f"VARIABLE_{n}": "x" * 40 for n in range(30)}, "keepReleases": 100})
    template, _ = pod_template(
        Subject(NAME, ENVIRONMENT, settings), f"registry.example.com/group/app@sha256:{'a' * 64}", None
    )
    made, stored, clock = book(keep=100)
    for number in range(120):
        one = Release.of({**template, "metadata": {**template["metadata"], "annotations": {"n": str(number)}}})
        made.begin(one, TrackName.BLUE, "blueGreen", {"commit": "c" * 40, "pipelineUrl": "u" * 100, "job": "j" * 100})
        for step in range(200):
            made.note(Moment(Event.SCALED, pods={one.id: 50, V1.id: 50}, track=TrackName.CANARY, replicas=step))
        for check in range(5):
            values = tuple((clock().isoformat(timespec="milliseconds"), 0.98765, "Successful") for _ in range(20))
            made.checked(CheckResult(f"check-{check}", "Failed", "m" * 200, {"min": 0.99, "max": 1.0}, values))
        made.finish(HEALTHY if number % 2 else DEGRADED, "w" * 300)
    assert len(stored[-1]) == 100
    assert sum(len(key) + len(text.encode()) for key, text in encode(stored[-1]).items()) < 900_000


def test_the_object_is_made_with_our_labels_so_that_it_is_known_as_ours():
    cluster, subject = Cluster(), Subject(NAME, ENVIRONMENT, Workload())
    records = grown((V1, HEALTHY))
    ledger.write(cluster, NAME, subject.namespace, subject.labels, records)
    assert observe(cluster.snapshot(), subject, BEGAN).observed.ledger == records
