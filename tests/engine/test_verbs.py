"""Pulumi's own commands on a stack of ours, at the states that a release can be in."""

import time
from pathlib import Path

import pytest
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.autoscaling_v2 import HorizontalPodAutoscaler
from lightkube.resources.core_v1 import ConfigMap, Secret, Service
from lightkube.resources.policy_v1 import PodDisruptionBudget
from tenacity import Retrying, stop_after_delay, wait_fixed

from demo.installed import CHECKOUT
from tests.engine.cluster_view import outcomes, pods
from tests.engine.commands import urn
from tests.engine.harness import stack
from tests.engine.strategies import soak, some, under

KINDS = (Deployment, Service, ConfigMap, Secret, PodDisruptionBudget, HorizontalPodAutoscaler)
NOT_OURS = {"kube-root-ca.crt", "gitlab-registry"}


def objects(admin, namespace):
    """Kind and name of everything that a run has made in the namespace."""
    found = {(kind.__name__, it.metadata.name) for kind in KINDS for it in admin.list(kind, namespace=namespace)}
    return {it for it in found if it[1] not in NOT_OURS}


def emptied(admin, namespace):
    """Returns when nothing is left; a destroy does not wait for the pods of what it deletes."""
    for attempt in Retrying(stop=stop_after_delay(40), wait=wait_fixed(0.5), reraise=True):
        with attempt:
            assert objects(admin, namespace) == set()


@pytest.mark.parametrize("strategy", some("rolling", "canary"))
def test_outputs_tell_what_users_are_on_also_where_a_run_goes_on_after_errors(
    project, namespace, images, admin, strategy
):
    project.configure(stack(namespace, myapp=under(strategy))).up(SLIPWAY_IMAGE=images.v1).expect()
    healthy = project.outputs()["workloads"]["myapp"]
    assert healthy == {"release": healthy["release"], "image": images.digest("v1"), "phase": "Healthy"}
    project.up("--continue-on-error", SLIPWAY_IMAGE=images.bad).expect(1)
    assert project.outputs()["workloads"]["myapp"] == {**healthy, "phase": "Degraded"}
    project.up(SLIPWAY_IMAGE=images.bad).expect(1)
    assert project.outputs()["workloads"]["myapp"] == {**healthy, "phase": "Degraded"}
    assert outcomes(admin, namespace) == ["Healthy", "Degraded", "Degraded"]


@pytest.mark.parametrize("strategy", ["canary", pytest.param("blueGreen", marks=soak)])
def test_outputs_tell_what_users_are_on_while_a_release_is_paused(project, namespace, images, strategy):
    waits = {"canary": {"steps": [{"replicas": 1}]}, "blueGreen": {"autoPromote": False}}[strategy]
    project.configure(stack(namespace, myapp=under(strategy, replicas=2, **waits))).up(SLIPWAY_IMAGE=images.v1).expect()
    healthy = project.outputs()["workloads"]["myapp"]
    for image in ({"SLIPWAY_IMAGE": images.v2}, {}):
        project.up(**image).expect()
        assert project.outputs()["workloads"]["myapp"] == {**healthy, "phase": "Paused"}
    project.up(SLIPWAY_ACTION="promote").expect()
    assert project.outputs()["workloads"]["myapp"]["image"] == images.digest("v2")


@pytest.mark.parametrize("strategy", some("blueGreen"))
def test_a_saved_plan_holds(project, namespace, images, admin, strategy):
    project.configure(stack(namespace, myapp=under(strategy)))
    for version in ("v1", "v2", "v3"):
        image = {"SLIPWAY_IMAGE": getattr(images, version)}
        project.preview("--save-plan", "plan.json", **image).expect()
        time.sleep(1.1)  # no second of the day may be in it
        project.up("--plan", "plan.json", **image).expect()
    assert outcomes(admin, namespace) == ["Healthy"] * 3


def test_a_destroy_of_production_needs_a_word_and_takes_nothing_before(project, namespace, images, admin):
    config = stack(namespace, myapp=under("blueGreen"), other=under("rolling", replicas=1))
    config["slipway:environment"]["name"] = "production"
    image = {"SLIPWAY_IMAGE_MYAPP": images.v1, "SLIPWAY_IMAGE_OTHER": images.v1}
    project.configure(config).up(**image).expect()
    before, running = objects(admin, namespace), pods(admin, namespace)
    for flags in ((), ("--continue-on-error",)):
        refused = project.destroy(*flags)
        assert refused.status != 0
        assert "production-allowDestroy" in refused.output
        assert objects(admin, namespace) == before
        assert pods(admin, namespace) == running
    assert set(project.up().expect().changes) == {"same"}
    config["slipway:environment"]["allowDestroy"] = True
    project.configure(config).up().expect()
    project.destroy().expect()
    emptied(admin, namespace)


