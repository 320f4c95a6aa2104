"""What a workload asks the engine for: asserted on the wiring, with the engine mocked and no cluster.

Each run is prepared by the program itself, observation and plan included, from what the run before it has declared.
"""

import base64
from copy import deepcopy
from datetime import UTC, datetime
from itertools import count

import pulumi
import pytest

from pulumi_slipway.components import prune
from pulumi_slipway.components.before_write import BeforeWrite
from pulumi_slipway.components.planner import Planned
from pulumi_slipway.components.workload import Workload
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.keys import OBSERVED
from pulumi_slipway.core.plan import LEDGER, SERVICE
from pulumi_slipway.core.steps import Begin, Close, Finish, Mark, Scale
from pulumi_slipway.preflight.environment import policy_warnings
from pulumi_slipway.release import ledger
from pulumi_slipway.release.manifests import Subject
from pulumi_slipway.release.observe import SUFFIXES
from pulumi_slipway.release.prepare import VersionedConfig, prepare
from pulumi_slipway.settings import Action, Environment, Run
from pulumi_slipway.settings import Workload as Settings

V1, V2, V3 = (f"registry.example.com/app@sha256:{digit * 64}" for digit in "123")
VALUE = "planted-value"
DATA = {"API_KEY": base64.b64encode(VALUE.encode()).decode()}
SCALED = {"autoscaler": {"min": 2, "max": 5, "cpu": 60}}
EVERYTHING = {
    "ingress": {"host": "a.example.com", "tlsSecret": "tls"},
    "networkPolicy": {"allowFrom": ["ingress"]},
    "secretEnv": {"API_KEY": {"fromEnv": "API_KEY"}},
    "labels": {"team": "one"},
    "annotations": {"note": "ours"},
    **SCALED,
}
ROLLING, BLUE_GREEN = {"strategy": "rolling"}, {"strategy": "blueGreen"}
CANARY = {"strategy": {"canary": {"checks": [], "steps": [{"weight": 50, "pause": 0}]}}}
CANARY_THAT_WAITS = {"strategy": {"canary": {"checks": [], "steps": [{"weight": 50}]}}}
STRATEGIES = pytest.mark.parametrize("strategy", [ROLLING, BLUE_GREEN, CANARY], ids=["rolling", "blueGreen", "canary"])
OWNERSHIP = {
    "app.kubernetes.io/name": "myapp",
    "app.kubernetes.io/instance": "myapp",
    "app.kubernetes.io/managed-by": "slipway",
    "slipway.dev/environment": "staging",
}


