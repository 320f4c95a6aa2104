"""Charts that are not in the project: a package, a chart repository, an OCI registry."""

import http.server
import os
import subprocess
import threading
from functools import partial
from pathlib import Path

import pytest
from lightkube.resources.apps_v1 import Deployment

from tests.engine.cluster_view import outcomes
from tests.engine.harness import stack
from tests.engine.strategies import soak
from tests.engine.test_sources import EXAMPLES


def helm(*arguments: str) -> None:
    done = subprocess.run(["helm", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    """The example's chart as `helm package` makes it."""
    directory = tmp_path_factory.mktemp("charts")
    helm("package", str(EXAMPLES / "chart"), "--destination", str(directory))
    [found] = directory.glob("*.tgz")
    return found


@pytest.fixture
def repository(package):
    """A chart repository on loopback, while a test runs; its address."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(package.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        helm("repo", "index", str(package.parent), "--url", address)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield address
        server.shutdown()


def deployed(project, namespace, images, admin, source):
    """The chart's Deployment runs our image, and a second run finds nothing to do."""
    web = {"source": {"helm": {"values": {"replicas": 1}, **source}}, "strategy": "blueGreen"}
    project.configure(stack(namespace, web=web))
    project.up(SLIPWAY_IMAGE=images.v1).expect()
    assert outcomes(admin, namespace, "web") == ["Healthy"]
    [live] = admin.list(Deployment, namespace=namespace)
    assert {it.image for it in live.spec.template.spec.containers} == {images.digest("v1")}
    assert set(project.up().expect().changes) == {"same"}


def version(package: Path) -> str:
    return package.stem.rpartition("-")[2]


@soak
def test_a_packaged_chart(project, namespace, images, admin, package):
    (project.directory / "chart.tgz").write_bytes(package.read_bytes())
    deployed(project, namespace, images, admin, {"chart": "chart.tgz"})


@soak
def test_a_chart_of_a_repository(project, namespace, images, admin, package, repository):
    name = package.stem.rpartition("-")[0]
    deployed(project, namespace, images, admin, {"chart": name, "repo": repository, "version": version(package)})


def test_a_chart_of_an_oci_registry(project, namespace, images, admin, package):
    registry = f"oci://{os.environ['SLIPWAY_SANDBOX_REGISTRY']}/charts"
    helm("push", str(package), registry)
    chart = f"{registry}/{package.stem.rpartition('-')[0]}"
    deployed(project, namespace, images, admin, {"chart": chart, "version": version(package)})


def test_a_version_that_the_repository_lacks_is_told_in_one_line(project, namespace, images, package, repository):
    name = package.stem.rpartition("-")[0]
    web = {"source": {"helm": {"chart": name, "repo": repository, "version": "99.0.0"}}}
    project.configure(stack(namespace, web=web))
    said = project.up(SLIPWAY_IMAGE=images.v1).expect(1).output
    [line] = {it.partition("error: ")[2] for it in said.splitlines() if "slipway:workloads.web.source" in it}
    assert name in line
    assert "99.0.0" in line
    assert "Traceback" not in said
