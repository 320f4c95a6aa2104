"""A state that a full disk or a dead machine has cut off: told with the way out, restored, and gone on from."""

import os
import subprocess
import sys
from contextlib import suppress

import pytest

from tests.engine.cluster_view import outcomes, pods
from tests.engine.harness import app, stack
from tests.engine.strategies import SOAK

PARTS = [0.0, 0.001, 0.5, 0.999] if SOAK else [0.5]
"""What is left of the file."""


def slipway(project, *arguments):
    command = [sys.executable, "-m", "pulumi_slipway.cli", *arguments, "--stack", project.stack]
    return subprocess.run(
        command, cwd=project.directory, env=project.environ | {"PYTHONPATH": os.getcwd()}, capture_output=True,
        text=True, check=False, timeout=300,
    )  # fmt: skip


def state_file(project):
    (found,) = (project.backend / ".pulumi" / "stacks").glob(f"*/{project.stack}.json")
    return found


@pytest.fixture
def deployed(project, namespace, images):
    project.configure(stack(namespace, myapp=app()))
    project.up(SLIPWAY_IMAGE=images.v1).expect()
    project.up(SLIPWAY_IMAGE=images.v2).expect()
    return project


@pytest.mark.parametrize("part", PARTS)
def test_a_state_that_was_cut_off_is_restored_and_gone_on_from(deployed, namespace, images, admin, part):
    file = state_file(deployed)
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * part)])
    told = slipway(deployed, "up")
    assert told.returncode != 0
    assert "its file is damaged: `slipway state restore --stack" in told.stdout + told.stderr
    done = slipway(deployed, "state", "restore")
    assert done.returncode == 0, done.stderr
    before = pods(admin, namespace)
    deployed.up().expect()
    assert pods(admin, namespace) == before
    assert outcomes(admin, namespace) == ["Healthy", "Healthy"]
    deployed.up(SLIPWAY_IMAGE=images.v3).expect()
    again = slipway(deployed, "state", "restore")
    assert again.returncode == 1
    assert "there is nothing to restore" in again.stderr


def test_where_the_last_ones_are_damaged_too_the_history_is_gone_back_in(deployed, namespace, images, admin):
    file = state_file(deployed)
    for it in (file, file.with_name(file.name + ".bak")):
        it.write_bytes(b"{")
    history = sorted((deployed.backend / ".pulumi" / "history").rglob("*.checkpoint.json"))
    history[-1].write_bytes(history[-1].read_bytes()[:-1])
    done = slipway(deployed, "state", "restore")
    assert done.returncode == 0, done.stderr
    assert history[-2].name in done.stdout
    deployed.up().expect()
    assert outcomes(admin, namespace) == ["Healthy", "Healthy"]
    assert not deployed.preview().expect().changes.keys() - {"same"}


def test_a_full_disk_costs_the_run_and_not_the_state(project, namespace, images, admin):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(project.backend)], check=True)
    try:
        project.pulumi("stack", "init", project.stack).expect()
        project.configure(stack(namespace, myapp=app())).up(SLIPWAY_IMAGE=images.v1).expect()
        filler = project.backend / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as out:
            while out.write(b"x" * 4096):
                pass
        failed = slipway(project, "up")
        assert failed.returncode != 0
        full = slipway(project, "state", "restore")
        filler.unlink()
        assert "no space left" in (failed.stdout + failed.stderr + full.stderr).lower()
        slipway(project, "state", "restore")  # where it is needed
        project.cancel()
        project.up(SLIPWAY_IMAGE=images.v2).expect()
        assert outcomes(admin, namespace)[-1] == "Healthy"
    finally:
        subprocess.run(["umount", "-l", str(project.backend)], check=True)