class Cluster:
    """What stands in the namespace after the runs so far, as the API server would show it; every gate passes."""

    def __init__(self, record, monkeypatch):
        self._record, self._versions = record, count(1)
        self.objects = {kind: {} for kind in SUFFIXES}
        self.secrets = {}
        # Nobody answers: what was observed before is all that is known.
        monkeypatch.setattr("pulumi_slipway.release.conduct.Conductor.seen", lambda _: None)
        monkeypatch.setattr("pulumi_slipway.release.wanted.image.resolve", lambda image, _: image)
        monkeypatch.setattr(
            "pulumi_slipway.release.prepare.release_secret", lambda _client, _ns, name: (self.secrets.get(name), True)
        )

    def run(self, image=None, action=Action.DEPLOY, preview=False, commit="c0ffee", held=None, **settings):
        """What a run with these settings asks the engine for; `held` stands in for each Secret."""
        subject = Subject(
            "myapp", Environment(name="staging", image_pull_secret="gitlab-registry"), Settings.model_validate(settings)
        )
        run = Run(action, {"myapp": image} if image else {}, {"commit": commit})
        found = deepcopy(self.objects) if any(self.objects.values()) else None
        prepared = prepare(
            None, subject, run, found, preview=preview, warn=print, environment={"API_KEY": VALUE, "CI": "true"}
        )
        for name in prepared.configs if held else ():
            prepared.configs[name] = held

        self.prepared = prepared
        registries = []

        def program():
            parent = pulumi.ComponentResource("slipway:index:Environment", "staging")
            registries.append(BeforeWrite())
            planned = Planned(prepared, client=None, before_write=registries[0])
            Workload("myapp", planned, pulumi.ResourceOptions(parent=parent))

        recording = self._record(program, preview=preview)
        recording.works = registries[0].works
        if not preview:
            self._become(prepared, recording)
        return recording

    def _become(self, prepared, recording):
        """What was declared is there, what was not is gone, and the gates have scaled and written the ledger."""
        plan, before = prepared.plan, self.objects
        order = [*(track.track for track in plan.first), SERVICE, LEDGER]
        steps = [step for where in order if where in plan.gates for step in plan.gates[where].steps]
        scaled = {f"myapp{step.track.suffix}": step.pods for step in steps if isinstance(step, Scale)}
        self.objects = {kind: {} for kind in SUFFIXES}
        for resource in kubernetes(recording):
            kind, name = resource.type.rpartition(":")[2], resource.inputs["metadata"]["name"]
            live = {key: value for key, value in resource.inputs.items() if key not in ("apiVersion", "kind")}
            live["metadata"] = {**live["metadata"], "resourceVersion": str(next(self._versions)), "generation": 1}
            if kind == "Secret":
                self.secrets[name] = live
                continue
            if kind == "Deployment":
                had = before[kind].get(name, {}).get("spec", {}).get("replicas", 1)
                pods = live["spec"].get("replicas", scaled.get(name, had))
                live["spec"] = {**live["spec"], "replicas": pods}
                every = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), pods)
                live["status"] = {**every, "observedGeneration": 1}
            self.objects[kind][name] = live
        book = ledger.Book(prepared.world.observed.ledger, lambda _: None, keep=10, now=lambda: datetime.now(UTC))
        for step in steps:
            match step:
                case Begin():
                    book.begin(step.release, step.track, str(prepared.rules.strategy), prepared.provenance)
                case Mark():
                    book.mark(step.step)
                case Finish():
                    book.finish(step.outcome, step.message, step=step.step, track=plan.live)
                case Close():
                    book.finish("Degraded", step.message)
        self.objects["ConfigMap"]["myapp-releases"]["data"] = ledger.encode(book.records)


@pytest.fixture
def cluster(record, monkeypatch):
    return Cluster(record, monkeypatch)


def kubernetes(recording):
    return [resource for resource in recording.resources if resource.type.startswith("kubernetes:")]


def inputs(recording):
    """What each object is to be."""
    return {resource.name: deepcopy(dict(resource.inputs)) for resource in kubernetes(recording)}


def names(recording):
    """The objects without the workload's name, which all begin with."""
    return {resource.name.removeprefix("myapp-") for resource in kubernetes(recording)}


def having(recording, work, when="always"):
    """The objects before which it is done."""
    return {
        name.removeprefix("myapp-")
        for (_, name), works in recording.works.items()
        for one in getattr(works, when)
        if getattr(one, "func", one).__name__ == work
    }


def gated(recording):
    """What a gate stands before."""
    return having(recording, "_pass")


def spec(recording, name):
    return recording.named(f"myapp-{name}").inputs["spec"]


def image(recording, track):
    return spec(recording, track)["template"]["spec"]["containers"][0]["image"]


def annotations(recording, name):
    return recording.named(f"myapp-{name}").inputs["metadata"]["annotations"]


def selected(recording, name="service"):
    """The pool that a Service points to."""
    return spec(recording, name)["selector"]["slipway.dev/pool"]


# What there is


@pytest.mark.parametrize(
    ("strategy", "first", "second"),
    [
        (ROLLING, {"stable"}, {"stable"}),
        (BLUE_GREEN, {"blue", "preview"}, {"blue", "green", "preview"}),
        (CANARY, {"stable"}, {"stable", "canary"}),
    ],
    ids=["rolling", "blueGreen", "canary"],
)
def test_a_strategy_has_its_tracks_beside_a_service_and_a_ledger(cluster, strategy, first, second):
    beside = {"service", "ledger"}
    assert names(cluster.run(V1, replicas=1, **strategy)) == first | beside
    assert names(cluster.run(V2, replicas=1, **strategy)) == second | beside
    assert names(cluster.run(replicas=1, **strategy)) == second | beside


def test_a_budget_is_there_with_more_than_one_pod_unless_it_is_not_wanted(cluster):
    assert "budget" in names(cluster.run(V1, replicas=2))
    assert "budget" in names(cluster.run(**SCALED))
    assert "budget" not in names(cluster.run(replicas=1))
    assert "budget" not in names(cluster.run(replicas=2, disruptionBudget=False))


