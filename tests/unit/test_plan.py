"""How a release gets to its users, row by row of the tables in core/plan, and what a plan must never lack."""

from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from pulumi_slipway.core.model import HOME, Observed, Phase, Pool, Release, TrackName
from pulumi_slipway.core.plan import LEDGER, PREVIEW, SERVICE, STRATEGIES, Plan, Way, plan
from pulumi_slipway.core.steps import (
    Apply,
    Begin,
    Check,
    Close,
    Emptied,
    Finish,
    Mark,
    Point,
    Reached,
    Ready,
    Remove,
    Scale,
)
from pulumi_slipway.release.manifests import pool_selector
from pulumi_slipway.settings import Action, Workload
from tests.unit.simulation import CHECK, NAME, Run, Simulation, blue_green, canary, release, workload

BLUE, GREEN, STABLE, CANARY = TrackName.BLUE, TrackName.GREEN, TrackName.STABLE, TrackName.CANARY
PROMOTE, ABORT, ROLLBACK, SETTLE = Action.PROMOTE, Action.ABORT, Action.ROLLBACK, Action.SETTLE
SCALER = {"autoscaler": {"min": 2, "max": 6}}

ROLLING = workload(replicas=3, checks={"good": CHECK})
SWITCH = blue_green()
WAITS = blue_green(autoPromote=False, previewReplicas=1)
STEPS = canary({"replicas": 1, "pause": 10}, {"weight": 50, "pause": 10})
PAUSES = canary({"replicas": 1}, {"weight": 50, "pause": 10})


def world(*events: Any) -> Simulation:
    """A workload after these events: settings that begin to count, runs, and whatever else is called with it."""
    made = Simulation(events[0])
    for event in events[1:]:
        if isinstance(event, Workload):
            made.settings = event
        elif isinstance(event, Run):
            made.up(event)
        else:
            event(made)
    return made


@dataclass
class Scene:
    """A world, and the run that is planned in it."""

    events: tuple[Any, ...]
    run: Run = field(default_factory=lambda: Run(2))

    def planned(self) -> tuple[Simulation, Plan]:
        made = world(*self.events)
        return made, made.planned(self.run)[1]


def deleted(track: TrackName) -> Any:
    return lambda world: world.cluster.gone("Deployment", NAME + track.suffix)


def unwell(version: int) -> Any:
    return lambda world: world.cluster.sick.add(release(version).id)


def moved(pool: Pool | None) -> Any:
    """Somebody makes the Service select other pods."""

    def move(world: Simulation) -> None:
        service = world.cluster.objects["Service", NAME]
        selector = pool_selector(world.subject, pool) if pool else {"app": "other"}
        service["spec"] = {**service["spec"], "selector": selector}

    return move


def killed(run: Run, when: Any) -> Any:
    """The run is killed as soon as this is so."""

    def kill(world: Simulation) -> None:
        for beat in range(100):
            tried = deepcopy(world)
            tried.up(replace(run, kill=beat))
            if when(tried.seen):
                world.__dict__.update(tried.__dict__)
                return
        raise AssertionError("it never is")

    return kill


def later(world: Simulation) -> None:
    """The window is over."""
    world.cluster.now += timedelta(hours=1)


V1, V2 = Run(1), Run(2)


def stable_has_it(seen: Observed) -> bool:
    return seen.tracks[STABLE].release == release(2).id


def stable_has_three(seen: Observed) -> bool:
    return seen.tracks[STABLE].release == release(3).id


def first_step_passed(seen: Observed) -> bool:
    return seen.ledger[-1].release == release(2) and seen.ledger[-1].step == 1


def switched(seen: Observed) -> bool:
    return seen.pool is Pool.GREEN


