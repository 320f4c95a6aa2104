"""What a mutating admission webhook changes is neither drift nor a release."""

import pytest
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod

from tests.engine.cluster_view import outcomes
from tests.engine.mutating import Mutating
from tests.engine.strategies import soak, some
from tests.engine.test_ports import source, web  # noqa: F401  a fixture


@pytest.fixture
def mutating(admin, namespace, tmp_path):
    made = Mutating(admin, namespace, tmp_path)
    yield made
    made.end()


def rewritten(found):
    """An image rewriter's: by the tag, where ours is by digest; of Deployments, and of pods."""
    for pod in pods(found):
        for container in pod["containers"]:
            container["image"] = container["image"].replace("/engine/app@", "/engine/app:mirrored@")


def injected(found):
    """A sidecar injector's: a container, an annotation, another grace period."""
    for pod in pods(found):
        app = pod["containers"][-1]
        if len(pod["containers"]) == 1:
            proxy = {"name": "proxy", "image": app["image"], "securityContext": app["securityContext"]}
            proxy |= {"env": [{"name": "PORT", "value": "3999"}], "resources": app["resources"]}
            pod["containers"].insert(0, proxy)
        pod["terminationGracePeriodSeconds"] = 41
        app["resources"] = {**app["resources"], "limits": {"cpu": "250m", "memory": "64Mi"}}
    found["metadata"].setdefault("annotations", {})["injector.example.com/status"] = "injected"


def pods(found):
    if found["kind"] == "Deployment":
        return [found["spec"]["template"]["spec"]]
    return [found["spec"]] if found["kind"] == "Pod" else []


@pytest.mark.parametrize("change", [rewritten, pytest.param(injected, marks=soak)])
@pytest.mark.parametrize("strategy", some("rolling"))
def test_what_a_webhook_changes_is_no_diff_and_no_release(strategy, change, web, namespace, images, admin, mutating):  # noqa: F811
    mutating.begin(change)
    project = web(source(), strategy)
    project.up(SLIPWAY_IMAGE=images.v1).expect()
    names = {it.metadata.name for it in admin.list(Pod, namespace=namespace)}
    for asked in ({}, {"SLIPWAY_IMAGE": images.v1}, {"SLIPWAY_ACTION": "settle"}):
        assert set(project.preview(**asked).expect().changes) == {"same"}, asked
        assert set(project.up(**asked).expect().changes) == {"same"}, asked
    assert {it.metadata.name for it in admin.list(Pod, namespace=namespace)} == names
    assert outcomes(admin, namespace, "web") == ["Healthy"]
    project.up(SLIPWAY_IMAGE=images.v2).expect()
    project.up(SLIPWAY_ACTION="rollback").expect()
    assert set(project.up().expect().changes) == {"same"}
    assert outcomes(admin, namespace, "web") == ["Healthy"] * 3


def test_what_a_person_changes_beside_a_webhook_is_still_taken_back(web, namespace, images, admin, mutating):  # noqa: F811
    mutating.begin(rewritten)
    project = web(source())
    project.up(SLIPWAY_IMAGE=images.v1).expect()
    admin.patch(Deployment, "web", {"spec": {"minReadySeconds": 1, "replicas": 1}}, namespace=namespace)
    assert "update" in project.up().expect().changes
    assert admin.get(Deployment, "web", namespace=namespace).spec.replicas == 2
    assert set(project.up().expect().changes) == {"same"}
