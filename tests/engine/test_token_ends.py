"""A token that ends in the middle of a release: the job says so in a line, users stay, and the next job goes on."""

import subprocess
import sys
import time

import pytest
from lightkube.resources.core_v1 import Secret

from tests.engine.access_stack import AccessStack
from tests.engine.cluster_view import outcomes, records
from tests.engine.harness import Project, app, stack

CANARY = {"canary": {"steps": [{"replicas": 1, "pause": "40s"}], "checks": []}}


@pytest.fixture
def access(tmp_path_factory, pull):
    made = AccessStack(tmp_path_factory.mktemp("access"))
    made.configure({"staging": {"branches": ["develop"]}})
    made.up()
    pull(made.namespace("staging"))
    yield made
    made.discard()


def test_users_stay_and_the_next_job_goes_on(access, pull, tmp_path, images, admin):
    namespace = access.namespace("staging")
    job = {"KUBECONFIG": access.kubeconfig("staging", tmp_path)}
    project = Project(tmp_path / "stack", "staging")
    settings = stack(namespace, myapp=app(replicas=2, strategy=CANARY))
    settings["slipway:environment"] |= {"name": "staging"}
    project.configure(settings).up(SLIPWAY_IMAGE=images.v1, **job).expect()
    running = project.up_async(SLIPWAY_IMAGE=images.v2, **job)
    until = time.monotonic() + 90
    while outcomes(admin, namespace)[-1] != "Progressing" and time.monotonic() < until:
        time.sleep(0.2)
    time.sleep(5)
    command = [sys.executable, "-m", "pulumi_slipway.cli", "revoke", "staging"]
    subprocess.run(command, cwd=access.run.directory, env=access.run.environ, check=True, capture_output=True)
    begun = time.monotonic()
    ended = running.wait().expect(1)
    assert time.monotonic() - begun < 90
    assert "Traceback" not in ended.output
    told = [line for line in ended.output.splitlines() if "this job's token is expired or revoked" in line]
    assert told, ended.output
    assert records(admin, namespace)[0].outcome == "Healthy"
    admin.delete(Secret, "gitlab-registry", namespace=namespace)  # the test's own, which access would refuse
    access.up()
    pull(namespace)
    renewed = {"KUBECONFIG": access.kubeconfig("staging", tmp_path)}
    project.cancel()
    project.up(SLIPWAY_IMAGE=images.v2, **renewed).expect()
    assert records(admin, namespace)[-1].release.image == images.digest("v2")
    assert outcomes(admin, namespace)[-1] == "Healthy"
