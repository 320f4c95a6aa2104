"""Random histories of a workload: whatever is deployed, killed, broken or changed, what must hold holds."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pulumi_slipway.core.model import Phase, Pool, TrackName
from pulumi_slipway.release.manifests import pool_selector
from pulumi_slipway.settings import Action
from tests.unit.simulation import CHECK, NAME, Broken, Run, Simulation, blue_green, canary, release, workload

SOAK = bool(os.environ.get("SLIPWAY_SOAK"))
EXAMPLES = 10_000 if SOAK else 500

SCALER = {"autoscaler": {"min": 2, "max": 6}}
SLOW = {"autoscaler": {"min": 3, "max": 6}}
CHECKED = {"strategy": {"checkRollback": True}}
SETTINGS = [
    workload(),
    workload(replicas=3, checks={"good": CHECK}),
    workload({"rolling": {"maxSurge": 2}, "checkRollback": True}, replicas=4, checks={"a": CHECK, "b": CHECK}),
    workload(checks={"good": CHECK}, **SCALER),
    blue_green(replicas=None, checks=False),
    blue_green(postPromotion=["after"]),
    blue_green(postPromotion=["after"], previewReplicas=1),
    blue_green(autoPromote=False, previewReplicas=1),
    blue_green(autoPromote=False, keep="none", checks=False),
    blue_green(keep="forever", postPromotion=["after"], settings=CHECKED),
    blue_green(postPromotion=["after"], replicas=None, settings=SCALER),
    blue_green(previewReplicas=1, autoPromote=False, replicas=None, settings=SLOW),
    workload("canary"),
    canary({"replicas": 1, "pause": 10}, {"weight": 50, "pause": 10}),
    canary({"weight": 10}, {"weight": 50, "pause": 10}, {"weight": 100}),
    canary({"weight": 100, "pause": 0}, {"replicas": 5}, maxSurge=3, replicas=3),
    canary({"replicas": 2}, replicas=None, settings={**SCALER, **CHECKED}),
    canary({"replicas": 1}, replicas=1),
    workload(replicas=0),
    blue_green(replicas=0),
    workload("canary", replicas=0),
]


@dataclass(frozen=True)
class Outside:
    """What somebody or something else does."""

    what: str
    track: TrackName = TrackName.STABLE
    number: int = 0

    def happens(self, world: Simulation) -> None:
        """It does."""
        OUTSIDE[self.what](self, world)

    @property
    def name(self) -> str:
        """Of the Deployment that it happens to."""
        return NAME + self.track.suffix


def time_passes(event: Outside, world: Simulation) -> None:
    world.cluster.now += timedelta(seconds=(30, 700, 9000)[event.number % 3])
    world.cluster.turn()


def settings_change(event: Outside, world: Simulation) -> None:
    world.settings = SETTINGS[event.number % len(SETTINGS)]


def ledger_lost(event: Outside, world: Simulation) -> None:
    world.cluster.objects.pop(("ConfigMap", f"{NAME}-releases"), None)


def service_deleted(event: Outside, world: Simulation) -> None:
    world.cluster.objects.pop(("Service", NAME), None)


def service_moved(event: Outside, world: Simulation) -> None:
    if service := world.cluster.objects.get(("Service", NAME)):
        pool = (None, *Pool)[event.number % 4]
        selector = pool_selector(world.subject, pool) if pool else {"app": "other"}
        service["spec"] = {**service["spec"], "selector": selector}
        world.cluster.touched(service)


def deployment_deleted(event: Outside, world: Simulation) -> None:
    if event.name in world.cluster.pods:
        world.cluster.gone("Deployment", event.name)


def scaled(event: Outside, world: Simulation) -> None:
    if event.name in world.cluster.pods:
        world.cluster.scale(event.name, event.number % 6)


def pods_fail(event: Outside, world: Simulation) -> None:
    for pods in world.cluster.pods.get(event.name, {}).values():
        pods.ready = 0


OUTSIDE: dict[str, Callable[[Outside, Simulation], object]] = {
    "time passes": time_passes,
    "settings change": settings_change,
    "the strategy changes": settings_change,
    "the stack's state is lost": lambda event, world: world.recorded.clear(),
    "the ledger is lost": ledger_lost,
    "a release is sick": lambda event, world: world.cluster.sick.add(release(event.number % 4).id),
    "all are well": lambda event, world: world.cluster.sick.clear(),
    "the Service is deleted": service_deleted,
    "the Service is moved": service_moved,
    "a Deployment is deleted": deployment_deleted,
    "a Deployment is scaled": scaled,
    "pods fail": pods_fail,
    "the autoscaler scales": lambda event, world: world.autoscaled(2 + event.number % 5),
}
RUNS = st.builds(
    Run,
    version=st.integers(0, 3),
    action=st.sampled_from([Action.DEPLOY] * 4 + list(Action)),
    kill=st.none() | st.integers(0, 40),
    fails=st.none() | st.integers(0, 3),
    pace=st.sampled_from([9, 0, 1]),
    early=st.booleans(),
    autoscaled=st.none() | st.integers(1, 6),
)
EVENTS = RUNS | st.builds(
    Outside, what=st.sampled_from(sorted(OUTSIDE)), track=st.sampled_from(TrackName), number=st.integers(0, 59)
)
HISTORIES = st.lists(EVENTS, max_size=14)


def lived(history: list[Any], first: int = 0) -> Simulation:
    """A workload after this history."""
    world = Simulation(SETTINGS[first])
    for event in history:
        if isinstance(event, Run):
            result = world.up(event)
            if result.how == "done":
                settled(world, result, event.action)
        else:
            world.trace.append(str(event))
            event.happens(world)
    return world


def settled(world: Simulation, result: Any, action: Action = Action.DEPLOY) -> None:
    """After a run that came to its end the next one finds nothing to do.

    One that holds what a killed run left in motion has seen it in motion: the next one sees where it came to rest.
    """
    assert result.plan
    version = result.plan.release.image.removeprefix("v")
    world.cluster.turn()
    again = Run(version, Action.SETTLE if action in (Action.SETTLE, Action.REJECT) else Action.DEPLOY)
    if result.plan.phase is Phase.PROGRESSING:
        assert world.up(again).how == "done"
        world.cluster.turn()
    made, differing = world.differing(again)
    live = world.seen.tracks.get(result.plan.live)
    if live and live.release in world.cluster.sick and not live.complete:
        return  # the autoscaler has added pods that don't come up: the next run waits for them, and says so
    if made.gates or differing:
        raise Broken("\n".join([f"not settled: {made.why} {dict(made.gates)} {differing}", *world.trace]))


def promoted(world: Simulation, version: int) -> None:
    """One undisturbed run, and as many promotions as it has pauses."""
    world.cluster.sick.clear()
    result = world.up(Run(version))
    for _ in range(20):
        if result.how != "done":
            raise Broken("\n".join([f"{result.how}: {result.message}", *world.trace]))
        settled(world, result)
        seen = world.seen
        if result.plan.phase is not Phase.PAUSED:
            break
        assert seen.in_flight
        assert seen.in_flight.message
        result = world.up(Run(version, Action.PROMOTE))
    seen = world.seen
    live = seen.tracks[result.plan.live]
    if not (result.plan.phase is Phase.HEALTHY and seen.pool is result.plan.live.pool and live.complete
            and live.release == release(version).id and seen.committed.release.id == live.release
            and seen.in_flight is None):  # fmt: skip
        raise Broken("\n".join([f"not live: {seen.pool} {live.release}", *world.trace]))


@given(HISTORIES, st.integers(0, len(SETTINGS) - 1), st.integers(0, 3))
@settings(max_examples=EXAMPLES, derandomize=not SOAK, suppress_health_check=list(HealthCheck))
def test_every_history_is_healed_by_one_undisturbed_run(history, first, version):
    world = lived(history, first)
    promoted(world, version)
    world.cluster.now += timedelta(days=1)
    result = world.up(Run(version, Action.SETTLE))
    assert result.how == "done"
    settled(world, result, Action.SETTLE)
    left = {name for name, track in world.seen.tracks.items() if track.wanted}
    keeps = world.settings.strategy.blue_green and world.settings.strategy.blue_green.keep == "forever"
    if not keeps and left - {result.plan.live}:
        raise Broken("\n".join([f"left: {left}", *world.trace]))
