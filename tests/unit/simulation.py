"""A cluster and an engine in memory, on which the program's own observation, plan, gates and ledger run.

Doubles are only what is outside of them: the API server with its controllers, and the engine, which writes what
components/release.py declares, in that order, each with its gate before it, and compares inputs with the inputs that it
recorded last. Everything is counted in beats, and a run can be killed at each of them.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx2
from lightkube import ApiError
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Service

from pulumi_slipway.core.goal import NothingToDo
from pulumi_slipway.core.keys import OBSERVED, RELEASE_LABEL
from pulumi_slipway.core.model import HOME, Moment, Observed, Phase, Pool, Record, Release, TrackName
from pulumi_slipway.core.plan import LEDGER, PREVIEW, SERVICE, Plan, Way, plan
from pulumi_slipway.core.rules import Strategy
from pulumi_slipway.release import ledger, manifests
from pulumi_slipway.release.checks.model import Status, Verdict
from pulumi_slipway.release.conduct import Conductor
from pulumi_slipway.release.declared import declared
from pulumi_slipway.release.interrupt import Interrupt
from pulumi_slipway.release.ledger import Book
from pulumi_slipway.release.live import SCALER
from pulumi_slipway.release.manifests import MANAGER, Subject, pool_selector
from pulumi_slipway.release.observe import SUFFIXES, World, observe
from pulumi_slipway.release.prepare import _settled
from pulumi_slipway.release.rollout import ReleaseFailed
from pulumi_slipway.release.rules import rules_of
from pulumi_slipway.settings import Action, Environment, Workload

NAME = "app"
NAMESPACE = "staging"
ENVIRONMENT = Environment.model_validate({"name": NAMESPACE})
CHECK = {"http": {"path": "/"}}
CANARY = TrackName.CANARY


def release(version: int | str) -> Release:
    """The release of one version: as little as a pod template can be."""
    return Release.of({"metadata": {"labels": {}}, "spec": {"containers": [{"name": NAME, "image": f"v{version}"}]}})


def workload(strategy: Any = "rolling", **settings: Any) -> Workload:
    """Settings of a workload, as a stack file has them."""
    return Workload.model_validate({"strategy": strategy, "keepReleases": 5, **settings})


def blue_green(*, replicas: int | None = 3, checks: bool = True, settings: Any = None, **strategy: Any) -> Workload:
    """Blue-green, with a check before the switch; one called `after` only where `postPromotion` names it."""
    known = {"good": CHECK, **({"after": CHECK} if strategy.get("postPromotion") else {})}
    more = {**({} if replicas is None else {"replicas": replicas}), **(settings or {})}
    return workload({"blueGreen": strategy, **more.pop("strategy", {})}, checks=known if checks else {}, **more)


def canary(*steps: Any, replicas: int | None = 4, settings: Any = None, **strategy: Any) -> Workload:
    """A canary, with a check."""
    more = {**({} if replicas is None else {"replicas": replicas}), **(settings or {})}
    return workload(
        {"canary": {"steps": steps, **strategy}, **more.pop("strategy", {})}, checks={"good": CHECK}, **more
    )


class Killed(BaseException):
    """The run's process is gone."""


class Broken(AssertionError):
    """Something that must never be."""


@dataclass
class Pods:
    """The pods of one release on one track."""

    total: int = 0
    ready: int = 0