@STRATEGIES
def test_every_object_is_known_as_ours_in_its_namespace(cluster, strategy):
    cluster.run(V1, **EVERYTHING, **strategy)
    objects = kubernetes(cluster.run(V2, **EVERYTHING, **strategy))
    assert len(objects) >= 8
    for resource in objects:
        metadata = resource.inputs["metadata"]
        assert metadata["namespace"] == "staging"
        assert OWNERSHIP.items() <= metadata["labels"].items(), resource.name
        assert metadata["labels"]["team"] == "one"
        assert metadata["annotations"]["note"] == "ours"
        assert metadata["annotations"]["pulumi.com/patchFieldManager"] == "slipway"


@STRATEGIES
def test_a_tracks_pods_are_its_own_and_known_as_ours(cluster, strategy):
    cluster.run(V1, **strategy)
    tracks = cluster.run(V2, **strategy).of("Deployment")
    selectors = [track.inputs["spec"]["selector"]["matchLabels"] for track in tracks]
    assert len({selector["slipway.dev/track"] for selector in selectors}) == len(tracks)
    for track, selector in zip(tracks, selectors, strict=True):
        labels = track.inputs["spec"]["template"]["metadata"]["labels"]
        assert (selector | OWNERSHIP).items() <= labels.items()


@STRATEGIES
def test_every_object_is_below_the_workload_so_that_a_change_of_strategy_moves_none(cluster, strategy):
    cluster.run(V1, **EVERYTHING, **strategy)
    made = cluster.run(V2, **EVERYTHING, **strategy)
    assert {(r.parent, r.parent_type) for r in kubernetes(made)} == {("myapp", "slipway:index:Workload")}


# In which order


@STRATEGIES
def test_secrets_come_before_the_track_that_takes_the_release(cluster, strategy):
    cluster.run(V1, **EVERYTHING, **strategy)
    made = cluster.run(V2, **EVERYTHING, **strategy)
    (secret,) = [resource.name for resource in made.of("Secret")]
    target = {"rolling": "stable", "blueGreen": "green"}.get(
        strategy["strategy"] if strategy != CANARY else "", "canary"
    )
    assert secret in made.before(f"myapp-{target}")


@STRATEGIES
def test_the_ledger_is_written_last_of_what_the_release_needs(cluster, strategy):
    first = cluster.run(V1, **strategy)
    assert first.before("myapp-ledger") == {f"myapp-{name}" for name in names(first) - {"ledger", "budget"}}
    second = cluster.run(V2, **strategy)
    retired = {"blue"} if strategy == BLUE_GREEN else set()
    before = {f"myapp-{name}" for name in names(second) - {"ledger", "budget"} - retired}
    assert second.before("myapp-ledger") == before


def test_blue_green_shows_the_new_track_before_it_is_there_then_switches_then_lets_go_of_the_old_one(cluster):
    cluster.run(V1, **BLUE_GREEN)
    made = cluster.run(V2, **BLUE_GREEN)
    assert made.before("myapp-green") == {"myapp-preview"}
    assert made.before("myapp-service") == {"myapp-preview", "myapp-green"}
    assert made.before("myapp-ledger") == {"myapp-preview", "myapp-green", "myapp-service"}
    assert made.before("myapp-blue") == {"myapp-preview", "myapp-green", "myapp-service", "myapp-ledger"}


def test_a_canary_comes_before_the_stable_track_and_one_that_waits_after_it(cluster):
    cluster.run(V1, **CANARY)
    assert "myapp-canary" in cluster.run(V2, **CANARY).before("myapp-stable")
    waiting = cluster.run(V3, **CANARY_THAT_WAITS)
    assert waiting.before("myapp-canary") == {"myapp-stable"}
    assert waiting.before("myapp-stable") == set()


def test_a_canary_that_is_no_longer_needed_comes_after_the_ledger(cluster):
    cluster.run(V1, **CANARY)
    cluster.run(V2, **CANARY)
    assert "myapp-ledger" in cluster.run(**CANARY).before("myapp-canary")


def test_a_service_that_is_not_switched_waits_for_no_track(cluster):
    assert cluster.run(V1).before("myapp-service") == set()
    assert cluster.run(V2).before("myapp-service") == set()


