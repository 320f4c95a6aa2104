"""The kubeconfig that a job makes: from both forms of the article, private, verified, no token on a command line."""

import json
import os
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.engine.access_stack import AccessStack, sampled_arguments
from tests.unit.templates import ROOT, expanded

SHELLS = ["bash", "dash"]


@pytest.fixture(scope="module")
def access(ready: None, tmp_path_factory: pytest.TempPathFactory) -> AccessStack:
    """An access stack with one environment."""
    made = AccessStack(Path(tmp_path_factory.mktemp("kube")))
    made.configure({"staging": {}})
    made.up()
    yield made
    made.discard()


def run(shell: str, script: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """The component's before_script and then `script`, in one shell, as GitLab's runner has them."""
    inputs = {"server": variables.get("KUBE_URL", "")}
    lines = expanded(ROOT / "templates" / "kube-setup.yml", **inputs)[".kube_setup"]["before_script"]
    environ: Mapping[str, str] = {
        "PATH": os.environ["PATH"], "SLIPWAY_IDENTITY": "deploy", "HOME": "/nonexistent", **variables
    }  # fmt: skip
    text = "\n".join(["set -e", *lines, script])
    return subprocess.run([shell, "-c", text], env=environ, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("form", ["token", "file"])
def test_a_job_reaches_its_namespace(access: AccessStack, tmp_path: Path, shell: str, form: str) -> None:
    stored = access.variables("staging")
    variables = {key: stored[key]["value"] for key in ("KUBE_URL", "KUBE_TOKEN", "KUBE_CA_PEM")}
    if form == "file":
        variables = {"KUBECONFIG_FILE": access.kubeconfig("staging", tmp_path)}
    look = f'stat -c %a "$KUBECONFIG"; echo "$KUBECONFIG"; kubectl -n {access.namespace("staging")} get pods -o name'
    seen: set[str] = set()
    with sampled_arguments(seen):
        done = run(shell, look, **variables)
    assert done.returncode == 0, done.stderr
    mode, path = done.stdout.split()[:2]
    if form == "file":
        assert path == variables["KUBECONFIG_FILE"], "GitLab's own, which needs no copy"
    else:
        assert mode == "600"
        assert not Path(path).exists(), "it is gone with the job"
    token = access.token("staging")
    assert token not in done.stdout + done.stderr
    # The shell's own argument here is the script, which GitLab's runner gives it as a file; it holds no value.
    assert not [line for line in seen if token in line]


@pytest.mark.parametrize("shell", SHELLS)
def test_tls_is_verified(access: AccessStack, shell: str) -> None:
    stored = access.variables("staging")
    variables = {key: stored[key]["value"] for key in ("KUBE_URL", "KUBE_TOKEN")}
    done = run(shell, "kubectl get pods", **variables)
    assert done.returncode != 0
    assert "certificate signed by unknown authority" in done.stderr
    written = run(shell, 'cat "$KUBECONFIG"', **variables)
    assert "insecure" not in written.stdout
    assert json.loads(written.stdout)["users"][0]["user"] == {"token": variables["KUBE_TOKEN"]}


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, "is this branch or tag protected"),
        ({"KUBE_URL": "http://10.0.0.1", "KUBE_TOKEN": "t"}, "must begin with https://"),
        ({"SLIPWAY_IDENTITY": "preview", "KUBECONFIG_FILE": "/etc/hostname"}, "no KUBECONFIG_PREVIEW_FILE"),
    ],
)
def test_a_job_that_lacks_access_is_told_what_is_missing(variables: dict[str, str], told: str) -> None:
    done = run("dash", "echo reached", **variables)
    assert done.returncode != 0
    assert told in done.stderr
    assert "reached" not in done.stdout


def test_the_file_of_a_preview_is_the_read_only_one_also_where_there_is_another(tmp_path: Path) -> None:
    (tmp_path / "deploy").write_text("deploy")
    (tmp_path / "preview").write_text("preview")
    files = {"KUBECONFIG_FILE": str(tmp_path / "deploy"), "KUBECONFIG_PREVIEW_FILE": str(tmp_path / "preview")}
    done = run("dash", 'cat "$KUBECONFIG"', SLIPWAY_IDENTITY="preview", **files)
    assert done.stdout == "preview"
    assert stat.S_IMODE((tmp_path / "deploy").stat().st_mode)