@dataclass
class Cluster:
    """The API server with its objects, the controllers, and the clock: a client for the conductor."""

    objects: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    pods: dict[str, dict[str, Pods]] = field(default_factory=dict)
    """By Deployment, then by release."""
    started: dict[str, int] = field(default_factory=dict)
    """How many pods each Deployment has started in its life."""
    owners: dict[str, set[str]] = field(default_factory=dict)
    """Field managers of each Deployment's number of pods."""
    sick: set[str] = field(default_factory=set)
    """Releases whose pods don't come up."""
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    pace: int = 9
    """How far controllers get after each write: rounds."""
    autoscales: bool = True
    """Not in a run that takes the autoscaler away: it looks every 15 s, and is gone by then."""
    beat: Callable[[], None] = lambda: None
    """Called before each write; may be the run's last."""
    wrote: Callable[[str], None] = lambda what: None
    """Called after each write, when the controllers have gone as far as they go."""
    version: int = 0

    # What the program asks for

    def get(self, resource: type[Any], name: str, *, namespace: str) -> Any:
        live = self.objects.get((resource.__name__, name))
        if live is None:
            raise missing()
        return SimpleNamespace(to_dict=lambda: live)

    def patch(
        self, resource: type[Any], name: str, body: Any, *, namespace: str, patch_type: Any, field_manager: str
    ) -> None:
        live = self.objects.get((resource.__name__, name))
        if live is None:
            raise missing()
        self.beat()
        if resource is Deployment:
            self.scale(name, body["spec"]["replicas"], field_manager)
        elif body["spec"]["selector"] != live["spec"]["selector"]:
            live["spec"] = {**live["spec"], **body["spec"]}
            self.touched(live)
        self._written(f"{resource.__name__} {name} patched with {body['spec']}")

    def apply(self, body: Any, *, field_manager: str, force: bool) -> None:
        kind, name = type(body).__name__, body.metadata.name
        if kind == "ConfigMap":
            self.beat()
            live = self.objects.setdefault(
                (kind, name), {"metadata": {"name": name, "labels": body.metadata.labels, "resourceVersion": "0"}}
            )
            live["data"] = body.data
            self.touched(live)
            self._written("ledger")
        else:
            self.write(kind, name, body.to_dict())

    def delete(self, resource: type[Any], name: str, *, namespace: str) -> None:
        if (resource.__name__, name) not in self.objects:
            raise missing()
        self.beat()
        self.gone(resource.__name__, name)
        self._written(f"{resource.__name__} {name} deleted")

    # What the engine asks for

    def write(self, kind: str, name: str, manifest: Mapping[str, Any]) -> None:
        """The provider's server-side apply."""
        self.beat()
        live = self.objects.get((kind, name))
        before = dict(live) if live is not None else None
        if live is None:
            live = self.objects[kind, name] = {"metadata": {"resourceVersion": "0", "generation": 0}}
            if kind == "Deployment":
                self.owners[name], self.pods[name] = set(), {}
        metadata = {k: v for k, v in manifest["metadata"].items() if v is not None}
        live["metadata"] = {**live["metadata"], **metadata}
        if "spec" in manifest:
            spec = {k: v for k, v in manifest["spec"].items() if v is not None}
            if kind == "Deployment":
                spec["replicas"] = self._number(name, spec.get("replicas"), live.get("spec", {}).get("replicas", 1))
            live["spec"] = spec
        if live != before:
            self.touched(live, anew=before is None or live.get("spec") != before.get("spec"))
        told = manifest["spec"].get("replicas") if kind == "Deployment" else ""
        self._written(f"{kind} {name} written {told}")

    def _number(self, name: str, wanted: int | None, live: int) -> int:
        owners = self.owners[name]
        if wanted is None:
            owners.discard(MANAGER)
            return live if owners else 1  # nobody's field has its default
        self.owners[name] = {MANAGER} if wanted != live else owners | {MANAGER}
        return wanted

    def hold(self, name: str, pods: int) -> None:
        """components/release.py's handover: a second owner for the number."""
        self.beat()
        live = self.objects["Deployment", name]
        self.owners[name] = {SCALER} if live["spec"]["replicas"] != pods else self.owners[name] | {SCALER}
        live["spec"] = {**live["spec"], "replicas": pods}
        self.touched(live)
        self._written(f"{name} handed over at {pods}")

    # What happens by itself, or by others

    def scale(self, name: str, pods: int, manager: str = "kubectl") -> None:
        live = self.objects["Deployment", name]
        if live["spec"]["replicas"] != pods:
            live["spec"], self.owners[name] = {**live["spec"], "replicas": pods}, {manager}
            self.touched(live)

    def gone(self, kind: str, name: str) -> None:
        del self.objects[kind, name]
        if kind == "Deployment":
            del self.pods[name], self.owners[name]

    def touched(self, live: dict[str, Any], *, anew: bool = True) -> None:
        """An object has changed. Its parts are never changed in place: what was observed stays as it was."""
        self.version += 1
        generation = live["metadata"].get("generation", 0) + anew
        live["metadata"] = {**live["metadata"], "resourceVersion": str(self.version), "generation": generation}

    def _written(self, what: str) -> None:
        self.now += timedelta(seconds=1)
        self.turn(self.pace)
        self.wrote(what)

    def turn(self, rounds: int = 9) -> None:
        """The controllers do some of their work."""
        for _ in range(rounds):
            self._autoscale()
            moved = [self._round(name) for kind, name in self.objects if kind == "Deployment"]
            if not any(moved):
                return

    def _autoscale(self) -> None:
        scaler = self.objects.get(("HorizontalPodAutoscaler", NAME))
        name = scaler["spec"]["scaleTargetRef"]["name"] if scaler else ""
        target = self.objects.get(("Deployment", name))
        if scaler and target and target["spec"]["replicas"] and self.autoscales:  # at 0 it is off
            least, most = scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]
            self.scale(name, min(max(target["spec"]["replicas"], least), most), "autoscaler")

    def _round(self, name: str) -> bool:
        """One round of a Deployment's controller, the surge allowed, nothing unavailable; whether it did anything."""
        live, pods = self.objects["Deployment", name], self.pods[name]
        current, wanted = released(live), live["spec"]["replicas"]
        before = [(name, one.total, one.ready) for name, one in pods.items()], live.get("seen")
        live["seen"] = live["metadata"]["generation"]
        surge = live["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
        new = pods.setdefault(current, Pods())
        for old in pods.values():
            if old is not new:
                old.total = old.ready
        new.total = min(new.total, wanted)
        new.ready = min(new.ready, new.total)
        total = sum(p.total for p in pods.values())
        begun = max(0, min(wanted - new.total, wanted + (wanted if surge == "100%" else surge) - total))
        new.total += begun
        self.started[name] = self.started.get(name, 0) + begun
        if current not in self.sick:
            new.ready = new.total
        for old in pods.values():
            if old is not new:
                too_many = max(0, min(old.ready, self.ready(name) - wanted))
                old.total = old.ready = old.ready - too_many
        return before != ([(name, one.total, one.ready) for name, one in pods.items()], live["seen"])

    # What there is to see

    def snapshot(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {kind: {} for kind in SUFFIXES}
        for (kind, name), live in self.objects.items():
            found[kind][name] = dict(live)
            if kind == "Deployment":
                found[kind][name]["status"] = self.status(name, live)
        return found

    def status(self, name: str, live: dict[str, Any]) -> dict[str, int]:
        pods = self.pods[name]
        return {
            "observedGeneration": live.get("seen", 0),
            "updatedReplicas": pods.get(released(live), Pods()).total,
            "availableReplicas": self.ready(name),
            "replicas": sum(p.total for p in pods.values()),
        }

    def ready(self, name: str) -> int:
        """Ready pods of a Deployment."""
        return sum(p.ready for p in self.pods.get(name, {}).values())

    def behind(self, pool: Pool | None) -> int:
        """Ready pods of a pool."""
        return sum(self.ready(NAME + track.suffix) for track in TrackName if track.pool is pool)

    def pool(self, subject: Subject) -> Pool | None:
        """Where the Service points."""
        service = self.objects.get(("Service", NAME))
        selector = service["spec"]["selector"] if service else None
        return next((pool for pool in Pool if selector == pool_selector(subject, pool)), None)


def released(live: Mapping[str, Any]) -> str:
    """The release in a Deployment's template."""
    return str(live["spec"]["template"]["metadata"]["labels"].get(RELEASE_LABEL))


def missing() -> ApiError:
    """The API server's answer for what isn't there."""
    request = httpx2.Request("GET", "https://k")
    return ApiError(request=request, response=httpx2.Response(404, request=request, json={"code": 404, "message": ""}))


@dataclass(frozen=True)
class Run:
    """One `pulumi up`."""

    version: int | str = 1
    action: Action = Action.DEPLOY
    kill: int | None = None
    """The beat that it doesn't live to see; None: it isn't killed."""
    fails: int | None = None
    """Which of its checks is not Successful; None: all are."""
    pace: int = 9
    """How far controllers get between its writes; what is waited for comes to its end in any case."""
    early: bool = False
    """A Service that nothing stands before is written before the tracks: the engine does both at once."""
    autoscaled: int | None = None
    """What the autoscaler makes of the live track in the midst of the run."""


@dataclass
class Result:
    """What became of a run."""

    how: str
    """done, failed, killed, refused"""
    plan: Plan | None = None
    changes: list[str] = field(default_factory=list)
    message: str = ""
    failed_before: set[str] = field(default_factory=set)
    """Releases of which a check was not Successful before users reached them."""
    failed_after: set[str] = field(default_factory=set)
    """The same, with users on them: a canary's, too."""
    lines: list[str] = field(default_factory=list)


class Simulated(Conductor):
    """The conductor; where it would wait for controllers, they come to their end at once."""

    client: Any

    def _ready(self, step: Any) -> None:
        cluster: Cluster = self.client
        cluster.beat()
        cluster.turn()
        live = cluster.objects.get(("Deployment", NAME + step.track.suffix))
        if live is None:
            raise ReleaseFailed(NAME, step.release, f"Deployment {step.track} is gone")
        if released(live) != step.release:
            raise Broken(f"{step.track} runs {released(live)}, and is waited for with {step.release}")
        found = observed(cluster, self.subject).tracks[step.track]
        if not found.complete:
            raise ReleaseFailed(NAME, step.release, "did not come up")

    def _emptied(self, track: TrackName) -> None:
        self.client.beat()

    def _reached(self, step: Any) -> None:
        cluster: Cluster = self.client
        cluster.beat()
        cluster.turn()
        service = cluster.objects.get(("Service", NAME + (manifests.PREVIEW if step.preview else "")))
        selector = service["spec"]["selector"] if service else None
        found = [t for t in TrackName if cluster.ready(NAME + t.suffix)]
        reached = [t for t in found if selector == pool_selector(self.subject, t.pool)]
        strangers = [t for t in reached if t.pool is not step.track.pool]
        if strangers or (step.track in found) != (step.track in reached):
            raise ReleaseFailed(NAME, self.plan.release.id, f"the Service does not reach {step.track}: {reached}")

    def _pods(self, track: TrackName) -> dict[str, bool]:
        return {str(number): True for number in range(self.client.ready(NAME + track.suffix))}

    def _note(self, moment: Moment) -> None:
        self.book.note(moment)


def observed(cluster: Cluster, subject: Subject) -> Observed:
    """What is to be seen of the workload."""
    return observe(cluster.snapshot(), subject, cluster.now).observed


@dataclass
class Simulation:
    """A workload's history: its cluster, the engine's state, its settings."""

    settings: Workload
    cluster: Cluster = field(default_factory=Cluster)
    recorded: dict[str, Any] = field(default_factory=dict)
    """The inputs of the stack's state."""
    trace: list[str] = field(default_factory=list)
    transitions: set[tuple[str, str]] = field(default_factory=set)
    """Every phase that a release went to, with the one before; to the same one where it stayed."""

    @property
    def subject(self) -> Subject:
        return Subject(NAME, ENVIRONMENT, self.settings)

    @property
    def seen(self) -> Observed:
        return observed(self.cluster, self.subject)

    def planned(self, run: Run) -> tuple[World, Plan]:
        """What a run would do now."""
        world = observe(self.cluster.snapshot(), self.subject, self.cluster.now)
        rules = rules_of(self.settings)
        made = plan(NAME, world.observed, release(run.version), run.action, rules)
        return world, _settled(made, self._deployments(made), world)

    def _deployments(self, made: Plan) -> dict[TrackName, Any]:
        return {t.track: manifests.deployment(self.subject, t.track, t.template, t.replicas) for t in made.tracks}

    def differing(self, run: Run) -> tuple[Plan, list[str]]:
        """The plan of a run, and what it would write."""
        world, made = self.planned(run)
        wanted = {urn: inputs for urn, inputs, _ in self._operations(world, made, early=False)}
        changed = [urn for urn, inputs in wanted.items() if self.recorded.get(urn) != inputs]
        return made, changed + [f"delete {urn}" for urn in self.recorded if urn not in wanted]

    def up(self, run: Run) -> Result:
        """One run of the engine, to its end or its kill."""
        cluster, lives = self.cluster, run.kill
        cluster.pace, cluster.autoscales = run.pace, self.settings.autoscaler is not None
        cluster.turn(run.pace)
        try:
            world, made = self.planned(run)
        except NothingToDo as refusal:
            return Result("refused", message=str(refusal))
        if made != self.planned(run)[1]:
            raise Broken("two plans of one observation")
        result = Result("done", made)
        watch = Watch(self, world.observed, made, result, run.action)

        def beat() -> None:
            nonlocal lives
            if lives is not None:
                lives -= 1
                if lives < 0:
                    raise Killed

        cluster.beat, cluster.wrote = beat, watch.wrote
        try:
            self._apply(run, world, made, result, watch)
        except ReleaseFailed as failure:
            result.how, result.message = "failed", str(failure)
        except Killed:
            result.how = "killed"
        finally:
            cluster.beat, cluster.wrote = lambda: None, lambda what: None
        watch.ended()
        self.trace += [f"{run} {made.way} {made.phase} {result.how} {result.message}", *watch.log]
        return result

    def _apply(self, run: Run, world: World, made: Plan, result: Result, watch: "Watch") -> None:
        cluster = self.cluster
        conductor = Simulated(
            client=cluster,  # type: ignore[arg-type]
            subject=self.subject,
            plan=made,
            strategy=rules_of(self.settings).strategy,
            book=Book(
                world.observed.ledger,
                self._store,
                keep=self.settings.keep_releases,
                now=lambda: cluster.now,
            ),
            tell=result.lines.append,
            measure=self._measure(run, result, watch),
        )
        operations = self._operations(world, made, early=run.early)
        for urn, inputs, (kind, suffix) in operations:
            if self.recorded.get(urn) == inputs:
                continue
            cluster.beat()
            if track := next((t for t in TrackName if urn == t), None):
                self._handover(world, made, track)
            if urn in made.gates:
                conductor.passes(made.gates[urn], Interrupt())
            cluster.write(kind, NAME + suffix, inputs)
            result.changes.append(urn)
            cluster.beat()
            self.recorded[urn] = inputs
        for urn in [urn for urn in self.recorded if urn not in [operation[0] for operation in operations]]:
            cluster.beat()
            kind, suffix = OBJECTS[urn]
            resource = {"Deployment": Deployment, "Service": Service, "ConfigMap": ConfigMap}.get(kind, Hpa)
            with contextlib.suppress(ApiError):  # gone already
                cluster.delete(resource, NAME + suffix, namespace=NAMESPACE)
            result.changes.append(f"delete {urn}")
            cluster.beat()
            del self.recorded[urn]

    def _store(self, records: tuple[Record, ...]) -> None:
        live = self.cluster.objects.get(("ConfigMap", ledger.name(NAME)), {})
        before = {record.sequence: str(record.outcome) for record in ledger.decode(live.get("data"))}
        ledger.write(self.cluster, NAME, NAMESPACE, self.subject.labels, records)  # type: ignore[arg-type]
        after = {record.sequence: str(record.outcome) for record in records}
        self.transitions |= {(before.get(number, "[*]"), outcome) for number, outcome in after.items()}

    def autoscaled(self, pods: int) -> None:
        """The autoscaler, where there is one, finds another number right."""
        scaler = self.cluster.objects.get(("HorizontalPodAutoscaler", NAME))
        name = scaler["spec"]["scaleTargetRef"]["name"] if scaler else ""
        target = self.cluster.objects.get(("Deployment", name))
        if target and target["spec"]["replicas"]:
            self.cluster.scale(name, pods, "autoscaler")
            self.cluster.turn()

    def _operations(
        self, world: World, made: Plan, *, early: bool
    ) -> list[tuple[str, dict[str, Any], tuple[str, str]]]:
        """What the plan's operations, and components/workload.py, write, in order: name, inputs, object."""
        subject, deployments = self.subject, self._deployments(made)
        live = next((t.release for t in made.tracks if t.track is made.live), None) or made.release.id
        paused = {"slipway.dev/paused": made.release.id} if made.phase is Phase.PAUSED else {}
        told = {"slipway.dev/release": live, **paused}
        found: dict[str, dict[str, Any]] = {
            SERVICE: manifests.service(subject, made.pool),
            LEDGER: {"metadata": subject.metadata(ledger.SUFFIX, told)},
            **deployments,
        }
        if made.preview:
            found[PREVIEW] = manifests.preview_service(subject, made.preview)
        order = [operation.what for operation in made.operations()]
        if early and SERVICE not in made.gates:
            order.sort(key=lambda what: what != SERVICE)
        if scaler := manifests.autoscaler(subject, made.live):
            found["scaler"] = scaler
            order.insert(order.index(LEDGER) + 1, "scaler")
        return [
            (urn, self._declared(urn, found[urn], world.live(*OBJECTS[urn]), urn in made.gates), OBJECTS[urn])
            for urn in order
        ]

    def _declared(self, urn: str, manifest: dict[str, Any], live: Any, always: bool) -> dict[str, Any]:
        wanted = declared(manifest, live, always=always)
        if live is None and urn in self.recorded:  # components/state.py
            wanted["metadata"]["annotations"][OBSERVED] = f"missing, was {hash(str(self.recorded[urn]['metadata']))}"
        return wanted

    def _handover(self, world: World, made: Plan, track: TrackName) -> None:
        live, scaler = world.live("Deployment", track.suffix), world.live("HorizontalPodAutoscaler")
        scaled = scaler["spec"]["scaleTargetRef"]["name"] if scaler else None
        held = scaler is None or (track is made.live and scaled != NAME + track.suffix)
        if self.settings.autoscaler and live and held and track is not CANARY:
            self.cluster.hold(NAME + track.suffix, live["spec"]["replicas"])

    def _measure(self, run: Run, result: Result, watch: "Watch") -> Callable[..., tuple[Verdict, ...]]:
        made = 0

        def measure(client: Any, wanted: Mapping[str, Any], target: Any, **_: Any) -> tuple[Verdict, ...]:
            nonlocal made
            self.cluster.beat()
            self.cluster.turn(self.cluster.pace)
            self.cluster.now += timedelta(seconds=30)
            if run.autoscaled and self.settings.autoscaler:
                self.autoscaled(run.autoscaled)
                watch.autoscaled(run.autoscaled)
            made += 1
            fails = made - 1 == run.fails and bool(wanted)
            if fails:
                serves = self.cluster.pool(self.subject) is TrackName(target.track).pool
                (result.failed_after if serves else result.failed_before).add(target.release)
            status = Status.FAILED if fails else Status.SUCCESSFUL
            return tuple(Verdict(name, status, f"{name} is {status}", ()) for name in wanted)

        return measure


class Hpa:
    """Stands for the kind in a delete."""


Hpa.__name__ = "HorizontalPodAutoscaler"

OBJECTS: Mapping[str, tuple[str, str]] = {
    **{str(track): ("Deployment", track.suffix) for track in TrackName},
    PREVIEW: ("Service", manifests.PREVIEW),
    SERVICE: ("Service", ""),
    LEDGER: ("ConfigMap", ledger.SUFFIX),
    "scaler": ("HorizontalPodAutoscaler", ""),
}


class Watch:
    """Holds the invariants of one run, write by write."""

    def __init__(self, simulation: Simulation, seen: Observed, made: Plan, result: Result, action: Action) -> None:
        self.simulation, self.seen, self.plan, self.result = simulation, seen, made, result
        self.action, self.rolls_back = action, action in (Action.ROLLBACK, Action.ABORT)
        self.cluster, self.rules = simulation.cluster, rules_of(simulation.settings)
        self.log: list[str] = []
        home = seen.tracks.get(seen.home) if seen.home else None
        self.whole = self.rules.replicas
        if self.whole is None:
            self.whole = home.wanted if home and home.wanted else self.rules.least
        self.least = min(self.whole, home.wanted) if home else self.whole
        """Pods that serve at least all the time, if they served before."""
        if seen.in_flight and seen.committed and (old := seen.carrier(seen.committed.release.id)):
            self.least = min(self.least, seen.tracks[old].wanted)  # what a failure falls back to is as it was
        self.began = self._look()
        self.last = self.began
        target = next((t for t in TrackName if made.live is t), None)
        warm = seen.tracks.get(target) if target else None
        self.flips = (
            made.way is Way.ASIDE
            and self.rolls_back
            and warm is not None
            and warm.release == made.release.id
            and warm.complete
            and warm.wanted == self.whole
            and made.release.id in [record.release.id for record in seen.healthy()]
        )
        """It is a rollback to a warm track."""

    def _look(self) -> dict[str, Any]:
        pool = self.cluster.pool(self.simulation.subject)
        deployments = {name: live for (kind, name), live in self.cluster.objects.items() if kind == "Deployment"}
        return {
            "pool": pool,
            "behind": {one: self.cluster.behind(one) for one in Pool},
            "serves": self.cluster.behind(pool),
            "home": self.cluster.ready(NAME + HOME[pool].suffix) if pool else 0,
            "templates": {name: released(live) for name, live in deployments.items()},
            "started": dict(self.cluster.started),
        }  # fmt: skip

    def wrote(self, what: str) -> None:
        before, now = self.last, self._look()
        self.last = now
        self.log.append(f"  {what}: {now['pool']} serves {now['serves']}, {now['templates']} {now['behind']}")
        self._not_to_nothing(before, now)
        self._never_less(before, now)
        self._serving_template_stays(before, now)
        self._canary_bounded()

    def autoscaled(self, pods: int) -> None:
        """The autoscaler has changed the number meanwhile, not we."""
        self.last, self.least = self._look(), min(self.least, pods)

    def _broken(self, text: str) -> None:
        raise Broken("\n".join([text, *self.simulation.trace, f"{self.plan.why} {self.plan.way}", *self.log]))

    def _not_to_nothing(self, before: dict[str, Any], now: dict[str, Any]) -> None:
        if self.seen.ledger and not self.seen.committed and not before["serves"]:
            return  # nobody is led to a first release that has not proved itself
        if now["pool"] is not before["pool"] and not now["serves"] and any(now["behind"].values()) and self.whole:
            self._broken("the Service is pointed to nothing, while another track has ready pods")

    def _never_less(self, before: dict[str, Any], now: dict[str, Any]) -> None:
        """A canary's pods come and go; the others are never fewer than are wanted."""
        if now["home"] < min(before["home"], self.least):
            self._broken(f"{before['home']} pods served, {now['home']} do now, {self.least} are to")

    def _serving_template_stays(self, before: dict[str, Any], now: dict[str, Any]) -> None:
        if not before["pool"] or not before["serves"]:
            return
        home = HOME[before["pool"]]
        was, is_ = (one["templates"].get(NAME + home.suffix) for one in (before, now))
        if was != is_ and self.rules.strategy is Strategy.BLUE_GREEN:
            self._broken("the track that serves is given another release")
        if was != is_ and is_ in self.result.failed_before | self.result.failed_after:
            self._broken("a release whose check failed is given to the track that serves")

    def _canary_bounded(self) -> None:
        canary = self.cluster.objects.get(("Deployment", NAME + CANARY.suffix))
        if canary is None or self.rules.strategy is not Strategy.CANARY:
            return
        before = self.seen.tracks.get(CANARY)
        if released(canary) != self.plan.release.id:
            if canary["spec"]["replicas"] > (before.wanted if before else 0):
                self._broken("the canary gets pods of another release than this run's")
            return
        most = max(step.pods(self.whole or 0, self.rules.most_canary) for step in self.rules.steps)
        if canary["spec"]["replicas"] > max(most, 1) and not (before and before.wanted == canary["spec"]["replicas"]):
            self._broken(f"the canary has {canary['spec']['replicas']} pods, at most {most} are allowed")

    def ended(self) -> None:
        result, now, seen = self.result, self._look(), self.simulation.seen
        if result.how == "killed":
            return
        if (
            seen.in_flight
            and seen.in_flight.outcome is Phase.PROGRESSING
            and self.action not in (Action.SETTLE, Action.REJECT)
        ):
            self._broken(f"the run is over ({result.how} {result.message}) and the release is Progressing")
        if result.how == "failed":
            last = seen.ledger[-1] if seen.ledger else None
            if not result.message or (last and last.outcome is Phase.DEGRADED and not last.message):
                self._broken("it failed without a reason")
        serving = now["templates"].get(NAME + HOME[now["pool"]].suffix) if now["pool"] else None
        served = self.began["templates"].get(NAME + HOME[self.began["pool"]].suffix) if self.began["pool"] else None
        committed = self.seen.committed.release.id if self.seen.committed else serving
        if serving in result.failed_before - {served, committed}:
            self._broken("a release serves whose check failed before")
        others = [t for t in HOME.values() if now["templates"].get(NAME + t.suffix) == committed]
        if self.rolls_back:  # from what is there; it is not switched back to that
            others = []
        if serving in result.failed_after - {committed} and any(self.cluster.ready(NAME + t.suffix) for t in others):
            self._broken("a release serves whose check failed, though another was there")
        if self.flips and result.how == "done":
            name = NAME + self.plan.live.suffix
            had, has = self.seen.tracks.get(self.plan.live), self.cluster.objects.get(("Deployment", name))
            grown = max(0, has["spec"]["replicas"] - had.wanted) if has and had else 0  # an autoscaler, at the end
            if now["started"].get(name, 0) > self.began["started"].get(name, 0) + grown:
                self._broken("a rollback to a warm track restarted its pods")