@pytest.mark.parametrize(
    ("strategy", "first", "second"),
    [(ROLLING, "myapp", "myapp"), (BLUE_GREEN, "myapp-blue", "myapp-green"), (CANARY, "myapp", "myapp")],
    ids=["rolling", "blueGreen", "canary"],
)
def test_the_autoscaler_comes_after_the_ledger_and_scales_the_live_track(cluster, strategy, first, second):
    for version, live in ((V1, first), (V2, second), (None, second)):
        made = cluster.run(version, **SCALED, **strategy)
        scaler = made.one("HorizontalPodAutoscaler")
        assert "myapp-ledger" in made.before(scaler.name)
        assert scaler.inputs["spec"]["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": live}


def test_the_autoscaler_stays_with_the_track_that_serves_while_a_release_waits(cluster):
    waits = {"strategy": {"blueGreen": {"autoPromote": False}}, **SCALED}
    cluster.run(V1, **waits)
    paused = cluster.run(V2, **waits)
    assert paused.one("HorizontalPodAutoscaler").inputs["spec"]["scaleTargetRef"]["name"] == "myapp-blue"


# Gates


@pytest.mark.parametrize(
    ("strategy", "first", "second"),
    [
        (ROLLING, {"stable", "ledger"}, {"stable", "ledger"}),
        (BLUE_GREEN, {"blue", "service", "ledger"}, {"green", "service", "ledger"}),
        (CANARY, {"stable", "ledger"}, {"canary", "stable", "ledger"}),
        (CANARY_THAT_WAITS, {"stable", "ledger"}, {"canary", "ledger"}),
    ],
    ids=["rolling", "blueGreen", "canary", "canary that waits"],
)
def test_a_gate_stands_before_each_step_of_a_release_and_none_where_nothing_moves(cluster, strategy, first, second):
    assert gated(cluster.run(V1, **strategy)) == first
    assert gated(cluster.run(V2, **strategy)) == second
    assert gated(cluster.run(**strategy)) == set()


@STRATEGIES
def test_every_object_has_the_one_hook_in_every_run_so_that_the_state_stays_as_it_is(cluster, strategy):
    for version in (V1, V2, None):
        made = cluster.run(version, **EVERYTHING, **strategy)
        assert len(made.hooks) == 1
        for resource in kubernetes(made):
            assert resource.hooks == dict.fromkeys(("before_create", "before_update"), tuple(made.hooks))


@STRATEGIES
def test_what_a_gate_stands_before_is_changed_in_any_case_or_the_gate_would_not_be_asked(cluster, strategy):
    def observed(recording):
        return {
            r.name.removeprefix("myapp-"): r.inputs["metadata"]["annotations"].get(OBSERVED)
            for r in kubernetes(recording)
        }

    cluster.run(V1, **strategy)
    before = observed(cluster.run(**strategy))
    made = cluster.run(V2, **strategy)
    assert gated(made)
    assert {name for name, value in observed(made).items() if value != before.get(name, "not there")} >= gated(made)


@STRATEGIES
def test_what_a_run_declares_is_what_it_takes_for_wanted(cluster, strategy):
    cluster.run(V1, **EVERYTHING, **strategy)
    made = [
        (r.type.rpartition(":")[2], r.inputs["metadata"]["name"])
        for r in kubernetes(cluster.run(V2, **EVERYTHING, **strategy))
    ]
    assert prune._wanted(cluster.prepared) == {(kind, name) for kind, name in made if kind != "Deployment"}


@STRATEGIES
def test_a_run_with_nothing_to_do_asks_for_the_same_as_the_one_before(cluster, strategy):
    for version in (V1, V2):
        cluster.run(version, **EVERYTHING, **strategy)
    assert inputs(cluster.run(**EVERYTHING, **strategy)) == inputs(cluster.run(**EVERYTHING, **strategy))


def test_a_change_of_the_number_of_pods_is_waited_for_before_the_ledger(cluster):
    cluster.run(V1, replicas=2)
    before = cluster.run(replicas=2)
    made = cluster.run(replicas=4)
    assert gated(made) == {"ledger"}
    assert annotations(made, "ledger")[OBSERVED] != annotations(before, "ledger").get(OBSERVED)
    assert spec(made, "stable")["replicas"] == 4


