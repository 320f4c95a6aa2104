"""The conductor: the steps of a gate against an API server, twice, in the face of failures, and what it tells."""

import time
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod
from lightkube.resources.discovery_v1 import EndpointSlice

from pulumi_slipway.cluster import retry
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.keys import POOL_LABEL, RELEASE_LABEL, TRACK_LABEL
from pulumi_slipway.core.model import HOME, Event, Moment, Phase, Pool, TrackName
from pulumi_slipway.core.plan import Plan, Way
from pulumi_slipway.core.rules import Strategy
from pulumi_slipway.core.steps import (
    Apply,
    Begin,
    Check,
    Close,
    Emptied,
    Finish,
    Gate,
    Mark,
    Point,
    Reached,
    Ready,
    Remove,
    Scale,
    Step,
)
from pulumi_slipway.release import conduct, ledger, manifests
from pulumi_slipway.release.checks.model import Measurement, Status, Verdict
from pulumi_slipway.release.conduct import VALUES, Conductor
from pulumi_slipway.release.interrupt import Interrupt, Interrupted
from pulumi_slipway.release.ledger import Book
from pulumi_slipway.release.manifests import PREVIEW, Subject, pool_selector
from pulumi_slipway.release.rollout import ReleaseFailed
from tests.unit.simulation import ENVIRONMENT, NAME, NAMESPACE, Cluster, blue_green, release, released

BLUE, GREEN, STABLE, CANARY = TrackName.BLUE, TrackName.GREEN, TrackName.STABLE, TrackName.CANARY
V1, V2 = release(1), release(2)
SETTINGS = blue_green(replicas=2, settings={"progressDeadline": "1s"})
SUBJECT = Subject(NAME, ENVIRONMENT, SETTINGS)


def answer(code: int) -> httpx2.HTTPStatusError:
    request = httpx2.Request("GET", "https://k")
    return httpx2.HTTPStatusError("busy", request=request, response=httpx2.Response(code, request=request))


class Api(Cluster):
    """The simulated API server, with pods and endpoints to look at, and away when it is told to."""

    faults: list[Exception]
    always: Exception | None
    asked: int

    def _ask(self) -> None:
        self.asked += 1
        if self.always:
            raise self.always
        if self.faults:
            raise self.faults.pop(0)

    def get(self, resource: type[Any], name: str, *, namespace: str) -> Any:
        self._ask()
        live = super().get(resource, name, namespace=namespace).to_dict()
        status = {"status": self.status(name, live)} if resource is Deployment else {}
        return SimpleNamespace(to_dict=lambda: {**live, **status})

    def patch(self, *args: Any, **named: Any) -> None:
        self._ask()
        super().patch(*args, **named)

    def apply(self, *args: Any, **named: Any) -> None:
        self._ask()
        super().apply(*args, **named)

    def delete(self, *args: Any, **named: Any) -> None:
        self._ask()
        super().delete(*args, **named)

    def _pods(self) -> list[dict[str, Any]]:
        found = []
        for track in TrackName:
            for one, pods in self.pods.get(NAME + track.suffix, {}).items():
                for number in range(pods.total):
                    labels = {
                        **SUBJECT.selector,
                        TRACK_LABEL: str(track),
                        POOL_LABEL: str(track.pool),
                        RELEASE_LABEL: one,
                    }
                    ready = "True" if number < pods.ready else "False"
                    found.append(
                        {
                            "metadata": {"name": f"{track}-{one}-{number}", "labels": labels},
                            "status": {"conditions": [{"type": "Ready", "status": ready}]},
                        }
                    )
        return found

    def list(self, resource: type[Any], *, namespace: str, labels: Any) -> Any:
        self._ask()
        assert namespace == NAMESPACE
        if resource is Pod:
            return [Pod.from_dict(pod) for pod in self._pods() if labels.items() <= pod["metadata"]["labels"].items()]
        assert resource is EndpointSlice
        service = self.objects.get(("Service", labels["kubernetes.io/service-name"]))
        selector = service["spec"]["selector"] if service else {"no": "pod"}
        pods = [pod for pod in self._pods() if selector.items() <= pod["metadata"]["labels"].items()]
        endpoints = [
            {"addresses": [], "conditions": {"ready": True}, "targetRef": {"name": pod["metadata"]["name"]}}
            for pod in pods
        ]
        return [EndpointSlice.from_dict({"addressType": "IPv4", "endpoints": endpoints})]


