"""Which release a run is about, row by row of the table in pulumi_slipway/core/goal.py."""

import re
from dataclasses import replace

import pytest

from pulumi_slipway.core import goal as module
from pulumi_slipway.core.goal import NothingToDo, goal
from pulumi_slipway.core.model import Observed, Phase, Record
from pulumi_slipway.settings import Action
from tests.unit.simulation import release

V1, V2, V3 = release(1), release(2), release(3)
HEALTHY, DEGRADED, PAUSED, PROGRESSING = Phase.HEALTHY, Phase.DEGRADED, Phase.PAUSED, Phase.PROGRESSING
REFUSED = "refused"


def ledger(*entries):
    """What is seen where these releases came to these outcomes, oldest first."""
    at = "2026-01-01T00:00:00+00:00"
    return Observed(ledger=tuple(Record(n, one, outcome, at, at, 1.0) for n, (one, outcome) in enumerate(entries, 1)))


UNKNOWN = "0123456789"
NOTHING = ledger()
LIVE = ledger((V1, HEALTHY))
UNDER_WAY = ledger((V1, HEALTHY), (V2, PROGRESSING))
WAITS = ledger((V1, HEALTHY), (V2, PAUSED))
FIRST = ledger((V1, PROGRESSING))
FAILED = ledger((V1, HEALTHY), (V2, HEALTHY), (V3, DEGRADED))
TWO = ledger((V1, HEALTHY), (V2, HEALTHY))
THREE = ledger((V1, HEALTHY), (V2, HEALTHY), (V3, HEALTHY))
TWICE = ledger((V1, HEALTHY), (V2, HEALTHY), (V1, HEALTHY))
ONLY_FAILED = ledger((V1, DEGRADED))

ROWS = {
    ("deploy", "anything", "the desired release"): [(NOTHING, V3), (LIVE, V3), (WAITS, V3), (FAILED, V3)],
    ("promote", "a release is under way", "that one, past its pause"): [(WAITS, V2), (UNDER_WAY, V2), (FIRST, V1)],
    ("promote", "none is", REFUSED): [(NOTHING, None), (LIVE, None), (FAILED, None)],
    ("abort", "a release is under way, another is Healthy", "the newest Healthy one"): [(WAITS, V1), (UNDER_WAY, V1)],
    ("abort", "none is under way, or none is Healthy", REFUSED): [(LIVE, None), (FIRST, None), (NOTHING, None)],
    ("rollback", "a release is under way or the last one Degraded", "the newest Healthy one before it"): [
        (WAITS, V1), (FAILED, V2),
    ],
    ("rollback", "the last one is Healthy", "the newest Healthy one before it"): [(TWO, V1), (TWICE, V2)],
    ("rollback", "no Healthy one before it", REFUSED): [(NOTHING, None), (LIVE, None), (ONLY_FAILED, None)],
    ("rollback", "a Healthy one has the id that is named", "that one"): [
        (THREE, V1, V1.id), (THREE, V2, V2.id), (TWICE, V2, V2.id), (WAITS, V1, V1.id), (LIVE, V1, V1.id),
    ],
    ("rollback", "none has", REFUSED): [(THREE, None, UNKNOWN), (FAILED, None, V3.id), (NOTHING, None, V1.id)],
    ("settle", "anything", "what is there, held"): [
        (WAITS, V2),
        (UNDER_WAY, V2),
        (LIVE, V1),
        (FAILED, V2),
        (NOTHING, V3),
    ],
    ("reject", "a release is under way, or one is Healthy", "that one, held, and marked"): [(WAITS, V2), (LIVE, V1)],
    ("reject", "no release", REFUSED): [(NOTHING, None), (ONLY_FAILED, None)],
}  # fmt: skip


def test_a_rollback_passes_over_a_rejected_release_where_there_is_another_one():
    first, second, third = (Record(n, one, HEALTHY, "", "", 1.0) for n, one in enumerate((V1, V2, V3), 1))
    second = replace(second, rejected="by jane")
    assert goal("app", Observed(ledger=(first, second, third)), V3, Action.ROLLBACK).release == V1
    assert goal("app", Observed(ledger=(second, third)), V3, Action.ROLLBACK).release == V2
    for outcome, action in ((PAUSED, Action.ABORT), (PAUSED, Action.ROLLBACK), (DEGRADED, Action.ROLLBACK)):
        seen = Observed(ledger=(first, second, replace(third, outcome=outcome)))
        assert goal("app", seen, V3, action).release == V2, "it is live: users are not moved off it"