@STRATEGIES
def test_a_preview_shows_the_same_objects_and_has_the_same_hook(cluster, strategy):
    cluster.run(V1, **EVERYTHING, **strategy)
    shown = cluster.run(V2, preview=True, **EVERYTHING, **strategy)
    made = cluster.run(V2, **EVERYTHING, **strategy)
    assert inputs(shown) == inputs(made)
    assert shown.hooks == made.hooks == {"before-write": True}


@STRATEGIES
def test_nothing_is_made_again_that_is_there(cluster, strategy):
    cluster.run(V1, **EVERYTHING, **strategy)
    cluster.run(V2, **EVERYTHING, **strategy)
    assert having(cluster.run(V2, **EVERYTHING, **strategy), "recreate", "update") == set()


def test_what_is_gone_is_made_again_before_its_update(cluster):
    made = cluster.run(V1, **EVERYTHING, **BLUE_GREEN)
    assert having(made, "recreate", "update") == names(made)
    assert having(made, "recreate", "always") == set()


@STRATEGIES
def test_the_number_of_pods_is_held_while_an_autoscaler_takes_over(cluster, strategy):
    live = "blue" if strategy == BLUE_GREEN else "stable"
    assert having(cluster.run(V1, replicas=3, **strategy), "hold") == set()
    assert having(cluster.run(**SCALED, **strategy), "hold") == {live}
    assert having(cluster.run(**SCALED, **strategy), "hold") == set()


# Tracks


def test_a_release_that_waits_leaves_the_stable_track_as_it_is_with_the_canary_beside_it(cluster):
    before = cluster.run(V1, replicas=4, **CANARY_THAT_WAITS)
    paused = cluster.run(V2, replicas=4, **CANARY_THAT_WAITS)
    assert spec(paused, "stable") == spec(before, "stable")
    assert (image(paused, "stable"), image(paused, "canary")) == (V1, V2)
    for waiting in (
        cluster.run(V2, replicas=4, **CANARY_THAT_WAITS),
        cluster.run(action=Action.SETTLE, replicas=4, **CANARY_THAT_WAITS),
    ):
        assert spec(waiting, "stable") == spec(before, "stable")
        assert spec(waiting, "canary") == spec(paused, "canary")


def test_a_promoted_canary_gives_the_stable_track_its_release(cluster):
    cluster.run(V1, **CANARY_THAT_WAITS)
    cluster.run(V2, **CANARY_THAT_WAITS)
    promoted = cluster.run(action=Action.PROMOTE, **CANARY_THAT_WAITS)
    assert image(promoted, "stable") == V2
    assert "stable" in gated(promoted)


def test_a_canary_declares_no_number_of_pods_whether_it_runs_waits_or_is_done(cluster):
    cluster.run(V1, replicas=4, **CANARY)
    for version, settings in ((V2, CANARY), (None, CANARY), (V3, CANARY_THAT_WAITS), (None, CANARY_THAT_WAITS)):
        made = cluster.run(version, replicas=4, **settings)
        assert "replicas" not in spec(made, "canary")
        assert spec(made, "stable")["replicas"] == 4


@STRATEGIES
def test_with_an_autoscaler_no_track_declares_a_number_of_pods(cluster, strategy):
    for version in (V1, V2, None, V3):
        tracks = cluster.run(version, **SCALED, **strategy).of("Deployment")
        assert tracks
        assert not [track.name for track in tracks if "replicas" in track.inputs["spec"]]


def test_blue_green_leaves_the_old_track_as_it_is_while_a_rollback_may_need_it(cluster):
    before = cluster.run(V1, replicas=3, **BLUE_GREEN)
    switched = cluster.run(V2, replicas=3, **BLUE_GREEN)
    assert spec(switched, "blue") == spec(before, "blue")
    assert spec(cluster.run(replicas=3, **BLUE_GREEN), "blue") == spec(before, "blue")


def test_blue_green_retires_the_old_track_with_its_template_where_it_is_not_kept(cluster):
    once = {"strategy": {"blueGreen": {"keep": "none"}}}
    before = cluster.run(V1, replicas=3, **once)
    switched = cluster.run(V2, replicas=3, **once)
    assert spec(switched, "blue") == {**spec(before, "blue"), "replicas": 0}


