"""What a workload asks the engine for: asserted on the wiring, with the engine mocked and no cluster."""

import base64
from dataclasses import replace

import pulumi
import pytest

from components.workload import Workload, WorkloadArgs
from release import manifests
from release.manifests import Subject
from release.model import Observed, Phase, Plan, Release
from release.observe import World, track
from release.prepare import HeldSecret, Prepared
from settings import Environment
from settings import Workload as Settings

IMAGE = f"registry.example.com/app@sha256:{'a' * 64}"
SECRET = "myapp-env-0123456789"
DATA = {"API_KEY": base64.b64encode(b"planted-value").decode()}
EVERYTHING = {
    "replicas": 2,
    "ingress": {"host": "a.example.com", "tlsSecret": "tls"},
    "networkPolicy": {"allowFrom": ["ingress"]},
    "secretEnv": {"API_KEY": {"fromEnv": "API_KEY"}},
    "labels": {"team": "one"},
    "annotations": {"note": "ours"},
}
LABELS = {
    "app.kubernetes.io/name": "myapp",
    "app.kubernetes.io/instance": "myapp",
    "app.kubernetes.io/managed-by": "slipway",
    "slipway.dev/environment": "staging",
}


def prepared(world=None, phase=Phase.PROGRESSING, secret=None, **settings):
    """A workload as `prepare` would hand it over."""
    workload = Settings.model_validate(settings)
    subject = Subject("myapp", Environment(name="staging", image_pull_secret="gitlab-registry"), workload)
    name = SECRET if workload.secret_env else None
    release = Release.of(manifests.pod_template(subject, IMAGE, name))
    return Prepared(
        subject=subject,
        world=world or World({}, Observed(None)),
        plan=Plan(phase, release, "release"),
        deployment=manifests.deployment(subject, release.pod_template()),
        secrets={name: secret or HeldSecret(DATA, None)} if name else {},
        provenance={"commit": "c0ffee"},
    )