SCENES: dict[tuple[str, str], dict[str, Scene]] = {
    ("any", "it is only to be settled"): {
        "rolling": Scene((ROLLING, V1, V2), Run(3, SETTLE)),
        "blue-green past its window": Scene((SWITCH, V1, V2, later), Run(3, SETTLE)),
        "a Paused canary": Scene((PAUSES, V1, V2), Run(3, SETTLE)),
        "a Paused preview": Scene((WAITS, V1, V2), Run(3, SETTLE)),
        "a canary whose run was killed": Scene((STEPS, V1, killed(V2, first_step_passed)), Run(3, SETTLE)),
    },
    ("any", "the release is Healthy and serves from its place"): {
        "rolling": Scene((ROLLING, V2)),
        "canary": Scene((STEPS, V1, V2)),
        "blue-green": Scene((SWITCH, V1, V2)),
        "the stack's state is lost": Scene((SWITCH, V1, V2, lambda world: world.recorded.clear())),
        "a canary is aborted": Scene((PAUSES, V2, V1), Run(3, ABORT)),
        "a preview is aborted": Scene((WAITS, V2, V1), Run(3, ABORT)),
        "it is to be scaled": Scene((ROLLING, V2, workload(replicas=5))),
    },
    ("any", "the release is Paused, and nobody promotes it"): {
        "a canary": Scene((PAUSES, V1, V2)),
        "a preview": Scene((WAITS, V1, V2)),
    },
    ("rolling", "blue or green serves"): {
        "to rolling": Scene((SWITCH, V1, ROLLING)),
    },
    ("rolling", "otherwise"): {
        "the first one": Scene((ROLLING,)),
        "the next one": Scene((ROLLING, V1)),
        "after a kill": Scene((ROLLING, V1, Run(2, kill=6, pace=0))),
        "after a failure": Scene((ROLLING, V1, Run(2, fails=0))),
        "back": Scene((ROLLING, V2, V1), Run(3, ROLLBACK)),
        "from canary": Scene((PAUSES, V1, V2, ROLLING)),
        "deleted by hand": Scene((ROLLING, V2, deleted(STABLE))),
        "the Service points to what isn't there": Scene((ROLLING, V1, moved(Pool.BLUE))),
    },
    ("canary", "blue or green serves"): {
        "to canary": Scene((SWITCH, V1, V2, STEPS)),
        "the same release": Scene((SWITCH, V2, STEPS)),
        "a canary is left from the last change": Scene((PAUSES, V1, Run(3), SWITCH, Run(4, kill=30), PAUSES)),
    },
    ("canary", "nothing is Healthy, or stable has no pods"): {
        "the first one": Scene((STEPS,)),
        "after a first one that failed": Scene((STEPS, Run(1, fails=0))),
        "stable was deleted": Scene((STEPS, V1, deleted(STABLE))),
        "nobody was served": Scene((workload("canary", replicas=0), V1, STEPS)),
    },
    ("canary", "it goes back, was Healthy last, or stable has it"): {
        "back": Scene((STEPS, V2, V1), Run(3, ROLLBACK)),
        "killed while stable takes it": Scene((STEPS, V1, killed(V2, stable_has_it))),
        "its pods are gone": Scene((STEPS, V2, lambda world: world.cluster.scale(NAME, 1))),
        "killed while stable took a newer one": Scene((STEPS, V2, killed(Run(3), stable_has_three))),
    },
    ("canary", "otherwise, and a step left waits to be promoted"): {
        "the next one": Scene((PAUSES, V1)),
        "a newer one": Scene((PAUSES, V1, Run(3))),
        "again after a failure": Scene((PAUSES, V1, Run(2, fails=0))),
    },
    ("canary", "otherwise"): {
        "the next one": Scene((STEPS, V1)),
        "promoted": Scene((PAUSES, V1, V2), Run(3, PROMOTE)),
        "killed in its second step": Scene((STEPS, V1, killed(V2, first_step_passed))),
    },
    ("blueGreen", "the release serves, or did until it was deleted"): {
        "killed after the switch": Scene((SWITCH, V1, killed(V2, switched))),
        "it was deleted": Scene((SWITCH, V2, deleted(BLUE))),
        "its pods are gone": Scene((SWITCH, V1, V2, lambda world: world.cluster.scale(f"{NAME}-green", 1))),
    },
    ("blueGreen", "no autoPromote, not promoted, another release serves"): {
        "the next one": Scene((WAITS, V1)),
        "a newer one": Scene((WAITS, V1, Run(3))),
        "from rolling": Scene((ROLLING, V1, WAITS)),
        "users were moved away": Scene((WAITS, V1, moved(Pool.GREEN))),
    },
    ("blueGreen", "otherwise"): {
        "the first one": Scene((WAITS,)),
        "the next one": Scene((SWITCH, V1)),
        "promoted": Scene((WAITS, V1, V2), Run(3, PROMOTE)),
        "back in the window": Scene((WAITS, V2, V1, Run(1, PROMOTE)), Run(3, ROLLBACK)),
        "back past the window": Scene((SWITCH, V2, V1, later, Run(1, SETTLE)), Run(3, ROLLBACK)),
        "from canary": Scene((PAUSES, V1, V2, SWITCH)),
        "what served was deleted": Scene((SWITCH, V1, deleted(BLUE))),
        "what served was deleted, the one before is warm": Scene((SWITCH, V1, Run(3), deleted(GREEN))),
        "users were moved away from it": Scene((SWITCH, V1, V2, moved(None))),
    },
}  # fmt: skip


