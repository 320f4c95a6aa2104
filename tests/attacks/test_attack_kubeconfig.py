"""A kubeconfig of whoever starts a pipeline: variables of a pipeline stand before those of the access stack."""

import json
import os
import subprocess

import pytest

from pulumi_slipway.cluster.client import PreflightError, connect, refuse_another
from tests.unit.templates import ROOT, expanded

TEMPLATE = ROOT / "templates" / "kube-setup.yml"
PLUGINS = {
    "yaml": "clusters: []\nusers:\n- name: c\n  user:\n    exec:\n      command: sh\n",
    "json": '{"clusters":[],"users":[{"user":{"exec":{"command":"sh"}}}]}',
    "json on lines": '{"clusters":[],"users":[{"user":{"exec"\n\n:{"command":"sh"}}}]}',
    "escaped": '{"clusters":[],"users":[{"user":{"\\u0065xec":{"command":"sh"}}}]}',
    "complex key": "clusters: []\nusers:\n- user:\n    ? exec\n    : {command: sh}\n",
    "alias": "clusters: []\nx: &a exec\nusers:\n- user:\n    *a : {command: sh}\n",
    "binary": "clusters: []\nusers:\n- user:\n    !!binary ZXhlYw== : {command: sh}\n",
    "comment": 'clusters: []\nusers: [{user: {"exec" # c\n : {command: sh}}}]\n',
    "auth-provider": "clusters: []\nusers:\n- user: {auth-provider: {name: gcp, config: {cmd-path: sh}}}\n",
}
KUBE = {"KUBE_URL": "https://evil.example.com", "KUBE_TOKEN": "t0ken"}


def run(identity="deploy", server="", **variables):
    environ = {"PATH": os.environ["PATH"], "SLIPWAY_IDENTITY": identity, **variables}
    text = "\n".join(["set -e", *expanded(TEMPLATE, server=server)[".kube_setup"]["before_script"], "echo reached"])
    return subprocess.run(["dash", "-c", text], env=environ, capture_output=True, text=True, check=False, timeout=30)


@pytest.mark.parametrize("plugin", PLUGINS)
@pytest.mark.parametrize("form", ["file", "value"])
@pytest.mark.parametrize(("name", "identity"), [("KUBECONFIG_FILE", "deploy"), ("KUBECONFIG_PREVIEW_FILE", "preview")])
def test_a_kubeconfig_that_runs_a_program_is_refused(tmp_path, plugin, form, name, identity):
    given = PLUGINS[plugin]
    if form == "file":
        (tmp_path / "file").write_text(given)
        given = str(tmp_path / "file")
    done = run(identity, **{name: given})
    assert done.returncode == 1
    assert "runs a program" in done.stderr
    assert "reached" not in done.stdout


def test_nor_does_utf_16_hide_one(tmp_path):
    (tmp_path / "file").write_bytes(PLUGINS["yaml"].encode("utf-16"))
    assert "reached" not in run(KUBECONFIG_FILE=str(tmp_path / "file")).stdout


def test_an_emptied_kubeconfig_does_not_send_the_token_to_another_address():
    done = run(KUBECONFIG_FILE="", **KUBE)
    assert done.returncode == 1
    assert "KUBECONFIG_FILE is empty" in done.stderr
    assert "reached" not in done.stdout


@pytest.mark.parametrize("server", ["", "https://kubernetes.example.com"])
def test_a_token_goes_to_no_address_of_whoever_starts_the_pipeline(server):
    done = run(server=server, **KUBE)
    assert done.returncode == 1
    assert "into the one variable KUBECONFIG_FILE" in done.stderr
    assert "evil.example.com" not in done.stdout
    assert "reached" not in done.stdout


def test_a_project_that_has_only_address_and_token_goes_on_where_its_commit_names_the_address():
    assert "reached" in run(server=KUBE["KUBE_URL"], **KUBE).stdout


def test_secrets_are_not_written_to_a_cluster_that_the_stack_file_does_not_name(tmp_path, monkeypatch):
    given = {"clusters": [{"name": "c", "cluster": {"server": "https://evil.example.com"}}],
             "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
             "users": [{"name": "c", "user": {"token": "theirs"}}], "current-context": "c"}  # fmt: skip
    (tmp_path / "config").write_text(json.dumps(given))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    client = connect()
    refuse_another(client, None)
    refuse_another(client, "https://evil.example.com/")
    with pytest.raises(PreflightError, match=r"evil.example.com.* is https://kubernetes.example.com"):
        refuse_another(client, "https://kubernetes.example.com")
