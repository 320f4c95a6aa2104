"""The access stack on the real engine, cluster and GitLab API: from nothing, and what its tokens can't do."""

import base64
import json
import os

import pytest
import yaml

from tests.engine.access_stack import (
    AccessStack,
    gitlab,
    kubernetes,
    refused_within,
    sampled_arguments,
)
from tests.engine.forbidden import for_deploy, for_preview, pod

PLANTED = {"database": "planted-database-url-5aX", "registry": "planted-registry-password-7Qz"}
ENVIRONMENTS = {
    "staging": {"branches": ["develop"], "tier": "staging", "url": "https://staging.example.com"},
    "production": {"branches": ["main"], "tier": "production"},
}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A stack built from nothing with talkative logs, and all that this wrote anywhere.

    From -v=9 on the engine itself prints every property of every call, secrets included, whatever a program does
    (sdk/go/common/resource/plugin/rpc.go, "Marshaling property for RPC"): so 8 is the most that can hold no secret.
    """
    stack = AccessStack(tmp_path_factory.mktemp("access"))
    stack.configure(
        ENVIRONMENTS,
        gitlab={"protectedTags": ["v*"]},
        registry={"server": "registry.example.com", "username": "bot", "password": "replaced-below"},
    )
    stack.run.secret("slipway:access.registry.password", PLANTED["registry"])
    stack.run.secret("slipway:access.environments.production.variables.DATABASE_URL", PLANTED["database"])
    arguments: set[str] = set()
    with sampled_arguments(arguments):
        done = stack.up("-v=8", "--logtostderr", "--logflow")
    yield stack, done, arguments
    stack.discard()


@pytest.fixture(scope="module")
def stack(first):
    return first[0]


@pytest.fixture
def fresh(tmp_path):
    """An empty stack that is destroyed afterwards, whatever happened."""
    stack = AccessStack(tmp_path)
    yield stack
    stack.discard()


def whoami(token):
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    with kubernetes(token) as client:
        answer = client.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json=review)
    assert answer.status_code == 201, answer.text
    return answer.json()["status"]["userInfo"]["username"]


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_the_variables_read_back_from_gitlab_sign_in_as_the_deploy_account(stack, environment):
    found = stack.variables(environment)
    account = f"system:serviceaccount:{stack.namespace(environment)}:gitlab-deploy"
    assert whoami(found["KUBE_TOKEN"]["value"]) == account
    config = yaml.safe_load(found["KUBECONFIG_FILE"]["value"])
    assert config["current-context"] == environment
    assert config["contexts"][0]["context"]["namespace"] == stack.namespace(environment)
    assert config["users"][0]["user"]["token"] == found["KUBE_TOKEN"]["value"]
    assert config["clusters"][0]["cluster"]["server"] == found["KUBE_URL"]["value"]
    assert "BEGIN CERTIFICATE" in found["KUBE_CA_PEM"]["value"]


def test_gitlab_holds_them_masked_protected_scoped_and_raw(stack):
    for scope in ENVIRONMENTS:
        found = stack.variables(scope)
        for key in ("KUBE_TOKEN", "KUBECONFIG_FILE"):
            assert found[key]["masked"], key
            assert found[key]["protected"], key
        for key in ("KUBE_PREVIEW_TOKEN", "KUBECONFIG_PREVIEW_FILE"):
            assert found[key]["masked"], key
            assert not found[key]["protected"], key
        assert found["KUBECONFIG_FILE"]["variable_type"] == "file"
        assert all(variable["raw"] for variable in found.values())
    assert stack.variables("production")["DATABASE_URL"]["value"] == PLANTED["database"]


def test_branches_tags_and_environments_are_there(stack):
    base = f"projects/{stack.project['id']}"
    assert {b["name"] for b in gitlab("GET", f"{base}/protected_branches").json()} == {"main", "develop"}
    assert {t["name"] for t in gitlab("GET", f"{base}/protected_tags").json()} == {"v*"}
    environments = {e["name"]: e for e in gitlab("GET", f"{base}/environments").json()}
    assert set(environments) == set(ENVIRONMENTS)
    assert environments["staging"]["external_url"] == "https://staging.example.com"
    assert environments["production"]["tier"] == "production"


def refusals(token, attempts):
    """The attempts that were not refused, with what came instead."""
    with kubernetes(token) as client:
        answers = {
            a.what: client.request(a.method, a.path, json=a.body, headers=dict(a.headers)) for a in attempts
        }  # fmt: skip
    assert len(answers) == len(attempts)
    return {what: f"{a.status_code} {a.text[:200]}" for what, a in answers.items() if a.status_code != 403}


def test_the_deploy_token_is_refused_everything_beyond_its_work(stack):
    own, other = stack.namespace("staging"), stack.namespace("production")
    attempts = for_deploy(own, other)
    assert len(attempts) >= 20
    assert refusals(stack.token("staging"), attempts) == {}


def test_the_deploy_token_may_do_its_work(stack):
    own = f"/api/v1/namespaces/{stack.namespace('staging')}"
    with kubernetes(stack.token("staging")) as client:
        for path in ("pods", "services", "configmaps", "secrets", "endpoints", "events", "persistentvolumeclaims"):
            assert client.get(f"{own}/{path}").status_code == 200, path
        assert client.get(own).status_code == 200
        assert client.post(f"{own}/pods?dryRun=All", json=pod()).status_code == 201
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}
        assert client.post(f"{own}/secrets?dryRun=All", json=secret).status_code == 201
        # Its checks.
        assert client.get(f"{own}/pods/not-there/proxy/").status_code == 404
        assert client.get(f"{own}/services/not-there/proxy/").status_code == 404
        template = {"spec": {**pod()["spec"], "restartPolicy": "Never"}}
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}, "spec": {"template": template}}
        jobs = f"/apis/batch/v1/namespaces/{stack.namespace('staging')}/jobs"
        assert client.post(f"{jobs}?dryRun=All", json=job).status_code == 201
        assert client.delete(f"{jobs}/not-there").status_code == 404


def test_the_preview_token_is_refused_every_write_and_every_secret(stack):
    own, other = stack.namespace("staging"), stack.namespace("production")
    token = stack.token("staging", "KUBE_PREVIEW_TOKEN")
    assert refusals(token, for_preview(own, other)) == {}
    with kubernetes(token) as client:
        assert client.get(f"/apis/apps/v1/namespaces/{own}/deployments").status_code == 200
        assert client.get(f"/api/v1/namespaces/{own}/pods").status_code == 200


def pull_secret(stack):
    """The registry's password in the form that it has in the cluster: base64 in JSON in base64."""
    with kubernetes() as admin:
        found = admin.get(f"/api/v1/namespaces/{stack.namespace('staging')}/secrets/gitlab-registry").json()
    config = json.loads(base64.b64decode(found["data"][".dockerconfigjson"]))
    assert config["auths"]["registry.example.com"]["password"] == PLANTED["registry"]
    return found["data"][".dockerconfigjson"]