@pytest.fixture
def api(monkeypatch):
    """Blue serves v1, green has v2 with all its pods, a preview Service points to it."""
    monkeypatch.setattr(retry.time, "sleep", lambda seconds: None)
    made = Api()
    made.faults, made.always, made.asked = [], None, 0
    for track, one in ((BLUE, V1), (GREEN, V2)):
        made.write("Deployment", NAME + track.suffix, manifests.deployment(SUBJECT, track, one.pod_template(track), 2))
    made.write("Service", NAME, manifests.service(SUBJECT, Pool.BLUE))
    made.write("Service", NAME + PREVIEW, manifests.preview_service(SUBJECT, Pool.GREEN))
    return made


class Scene:
    """A conductor, what it has told, and what it measures."""

    def __init__(self, api: Api, *verdicts: Verdict, subject: Subject = SUBJECT, target: TrackName = GREEN) -> None:
        self.api, self.told, self.reported, self.measured = api, [], [], []
        self.verdicts = verdicts
        plan = Plan(Way.ASIDE, Phase.HEALTHY, V2, "why", (), target.pool, None, ())
        self.conductor = Conductor(
            client=api,  # type: ignore[arg-type]
            subject=subject,
            plan=plan,
            strategy=Strategy.BLUE_GREEN,
            book=Book((), lambda records: ledger.write(api, NAME, NAMESPACE, SUBJECT.labels, records), keep=10),
            tell=self.told.append,
            report=self.reported.append,
            provenance={"commit": "c"},
            measure=self.measure,
        )

    def measure(self, client: Any, wanted: Any, target: Any, **how: Any) -> tuple[Verdict, ...]:
        self.measured.append((tuple(wanted), target, how))
        return self.verdicts

    def does(
        self, *steps: Step, failed: tuple[Step, ...] = (), of: Any = V2, interrupt: Interrupt | None = None
    ) -> None:
        self.conductor.passes(Gate(tuple(steps), failed, of), interrupt or Interrupt())

    def fails(self, *steps: Step, failed: tuple[Step, ...] = (), of: Any = V2) -> ReleaseFailed:
        with pytest.raises(ReleaseFailed) as failure:
            self.does(*steps, failed=failed, of=of)
        return failure.value

    @property
    def records(self):
        """As they are stored."""
        return ledger.decode(self.api.objects["ConfigMap", ledger.name(NAME)]["data"])


def replicas(api: Api, track: TrackName) -> int:
    return api.objects["Deployment", NAME + track.suffix]["spec"]["replicas"]


def seen(api: Api) -> Any:
    """Everything but versions and times."""
    specs = {key: live.get("spec") for key, live in api.objects.items()}
    data = api.objects.get(("ConfigMap", ledger.name(NAME)), {}).get("data")
    return specs, [(r.release, r.outcome, r.step, r.track) for r in ledger.decode(data) if r.message != "begun anew"]


BAD = Verdict(
    "good",
    Status.FAILED,
    "good is 0.7, at least 0.99 is wanted",
    tuple(Measurement("good", f"2026-01-01T00:00:{n:02d}+00:00", Status.FAILED, 0.7, "") for n in range(VALUES + 5)),
    {"min": 0.99},
)
FINE = Verdict(
    "good",
    Status.SUCCESSFUL,
    "good is 1",
    (Measurement("good", "2026-01-01T00:00:00+00:00", Status.SUCCESSFUL, 1.0, ""),),
    {},
)