def rows() -> list[tuple[str, ...]]:
    """The tables of the docstrings, each row behind the name of its strategy."""
    said = {"any": plan.__doc__, **{str(name): case.__doc__ for name, case in STRATEGIES.items()}}
    return [(name, *row) for name, text in said.items() for row in table(text or "")]


def table(text: str) -> list[tuple[str, ...]]:
    lines = [line for line in text.splitlines() if line.strip().startswith("|")][2:]
    return [tuple(cell.strip() for cell in line.strip().strip("|").split("|")) for line in lines]


def test_every_row_of_the_table_has_its_scenes_and_there_are_no_others():
    assert [row[:2] for row in rows()] == list(SCENES)


@pytest.mark.parametrize(("row", "name"), [(row, name) for row in rows() for name in SCENES.get(row[:2], {})], ids=str)
def test_each_scene_is_planned_as_its_row_says(row, name):
    strategy, _, way, target, ends = row
    world, made = SCENES[row[:2]][name].planned()
    settings = world.settings.strategy
    assert (
        strategy == "any"
        or ("blueGreen" if settings.blue_green else "canary" if settings.canary else "rolling") in strategy
    )
    assert made.way == way
    flying = world.seen.in_flight
    assert made.phase == (ends if ends != "as it is" else flying.outcome if flying else Phase.HEALTHY)
    carrying = [one.track for one in made.tracks if one.release == made.release.id]
    match target:
        case "where it is":
            home = world.seen.home
            assert carrying == [name for name in carrying if name in {home, *world.seen.tracks}]
            assert carrying
        case "the idle one":
            assert carrying[0] in (BLUE, GREEN)
            assert carrying[0].pool is not world.seen.pool or not world.cluster.ready(NAME + carrying[0].suffix)
        case _:
            assert ", ".join(carrying[: target.count(",") + 1]) == target
    if ends == "Healthy":
        assert made.live in carrying


@pytest.mark.parametrize("name", [(row, name) for row in SCENES for name in SCENES[row]], ids=str)
def test_each_scene_comes_to_its_end_and_is_then_settled(name):
    scene = SCENES[name[0]][name[1]]
    world, made = scene.planned()
    assert world.up(scene.run).how == "done"
    again = Run(made.release.image.removeprefix("v"), SETTLE if scene.run.action is SETTLE else Action.DEPLOY)
    after, differing = world.differing(again)
    assert not after.gates
    assert not differing
    assert after.phase == made.phase


