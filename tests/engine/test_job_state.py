"""What a job leaves of a state for previews: they say where it is behind, and a destroy takes it along."""

import os
import subprocess
import sys

from lightkube.resources.core_v1 import ConfigMap
from tenacity import Retrying, stop_after_delay, wait_fixed

from tests.engine.harness import app, stack


def slipway(project, *arguments, **environ):
    command = [sys.executable, "-m", "pulumi_slipway.cli", *arguments, "--stack", project.stack]
    done = subprocess.run(
        command, cwd=project.directory, env=project.environ | {"PYTHONPATH": os.getcwd(), **environ},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_preview_says_what_runs_that_no_job_has_told_of_and_a_destroy_leaves_nothing(
    project, namespace, images, admin
):
    one = app(replicas=1)
    project.configure(stack(namespace, myapp=one))
    slipway(project, "up", SLIPWAY_IMAGE=images.v1)
    assert "runs already" not in slipway(project, "preview")
    project.configure(stack(namespace, myapp=one, second=one)).up(SLIPWAY_IMAGE_SECOND=images.v1).expect()
    shown = slipway(project, "preview")
    assert "second runs already, and the state that this preview compares with does not know it" in shown
    assert "myapp runs already" not in shown
    slipway(project, "up")
    assert "runs already" not in slipway(project, "preview")
    project.destroy().expect()
    for attempt in Retrying(stop=stop_after_delay(60), wait=wait_fixed(0.5), reraise=True):
        with attempt:
            left = [it.metadata.name for it in admin.list(ConfigMap, namespace=namespace)]
            assert left == ["kube-root-ca.crt"]