# Twice


@pytest.mark.parametrize(
    "step",
    [
        Begin(V2, GREEN), Mark(1), Finish(Phase.PAUSED, "promote it", 1), Finish(Phase.HEALTHY), Close("aborted"),
        Scale(GREEN, 5), Scale(GREEN, 0), Scale(BLUE, 0), Apply(GREEN, V1, 1), Ready(GREEN, V2.id), Reached(BLUE),
        Reached(GREEN, preview=True), Check(("good",), GREEN, V2.id), Point(Pool.GREEN), Point(Pool.MAIN),
        Remove(GREEN), Remove(STABLE), Emptied(STABLE),
    ],
    ids=str,
)  # fmt: skip
def test_a_step_that_is_done_twice_leaves_what_it_leaves_done_once(api, step):
    scene = Scene(api, FINE)
    scene.does(Begin(V2, GREEN), step)
    once = seen(api)
    scene.does(step)
    assert seen(api) == once


def test_an_emptied_track_is_waited_for(api, monkeypatch):
    monkeypatch.setattr(conduct, "EMPTIED_SECONDS", 0.3)
    scene = Scene(api)
    scene.does(Begin(V2, GREEN))
    began = time.monotonic()
    scene.does(Emptied(GREEN))
    assert time.monotonic() - began >= 0.3, "its pods are there: nothing fails, the rollout just takes longer"
    began = time.monotonic()
    scene.does(Scale(GREEN, 0), Emptied(GREEN))
    assert time.monotonic() - began < 0.3


def test_a_gate_reports_where_it_ends_whichever_way(api):
    scene = Scene(api, BAD)
    scene.does(Begin(V2, GREEN))
    scene.fails(Check(("good",), GREEN, V2.id))
    assert scene.reported == [scene.conductor.book] * 2


# What is written down


def test_a_release_that_begins_is_on_the_ledger_with_who_began_it(api):
    scene = Scene(api)
    scene.does(Begin(V2, GREEN))
    (record,) = scene.records
    assert (record.release, record.track, record.strategy) == (V2, GREEN, "blueGreen")
    assert (record.outcome, record.provenance) == (Phase.PROGRESSING, {"commit": "c"})
    assert scene.told == [f"app: Progressing: release {V2.id} begins on green"]


def test_the_timeline_says_which_release_users_reach(api):
    scene = Scene(api)
    scene.does(Begin(V2, GREEN), Point(Pool.GREEN), Finish(Phase.HEALTHY))
    timeline = scene.records[-1].timeline
    assert timeline[0] == Moment(Event.BEGUN, timeline[0].at, {V1.id: 2}, track=GREEN)
    assert timeline[-1] == Moment(Event.OUTCOME, timeline[-1].at, {V2.id: 2}, outcome=Phase.HEALTHY)


@pytest.mark.parametrize(("keep", "kept"), [("window", True), ("forever", "forever"), ("none", "")])
def test_a_healthy_release_says_how_long_the_one_before_stays_warm_and_where_it_lives(api, keep, kept):
    subject = Subject(NAME, ENVIRONMENT, blue_green(keep=keep))
    scene = Scene(api, subject=subject)
    scene.does(Begin(V2, BLUE), Finish(Phase.HEALTHY))
    record = scene.records[-1]
    assert (record.outcome, record.track) == (Phase.HEALTHY, GREEN)
    assert record.kept_until > record.finished[:16] if kept is True else record.kept_until == kept


def test_a_paused_release_says_what_it_waits_for_and_keeps_its_track(api):
    scene = Scene(api)
    scene.does(Begin(V2, BLUE), Finish(Phase.PAUSED, "promote it", 1))
    record = scene.records[-1]
    assert (record.outcome, record.message, record.step, record.track) == (Phase.PAUSED, "promote it", 1, BLUE)


# Failures