def test_operations_are_what_is_declared_each_after_what_it_depends_on():
    _, made = Scene((WAITS, V1)).planned()
    assert [(one.what, one.after) for one in made.operations()] == [
        (PREVIEW, ()),
        (BLUE, (PREVIEW,)),
        (GREEN, (PREVIEW, BLUE)),
        (SERVICE, ()),
        (LEDGER, (BLUE, GREEN, SERVICE)),
    ]
    _, made = Scene((SWITCH, V1)).planned()
    assert [(one.what, one.after) for one in made.operations()] == [
        (PREVIEW, ()),
        (GREEN, (PREVIEW,)),
        (SERVICE, (GREEN,)),
        (LEDGER, (GREEN, SERVICE)),
        (BLUE, (LEDGER,)),
    ]
    assert {one.what: one.gate for one in made.operations() if one.gate} == made.gates
    assert [one.track for one in made.operations() if one.track] == list(made.tracks)


# What random histories found


def test_a_track_that_was_scaled_to_0_for_a_newer_release_is_full_before_the_switch():
    _, made = Scene((workload("blueGreen", **SCALER), V1, V2), Run(3)).planned()
    begin, ready = made.gates[BLUE].steps, made.gates[SERVICE].steps
    assert begin.index(Emptied(BLUE)) == begin.index(Scale(BLUE, 0)) + 1
    assert ready.index(Scale(BLUE, 2)) < ready.index(Ready(BLUE, release(3).id))


def test_a_service_that_was_moved_away_is_brought_back_before_anything_is_released():
    for pool in (None, Pool.GREEN):
        _, made = Scene((WAITS, V1, moved(pool))).planned()
        assert made.gates[GREEN].steps[0] == Point(Pool.BLUE)


def test_a_service_that_points_to_nothing_is_no_reason_to_empty_the_track_that_should_serve():
    _, made = Scene((STEPS, V1, moved(Pool.BLUE))).planned()
    assert made.way is Way.STEPS
    assert Scale(STABLE, 0) not in [step for gate in made.gates.values() for step in gate.steps]


def test_without_a_ledger_the_track_that_has_pods_is_the_one_that_serves():
    def lose(world: Simulation) -> None:
        world.cluster.gone("ConfigMap", f"{NAME}-releases")

    world, made = Scene((STEPS, V1, moved(Pool.BLUE), lose)).planned()
    assert (world.seen.home, made.way) == (STABLE, Way.IN_PLACE)


def test_a_service_that_is_gone_is_made_again_for_the_track_that_has_pods():
    def fail(world: Simulation) -> None:
        world.cluster.gone("Service", NAME)
        world.cluster.sick.add(release(2).id)
        for pods in world.cluster.pods[f"{NAME}-green"].values():
            pods.ready = 0

    world, _ = Scene((SWITCH, V1, V2, fail), Run(2, SETTLE)).planned()
    assert world.up(Run(2, SETTLE)).how == "done"
    assert world.seen.pool is Pool.BLUE
    world.cluster.sick.clear()
    assert world.up(V2).how == "done"
    assert world.seen.pool is Pool.GREEN


def test_what_is_warm_keeps_its_pods_though_it_is_looked_at_again():
    checked = workload({"blueGreen": {"previewReplicas": 1}, "checkRollback": True}, replicas=3, checks={"good": CHECK})
    world = Scene((checked, V1, V2)).planned()[0]
    before = world.cluster.started[f"{NAME}-blue"]
    assert world.up(Run(3, ROLLBACK)).how == "done"
    assert world.seen.pool is Pool.BLUE
    assert world.cluster.started[f"{NAME}-blue"] == before


def test_a_rollback_in_the_window_is_a_switch_and_nothing_else():
    world = world_of_two = Scene((SWITCH, V1, V2)).planned()[0]
    done = world_of_two.up(Run(3, ROLLBACK))
    assert done.plan.gates[SERVICE].steps == (Ready(BLUE, release(1).id), Reached(BLUE, preview=True))
    assert [change for change in done.changes if change in set(TrackName)] == ["blue"]  # it is asked, and stays
    assert world.seen.tracks[BLUE].complete
    assert world.seen.tracks[GREEN].wanted == 3


