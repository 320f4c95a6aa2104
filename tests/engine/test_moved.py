"""An object that changes its place in the program, or is to be replaced by a command, stays: no request is lost."""

import re
import subprocess
import time

import pytest
from lightkube.resources.core_v1 import ConfigMap, Service

from demo.installed import CHECKOUT
from tests.engine.cluster_view import outcomes, pods
from tests.engine.harness import app, stack
from tests.engine.strategies import SOAK

KINDS = ["Service", "Deployment", "ConfigMap"] if SOAK else ["Service"]


def urn_of(project, kind):
    (found,) = [it["urn"] for it in project.resources(f":{kind}") if it["urn"].rpartition("::")[2].startswith("myapp")]
    return found


@pytest.fixture
def deployed(project, namespace, images, load):
    project.configure(stack(namespace, myapp=app())).up(SLIPWAY_IMAGE=images.v1).expect()
    return project


@pytest.mark.parametrize("kind", KINDS)
def test_a_resource_that_was_renamed_in_the_state_is_taken_along(deployed, namespace, images, admin, load, kind):
    before = pods(admin, namespace)
    deployed.pulumi("state", "rename", urn_of(deployed, kind), "myapp-moved", "--yes", "--stack", "staging").expect()
    shown = deployed.preview().expect()
    assert set(shown.changes) == {"same"}, shown.output
    with load("myapp") as run:
        deployed.up().expect()
        deployed.up(SLIPWAY_IMAGE=images.v2).expect()
    assert run.result.failed == 0, run.result.samples
    assert outcomes(admin, namespace) == ["Healthy", "Healthy"]
    assert not before & pods(admin, namespace), "v2 has pods of its own"


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_that_is_to_be_replaced_is_not_deleted(deployed, namespace, images, admin, load, kind):
    urn = urn_of(deployed, kind)
    with load("myapp") as run:
        deployed.pulumi("state", "taint", urn, "--yes", "--stack", "staging").expect()
        for refused in (deployed.preview().expect(1), deployed.up().expect(1)):
            assert any("is not replaced: it would be deleted" in line for line in refused.messages), refused.output
        deployed.up("--continue-on-error").expect(1)
        deployed.pulumi("state", "untaint", urn, "--yes", "--stack", "staging").expect()
        deployed.up("--replace", urn).expect(1)
        deployed.up(SLIPWAY_IMAGE=images.v2).expect()
    assert run.result.failed == 0, run.result.samples
    assert outcomes(admin, namespace) == ["Healthy", "Healthy"]


WEB = (CHECKOUT / "examples" / "sources" / "manifests" / "web.yaml").read_text()
SHARED = """---
apiVersion: v1
kind: ConfigMap
metadata: {name: shared}
data: {A: b}
---
apiVersion: v1
kind: Service
metadata: {name: front}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}
"""


def of_source(file, **more):
    return {"source": {"manifests": f"k8s/{file}.yaml", **more}, "strategy": "rolling"}


def handed_over(project, **environ):
    """Does what the refusals say, until there is none."""
    for _ in range(8):
        run = project.up(**environ)
        told = re.findall(r"kubectl -n \S+ label .*? --overwrite", run.output)
        if run.status == 0 or not told:
            return run.expect()
        for command in dict.fromkeys(told):
            subprocess.run(command.split(), check=True, stdout=subprocess.DEVNULL)
    raise AssertionError(run.output)


def test_a_workload_that_was_renamed_keeps_the_objects_that_its_source_names(project, namespace, images, admin, load):
    project.directory.joinpath("k8s").mkdir()
    project.directory.joinpath("k8s/web.yaml").write_text(WEB)
    project.configure(stack(namespace, web=of_source("web"))).up(SLIPWAY_IMAGE=images.v1).expect()
    renamed = stack(namespace, shop=of_source("web"))
    renamed["slipway:environment"]["remove"] = ["web"]
    project.configure(renamed)
    with load("web-svc") as run:
        moved = handed_over(project, SLIPWAY_IMAGE=images.v1)
        gone = {name for op, name in moved.operations(":Service") if op.startswith("delete")}
        assert not gone, moved.output
        time.sleep(3)
    assert run.result.failed == 0, run.result.samples
    assert {it.metadata.name for it in admin.list(Service, namespace=namespace)} == {"web-svc"}
    assert "web" in {it.metadata.name for it in admin.list(ConfigMap, namespace=namespace)}
    project.configure(stack(namespace, shop=of_source("web")))
    assert set(project.up(SLIPWAY_IMAGE=images.v1).expect().changes) == {"same"}


def test_an_object_that_passes_from_one_source_to_another_stays(project, namespace, images, admin, load):
    project.directory.joinpath("k8s").mkdir()
    api = (
        WEB.replace("name: web-svc", "name: api-svc").replace("name: web", "name: api").replace("app: web", "app: api")
    )
    project.directory.joinpath("k8s/web.yaml").write_text(WEB + SHARED)
    project.directory.joinpath("k8s/api.yaml").write_text(api)
    both = stack(namespace, web=of_source("web", service="web-svc"), api=of_source("api", service="api-svc"))
    image = {"SLIPWAY_IMAGE_WEB": images.v1, "SLIPWAY_IMAGE_API": images.v1}
    project.configure(both).up(**image).expect()
    project.directory.joinpath("k8s/web.yaml").write_text(WEB)
    project.directory.joinpath("k8s/api.yaml").write_text(api + SHARED)
    with load("front") as run:
        handed_over(project, **image)
        time.sleep(3)
    assert run.result.failed == 0, run.result.samples
    assert "front" in {it.metadata.name for it in admin.list(Service, namespace=namespace)}
    assert "shared" in {it.metadata.name for it in admin.list(ConfigMap, namespace=namespace)}
    assert set(project.up(**image).expect().changes) == {"same"}
