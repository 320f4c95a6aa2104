"""A workload that gets another name: its users are moved, and lose no request."""

import time

import pytest
from lightkube import ApiError
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Service

from tests.engine.cluster_view import outcomes
from tests.engine.harness import stack
from tests.engine.strategies import STEPS, soak, some
from tests.engine.test_ports import source

STRATEGIES = {
    "rolling": "rolling",
    "blueGreen": {"blueGreen": {"keep": "none"}},
    "canary": {"canary": {"steps": STEPS}},
}


@pytest.mark.parametrize("version", ["v2", pytest.param("v1", marks=soak)])
@pytest.mark.parametrize("strategy", some("rolling"))
def test_a_rename_moves_users_over_without_losing_a_request(strategy, version, project, namespace, images, admin, load):
    (project.directory / "web.yaml").write_text(source())
    settings = {
        "source": {"manifests": "web.yaml"},
        "strategy": STRATEGIES[strategy],
        "checks": {"answers": {"http": {"path": "/"}, "interval": "1s"}},
        "progressDeadline": "40s",
    }
    project.configure(stack(namespace, web=settings)).up(SLIPWAY_IMAGE=images.v1).expect()
    refused = project.configure(stack(namespace, shop=settings)).preview(SLIPWAY_IMAGE=images.v1).expect(1)
    assert "`renamedFrom: web`" in refused.output
    project.configure(stack(namespace, shop={**settings, "renamedFrom": "web"}))
    refused = project.up(SLIPWAY_ACTION="settle").expect(1)
    assert "web is still to be renamed" in refused.output
    with load("web") as run:
        if version == "v1":
            failed = project.up(SLIPWAY_IMAGE=images.crash).expect(1)
            assert "shop" in failed.output
        project.up(SLIPWAY_IMAGE=getattr(images, version)).expect()
        time.sleep(4)
    assert run.result.failed == 0, run.result.samples
    assert {"v1", version} == set(run.result.versions)
    outcome = "Healthy" if version == "v2" else "Degraded"  # v1 is live already, and nothing is released
    assert outcomes(admin, namespace, "shop")[-1] == outcome
    there = [it.metadata for it in admin.list(Deployment, namespace=namespace)]
    assert [it.name for it in there if it.name.startswith("web") and not it.deletionTimestamp] == []
    assert admin.get(Service, "web", namespace=namespace).metadata.labels["app.kubernetes.io/instance"] == "shop"
    with pytest.raises(ApiError):
        outcomes(admin, namespace, "web")
    assert set(project.up().expect().changes) == {"same"}
    if version == "v2":
        project.up(SLIPWAY_ACTION="rollback").expect()
        assert outcomes(admin, namespace, "shop")[-1] == "Healthy"
