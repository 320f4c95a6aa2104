"""Which tracks are retired: row by row of the table in pulumi_slipway/core/retire.py."""

from datetime import UTC, datetime, timedelta

import pytest

from pulumi_slipway.core.model import Observed, Phase, Pool, Record, Track, TrackName
from pulumi_slipway.core.retire import retired
from pulumi_slipway.pipeline.settle import window_open
from tests.unit.simulation import release

V1, V2 = release(1), release(2)
BLUE, GREEN, CANARY, STABLE = TrackName.BLUE, TrackName.GREEN, TrackName.CANARY, TrackName.STABLE
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
HEALTHY = Phase.HEALTHY


def on(one, pods=2, available=None):
    up = pods if available is None else available
    return Track(one.id, pods, pods, up, complete=up == pods, template={})


def records(*entries, kept_until=""):
    at = NOW.isoformat()
    return tuple(
        Record(n, one, outcome, at, at, 1.0, kept_until=kept_until) for n, (one, outcome) in enumerate(entries, 1)
    )


BOTH = {BLUE: on(V1), GREEN: on(V2)}
SWITCHED = records((V1, HEALTHY), (V2, HEALTHY))


@pytest.mark.parametrize(
    ("seen", "gone"),
    [
        (Observed(BOTH, Pool.GREEN, SWITCHED), (BLUE,)),
        (Observed(BOTH, Pool.GREEN, SWITCHED, window_open=True), ()),
        (Observed({BLUE: on(V1, 0), GREEN: on(V2)}, Pool.GREEN, SWITCHED), ()),  # it has no pods
        # one that failed is no way back, however long the window
        (Observed(BOTH, Pool.BLUE, records((V1, HEALTHY), (V2, Phase.DEGRADED)), window_open=True), (GREEN,)),
        (Observed({STABLE: on(V2), CANARY: on(V1, 1), BLUE: on(V1)}, Pool.MAIN, SWITCHED), (CANARY, BLUE)),
        # a failure may go back to them
        (Observed(BOTH, Pool.BLUE, records((V1, HEALTHY), (V2, Phase.PROGRESSING))), ()),
        (Observed(BOTH, Pool.BLUE, records((V1, HEALTHY), (V2, Phase.PAUSED))), ()),
        (Observed(BOTH, Pool.GREEN, records((V2, Phase.DEGRADED))), ()),
        (Observed(BOTH, Pool.GREEN, ()), ()),
        # they may be all that is there
        (Observed({BLUE: on(V1), GREEN: on(V2, 2, 1)}, Pool.GREEN, SWITCHED), ()),
        (Observed({BLUE: on(V1), GREEN: on(V2, 0)}, Pool.GREEN, SWITCHED), ()),
        (Observed(BOTH, Pool.BLUE, SWITCHED), ()),  # somebody has pointed the Service back
        (Observed(BOTH, None, SWITCHED), ()),
        (Observed({BLUE: on(V1)}, Pool.GREEN, SWITCHED), ()),
        (Observed({BLUE: on(V1), GREEN: on(V1)}, Pool.GREEN, SWITCHED), ()),
    ],
)  # fmt: skip
def test_each_row_of_the_table(seen, gone):
    assert retired(seen) == gone


@pytest.mark.parametrize(
    ("until", "stays"),
    [("", False), ("forever", True), (NOW + timedelta(seconds=1), True), (NOW - timedelta(seconds=1), False)],
)
def test_the_window_is_the_one_that_the_release_was_made_with(until, stays):
    text = until if isinstance(until, str) else until.isoformat(timespec="seconds")
    [record] = records((V1, HEALTHY), kept_until=text)
    assert window_open(record, NOW) is stays
    assert not window_open(None, NOW)