def test_a_track_that_no_autoscaler_wakes_up_is_retired_by_declaring_no_pods():
    world = Scene((workload("blueGreen", **SCALER), V1, V2, later)).planned()[0]
    assert world.up(Run(2, SETTLE)).how == "done"
    assert {name: track.wanted for name, track in world.seen.tracks.items()} == {BLUE: 0, GREEN: 2}


def test_a_workload_that_was_stopped_is_woken_up_where_an_autoscaler_takes_over():
    world = Scene((workload(replicas=0), V2, workload(**SCALER))).planned()[0]
    assert world.up(V2).how == "done"
    assert world.seen.tracks[STABLE].available == 2


@pytest.mark.parametrize("settings", [WAITS, PAUSES])
def test_a_run_that_pauses_removes_what_the_strategy_before_left(settings):
    other = PAUSES if settings is WAITS else WAITS
    left = CANARY if settings is WAITS else GREEN
    events = (other, V1, V2, lambda world: world.recorded.clear(), settings)
    _, made = Scene(events, Run(3)).planned()
    steps = [step for gate in made.gates.values() for step in gate.steps]
    if settings is WAITS:
        assert Remove(left) in steps


@pytest.mark.parametrize(("settings", "track"), [(WAITS, GREEN), (PAUSES, CANARY)])
def test_a_paused_release_whose_pods_were_deleted_is_proved_anew_and_waits_again(settings, track):
    world, made = Scene((settings, V1, V2, deleted(track))).planned()
    assert made.phase is Phase.PAUSED
    assert Check in [type(step) for gate in made.gates.values() for step in gate.steps]
    assert world.up(V2).how == "done"
    assert world.seen.ledger[-1].step == 1
    promoted = Scene((settings, V1, V2, deleted(track)), Run(3, PROMOTE)).planned()[1]
    assert Check in [type(step) for gate in promoted.gates.values() for step in gate.steps]


def test_an_abort_that_has_nothing_well_to_go_back_to_ends_the_release_all_the_same():
    world, _ = Scene((SWITCH, V1, killed(V2, switched), unwell(1))).planned()
    for pods in world.cluster.pods[f"{NAME}-blue"].values():
        pods.ready = 0
    assert world.up(Run(2, ABORT)).how == "failed"
    last = world.seen.ledger[-1]
    assert (last.release, last.outcome) == (release(2), Phase.DEGRADED)
    assert "did not come up" in last.message
    assert world.seen.pool is Pool.GREEN


def test_a_first_release_that_fails_leaves_nothing_to_go_back_to_and_says_so():
    world = Scene((SWITCH,)).planned()[0]
    failed = world.up(Run(1, fails=0))
    assert failed.how == "failed"
    assert world.seen.ledger[-1].message == "good is Failed"


# What the exploration found


def test_a_canary_that_fails_once_stable_has_it_loses_its_pods_too():
    made = world(STEPS, V1, killed(V2, stable_has_it))
    assert made.up(Run(2, fails=0)).how == "failed"
    assert made.seen.tracks[CANARY].wanted == 0
    assert made.seen.tracks[STABLE].release == release(1).id


@pytest.mark.parametrize("settings", [ROLLING, SWITCH])
def test_a_canary_that_is_left_loses_its_pods_where_its_release_fails_under_another_strategy(settings):
    made = world(PAUSES, V1, V2, settings)
    assert made.up(Run(2, fails=0)).how == "failed"
    assert made.seen.tracks[CANARY].wanted == 0


def blue_has_pods(seen: Observed) -> bool:
    return seen.available(BLUE) > 0