def test_no_planted_secret_is_in_state_output_logs_or_arguments(first):
    stack, done, arguments = first
    secrets = {
        **PLANTED,
        "gitlab": os.environ["GITLAB_TOKEN"],
        "pull secret": pull_secret(stack),
        **{
            f"{scope} {key}": stack.token(scope, key)
            for scope in ENVIRONMENTS
            for key in ("KUBE_TOKEN", "KUBE_PREVIEW_TOKEN")
        },
    }
    assert len(done.stderr) > 50_000, "the logs are not there"
    assert any("pulumi" in line and " up " in line for line in arguments), "the arguments were not sampled"
    places = {"stdout": done.stdout, "stderr and logs": done.stderr, "arguments": "\n".join(arguments)}
    for path, content in stack.run.written():
        places[str(path)] = content.decode(errors="replace")
    assert any("/stacks/" in name for name in places), "the state was not looked at"
    places["config"] = stack.run.stack_file.read_text()
    found = [f"{what} in {where}" for what, value in secrets.items() for where, text in places.items() if value in text]
    assert found == []


def test_a_second_run_changes_nothing_and_a_refresh_keeps_the_token_secret(stack):
    token = stack.token("staging")
    assert set(stack.up().changes) == {"same"}
    stack.run.refresh().expect()
    assert set(stack.up().changes) == {"same"}
    assert stack.token("staging") == token
    assert token not in json.dumps(stack.run.state())


def test_the_outputs_name_no_secret(stack):
    shown = stack.run.pulumi("stack", "output", "--json", "--show-secrets", "--stack", "access").expect()
    assert stack.token("staging") not in shown.stdout
    assert json.loads(shown.stdout)["access"]["staging"]["namespace"] == stack.namespace("staging")


def test_a_destroy_revokes_the_tokens_and_leaves_nothing(fresh):
    fresh.configure(ENVIRONMENTS, gitlab={"protectedTags": ["v*"]})
    fresh.up()
    refused = fresh.run.destroy()
    assert refused.status != 0
    assert "access-allowDestroy" in refused.output
    with kubernetes(fresh.token("staging")) as client:
        assert client.get(f"/api/v1/namespaces/{fresh.namespace('staging')}/pods").status_code == 200
    fewer = {name: it for name, it in ENVIRONMENTS.items() if name != "staging"}
    fresh.configure(fewer, gitlab={"protectedTags": ["v*"]})
    refused = fresh.run.up().expect(1)
    assert any(f"none has namespace {fresh.namespace('staging')}" in line for line in refused.messages)
    fresh.configure(ENVIRONMENTS, gitlab={"protectedTags": ["v*"]}, allowDestroy=True)
    fresh.up()
    tokens = [fresh.token("staging"), fresh.token("production"), fresh.token("staging", "KUBE_PREVIEW_TOKEN")]
    fresh.run.destroy().expect()
    for token in tokens:
        assert refused_within(token, 15) <= 15
    base = f"projects/{fresh.project['id']}"
    left = {page: gitlab("GET", f"{base}/{page}").json() for page in ("variables", "protected_tags", "environments")}
    assert left == {"variables": [], "protected_tags": [], "environments": []}
    # GitLab protects the default branch itself; a destroy that took that away would leave less than was found.
    assert [b["name"] for b in gitlab("GET", f"{base}/protected_branches").json()] == ["main"]
    with kubernetes() as admin:
        for kind in ("/api/v1/namespaces", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"):
            names = [item["metadata"]["name"] for item in admin.get(kind).json()["items"]]
            assert not [name for name in names if fresh.tag in name], kind


def test_cluster_scope_binds_the_articles_cluster_role_and_leaves_nothing(fresh):
    fresh.configure({"staging": {}}, scope="cluster", allowDestroy=True)
    done = fresh.up()
    assert "every namespace" in done.output
    with kubernetes(fresh.token("staging")) as client:
        assert client.get("/api/v1/namespaces/kube-system/secrets").status_code == 200
        assert client.get("/api/v1/nodes").status_code == 403
    fresh.run.destroy().expect()
    with kubernetes() as admin:
        assert admin.get("/apis/rbac.authorization.k8s.io/v1/clusterroles/gitlab-deploy-role").status_code == 404
        assert (
            admin.get("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/gitlab-deploy-binding").status_code == 404
        )
