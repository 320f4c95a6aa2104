"""An API server that is away in the middle of a release."""

import os
import signal
import time
from pathlib import Path

import pytest

from sandbox import supervision
from sandbox.components import Component
from sandbox.paths import Paths
from tests.engine.api_proxy import ApiProxy
from tests.engine.cluster_view import outcomes
from tests.engine.harness import stack
from tests.engine.strategies import NAMES, served, some, under


@pytest.fixture
def way(tmp_path):
    """A way to the API server that the test can cut."""
    proxy = ApiProxy(Path(os.environ["KUBECONFIG"]), tmp_path / "kubeconfig")
    yield proxy
    proxy.close()


@pytest.mark.parametrize("strategy", some("blueGreen"))
def test_for_three_seconds_the_run_waits_and_goes_on(strategy, way, project, namespace, images, admin, load):
    project.configure(stack(namespace, myapp=under(strategy)))
    project.up(SLIPWAY_IMAGE=images.v1).expect()
    with load("myapp") as run:
        started = project.up_async(SLIPWAY_IMAGE=images.slow, KUBECONFIG=way.kubeconfig)
        deadline = time.monotonic() + 60
        while outcomes(admin, namespace)[-1] != "Progressing":
            assert time.monotonic() < deadline
            time.sleep(0.1)
        time.sleep(1.5)  # the engine's own write is over, the wait for the pods has begun
        way.cut()
        time.sleep(3)
        way.mend()
        started.wait().expect()
        time.sleep(4)
    assert way.refused > 0
    assert run.result.failed == 0, run.result.samples
    assert served(admin, namespace)[0] == images.digest("slow")
    assert outcomes(admin, namespace) == ["Healthy", "Healthy"]


@pytest.mark.skipif(not os.environ.get("SLIPWAY_SOAK"), reason="it would disturb the tests beside it: make soak")
@pytest.mark.parametrize("strategy", NAMES)
def test_restarted_in_mid_release_one_more_run_at_most_finishes(
    strategy, sandbox, project, namespace, images, admin, load
):
    project.configure(stack(namespace, myapp=under(strategy)))
    project.up(SLIPWAY_IMAGE=images.v1).expect()
    paths = Paths(sandbox)
    with load("myapp") as run:
        started = project.up_async(SLIPWAY_IMAGE=images.slow)
        while outcomes(admin, namespace)[-1] != "Progressing":
            time.sleep(0.1)
        pid = supervision.daemons(paths)["kube-apiserver"].pid
        assert pid
        command = Path(f"/proc/{pid}/cmdline").read_text().strip("\0").split("\0")
        os.kill(pid, signal.SIGKILL)
        time.sleep(2)
        supervision.start(paths, Component("kube-apiserver", command, "", lambda: True))
        if started.wait().status:
            project.up(SLIPWAY_IMAGE=images.slow).expect()
        time.sleep(4)
    assert run.result.failed == 0, run.result.samples
    assert served(admin, namespace)[0] == images.digest("slow")
    # Away for longer than a canary's checks bear, the first try ends Degraded, taken back; the second one is Healthy.
    assert [*dict.fromkeys(outcomes(admin, namespace))] in (["Healthy"], ["Healthy", "Degraded"])
    assert outcomes(admin, namespace)[-1] == "Healthy"