def test_users_are_not_led_to_a_first_release_by_settling_before_it_has_passed_its_checks():
    made = world(SWITCH, killed(V1, blue_has_pods))
    assert made.up(Run(1, SETTLE)).how == "done"
    assert made.seen.pool is not Pool.BLUE
    checked = made.planned(V1)[1]
    assert Check in steps(checked, SERVICE)
    assert made.up(V1).how == "done"
    assert made.seen.pool is Pool.BLUE


def test_users_are_not_led_to_a_first_release_by_the_next_one():
    _, made = Scene((SWITCH, killed(V1, blue_has_pods))).planned()
    assert Point not in [type(step) for gate in made.gates.values() for step in gate.steps]


def test_a_first_release_that_failed_is_not_brought_up_by_settling():
    made = world(SWITCH, Run(1, fails=0))
    assert made.up(Run(1, SETTLE)).how == "done"
    assert made.seen.tracks[BLUE].wanted == 0


AFTER = blue_green(postPromotion=["after"])


def test_users_are_switched_back_to_the_track_that_has_pods():
    """Stable has the live release too, without pods: the change to rolling failed."""
    made = world(AFTER, V1, ROLLING, Run(1, fails=0), AFTER)
    assert made.seen.tracks[STABLE].wanted == 0
    assert made.up(Run(2, fails=1)).how == "failed"
    assert made.seen.pool is Pool.BLUE


def test_users_are_led_back_from_what_a_killed_run_had_switched_to():
    made = world(AFTER, V1, killed(V2, switched), ROLLING, unwell(3))
    assert made.up(Run(3)).how == "failed"
    assert made.seen.pool is Pool.BLUE


# What a gate holds


def steps(made: Plan, where: str) -> list[type]:
    return [type(step) for step in made.gates[where].steps]


def test_a_rolling_release_is_checked_before_it_is_called_healthy_and_taken_back_else():
    _, made = Scene((ROLLING, V1)).planned()
    assert steps(made, STABLE) == [Begin]
    assert steps(made, LEDGER) == [Ready, Reached, Check, Finish]
    assert made.gates[LEDGER].failed == (Apply(STABLE, release(1), 3), Ready(STABLE, release(1).id))


def test_blue_green_switches_only_to_what_is_ready_reached_and_good():
    _, made = Scene((SWITCH, V1)).planned()
    assert steps(made, SERVICE) == [Ready, Reached, Check, Mark]
    assert made.gates[SERVICE].failed == (Scale(GREEN, 0),)
    assert steps(made, LEDGER) == [Reached, Finish]
    assert made.gates[LEDGER].failed == (Point(Pool.BLUE), Scale(GREEN, 0))


def test_a_preview_is_checked_small_and_made_full_before_the_switch():
    _, made = Scene((workload({"blueGreen": {"previewReplicas": 1}}, replicas=3, checks={"good": CHECK}), V1)).planned()
    assert steps(made, GREEN) == [Begin, Apply, Ready, Reached, Check, Mark]
    assert made.gates[GREEN].steps[1] == Apply(GREEN, release(2), 1)
    assert steps(made, SERVICE) == [Ready, Reached]
    assert made.first[0].replicas == 3


def test_a_canary_passes_each_step_before_stable_is_touched():
    _, made = Scene((STEPS, V1)).planned()
    assert steps(made, CANARY) == [Begin]
    assert [step for step in made.gates[STABLE].steps if isinstance(step, Scale)] == [
        Scale(CANARY, 1),
        Scale(CANARY, 2),
    ]
    assert steps(made, STABLE) == [Mark, Scale, Ready, Check] * 2 + [Mark]
    assert made.gates[STABLE].failed == (Scale(CANARY, 0),)
    assert steps(made, LEDGER) == [Ready, Reached, Finish, Scale]


def test_a_canary_that_goes_on_begins_with_the_step_after_the_last_one():
    _, made = Scene((STEPS, V1, killed(V2, first_step_passed))).planned()
    assert made.gates[STABLE].steps[:2] == (Mark(1), Scale(CANARY, 2))
    assert CANARY not in made.gates