def test_the_service_is_switched_by_a_release_and_back_by_a_rollback(cluster):
    first = cluster.run(V1, **BLUE_GREEN)
    second = cluster.run(V2, **BLUE_GREEN)
    back = cluster.run(action=Action.ROLLBACK, **BLUE_GREEN)
    assert [selected(made) for made in (first, second, back)] == ["blue", "green", "blue"]
    assert [selected(made, "preview") for made in (first, second, back)] == ["blue", "green", "blue"]
    assert image(back, "blue") == V1
    assert gated(back) == {"blue", "service", "ledger"}


def test_the_service_stays_where_it_is_until_somebody_promotes(cluster):
    waits = {"strategy": {"blueGreen": {"autoPromote": False}}}
    cluster.run(V1, **waits)
    paused = cluster.run(V2, **waits)
    assert (selected(paused), selected(paused, "preview")) == ("blue", "green")
    assert (image(paused, "blue"), image(paused, "green")) == (V1, V2)
    assert "service" not in gated(paused)
    promoted = cluster.run(action=Action.PROMOTE, **waits)
    assert selected(promoted) == "green"
    assert "service" in gated(promoted)


def test_stable_and_canary_share_the_pool_that_the_service_points_to(cluster):
    cluster.run(V1, **CANARY)
    made = cluster.run(V2, **CANARY)
    pools = {spec(made, track)["template"]["metadata"]["labels"]["slipway.dev/pool"] for track in ("stable", "canary")}
    assert pools == {selected(made)} == {"main"}


@pytest.mark.parametrize(
    ("before", "after", "tracks"),
    [
        (ROLLING, BLUE_GREEN, {"blue"}),
        (CANARY, BLUE_GREEN, {"blue"}),
        (BLUE_GREEN, ROLLING, {"stable"}),
        (BLUE_GREEN, CANARY, {"stable"}),
        (CANARY, ROLLING, {"stable"}),
    ],
    ids=[
        "rolling to blueGreen",
        "canary to blueGreen",
        "blueGreen to rolling",
        "blueGreen to canary",
        "canary to rolling",
    ],
)
def test_another_strategy_takes_over_behind_a_gate_and_leaves_nothing_of_the_one_before(cluster, before, after, tracks):
    cluster.run(V1, **before)
    cluster.run(V2, **before)
    made = cluster.run(**after)
    assert {r.name.removeprefix("myapp-") for r in made.of("Deployment")} == tracks
    assert ("preview" in names(made)) == (after == BLUE_GREEN)
    assert "ledger" in gated(made)
    assert ("service" in gated(made)) == (BLUE_GREEN in (before, after))
    assert {image(made, track) for track in tracks} == {V2}


# What is in it


@pytest.fixture
def pod(cluster):
    return spec(cluster.run(V1, **EVERYTHING), "stable")["template"]["spec"]


def test_the_pod_is_safe_by_default(pod):
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"] == {
        "requests": {"cpu": "100m", "memory": "128Mi"},
        "limits": {"cpu": "500m", "memory": "512Mi"},
    }
    assert container["volumeMounts"] == [{"name": "writable-0", "mountPath": "/tmp"}]
    assert pod["volumes"] == [{"name": "writable-0", "emptyDir": {}}]
    assert pod["imagePullSecrets"] == [{"name": "gitlab-registry"}]
    assert container["image"] == V1


