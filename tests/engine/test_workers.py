"""Workers: Deployments that nobody calls. Released step by step, rolled back, and failed as others are."""

import pytest
from lightkube.core.exceptions import ApiError
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Service

from tests.engine.cluster_view import outcomes, records
from tests.engine.harness import stack
from tests.engine.strategies import soak
from tests.engine.test_ports import source

SMALL = {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "100m", "memory": "64Mi"}}
STEPS = {"canary": {"steps": [{"replicas": 1}], "checks": ["works"]}}
CHECKS = {"works": {"command": ["true"], "interval": "1s"}}
WORKER = (
    source()
    .partition("---")[0]
    .replace("ports: [{containerPort: 3000, name: http}]", "")
    .replace("readinessProbe: {httpGet: {path: /healthz, port: 3000}, periodSeconds: 1}", "")
)


@pytest.mark.parametrize("strategy", ["canary", pytest.param("rolling", marks=soak)])
@pytest.mark.parametrize("by", ["source", pytest.param("settings", marks=soak)])
def test_a_worker_is_released_in_steps_and_rolled_back(by, strategy, project, namespace, images, admin):
    (project.directory / "web.yaml").write_text(WORKER)
    settings = {"source": {"manifests": "web.yaml"}} if by == "source" else {"resources": SMALL}
    workload = {"worker": True, "checks": CHECKS, "progressDeadline": "30s", **settings}
    workload["strategy"] = STEPS if strategy == "canary" else "rolling"
    project.configure(stack(namespace, web=workload))
    first = project.up(SLIPWAY_IMAGE=images.v1).expect()
    assert "readinessProbe" not in first.output
    assert admin.get(Service, "web", namespace=namespace).spec.ports is None
    container = admin.get(Deployment, "web", namespace=namespace).spec.template.spec.containers[0]
    assert (container.ports, container.readinessProbe, container.lifecycle) == (None, None, None)
    assert set(project.up().expect().changes) == {"same"}
    project.up(SLIPWAY_IMAGE=images.v2).expect()
    if strategy == "canary":
        assert outcomes(admin, namespace, "web") == ["Healthy", "Paused"]
        project.up(SLIPWAY_ACTION="promote").expect()
    assert outcomes(admin, namespace, "web") == ["Healthy", "Healthy"]
    assert image(admin, namespace) == images.digest("v2")
    project.up(SLIPWAY_ACTION="rollback").expect()
    assert image(admin, namespace) == images.digest("v1")
    failed = project.up(SLIPWAY_IMAGE=images.crash).expect(1)
    assert "exits with" in failed.output
    assert records(admin, namespace, "web")[-1].outcome == "Degraded"
    assert image(admin, namespace) == images.digest("v1")


def image(admin, namespace):
    return admin.get(Deployment, "web", namespace=namespace).spec.template.spec.containers[0].image


def test_a_worker_is_no_way_to_forget_a_service_and_has_nothing_to_call(project, namespace, images, admin):
    (project.directory / "web.yaml").write_text(WORKER)
    project.configure(stack(namespace, web={"source": {"manifests": "web.yaml"}}))
    forgotten = project.preview(SLIPWAY_IMAGE=images.v1).expect(1).output
    assert "there is no Service among the objects" in forgotten
    assert "worker: true" in forgotten
    wrong = {"worker": True, "strategy": "blueGreen", "port": 80, "checks": {"a": {"http": {"path": "/"}}}}
    project.configure(stack(namespace, web=wrong))
    refused = project.preview(SLIPWAY_IMAGE=images.v1).expect(1).output
    for line in ("strategy: must be rolling or canary", "port: is for what is called", "checks.a.http: has nothing"):
        assert line in refused
    with pytest.raises(ApiError):
        admin.get(Service, "web", namespace=namespace)