def test_a_pause_ends_the_run_with_stable_held_and_promote_goes_on_behind_it():
    world, made = Scene((PAUSES, V1)).planned()
    assert [one.release for one in made.first] == [release(1).id, release(2).id]
    assert made.gates[LEDGER].steps[-1].outcome is Phase.PAUSED
    assert "SLIPWAY_ACTION=promote" in made.gates[LEDGER].steps[-1].message
    world.up(V2)
    assert world.planned(Run(3, PROMOTE))[1].gates[STABLE].steps[0] == Mark(1)


@pytest.mark.parametrize(("surge", "most"), [(None, 4), (2, 1), (3, 2)])
def test_a_canary_stays_below_max_surge(surge, most):
    settings = workload({"canary": {"steps": [{"weight": 100, "pause": 10}], "maxSurge": surge}}, replicas=4)
    _, made = Scene((settings, V1)).planned()
    assert max(step.pods for step in made.gates[STABLE].steps if isinstance(step, Scale)) == most


@pytest.mark.parametrize("action", [Action.ABORT, Action.ROLLBACK])
@pytest.mark.parametrize("settings", [WAITS, PAUSES])
def test_abort_and_rollback_of_what_is_paused_end_it_as_degraded_and_touch_nothing_that_serves(settings, action):
    world, made = Scene((settings, V1, V2), Run(3, action)).planned()
    serving = world.seen.home
    assert isinstance(made.gates[LEDGER].steps[0], Close)
    assert world.up(Run(3, action)).how == "done"
    last = world.seen.ledger[-1]
    assert (last.outcome, last.message) == (Phase.DEGRADED, "aborted")
    assert world.seen.home is serving
    assert world.seen.tracks[serving].complete
    assert [name for name, track in world.seen.tracks.items() if track.wanted] == [serving]


def test_a_rollback_skips_steps_pause_and_checks_unless_the_settings_ask_for_those():
    for settings in (WAITS, PAUSES, ROLLING):
        world = Scene((settings, V1, V2, Run(2, PROMOTE)) if settings is not ROLLING else (settings, V1, V2)).planned()[
            0
        ]
        made = world.planned(Run(3, ROLLBACK))[1]
        assert made.phase is Phase.HEALTHY
        assert not [step for gate in made.gates.values() for step in gate.steps if isinstance(step, Check)]
    checked = workload({"rolling": {}, "checkRollback": True}, checks={"good": CHECK})
    assert Check in steps(Scene((checked, V1, V2), Run(3, ROLLBACK)).planned()[1], LEDGER)


@pytest.mark.parametrize("keep", ["window", "forever", "none"])
def test_how_long_the_old_track_stays_warm(keep):
    settings = workload({"blueGreen": {"keep": keep}}, replicas=3)
    world = Scene((settings, V1, V2)).planned()[0]
    warm = world.seen.tracks[BLUE].wanted
    later(world)
    world.up(Run(2, SETTLE))
    assert (warm, world.seen.tracks[BLUE].wanted) == {"window": (3, 0), "forever": (3, 3), "none": (0, 0)}[keep]


# What a release is


def test_order_of_keys_makes_no_new_release_and_any_change_of_the_template_does():
    one = {"metadata": {"labels": {"x": "1", "y": "2"}}, "spec": {"containers": [{"image": "a", "name": "b"}]}}
    other = {"spec": {"containers": [{"name": "b", "image": "a"}]}, "metadata": {"labels": {"y": "2", "x": "1"}}}
    assert Release.of(one) == Release.of(other)
    changed = {**one, "spec": {"containers": [{"image": "a", "name": "b", "env": [{"name": "A", "value": "1"}]}]}}
    assert Release.of(changed).id != Release.of(one).id


@pytest.mark.parametrize("track", TrackName)
def test_a_release_is_the_same_on_every_track(track):
    assert Release.of(release(1).pod_template(track)) == release(1)
    assert HOME[track.pool] is (STABLE if track in (STABLE, CANARY) else track)
