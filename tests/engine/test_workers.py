"""Workers: Deployments that nobody calls. Released step by step, rolled back, and failed as others are."""

import threading
import time

import pytest
from lightkube.core.exceptions import ApiError
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod, Service

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


def test_no_two_releases_of_a_worker_work_at_once_where_it_says_so(project, namespace, images, admin):
    (project.directory / "web.yaml").write_text(WORKER)
    workload = {"worker": True, "overlap": False, "progressDeadline": "20s", "source": {"manifests": "web.yaml"}}
    project.configure(stack(namespace, web=workload))
    project.up(SLIPWAY_IMAGE=images.v1).expect()
    ended, seen = threading.Event(), []

    def look():
        while not ended.is_set():
            pods = [it.to_dict() for it in admin.list(Pod, namespace=namespace)]
            seen.append(frozenset(it["spec"]["containers"][0]["image"] for it in pods if works(it)))
            time.sleep(0.05)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        project.up(SLIPWAY_IMAGE=images.v2).expect()
        project.up(SLIPWAY_IMAGE=images.crash).expect(1)
        project.up(SLIPWAY_ACTION="rollback", SLIPWAY_RELEASE=records(admin, namespace, "web")[0].release.id).expect()
    finally:
        ended.set()
        looking.join()
    assert max(map(len, seen)) == 1
    assert frozenset.union(*seen) >= {images.digest(it) for it in ("v1", "v2")}
    assert image(admin, namespace) == images.digest("v1")
    assert set(project.up().expect().changes) == {"same"}


def works(pod):
    """Whether a container of it runs, also while it is told to stop."""
    return any("running" in it["state"] for it in pod["status"].get("containerStatuses") or ())


def image(admin, namespace):
    return admin.get(Deployment, "web", namespace=namespace).spec.template.spec.containers[0].image


def test_a_worker_is_no_way_to_forget_a_service_and_has_nothing_to_call(project, namespace, images, admin):
    (project.directory / "web.yaml").write_text(WORKER)
    project.configure(stack(namespace, web={"source": {"manifests": "web.yaml"}}))
    forgotten = project.preview(SLIPWAY_IMAGE=images.v1).expect(1).output
    assert "there is no Service among the objects" in forgotten
    assert "worker: true" in forgotten
    project.configure(stack(namespace, web={"worker": True, "overlap": False, "strategy": "canary"}))
    assert "must be rolling with `overlap: false`" in project.preview().expect(1).output
    wrong = {"worker": True, "strategy": "blueGreen", "port": 80, "checks": {"a": {"http": {"path": "/"}}}}
    project.configure(stack(namespace, web=wrong))
    refused = project.preview(SLIPWAY_IMAGE=images.v1).expect(1).output
    for line in ("strategy: must be rolling or canary", "port: is for what is called", "checks.a.http: has nothing"):
        assert line in refused
    with pytest.raises(ApiError):
        admin.get(Service, "web", namespace=namespace)
