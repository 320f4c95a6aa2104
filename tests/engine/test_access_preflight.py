"""What stands in the way of the access stack is said in one line, before anything is written."""

import json
import os
from pathlib import Path

import pytest
import yaml

from tests.engine.access_stack import AccessStack, gitlab, kubernetes


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """One for all: nothing is ever written, so there is nothing to undo."""
    stack = AccessStack(tmp_path_factory.mktemp("preflight"))
    stack.configure({"staging": {"branches": ["develop"]}})
    return stack


def refusal(stack, **env):
    """The one line of a run that must fail and leave everything as it is."""
    done = stack.run.up(**env)
    assert done.status != 0
    assert "Traceback" not in done.output
    assert os.environ["GITLAB_TOKEN"] not in done.output
    with kubernetes() as admin:
        namespace = admin.get(f"/api/v1/namespaces/{stack.namespace('staging')}")
    assert namespace.status_code == 404
    assert gitlab("GET", f"projects/{stack.project['id']}/variables").json() == []
    errors = [line.strip() for line in done.output.splitlines() if line.strip().startswith("error: ")]
    told = [line for line in errors if "update failed" not in line]
    assert len(told) == 1, done.output
    return told[0]


def test_a_wrong_gitlab_token(stack):
    assert "refuses GITLAB_TOKEN (401)" in refusal(stack, GITLAB_TOKEN="glpat-nobody-has-this-one")


def test_a_gitlab_token_that_may_only_read(stack):
    made = gitlab(
        "POST", f"projects/{stack.project['id']}/access_tokens",
        name="weak", scopes=["read_api"], access_level=40, expires_at="2027-01-01",
    )  # fmt: skip
    assert made.status_code == 201, made.text
    assert "lacks the scope api" in refusal(stack, GITLAB_TOKEN=made.json()["token"])


def test_a_gitlab_token_whose_role_is_too_low(stack):
    made = gitlab(
        "POST", f"projects/{stack.project['id']}/access_tokens",
        name="low", scopes=["api"], access_level=30, expires_at="2027-01-01",
    )  # fmt: skip
    assert made.status_code == 201, made.text
    assert "too low (access level 30)" in refusal(stack, GITLAB_TOKEN=made.json()["token"])


def test_an_unreachable_gitlab(stack):
    assert "127.0.0.1:9 does not answer" in refusal(stack, GITLAB_BASE_URL="https://127.0.0.1:9/api/v4/")


def test_an_unreachable_cluster(stack, tmp_path):
    path = tmp_path / "nowhere.kubeconfig"
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "a", "users": [{"name": "a", "user": {"token": "x"}}],
        "clusters": [{"name": "a", "cluster": {"server": "https://127.0.0.1:9"}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
    }  # fmt: skip
    path.write_text(json.dumps(config))
    assert "127.0.0.1:9 does not answer" in refusal(stack, KUBECONFIG=str(path))


def test_an_identity_that_is_no_administrator_is_told_what_it_lacks(stack, tmp_path):
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": stack.tag}}
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}}
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    with kubernetes() as admin:
        assert admin.post(accounts, json=account).status_code == 201
        try:
            token = admin.post(f"{accounts}/{stack.tag}/token", json=request).json()["status"]["token"]
            config = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
            config["users"][0]["user"] = {"token": token}
            path = tmp_path / "weak.kubeconfig"
            path.write_text(json.dumps(config))
            text = refusal(stack, KUBECONFIG=str(path))
        finally:
            admin.delete(f"{accounts}/{stack.tag}")
    assert "may not get, list, watch, create, patch, delete namespaces, " in text
    assert f"create serviceaccounts/token in {stack.namespace('staging')}" in text


def test_a_namespace_that_belongs_to_someone_else_is_not_taken_over(stack):
    name = f"{stack.tag}-foreign"
    with kubernetes() as admin:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        assert admin.post("/api/v1/namespaces", json=body).status_code == 201
        stack.configure({"staging": {"namespace": name}})
        try:
            text = refusal(stack)
            assert "slipway" not in admin.get(f"/api/v1/namespaces/{name}").text
        finally:
            stack.configure({"staging": {"branches": ["develop"]}})
            admin.delete(f"/api/v1/namespaces/{name}")
    assert f"Namespace {name} exists and isn't Slipway's" in text
    assert f"kubectl label namespace {name}" in text


def test_a_variable_that_someone_made_by_hand_is_not_overwritten(stack):
    page = f"projects/{stack.project['id']}/variables"
    assert gitlab("POST", page, key="KUBE_TOKEN", value="by-hand-1", environment_scope="staging").status_code == 201
    try:
        done = stack.run.up()
        assert done.status != 0
        assert "variable KUBE_TOKEN (scope staging) exists" in done.output
        assert [v["value"] for v in gitlab("GET", page).json()] == ["by-hand-1"]
    finally:
        gitlab("DELETE", f"{page}/KUBE_TOKEN?filter[environment_scope]=staging")