def lived(of):
    """The world after that run, as the API server would show it; the autoscaler has set four replicas."""
    s = of.subject
    made = {
        "Deployment": {**of.deployment, "status": {}},
        "Service": manifests.service(s),
        "ConfigMap": {"metadata": s.metadata("-releases")},
        "PodDisruptionBudget": manifests.disruption_budget(s),
        "Ingress": manifests.ingress(s),
        "NetworkPolicy": manifests.network_policy(s),
        "HorizontalPodAutoscaler": manifests.autoscaler(s),
    }
    objects = {
        kind: {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": f"{kind}-7", "generation": 1}}
        for kind, manifest in made.items()
        if manifest
    }
    return World(objects, Observed(track(objects["Deployment"])))


@pytest.fixture(scope="module")
def build(record):
    """Builds a workload as an environment's child."""

    def run(of=None, **settings):
        def program():
            parent = pulumi.ComponentResource("slipway:index:Environment", "staging")
            below = pulumi.ResourceOptions(parent=parent)
            Workload("myapp", WorkloadArgs(of or prepared(**settings), client=None), below)

        return record(program)

    return run


@pytest.fixture(scope="module")
def everything(build):
    return build(**EVERYTHING)


def kubernetes(recording):
    return [resource for resource in recording.resources if resource.type.startswith("kubernetes:")]


# What there is


def test_a_plain_workload_is_a_deployment_a_service_a_ledger_and_with_more_than_one_pod_a_budget(build):
    names = {"myapp-deployment", "myapp-service", "myapp-ledger"}
    assert {resource.name for resource in kubernetes(build(replicas=1))} == names
    assert {resource.name for resource in kubernetes(build(replicas=2))} == names | {"myapp-budget"}
    assert {resource.name for resource in kubernetes(build(replicas=2, disruptionBudget=False))} == names


def test_every_object_is_known_as_ours_in_its_namespace(everything):
    objects = kubernetes(everything)
    assert len(objects) == 7
    for resource in objects:
        metadata = resource.inputs["metadata"]
        assert metadata["namespace"] == "staging"
        assert LABELS.items() <= metadata["labels"].items(), resource.name
        assert metadata["labels"]["team"] == "one"
        assert metadata["annotations"]["note"] == "ours"
        assert metadata["annotations"]["pulumi.com/patchFieldManager"] == "slipway"


def test_the_workload_is_the_parent_of_all_and_the_release_of_what_carries_it(everything):
    assert everything.named("myapp-deployment").parent == "myapp"
    parents = {resource.name: (resource.parent, resource.type) for resource in everything.resources}
    workload = everything.one("slipway:index:Workload")
    assert (workload.name, workload.parent) == ("myapp", "staging")
    assert everything.one("slipway:index:Rolling").parent == "myapp"
    assert {parent for parent, type_ in parents.values() if type_.startswith("kubernetes:")} == {"myapp"}


# In which order


def test_the_ledger_is_written_after_the_deployment_and_the_deployment_after_its_secrets(everything):
    secret = everything.one("Secret").name
    assert secret in everything.named("myapp-deployment").depends_on
    assert "myapp-deployment" in everything.named("myapp-ledger").depends_on


def test_the_autoscaler_comes_after_the_deployment(build):
    made = build(autoscaler={"min": 2, "max": 5, "cpu": 60})
    scaler = made.one("HorizontalPodAutoscaler")
    assert "myapp-deployment" in scaler.depends_on
    assert scaler.inputs["spec"]["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "myapp"}


def test_the_gate_stands_before_the_ledger_is_created_and_before_it_is_updated(everything):
    hooks = everything.named("myapp-ledger").hooks
    assert hooks["before_create"] == ("myapp-gate",)
    assert hooks["before_update"][-1] == "myapp-gate"
    gated = [resource.name for resource in kubernetes(everything) if "myapp-gate" in str(resource.hooks)]
    assert gated == ["myapp-ledger"]


def test_nothing_is_made_again_that_is_there(build):
    first = prepared(**EVERYTHING)
    held = HeldSecret(DATA, {"metadata": {"name": SECRET, "resourceVersion": "3"}})
    again = build(prepared(world=lived(first), phase=Phase.HEALTHY, secret=held, **EVERYTHING))
    assert "made-again" not in str([resource.hooks for resource in kubernetes(again)])


def test_what_is_gone_is_made_again_before_its_update_each_kind_by_a_hook_of_its_own(build):
    recording = build(**EVERYTHING)
    hooks = [resource.hooks["before_update"][0] for resource in kubernetes(recording)]
    assert all(name.endswith("-made-again") for name in hooks)
    assert len(set(hooks)) == len(hooks)


def test_the_number_of_pods_is_held_while_an_autoscaler_takes_over(build):
    scaled = {"autoscaler": {"min": 2, "max": 5, "cpu": 60}}
    before = lived(prepared(replicas=3))
    assert build(prepared(world=before, **scaled)).named("myapp-deployment").hooks["before_update"] == (
        "myapp-handover",
    )
    after = lived(prepared(**scaled))
    assert build(prepared(world=after, **scaled)).named("myapp-deployment").hooks == {}


# What is in it


@pytest.fixture(scope="module")
def pod(everything):
    return everything.named("myapp-deployment").inputs["spec"]["template"]["spec"]


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
    assert container["image"] == IMAGE


def test_no_request_is_lost_by_default(everything, pod):
    spec = everything.named("myapp-deployment").inputs["spec"]
    (container,) = pod["containers"]
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    assert spec["progressDeadlineSeconds"] == 300
    assert container["readinessProbe"]["tcpSocket"] == {"port": "http"}
    assert container["ports"] == [{"name": "http", "containerPort": 3000, "protocol": "TCP"}]
    assert container["lifecycle"] == {"preStop": {"sleep": {"seconds": 3}}}
    assert pod["terminationGracePeriodSeconds"] == 30
    assert pod["topologySpreadConstraints"][0]["topologyKey"] == "kubernetes.io/hostname"
    budget = everything.one("PodDisruptionBudget").inputs["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"] == spec["selector"]


def test_replicas_are_declared_unless_an_autoscaler_has_them(build):
    assert build(replicas=4).named("myapp-deployment").inputs["spec"]["replicas"] == 4
    scaled = build(autoscaler={"min": 2, "max": 5, "cpu": 60})
    assert "replicas" not in scaled.named("myapp-deployment").inputs["spec"]
    assert scaled.one("PodDisruptionBudget")


def test_the_provider_does_not_wait_for_what_we_wait_for(everything):
    for name in ("myapp-deployment", "myapp-service"):
        assert everything.named(name).inputs["metadata"]["annotations"]["pulumi.com/skipAwait"] == "true"


def test_the_service_the_ingress_and_the_policy_lead_to_the_pods(everything):
    deployment, service = everything.named("myapp-deployment"), everything.named("myapp-service")
    labels = deployment.inputs["spec"]["template"]["metadata"]["labels"]
    assert service.inputs["spec"]["selector"].items() <= labels.items()
    assert service.inputs["spec"]["ports"][0]["targetPort"] == "http"
    rule = everything.one("Ingress").inputs["spec"]["rules"][0]
    assert rule["http"]["paths"][0]["backend"]["service"]["name"] == service.inputs["metadata"]["name"]
    policy = everything.one("NetworkPolicy").inputs["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    assert policy["ingress"][0]["ports"] == [{"port": 3000, "protocol": "TCP"}]


def test_the_run_that_begins_a_release_is_told_on_the_deployment_and_stays_while_nothing_moves(build):
    first = prepared()
    begun = build(first).named("myapp-deployment").inputs["metadata"]["annotations"]
    assert begun["slipway.dev/by-commit"] == "c0ffee"
    world = lived(first)
    live = {**world.objects["Deployment"]}
    live["metadata"] = {**live["metadata"], "annotations": {**begun, "someone": "else"}}
    world = World({**world.objects, "Deployment": live}, world.observed)
    later = replace(prepared(world=world, phase=Phase.HEALTHY), provenance={"commit": "another"})
    kept = build(later).named("myapp-deployment").inputs["metadata"]["annotations"]
    assert kept["slipway.dev/by-commit"] == "c0ffee"
    assert "someone" not in kept


# Secrets


def test_a_secret_is_immutable_and_its_values_are_secret_to_the_engine(everything):
    secret = everything.one("Secret")
    assert secret.inputs["immutable"] is True
    assert secret.inputs["data"] == DATA
    assert "data" in secret.secrets
    (container,) = everything.named("myapp-deployment").inputs["spec"]["template"]["spec"]["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": secret.inputs["metadata"]["name"]}}]
    assert secret.ignored == ()


def test_no_value_stands_anywhere_else(everything):
    others = [resource.inputs for resource in everything.resources if resource.type != "kubernetes:core/v1:Secret"]
    told = str(others) + str(everything.messages)
    assert "planted-value" not in told
    assert DATA["API_KEY"] not in told
    assert "planted-value" not in repr(prepared(**EVERYTHING))
    assert DATA["API_KEY"] not in repr(prepared(**EVERYTHING))


@pytest.mark.parametrize(
    ("held", "ignored"),
    [
        (HeldSecret(None, {"metadata": {"name": SECRET, "resourceVersion": "3"}}), {"data"}),
        (HeldSecret(None, None, readable=False), {"data", "metadata"}),
        (HeldSecret(DATA, None, readable=False), {"metadata"}),
    ],
)
def test_what_is_not_known_of_a_secret_is_left_as_it_is(build, held, ignored):
    assert set(build(prepared(secret=held, **EVERYTHING)).one("Secret").ignored) == ignored


# What it says


def test_the_plan_is_told_to_the_job(everything):
    assert ("info", "myapp: Progressing: release") in everything.messages


def test_release_image_and_phase_are_its_outputs(record):
    seen = {}

    def program():
        made = Workload("myapp", WorkloadArgs(prepared(), client=None))
        pulumi.Output.all(**made.summary).apply(seen.update)

    record(program)
    assert seen == {"release": prepared().plan.release.id, "image": IMAGE, "phase": "Healthy"}