def rows():
    """The table of the docstring: action, ledger, goal."""
    lines = [line for line in (goal.__doc__ or "").splitlines() if line.strip().startswith("|")][2:]
    return [tuple(cell.strip() for cell in line.strip().strip("|").split("|")) for line in lines]


def test_the_table_is_what_is_tested_here():
    assert rows() == list(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=" ".join)
def test_each_row_of_the_table(row):
    for seen, release_, *named in ROWS[row]:
        action = Action(row[0])
        if row[2] == REFUSED:
            assert release_ is None
            with pytest.raises(NothingToDo, match=rf"^workload app: SLIPWAY_ACTION={action}: \w"):
                goal("app", seen, V3, action, *named)
        else:
            assert goal("app", seen, V3, action, *named).release == release_


def test_a_named_release_that_is_live_stays_and_one_that_is_not_there_is_told_with_those_that_are():
    assert goal("app", THREE, V3, Action.ROLLBACK, V3.id).why == f"{V3.id} is live already"
    with pytest.raises(NothingToDo, match=f"{UNKNOWN} is no Healthy release of its ledger.*{V3.id}, {V2.id}, {V1.id}$"):
        goal("app", THREE, V3, Action.ROLLBACK, UNKNOWN)


def test_only_a_paused_release_is_past_its_pause():
    assert goal("app", WAITS, V3, Action.PROMOTE).promotes
    assert not goal("app", UNDER_WAY, V3, Action.PROMOTE).promotes


def test_only_going_back_skips_steps_and_only_settle_and_reject_hold():
    goals = {action: goal("app", TWO if action is not Action.PROMOTE else WAITS, V3, action) for action in
            (Action.DEPLOY, Action.PROMOTE, Action.ROLLBACK, Action.SETTLE, Action.REJECT)}  # fmt: skip
    goals[Action.ABORT] = goal("app", WAITS, V3, Action.ABORT)
    assert {action for action, one in goals.items() if one.rolls_back} == {Action.ABORT, Action.ROLLBACK}
    assert {action for action, one in goals.items() if one.holds} == {Action.SETTLE, Action.REJECT}


@pytest.mark.parametrize(
    ("seen", "action", "remedy"),
    [
        (LIVE, Action.PROMOTE, "run without SLIPWAY_ACTION to deploy"),
        (LIVE, Action.ABORT, f"{V1.id} is live; its ledger holds none before it: deploy another image"),
        (TWO, Action.ABORT, f"{V2.id} is live; SLIPWAY_ACTION=rollback goes back to the release before it"),
        (FAILED, Action.ABORT, f"{V2.id} is live; to go back further, deploy that image: SLIPWAY_IMAGE_APP={V1.image}"),
        (NOTHING, Action.ABORT, "nothing is live"),
        (LIVE, Action.ROLLBACK, f"no Healthy release besides {V1.id}; deploy an image with SLIPWAY_IMAGE_APP"),
    ],
)
def test_a_refusal_says_what_to_do_instead(seen, action, remedy):
    with pytest.raises(NothingToDo, match=re.escape(remedy)):
        goal("app", seen, V3, action)


def test_a_rollback_that_finds_the_failed_release_taken_back_already_says_how_to_go_further():
    why = goal("app", FAILED, V3, Action.ROLLBACK).why
    assert why.startswith(f"{V2.id} is live already: {V3.id} was rolled back; ")
    assert why.endswith(f"SLIPWAY_IMAGE_APP={V1.image}")


def test_a_rollback_of_a_rollback_says_that_it_goes_forward():
    back = Record(3, V1, HEALTHY, "", "", 1.0, left=V2.image)
    seen = Observed(ledger=(*TWO.ledger, back))
    assert goal("app", seen, V3, Action.ROLLBACK).why == f"back to {V2.id}, which the rollback before this one had left"
    assert goal("app", TWO, V3, Action.ROLLBACK).why == f"back to {V1.id}"


def test_a_release_that_failed_is_not_called_healthy_where_there_is_nothing_to_go_back_to():
    only = Observed(ledger=(Record(1, V1, Phase.DEGRADED, "", "", 1.0),))
    with pytest.raises(NothingToDo, match="its ledger holds no Healthy release; deploy an image"):
        goal("app", only, V3, Action.ROLLBACK)


def test_before_names_the_workload_where_no_action_is_given():
    with pytest.raises(NothingToDo, match=r"^workload app: nothing to roll back to"):
        module.before("app", NOTHING, "")