def test_a_check_that_fails_degrades_the_release_with_its_message_its_values_and_its_limit(api):
    scene = Scene(api, BAD, FINE)
    failure = scene.fails(Begin(V2, GREEN), Check(("good",), GREEN, V2.id, 60, "step 1/2, 20 %"))
    assert str(failure) == f"workload app: release {V2.id}: good is 0.7, at least 0.99 is wanted"
    record = scene.records[-1]
    assert (record.outcome, record.message) == (Phase.DEGRADED, "good is 0.7, at least 0.99 is wanted")
    assert record.rejected == record.message
    (check,) = record.checks  # both are of one name: the last result counts
    assert check.status == "Successful"
    assert "app: Progressing: step 1/2, 20 %, 60 s" in scene.told
    assert f"app: Degraded: release {V2.id}: good is 0.7, at least 0.99 is wanted" in scene.told


def test_of_the_measured_values_the_newest_are_kept(api):
    scene = Scene(api, BAD)
    scene.fails(Begin(V2, GREEN), Check(("good",), GREEN, V2.id))
    (check,) = scene.records[-1].checks
    assert (check.status, check.threshold, len(check.values)) == ("Failed", {"min": 0.99}, VALUES)
    assert check.values[-1] == (f"2026-01-01T00:00:{VALUES + 4:02d}+00:00", 0.7, "Failed")


@pytest.mark.parametrize("status", [Status.ERROR, Status.INCONCLUSIVE, Status.FAILED])
def test_nothing_but_successful_lets_a_release_pass(api, status):
    Scene(api, Verdict("good", status, "why", ())).fails(Begin(V2, GREEN), Check(("good",), GREEN, V2.id))
    Scene(api, FINE).does(Begin(V2, GREEN), Check(("good",), GREEN, V2.id))


def test_the_checks_are_told_whom_they_measure_for_how_long_and_where_it_is_reached(api):
    scene = Scene(api, FINE)
    scene.does(Begin(V2, GREEN), Check(("good",), GREEN, V2.id, 30))
    ((names, target, how),) = scene.measured
    assert (names, how["seconds"]) == (("good",), 30)
    assert (target.track, target.release, target.service) == ("green", V2.id, "app-preview")
    assert target.labels[TRACK_LABEL] == "green"


def test_a_step_without_checks_and_without_time_measures_nothing_and_one_with_time_waits(api):
    scene = Scene(api)
    scene.does(Begin(V2, GREEN), Check((), GREEN, V2.id))
    assert scene.measured == []
    scene.does(Check((), GREEN, V2.id, 5))
    assert scene.measured[0][0] == ()


def test_users_are_switched_back_before_the_failed_track_loses_its_pods(api):
    scene = Scene(api, BAD)
    scene.does(Begin(V2, GREEN), Point(Pool.GREEN))
    scene.fails(Check(("good",), GREEN, V2.id), failed=(Point(Pool.BLUE), Scale(GREEN, 0)))
    assert api.pool(SUBJECT) is Pool.BLUE
    assert (replicas(api, BLUE), replicas(api, GREEN)) == (2, 0)
    assert scene.told[-1] == "app: Progressing: users are switched back to blue"


def test_the_track_that_serves_is_never_scaled_to_0_though_the_plan_says_so(api):
    scene = Scene(api)
    scene.does(Begin(V2, GREEN), Scale(BLUE, 0))
    assert replicas(api, BLUE) == 2
    assert scene.told[-1] == "app: Degraded: blue keeps its pods: the Service points to them"
    scene.does(Scale(BLUE, 1), Scale(GREEN, 0))
    assert (replicas(api, BLUE), replicas(api, GREEN)) == (1, 0)


def test_a_canary_goes_to_0_though_it_is_in_the_pool_that_serves(api):
    api.write("Deployment", f"{NAME}-canary", manifests.deployment(SUBJECT, CANARY, V2.pod_template(CANARY), None))
    api.write("Service", NAME, manifests.service(SUBJECT, Pool.MAIN))
    Scene(api).does(Begin(V2, CANARY), Scale(CANARY, 0))
    assert replicas(api, CANARY) == 0