@STRATEGIES
def test_no_request_is_lost_by_default(cluster, strategy):
    cluster.run(V1, **strategy)
    made = cluster.run(V2, **strategy)
    budget = made.one("PodDisruptionBudget").inputs["spec"]
    assert budget["maxUnavailable"] == 1
    for track in made.of("Deployment"):
        whole = track.inputs["spec"]
        pod = whole["template"]["spec"]
        (container,) = pod["containers"]
        update = {"maxUnavailable": 0, "maxSurge": "100%" if strategy == BLUE_GREEN else 1}
        assert whole["strategy"] == {"type": "RollingUpdate", "rollingUpdate": update}
        assert whole["progressDeadlineSeconds"] == 300
        assert container["readinessProbe"]["tcpSocket"] == {"port": "http"}
        assert container["ports"] == [{"name": "http", "containerPort": 3000, "protocol": "TCP"}]
        assert container["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}
        assert pod["terminationGracePeriodSeconds"] == 30
        assert pod["topologySpreadConstraints"][0]["topologyKey"] == "kubernetes.io/hostname"
        assert budget["selector"]["matchLabels"].items() <= whole["selector"]["matchLabels"].items()


@STRATEGIES
def test_the_provider_does_not_wait_for_what_we_wait_for(cluster, strategy):
    cluster.run(V1, **strategy)
    made = cluster.run(V2, **strategy)
    for resource in [*made.of("Deployment"), *made.of("Service")]:
        assert resource.inputs["metadata"]["annotations"]["pulumi.com/skipAwait"] == "true", resource.name


@STRATEGIES
def test_the_service_the_ingress_and_the_policy_lead_to_the_pods(cluster, strategy):
    made = cluster.run(V1, **EVERYTHING, **strategy)
    (track,) = made.of("Deployment")
    labels = track.inputs["spec"]["template"]["metadata"]["labels"]
    service = made.named("myapp-service")
    assert service.inputs["spec"]["selector"].items() <= labels.items()
    assert service.inputs["spec"]["ports"][0]["targetPort"] == "http"
    rule = made.one("Ingress").inputs["spec"]["rules"][0]
    assert rule["http"]["paths"][0]["backend"]["service"]["name"] == service.inputs["metadata"]["name"]
    policy = made.one("NetworkPolicy").inputs["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    assert policy["ingress"][0]["ports"] == [{"port": 3000, "protocol": "TCP"}]


# Who did it


@pytest.mark.parametrize(
    ("strategy", "moved", "kept"),
    [(ROLLING, {"stable"}, set()), (BLUE_GREEN, {"green"}, {"blue"}), (CANARY_THAT_WAITS, {"canary"}, {"stable"})],
    ids=["rolling", "blueGreen", "canary"],
)
def test_a_track_tells_of_the_run_that_gave_it_its_release(cluster, strategy, moved, kept):
    def told(recording):
        tracks = {
            r.name.removeprefix("myapp-"): r.inputs["metadata"]["annotations"] for r in recording.of("Deployment")
        }
        return {track: found["slipway.dev/by-commit"] for track, found in tracks.items()}

    assert set(told(cluster.run(V1, commit="one", **strategy)).values()) == {"one"}
    after = {**dict.fromkeys(moved, "two"), **dict.fromkeys(kept, "one")}
    assert told(cluster.run(V2, commit="two", **strategy)) == after
    assert told(cluster.run(commit="three", **strategy)) == after
    assert told(cluster.run(commit="four", replicas=3, **strategy)) == after


def test_every_object_tells_of_the_run_that_made_it_so(cluster):
    def told(recording):
        found = {r.name: r.inputs["metadata"]["annotations"] for r in kubernetes(recording)}
        return {name: (it.get("slipway.dev/by-commit"), it.get("slipway.dev/image")) for name, it in found.items()}

    first = told(cluster.run(V1, commit="one", **EVERYTHING, **BLUE_GREEN))
    assert set(first.values()) == {("one", V1)}
    assert told(cluster.run(commit="two", **EVERYTHING, **BLUE_GREEN)) == first


def test_what_somebody_else_noted_on_a_track_is_not_taken_for_ours(cluster):
    cluster.run(V1)
    cluster.objects["Deployment"]["myapp"]["metadata"]["annotations"]["someone"] = "else"
    assert "someone" not in annotations(cluster.run(), "stable")


def test_the_ledger_tells_which_release_is_live_and_which_one_waits(cluster):
    def told(recording):
        return {
            key: value
            for key, value in annotations(recording, "ledger").items()
            if key.startswith("slipway.dev/r") or "paused" in key
        }

    def id_of(recording, track):
        return spec(recording, track)["template"]["metadata"]["labels"]["slipway.dev/release"]

    first = cluster.run(V1, **CANARY_THAT_WAITS)
    assert told(first) == {"slipway.dev/release": id_of(first, "stable")}
    paused = cluster.run(V2, **CANARY_THAT_WAITS)
    assert told(paused) == {
        "slipway.dev/release": id_of(first, "stable"),
        "slipway.dev/paused": id_of(paused, "canary"),
    }
    promoted = cluster.run(action=Action.PROMOTE, **CANARY_THAT_WAITS)
    assert told(promoted) == {"slipway.dev/release": id_of(paused, "canary")}


# Secrets


def test_a_secret_is_immutable_and_its_values_are_secret_to_the_engine(cluster):
    made = cluster.run(V1, **EVERYTHING)
    secret = made.one("Secret")
    assert secret.inputs["immutable"] is True
    assert secret.inputs["data"] == DATA
    assert "data" in secret.secrets
    (container,) = spec(made, "stable")["template"]["spec"]["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": secret.inputs["metadata"]["name"]}}]
    assert secret.ignored == ()


