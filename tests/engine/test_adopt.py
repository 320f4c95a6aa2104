"""`adopt: true` takes over what kubectl has made while it serves, and says beforehand what changes in it."""

import subprocess

import pytest
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod, Service

from tests.engine.cluster_view import outcomes
from tests.engine.harness import stack
from tests.engine.strategies import some
from tests.engine.test_ports import source, web  # noqa: F401  a fixture

STOPS = "        lifecycle: {preStop: {sleep: {seconds: 5}}}\n"
LOGIN = "imagePullSecrets: [{name: gitlab-registry}]"


def kubectl(namespace, text):
    subprocess.run(["kubectl", "-n", namespace, "apply", "-f", "-"], input=text, text=True, check=True)
    subprocess.run(["kubectl", "-n", namespace, "rollout", "status", "deploy/web", "--timeout=60s"], check=True)


@pytest.mark.parametrize("strategy", some("rolling"))
def test_what_kubectl_made_is_taken_over_without_a_lost_request(strategy, web, namespace, images, admin, load):  # noqa: F811
    text = source(pod=LOGIN, port="name: http").replace(
        "        image", "        lifecycle: {preStop: {sleep: {seconds: 5}}}\n        image"
    )
    kubectl(namespace, text.replace("IMAGE_PLACEHOLDER", images.v1))
    uid = admin.get(Deployment, "web", namespace=namespace).metadata.uid
    refused = web(text, strategy).preview(SLIPWAY_IMAGE=images.v1).expect(1).output
    assert "take it over with `adopt: true` in the workload" in refused
    project = web(text, strategy, adopt=True)
    shown = project.preview(SLIPWAY_IMAGE=images.v1).expect().output
    for line in (
        f'web: Deployment web is adopted: spec.template.spec.containers[app].image: "{images.v1}" becomes "',
        'web: Service web is adopted: spec.selector: {"app": "web"} becomes {"app": "web", "slipway.dev/pool": "',
    )[strategy == "blueGreen" :]:
        assert line in shown
    with load("web") as run:
        project.up(SLIPWAY_IMAGE=images.v1).expect()
        assert "is adopted" not in project.up().expect().output
        project.up(SLIPWAY_IMAGE=images.v2).expect()
        if strategy == "canary":
            project.up(SLIPWAY_ACTION="promote").expect()
        project.up(SLIPWAY_ACTION="rollback").expect()
    assert run.result.failed == 0, run.result.samples
    assert set(run.result.versions) == {"v1", "v2"}
    assert set(project.up().expect().changes) == {"same"}
    assert set(outcomes(admin, namespace, "web")) == {"Healthy"}
    if strategy != "blueGreen":
        assert admin.get(Deployment, "web", namespace=namespace).metadata.uid == uid
    assert admin.get(Service, "web", namespace=namespace).metadata.labels["app.kubernetes.io/managed-by"] == "slipway"


def test_the_command_that_the_refusal_prints_hands_it_over(web, namespace, images, load):  # noqa: F811
    text = source(pod=LOGIN).replace("        image", STOPS + "        image")
    kubectl(namespace, text.replace("IMAGE_PLACEHOLDER", images.v1))
    project = web(text)
    for _ in range(2):
        refused = project.preview(SLIPWAY_IMAGE=images.v1).expect(1).messages[-1]
        command = refused.rpartition("with: ")[2].split(" --overwrite")[0].split()
        subprocess.run([*command, "--overwrite"], check=True)
    with load("web") as run:
        project.up(SLIPWAY_IMAGE=images.v1).expect()
    assert run.result.failed == 0, run.result.samples


def test_it_is_given_back_without_a_restart(web, namespace, images, admin, load):  # noqa: F811
    text = source(pod=LOGIN).replace("        image", STOPS + "        image")
    project = web(text)
    project.up(SLIPWAY_IMAGE=images.v1).expect()
    pods = {it.metadata.name for it in admin.list(Pod, namespace=namespace)}
    urn = f"urn:pulumi:{project.stack}::slipway::slipway:index:Environment$slipway:index:Workload::web"
    deleted = project.pulumi("state", "delete", urn, "--target-dependents", "--yes", "--stack", project.stack)
    deleted.expect()
    labels = ["slipway.dev/environment-", "app.kubernetes.io/managed-by-"]
    kinds, mine = "deployment,service,configmap,pdb", "app.kubernetes.io/instance=web"
    subprocess.run(["kubectl", "-n", namespace, "label", kinds, "-l", mine, *labels], check=True)
    project.configure(stack(namespace, other={}))
    with load("web") as run:
        project.up(SLIPWAY_IMAGE=images.v1).expect()
        kubectl(namespace, text.replace("IMAGE_PLACEHOLDER", images.digest("v1")))
    assert run.result.failed == 0, run.result.samples
    assert pods <= {it.metadata.name for it in admin.list(Pod, namespace=namespace)}