def test_users_are_not_switched_to_a_track_without_a_ready_pod(api):
    scene = Scene(api)
    api.sick.add(V2.id)
    for pods in api.pods[f"{NAME}-green"].values():
        pods.ready = 0
    scene.does(Begin(V2, GREEN), Point(Pool.GREEN))
    assert api.pool(SUBJECT) is Pool.BLUE
    assert scene.told[-1] == "app: Degraded: green has no ready pod to switch back to"


def test_rolling_back_goes_on_where_one_of_its_steps_fails(api):
    api.sick.add(V2.id)
    scene = Scene(api, BAD)
    scene.does(Begin(V2, GREEN))
    steps = (Apply(STABLE, V2, 1), Ready(STABLE, V2.id), Scale(CANARY, 1), Scale(GREEN, 0))
    failure = scene.fails(Check(("good",), GREEN, V2.id), failed=steps)
    assert "good is 0.7" in str(failure)
    assert replicas(api, GREEN) == 0
    told = [line for line in scene.told if "rolling back: " in line]
    assert told[0].startswith("app: Degraded: rolling back: workload")
    assert (scene.records[-1].outcome, scene.records[-1].message) == (Phase.DEGRADED, failure.recorded)


def test_a_failure_where_nothing_is_released_leaves_the_ledger_as_it_is(api):
    scene = Scene(api)
    scene.does(Begin(V1, BLUE), Finish(Phase.HEALTHY))
    before = scene.records
    api.sick.add(V2.id)
    scene.fails(Scale(GREEN, 3), Ready(GREEN, V2.id), of=None)
    assert [(r.outcome, r.message) for r in scene.records] == [(r.outcome, r.message) for r in before]


def test_a_release_that_does_not_come_up_is_degraded_and_the_steps_behind_are_not_done(api):
    api.sick.add(V2.id)
    scene = Scene(api)
    failure = scene.fails(Begin(V2, GREEN), Scale(GREEN, 3), Ready(GREEN, V2.id), Finish(Phase.HEALTHY))
    assert "did not come up within 1 s" in str(failure)
    assert scene.records[-1].outcome is Phase.DEGRADED


def test_a_service_that_never_reaches_the_track_is_a_failure_with_the_numbers(api):
    failure = Scene(api).fails(Begin(V2, GREEN), Reached(GREEN))
    assert "Service staging/app does not reach the pods of green after 1 s: 2 endpoints for 2 ready pods" in str(
        failure
    )


def test_a_service_that_was_deleted_is_made_again_to_bring_users_back(api):
    api.gone("Service", NAME)
    Scene(api).does(Begin(V2, GREEN), Point(Pool.BLUE))
    assert api.objects["Service", NAME]["spec"] == manifests.service(SUBJECT, Pool.BLUE)["spec"]


def test_what_is_gone_already_needs_no_removal_but_pods_can_not_be_given_to_it(api):
    scene = Scene(api)
    scene.does(Begin(V2, GREEN), Remove(CANARY), Scale(CANARY, 0), Remove(GREEN), Remove(GREEN))
    assert ("Deployment", f"{NAME}-green") not in api.objects
    with pytest.raises(httpx2.HTTPError):
        scene.does(Scale(GREEN, 2))


def test_a_release_is_given_to_a_track_as_the_provider_would(api):
    Scene(api).does(Begin(V1, GREEN), Apply(GREEN, V1, 1))
    live = api.objects["Deployment", f"{NAME}-green"]
    assert (released(live), live["spec"]["replicas"]) == (V1.id, 1)
    assert live["metadata"]["labels"][TRACK_LABEL] == "green"
    assert api.owners[f"{NAME}-green"] == {manifests.MANAGER}


# An API server that is away