@STRATEGIES
def test_no_value_stands_anywhere_else(cluster, strategy):
    cluster.run(V1, **EVERYTHING, **strategy)
    made = cluster.run(V2, **EVERYTHING, **strategy)
    others = [resource.inputs for resource in made.resources if resource.type != "kubernetes:core/v1:Secret"]
    told = str(others) + str(made.messages)
    assert VALUE not in told
    assert DATA["API_KEY"] not in told


@pytest.mark.parametrize(
    ("held", "ignored"),
    [
        (VersionedConfig(None, {"metadata": {"name": "s", "resourceVersion": "3"}}), {"data", "type"}),
        (VersionedConfig(None, None, readable=False), {"data", "metadata", "type"}),
        (VersionedConfig({"data": DATA}, None, readable=False), {"metadata"}),
    ],
)
def test_what_is_not_known_of_a_secret_is_left_as_it_is(cluster, held, ignored):
    assert set(cluster.run(V1, held=held, **EVERYTHING).one("Secret").ignored) == ignored


def test_a_rollback_whose_secret_is_gone_says_which_and_what_to_do(cluster):
    for version in (V1, V2):
        cluster.run(version, secretEnv={"API_KEY": {"fromEnv": "API_KEY"}})
    cluster.secrets.clear()
    with pytest.raises(UserError, match=r"gone from the cluster: deploy an image with SLIPWAY_IMAGE_MYAPP instead$"):
        cluster.run(action=Action.ROLLBACK)


def test_a_held_secret_does_not_print_its_values():
    held = VersionedConfig({"data": DATA}, {"data": DATA})
    assert DATA["API_KEY"] not in repr(held)


# What it says


@pytest.mark.parametrize(
    ("strategy", "phase"),
    [(ROLLING, "Healthy"), (BLUE_GREEN, "Healthy"), (CANARY, "Healthy"), (CANARY_THAT_WAITS, "Paused")],
    ids=["rolling", "blueGreen", "canary", "canary that waits"],
)
def test_the_plan_is_told_to_the_job(cluster, strategy, phase):
    cluster.run(V1, **strategy)
    made = cluster.run(V2, **strategy)
    (told,) = [text for severity, text in made.messages if severity == "info" and text.startswith("myapp: ")]
    assert told.startswith("myapp: Progressing: release ")
    again = cluster.run(**strategy)
    assert [text for _, text in again.messages if text.startswith(f"myapp: {phase}: ")]


@pytest.mark.parametrize("strategy", [ROLLING, BLUE_GREEN], ids=["rolling", "blueGreen"])
def test_a_live_deployment_that_was_deleted_by_hand_does_not_stop_a_run_that_only_holds(cluster, strategy):
    cluster.run(V1, **strategy)
    cluster.objects["Deployment"].clear()
    cluster.run(action=Action.SETTLE, **strategy)
    assert policy_warnings(None, Environment(name="staging"), [cluster.prepared], exists=False) == []


def outputs(made):
    """The workload's: image and phase."""
    (found,) = [outputs for type_, outputs in made.outputs if type_ == "slipway:index:Workload"]
    return found["image"], found["phase"]


def test_the_outputs_are_what_was_reached_never_what_was_wished(cluster):
    assert outputs(cluster.run(V1)) == ("", "Degraded"), "no gate has passed here: nothing does the steps"
    assert outputs(cluster.run(V2, preview=True)) == (V2, "Healthy")
    assert outputs(cluster.run(V2)) == (V1, "Healthy"), "users are on what was live before, and the ledger says so"
    assert outputs(cluster.run(V2)) == (V2, "Healthy"), "nothing is left to do"