@pytest.mark.parametrize("strategy", some("canary"))
@pytest.mark.parametrize("state", ["never Healthy", "Paused", "Degraded", "the strategy changed"])
def test_a_destroy_leaves_nothing(project, namespace, images, admin, strategy, state):
    paused = {"steps": [{"replicas": 1}]} if strategy == "canary" else {}
    config = stack(namespace, myapp=under(strategy, replicas=1, progressDeadline="20s", **paused))
    project.configure(config)
    match state:
        case "never Healthy":
            project.up(SLIPWAY_IMAGE=images.crash).expect(1)
        case "Paused":
            project.up(SLIPWAY_IMAGE=images.v1).expect()
            project.up(SLIPWAY_IMAGE=images.v2).expect()
        case "Degraded":
            project.up(SLIPWAY_IMAGE=images.v1).expect()
            project.up(SLIPWAY_IMAGE=images.crash).expect(1)
        case _:
            project.up(SLIPWAY_IMAGE=images.v1).expect()
            project.configure(stack(namespace, myapp=under("blueGreen", replicas=1))).up(
                SLIPWAY_IMAGE=images.v2
            ).expect()
    project.destroy().expect()
    emptied(admin, namespace)


def test_the_cluster_is_the_one_that_was_named(project, namespace, images, admin):
    config = stack(namespace, myapp=under("rolling", replicas=1))
    for key in ("context", "kubeconfig", "namespace", "cluster", "enableServerSideApply", "deleteUnreachable"):
        refused = project.configure({**config, f"kubernetes:{key}": "true"}).preview(SLIPWAY_IMAGE=images.v1).expect(1)
        assert any(f"kubernetes:{key}: is not read here" in line for line in refused.messages), refused.output
    project.configure(config)
    for key, value in (("ENABLE_SERVER_SIDE_APPLY", "false"), ("DELETE_UNREACHABLE", "true")):
        refused = project.up(SLIPWAY_IMAGE=images.v1, **{f"PULUMI_K8S_{key}": value}).expect(1)
        assert any(f"PULUMI_K8S_{key}={value} in the job's environment" in line for line in refused.messages)
    two = ":".join([str(Path("/nowhere/kubeconfig")), project.environ["KUBECONFIG"]])
    refused = project.up(SLIPWAY_IMAGE=images.v1, KUBECONFIG=two).expect(1)
    told = [line for line in refused.messages if "a list of files, where one is taken" in line]
    assert "set KUBECONFIG to one file" in told[0]
    assert objects(admin, namespace) == set()


def test_a_service_that_was_imported_with_another_provider_is_not_replaced(project, namespace, images, admin, load):
    project.configure(stack(namespace, myapp=under("rolling", replicas=1))).up(SLIPWAY_IMAGE=images.v1).expect()
    project.pulumi("state", "delete", urn(project, "service"), "--target-dependents", "--yes", "--stack", "staging")
    (parent,) = [it["urn"] for it in project.resources("slipway:index:Workload")]
    with load("myapp") as run:
        what = ("kubernetes:core/v1:Service", "myapp-service", f"{namespace}/myapp", "--parent", f"workload={parent}")
        flags = ("--yes", "--skip-preview", "--protect=false", "--generate-code=false", "--stack", "staging")
        project.pulumi("import", *what, *flags).expect()
        refused = project.up().expect(1)
        assert any("Service myapp is not replaced" in line for line in refused.messages), refused.output
        project.pulumi("state", "delete", urn(project, "service"), "--yes", "--stack", "staging").expect()
        project.up().expect()
    assert run.result.failed == 0, run.result.samples
    assert set(project.up().expect().changes) == {"same"}


def test_what_cannot_be_changed_in_place_is_refused_before_anything_is_written(project, namespace, images, admin):
    file = project.directory / "web.yaml"
    text = (CHECKOUT / "examples" / "sources" / "manifests" / "web.yaml").read_text()
    file.write_text(text)
    project.configure(stack(namespace, web={"source": {"manifests": "web.yaml"}, "strategy": "rolling"}))
    project.up(SLIPWAY_IMAGE=images.v1).expect()
    before = admin.get(Service, "web-svc", namespace=namespace).spec.clusterIP
    file.write_text(text.replace("  selector: {app: web}", "  clusterIP: 10.96.77.77\n  selector: {app: web}"))
    for run in (project.preview, project.up):
        refused = run(SLIPWAY_IMAGE=images.v1).expect(1)
        told = [line for line in refused.messages if "Service web-svc: spec.clusterIP can't be changed" in line]
        assert len(told) == 1, refused.output
    assert admin.get(Service, "web-svc", namespace=namespace).spec.clusterIP == before