@pytest.mark.parametrize(
    "fault", [httpx2.ConnectError("refused"), httpx2.ReadTimeout("silent"), answer(503), answer(429)]
)
@pytest.mark.parametrize(
    "step",
    [
        Begin(V2, GREEN), Mark(1), Scale(GREEN, 5), Apply(GREEN, V1, 1), Ready(GREEN, V2.id), Reached(BLUE),
        Point(Pool.GREEN), Remove(GREEN),
    ],
    ids=str,
)  # fmt: skip
def test_an_api_server_that_is_away_for_a_moment_is_waited_for(api, step, fault):
    scene = Scene(api)
    scene.does(Begin(V2, GREEN))
    api.faults = [fault, fault]
    scene.does(step)
    assert api.faults == []
    away = seen(api)
    scene.does(step)
    assert seen(api) == away


def test_one_that_stays_away_ends_the_run_and_leaves_the_release_for_the_next(api, monkeypatch):
    monkeypatch.setattr(retry, "AWAY_SECONDS", 0.0)
    scene = Scene(api)
    scene.does(Begin(V2, GREEN))
    api.always = httpx2.ConnectError("refused")
    with pytest.raises(httpx2.ConnectError):
        scene.does(Scale(GREEN, 0), failed=(Point(Pool.BLUE),))
    assert scene.records[-1].outcome is Phase.PROGRESSING


def test_an_api_server_that_stays_away_is_not_waited_for_at_each_step_nor_does_it_hide_why_the_release_failed(
    api, monkeypatch
):
    monkeypatch.setattr(retry, "AWAY_SECONDS", 0.0)
    scene = Scene(api, BAD)
    scene.does(Begin(V2, GREEN))

    def measure(*_: Any, **__: Any) -> tuple[Verdict, ...]:
        api.always = httpx2.ConnectError("refused")
        return (BAD,)

    scene.conductor.measure = measure
    failure = scene.fails(Check(("good",), GREEN, V2.id), failed=(Scale(GREEN, 0), Point(Pool.BLUE)))
    assert "good is 0.7" in str(failure)
    away = [line for line in scene.told if "away" in line]
    assert (
        away
        == ["app: Degraded: rolling back: the API server is away (refused): run again when it is there"]
        == scene.told[-1:]
    )


def test_a_moment_of_the_timeline_is_not_worth_a_failure(api):
    scene = Scene(api)
    scene.does(Begin(V2, GREEN))
    api.faults = [answer(400)]  # no reason to ask again
    scene.conductor._note(Moment(Event.REACHED, track=GREEN))
    assert Event.REACHED not in [moment.event for moment in scene.conductor.book.records[-1].timeline]


# An engine that is gone


def test_a_gate_whose_engine_is_gone_does_nothing_more_and_takes_nothing_back(api):
    scene, interrupt = Scene(api), Interrupt()
    scene.does(Begin(V2, GREEN))
    interrupt.set()
    with pytest.raises(Interrupted):
        scene.does(Scale(GREEN, 0), failed=(Point(Pool.GREEN),), interrupt=interrupt)
    assert (replicas(api, GREEN), api.pool(SUBJECT)) == (2, Pool.BLUE)
    assert scene.records[-1].outcome is Phase.PROGRESSING


def test_a_wait_ends_with_the_engine(api):
    api.sick.add(V1.id)
    scene, interrupt = Scene(api), Interrupt()
    interrupt.set()
    scene.conductor.interrupt = interrupt
    for step in (Ready(GREEN, V1.id), Reached(GREEN)):
        with pytest.raises(UserError, match="ended from outside"):
            scene.conductor._do(step)


@pytest.mark.parametrize("pool", Pool)
def test_the_pool_that_serves_is_read_from_the_service(api, pool):
    api.write("Service", NAME, manifests.service(SUBJECT, pool))
    assert Scene(api).conductor._serving() is pool
    assert pool_selector(SUBJECT, pool)[POOL_LABEL] == HOME[pool].pool
