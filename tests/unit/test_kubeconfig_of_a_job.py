"""The kubeconfig of a job: from variables of either type, never in its log, and nothing of it left behind."""

import os
import shutil
import signal
import subprocess
from contextlib import suppress

import pytest

from tests.unit.templates import ROOT, expanded

SERVER = "https://10.0.0.1:6443"
SETUP = expanded(ROOT / "templates" / "kube-setup.yml", server=SERVER)[".kube_setup"]["before_script"]
SHELLS = [["bash"], ["dash"], *([["busybox", "sh"]] if shutil.which("busybox") else [])]
CONFIG = '{"apiVersion":"v1","clusters":[{"name":"c"}],"users":[{"user":{"token":"t0ken-of-staging"}}]}'
LONG = CONFIG.replace('"c"', f'"{"c" * 4000}"')
LINES = "apiVersion: v1\nclusters:\n- name: c\nusers:\n- user: {token: t0ken-of-staging}"
VALUES = {"KUBE_URL": SERVER, "KUBE_TOKEN": "t0ken-of-staging", "KUBE_CA_PEM": "pem"}


@pytest.fixture(params=SHELLS, ids=" ".join)
def start(request, tmp_path):
    """Starts a job's shell with the component's before_script and then a script."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "project").mkdir()

    def start(script, **variables):
        environ = {
            "PATH": os.environ["PATH"], "TMPDIR": str(tmp_path / "tmp"), "SLIPWAY_IDENTITY": "deploy",
            "CI_PROJECT_DIR": str(tmp_path / "project"), **variables,
        }  # fmt: skip
        text = "\n".join(["set -e", *SETUP, script])
        return subprocess.Popen(
            [*request.param, "-c", text], env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            cwd=tmp_path / "project", start_new_session=True,
            # Tests that were started in the background ignore it, and a shell can't trap what it was given as ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  no threads here
        )  # fmt: skip

    return start


@pytest.fixture
def run(start):
    """The same, to its end: status, and what it said."""

    def run(script, **variables):
        process = start(script, **variables)
        said, _ = process.communicate(timeout=30)
        return process.returncode, said

    return run


def left(tmp_path):
    """Files with the token, wherever the job may write."""
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    return [file for file in files if file.parent != tmp_path and "t0ken-of-staging" in file.read_text()]


@pytest.mark.parametrize("content", [CONFIG, LONG, LINES], ids=["json", "long", "lines"])
@pytest.mark.parametrize(("name", "identity"), [("KUBECONFIG_FILE", "deploy"), ("KUBECONFIG_PREVIEW_FILE", "preview")])
def test_a_kubeconfig_is_taken_as_a_file_and_as_a_value(run, tmp_path, content, name, identity):
    (tmp_path / "file").write_text(content)
    for given in (str(tmp_path / "file"), content):
        look = 'cmp "$KUBECONFIG" "$GIVEN" && env | grep -q ^KUBECONFIG= && stat -c "%a %n" "$KUBECONFIG"'
        status, said = run(look, **{name: given}, GIVEN=str(tmp_path / "file2"), SLIPWAY_IDENTITY=identity)
        assert status != 0, "the look can fail"
        (tmp_path / "expected").write_text(content + ("" if given != content else "\n"))
        status, said = run(look, **{name: given}, GIVEN=str(tmp_path / "expected"), SLIPWAY_IDENTITY=identity)
        assert status == 0, said
        assert "t0ken" not in said
        if given == content:
            assert said.split() == ["600", f"{tmp_path}/project.tmp/slipway/kubeconfig"]
        else:
            assert said.split()[1] == given, "GitLab's own file needs no copy"
        assert left(tmp_path) == []


@pytest.mark.parametrize("form", ["value", "file"])
def test_address_token_authority_and_namespace_are_taken_as_files_and_as_values(run, tmp_path, form):
    values = VALUES | {"KUBE_NAMESPACE": "shop"}
    if form == "file":
        for name, value in values.items():
            (tmp_path / name).write_text(value)
        values = {name: str(tmp_path / name) for name in values}
    status, said = run('cat "$KUBECONFIG"', **values)
    assert status == 0, said
    assert '"server":"https://10.0.0.1:6443","certificate-authority-data":"cGVtCg=="' in said
    assert '"token":"t0ken-of-staging"' in said
    assert '"namespace":"shop"' in said


@pytest.mark.parametrize("given", ["/nowhere/kubeconfig", "t0ken-of-staging"])
def test_what_is_no_kubeconfig_is_told_without_its_content(run, given):
    status, said = run("echo reached", KUBECONFIG_FILE=given)
    assert status == 1
    assert "is its type File?" in said
    assert given not in said
    assert "reached" not in said


@pytest.mark.parametrize("values", [VALUES, {"KUBECONFIG_FILE": CONFIG}], ids=["token", "value"])
@pytest.mark.parametrize("project", [True, False], ids=["in GitLab", "elsewhere"])
def test_a_job_that_is_told_to_end_leaves_nothing(start, tmp_path, values, project):
    place = {} if project else {"CI_PROJECT_DIR": ""}
    for number in (signal.SIGTERM, signal.SIGINT):
        process = start("echo ready; sleep 20 & wait", **values, **place)
        assert process.stdout.readline() == "ready\n"
        assert left(tmp_path), "it is there while the job runs"
        process.send_signal(number)
        assert process.wait(10) != 0
        with suppress(ProcessLookupError):  # the shell may have ended before it started `sleep`
            os.killpg(process.pid, signal.SIGKILL)
        assert left(tmp_path) == []


@pytest.mark.parametrize("ending", ["kill -9 $$", "trap 'echo mine' EXIT; exit 0"], ids=["killed", "a trap of its own"])
def test_the_next_job_takes_away_what_one_could_not(run, tmp_path, ending):
    run(ending, **VALUES)
    [file] = left(tmp_path)
    assert file == tmp_path / "project.tmp" / "slipway" / "kubeconfig"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    (tmp_path / "given").write_text("clusters")
    status, said = run("true", KUBECONFIG_FILE=str(tmp_path / "given"))
    assert status == 0, said
    assert left(tmp_path) == []


def test_a_file_variable_leaves_nothing_however_the_job_ends(run, tmp_path):
    (tmp_path / "given").write_text(CONFIG)
    for ending in ("kill -9 $$", "trap 'echo mine' EXIT", "exit 3", "true"):
        run(ending, KUBECONFIG_FILE=str(tmp_path / "given"))
        assert left(tmp_path) == []
    assert (tmp_path / "given").exists(), "it is GitLab's to remove"


def test_a_project_folder_that_nothing_can_be_written_beside_is_no_hindrance(run, tmp_path):
    readonly = {"CI_PROJECT_DIR": "/proc/project"}
    status, said = run('test -s "$KUBECONFIG" && echo "$KUBECONFIG"', **VALUES, **readonly)
    assert status == 0, said
    assert said.startswith(f"{tmp_path}/tmp/")
    assert left(tmp_path) == []
