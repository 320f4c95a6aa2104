"""What only a rolling release has, and what holds for any workload, on the real engine and cluster."""

import re

import pytest
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.autoscaling_v2 import HorizontalPodAutoscaler
from lightkube.resources.core_v1 import Secret, Service
from lightkube.resources.policy_v1 import PodDisruptionBudget
from lightkube.types import PatchType

from pulumi_slipway.core.keys import OBSERVED
from pulumi_slipway.core.model import Phase
from tests.engine.cluster_view import deployment, image, pods, records, release
from tests.engine.harness import Project, app, stack
from tests.engine.strategies import SOAK, soak


@pytest.fixture
def live(project, namespace, images):
    """A project whose myapp runs v1."""
    project.configure(stack(namespace, myapp=app(replicas=3)))
    project.up(SLIPWAY_IMAGE=images.v1).expect()
    return project


def test_a_run_with_nothing_to_do_changes_nothing_and_keeps_what_is_live(live, namespace, images, admin):
    before = deployment(admin, namespace)["metadata"]["resourceVersion"]
    assert set(live.up().expect().changes) == {"same"}
    assert set(live.up(SLIPWAY_IMAGE=images.v1, CI_COMMIT_SHA="another").expect().changes) == {"same"}
    assert deployment(admin, namespace)["metadata"]["resourceVersion"] == before


def test_a_preview_shows_the_change_and_writes_nothing(live, namespace, images, admin):
    before = deployment(admin, namespace)["metadata"]["resourceVersion"]
    shown = live.preview("--diff", SLIPWAY_IMAGE=images.v2).expect()
    assert images.digest("v2") in shown.output
    assert shown.changes["update"] == 2
    assert deployment(admin, namespace)["metadata"]["resourceVersion"] == before


BAD = {
    "crash": (app(replicas=3, progressDeadline="6s"), "crash", r"exits with \d+ .*last lines: "),
    "never ready": (app(replicas=3, progressDeadline="6s"), "never", "readiness probe fails"),
    "unschedulable": (
        app(
            replicas=3,
            progressDeadline="6s",
            resources={"requests": {"cpu": "900", "memory": "16Mi"}, "limits": {"cpu": "900", "memory": "64Mi"}},
        ),
        "v2",
        "unschedulable: .*Insufficient cpu",
    ),
    "root": (app(replicas=3, progressDeadline="6s", command=["/nothing-here"]), "v2", "nothing-here"),
}


@pytest.mark.parametrize("case", BAD if SOAK else ["crash", "never ready"])
def test_a_release_that_does_not_come_up_says_why_and_the_live_one_serves_on(
    case, live, namespace, images, admin, load
):
    settings, version, reason = BAD[case]
    first = release(admin, namespace)
    live.configure(stack(namespace, myapp=settings))
    with load("myapp") as run:
        failed = live.up(SLIPWAY_IMAGE=getattr(images, version)).expect(1)
    assert "Traceback" not in failed.output
    assert "did not come up within 6 s" in failed.output
    assert _matches(reason, failed.output), failed.output
    assert run.result.failed == 0
    assert set(run.result.versions) == {"v1"}
    last = records(admin, namespace)[-1]
    assert (last.outcome, last.release.id == first) == (Phase.DEGRADED, False)
    assert _matches(reason.replace(".*last lines: ", ""), last.message)
    assert "last lines" not in last.message  # more people read the ledger than the pods' logs
    assert release(admin, namespace) == first
    assert deployment(admin, namespace)["status"]["availableReplicas"] == 3


def _matches(pattern: str, text: str) -> bool:
    return re.search(pattern, text) is not None


