"""What every job does first: the environment that Pulumi.yaml names, and the command `slipway` out of it."""

import os
import subprocess
from pathlib import Path

import pytest

from demo import installed
from pulumi_slipway.version import VERSION
from tests.unit.templates import ROOT, expanded

SETUP = expanded(ROOT / "ci" / "job.yml", image="x:1", directory="deploy")[".slipway_python"]["before_script"]


def run(script: str, folder: Path, shell: str = "dash", **variables: str) -> "subprocess.CompletedProcess[str]":
    """The jobs' before_script and then `script`, in one shell, as GitLab's runner has them."""
    text = "\n".join(["set -e", *SETUP, script])
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "PIP_NO_INDEX": "1", **variables}
    return subprocess.run([shell, "-c", text], cwd=folder, env=environ, capture_output=True, text=True, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with the Pulumi project in `deploy/`."""
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "Pulumi.yaml").write_text((ROOT / "starter" / "Pulumi.yaml").read_text())
    (tmp_path / "deploy" / "requirements.txt").write_text(f"pulumi-slipway=={VERSION}\n")
    return tmp_path


@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_the_package_is_installed_and_its_command_is_on_the_path(project: Path, shell: str) -> None:
    packages = next(installed.PROGRAM_VENV.glob("lib/python*/site-packages"))
    variables = {"PIP_FIND_LINKS": str(installed.wheel().parent), "PIP_NO_DEPS": "1", "PYTHONPATH": str(packages)}
    done = run("command -v slipway && slipway schema | head -n 2", project, shell, **variables)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{project}/deploy/.venv/bin/slipway\n{{\n")
    again = run("command -v slipway", project, shell, PYTHONPATH=str(packages))  # the cache has it: nothing is fetched
    assert (again.returncode, again.stdout) == (0, f"{project}/deploy/.venv/bin/slipway\n"), again.stderr


def test_a_package_that_is_not_to_be_had_ends_the_job(project: Path) -> None:
    done = run("echo reached", project)
    assert done.returncode == 1
    assert "pulumi-slipway" in done.stderr
    assert "reached" not in done.stdout
    assert not (project / "deploy" / ".venv" / ".done").exists()


def made(venv: Path, python: str) -> None:
    """An environment out of the cache, whose Python does this."""
    (venv / "bin").mkdir(parents=True)
    (venv / ".done").touch()
    (venv / "bin" / "python").write_text(f"#!/bin/sh\n{python}\n")
    (venv / "bin" / "python").chmod(0o755)


@pytest.mark.parametrize(
    "python", [None, "exit 1", "exec /nowhere/python3.9"], ids=["gone", "other libraries", "moved"]
)
def test_an_environment_of_another_python_is_made_anew(project: Path, python: str | None) -> None:
    venv = project / "deploy" / ".venv"
    made(venv, python or "")
    if python is None:  # as `python3 -m venv` has made it in an image with another one
        (venv / "bin" / "python").unlink()
        (venv / "bin" / "python").symlink_to("/usr/local/bin/python3.9")
    packages = next(installed.PROGRAM_VENV.glob("lib/python*/site-packages"))
    variables = {"PIP_FIND_LINKS": str(installed.wheel().parent), "PIP_NO_DEPS": "1", "PYTHONPATH": str(packages)}
    done = run("slipway schema | head -n 1", project, **variables)
    assert (done.returncode, done.stdout) == (0, "{\n"), done.stderr


@pytest.mark.parametrize(
    ("runtime", "place"),
    [
        ("{name: python, options: {virtualenv: env}}", "env"),
        ("{name: python, options: {'virtualenv': \"my/env\", toolchain: pip}}", "my/env"),
        ("python # virtualenv: elsewhere", ".venv"),
        ("\n  name: python\n  options:\n    # virtualenv: old\n    virtualenv: env # here", "env"),
    ],
)
def test_the_environment_is_where_the_project_says(project: Path, runtime: str, place: str) -> None:
    (project / "deploy" / "Pulumi.yaml").write_text(f"name: shop\nruntime: {runtime}\n")
    venv = project / "deploy" / place
    made(venv, "exit 0")
    done = run('echo "${PATH%%:*}"', project)
    assert (done.returncode, done.stdout.strip()) == (0, str(venv / "bin")), done.stderr
