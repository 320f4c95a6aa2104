"""Ledgers as version 0.1 wrote them on a real cluster: every later version reads them whole."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pulumi_slipway.core.model import Event, Moment, Phase, TrackName
from pulumi_slipway.release import earlier_ledger
from pulumi_slipway.release.ledger import decode, encode
from pulumi_slipway.report import page
from pulumi_slipway.report.words import happened

RECORDED = json.loads((Path(__file__).parents[1] / "data" / "ledger-0.1.json").read_text())
"""By strategy: the `data` of a ConfigMap. Releases that went live, were promoted, failed and were rolled back."""
CANARY, STABLE, BLUE = TrackName.CANARY, TrackName.STABLE, TrackName.BLUE
CHANGED = {"taken back": "rolled back"}
"""Words that are others now."""


@pytest.mark.parametrize("strategy", RECORDED)
def test_every_record_and_every_moment_is_read_as_fields_and_told_in_the_same_words(strategy):
    data = RECORDED[strategy]
    records = decode(data)
    assert [f"{record.sequence:06d}" for record in records] == sorted(data)
    for record in records:
        entry = json.loads(data[f"{record.sequence:06d}"])
        assert (record.release.id, record.outcome, record.step) == (entry["id"], entry["outcome"], entry["step"])
        whats = [moment["what"] for moment in entry["timeline"]]
        assert [happened(it, record.steps) for it in record.timeline] == [CHANGED.get(it, it) for it in whats]
        assert [it.text for it in record.timeline] == [None] * len(whats)


@pytest.mark.parametrize("strategy", RECORDED)
def test_what_is_written_back_is_read_the_same(strategy):
    records = decode(RECORDED[strategy])
    assert decode(encode(records)) == records
    assert page.page("staging", "myapp", records, datetime(2026, 12, 1, tzinfo=UTC)).endswith("</html>\n")


def test_why_a_release_failed_is_read_without_whose_it_is():
    assert decode(RECORDED["rolling"])[-1].message == (
        "did not come up within 6 s: pod myapp-7fffc459c-x9rqm: exits with 1 (Error)"
    )
    failed = decode(RECORDED["canary"])[2]
    assert failed.message.startswith("answers Failed: pod myapp-canary-")
    assert failed.rejected == failed.message


def test_a_canary_knows_how_many_steps_it_has():
    assert [(record.outcome, record.step, record.steps) for record in decode(RECORDED["canary"])] == [
        (Phase.HEALTHY, 0, 0),
        (Phase.HEALTHY, 2, 2),
        (Phase.DEGRADED, 0, 2),
        (Phase.PAUSED, 1, 2),
    ]


@pytest.mark.parametrize(
    ("words", "moment"),
    [
        ("begun on canary", Moment(Event.BEGUN, track=CANARY)),
        ("step 1/3, 20 %", Moment(Event.STEP, step=1, weight=20)),
        ("step 2/3, 1 pod", Moment(Event.STEP, step=2, replicas=1)),
        ("canary at 2", Moment(Event.SCALED, track=CANARY, replicas=2)),
        ("stable takes 721b2f14d9", Moment(Event.APPLIED, track=STABLE, release="721b2f14d9")),
        ("users reach blue", Moment(Event.REACHED, track=BLUE)),
        ("back to main", Moment(Event.SWITCHED_BACK, track=STABLE)),
        ("Paused", Moment(Event.OUTCOME, outcome=Phase.PAUSED)),
        ("something else", Moment(text="something else")),
    ],
)
def test_each_sentence_is_a_moment_with_fields_and_another_stays_what_it_is(words, moment):
    assert earlier_ledger.moment(words) == moment