def test_what_somebody_changed_by_hand_is_mended(live, namespace, images, admin):
    patch = {"spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "myapp", "image": images.v3}]}}}}
    admin.patch(Deployment, "myapp", patch, namespace=namespace, patch_type=PatchType.STRATEGIC)
    admin.patch(Service, "myapp", {"spec": {"selector": {"someone": "else"}}}, namespace=namespace)
    admin.delete(PodDisruptionBudget, "myapp", namespace=namespace)
    live.up().expect()
    assert image(admin, namespace) == images.digest("v1")
    assert deployment(admin, namespace)["status"]["availableReplicas"] == 3
    service = admin.get(Service, "myapp", namespace=namespace)
    assert service.spec.selector == {
        "app.kubernetes.io/name": "myapp",
        "app.kubernetes.io/instance": "myapp",
        "slipway.dev/pool": "main",
    }
    assert admin.get(PodDisruptionBudget, "myapp", namespace=namespace).spec.maxUnavailable == 1
    assert set(live.up().expect().changes) == {"same"}


def test_what_is_deleted_by_hand_is_made_again_each_time_and_what_is_new_is_shown_as_it_is(
    live, namespace, images, admin
):
    assert not [it["urn"] for it in live.resources() if OBSERVED in str(it.get("inputs"))]
    for number in (1, 2):
        admin.delete(Deployment, "myapp", namespace=namespace)
        if number > 1:
            admin.delete(Service, "myapp", namespace=namespace)
        shown = live.preview().expect()
        assert "Deployment myapp is gone from the cluster: `pulumi up` makes it again" in shown.messages
        assert shown.changes["replace"] == number
        assert shown.changes["update"] == 1  # the ledger, whose gate waits for the pods
        live.up().expect()
        assert image(admin, namespace) == images.digest("v1")
        assert deployment(admin, namespace)["status"]["availableReplicas"] == 3
    assert set(live.up().expect().changes) == {"same"}


@soak
def test_an_autoscaler_takes_over_and_hands_back_without_dropping_a_pod(live, namespace, images, admin):
    before = pods(admin, namespace)
    live.configure(stack(namespace, myapp=app(replicas=None, autoscaler={"min": 2, "max": 5})))
    live.up().expect()
    assert pods(admin, namespace) == before
    assert "replicas" not in live.resources("Deployment")[0]["inputs"]["spec"]
    assert admin.get(HorizontalPodAutoscaler, "myapp", namespace=namespace).spec.maxReplicas == 5
    admin.patch(Deployment.Scale, "myapp", {"spec": {"replicas": 4}}, namespace=namespace)
    live.up(SLIPWAY_IMAGE=images.v2).expect()
    assert deployment(admin, namespace)["spec"]["replicas"] == 4
    live.configure(stack(namespace, myapp=app(replicas=3)))
    live.up().expect()
    assert deployment(admin, namespace)["spec"]["replicas"] == 3


def test_secret_values_are_kept_for_the_release_that_needs_them(live, namespace, images, admin):
    live.configure(stack(namespace, myapp=app(secretEnv={"API_KEY": {"fromEnv": "THE_KEY"}})))
    first = live.up(SLIPWAY_IMAGE=images.v1, THE_KEY="planted-value-one").expect()
    second = live.up(THE_KEY="planted-value-two").expect()
    names = [r.release.configs for r in records(admin, namespace)]
    assert names[0] == frozenset()
    assert len(names[1] | names[2]) == 2
    rolled = live.up(SLIPWAY_ACTION="rollback").expect()
    used = deployment(admin, namespace)["spec"]["template"]["spec"]["containers"][0]["envFrom"][0]["secretRef"]["name"]
    secret = admin.get(Secret, used, namespace=namespace)
    assert secret.immutable
    assert secret.data["API_KEY"] == "cGxhbnRlZC12YWx1ZS1vbmU="
    missing = live.up().expect(1)
    assert "THE_KEY not in the job's environment" in missing.output
    for outcome in (first, second, rolled):
        assert "planted-value" not in outcome.output
    encoded = (b"planted-value", b"cGxhbnRlZC12YWx1ZS")
    assert not [path for path, content in live.written() if any(value in content for value in encoded)]


def test_an_object_of_somebody_else_is_refused_before_anything_is_written(project, namespace, images, admin):
    admin.create(
        Service.from_dict({"metadata": {"name": "myapp", "namespace": namespace}, "spec": {"ports": [{"port": 1}]}})
    )
    project.configure(stack(namespace, myapp=app()))
    refused = project.up(SLIPWAY_IMAGE=images.v1).expect(1)
    assert f"Service {namespace}/myapp exists and belongs to someone else" in refused.output
    assert "Traceback" not in refused.output
    assert pods(admin, namespace) == set()


def test_every_optional_object_is_accepted_and_settles(project, namespace, images, admin):
    everything = app(
        ingress={"host": "app.example.com", "tlsSecret": "tls", "className": "nginx", "annotations": {"a": "b"}},
        networkPolicy={"allowFrom": ["default"], "egress": ["default"]},
        liveness={"path": "/healthz", "period": "10s"},
        env={"LOG_LEVEL": "info"},
        podAnnotations={"prometheus.io/scrape": "true"},
        runAsUser=1000,
        service={"port": 8080},
    )
    project.configure(stack(namespace, web=everything, other_app=app(replicas=1)))
    project.up(SLIPWAY_IMAGE_WEB=images.v1, SLIPWAY_IMAGE_OTHER_APP=images.v2).expect()
    assert image(admin, namespace, "web") == images.digest("v1")
    assert image(admin, namespace, "other-app") == images.digest("v2")
    assert set(project.up().expect().changes) == {"same"}
    project.destroy().expect()
    left = [*admin.list(Deployment, namespace=namespace), *admin.list(Service, namespace=namespace)]
    assert [one.metadata.name for one in left if not one.metadata.deletionTimestamp] == []


@pytest.mark.timeout(120)
def test_more_workloads_than_the_engine_does_at_once_wait_for_each_other_and_not_for_ever(
    project, namespace, images, admin
):
    """Hooks once shared their threads with the resources that waited for them: fifty workloads hung."""
    many = {f"app{number}": app(replicas=0) for number in range(12)}
    project.configure(stack(namespace, **many))
    project.up("--parallel", "2", **{f"SLIPWAY_IMAGE_{name.upper()}": images.v1 for name in many}).expect()
    assert {name: records(admin, namespace, name)[-1].outcome for name in many} == dict.fromkeys(many, Phase.HEALTHY)


def test_another_stack_does_not_take_a_workload_over_unless_it_is_told_to(live, namespace, images, admin, tmp_path):
    other = Project(tmp_path / "other", "elsewhere").configure(stack(namespace, myapp=app(replicas=3)))
    refused = other.preview(SLIPWAY_IMAGE=images.v2).expect(1)
    owner = "slipway/staging"
    assert f"workload myapp in {namespace} belongs to stack {owner}" in refused.messages[-1]
    assert f"SLIPWAY_TAKE_OVER={owner}" in refused.messages[-1]
    other.up(SLIPWAY_IMAGE=images.v2).expect(1)
    other.up(SLIPWAY_IMAGE=images.v2, SLIPWAY_TAKE_OVER=owner).expect()
    assert "belongs to stack slipway/elsewhere" in live.up().expect(1).messages[-1]
    other.up().expect()


def test_a_run_right_after_a_destroy_waits_for_what_is_on_its_way_out(live, namespace, images, admin):
    live.destroy().expect()
    live.up(SLIPWAY_IMAGE=images.v1).expect()
    assert deployment(admin, namespace)["status"]["availableReplicas"] == 3
