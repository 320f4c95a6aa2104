"""Whom the preflight asks, what it asks for, and how it tells of what is missing."""

import json
import socket

import httpx2
import pytest
from lightkube import Client, KubeConfig
from lightkube.config.models import Cluster, User

from pulumi_slipway.cluster import client as cluster
from pulumi_slipway.cluster import retry
from pulumi_slipway.cluster.client import PreflightError
from pulumi_slipway.cluster.rights import READ, rights
from sandbox.pki import Authority

SERVER = "https://k8s.example.com"
RULES = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
ACCESS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: a
clusters: [{name: a, cluster: {server: SERVER}}]
users: [{name: a, user: {token: planted-token}}]
contexts: [{name: a, context: {cluster: a, user: a}}]
"""


def client(answer):
    """A client whose API server is this function."""
    config = KubeConfig.from_one(cluster=Cluster(server=SERVER), user=User(token="planted-token"))
    return Client(config, transport=httpx2.MockTransport(answer))


def api(rules, *, incomplete=False, allowed=(), namespace=200):
    """An API server that grants these rules, and what is asked one by one if it is in `allowed`."""
    asked = []

    def answer(request):
        path = request.url.path
        if path == RULES:
            status = {"resourceRules": rules, "nonResourceRules": [], "incomplete": incomplete}
            return httpx2.Response(201, json={"spec": {}, "status": status})
        if path == ACCESS:
            attributes = json.loads(request.content)["spec"]["resourceAttributes"]
            asked.append(f"{attributes['verb']} {attributes['resource']}")
            return httpx2.Response(201, json={"spec": {}, "status": {"allowed": asked[-1] in allowed}})
        return httpx2.Response(namespace, json={"metadata": {"name": "staging"}, "code": namespace, "message": "no"})

    return client(answer), asked


def rule(verbs, groups, resources, names=None):
    return {"verbs": verbs, "apiGroups": groups, "resources": resources, "resourceNames": names}


# Rights


@pytest.mark.parametrize("granted", [rule(["*"], ["*"], ["*"]), rule(["get", "list"], ["apps"], ["deployments"])])
def test_what_the_rules_grant_is_not_asked_one_by_one(granted):
    asking, asked = api([granted], incomplete=True)
    assert cluster.check(asking, "staging", rights(("get", "list"), "deployments.apps"))
    assert asked == []


def test_a_rule_for_some_names_only_grants_nothing():
    asking, _ = api([rule(["get"], [""], ["configmaps"], ["one"]), rule(["get"], [""], ["services"])])
    with pytest.raises(PreflightError, match=r"may not get configmaps: its role is too narrow"):
        cluster.check(asking, "staging", rights(("get",), "configmaps", "services"))


def test_the_same_resource_of_another_group_is_another_right():
    asking, _ = api([rule(["get"], ["extensions"], ["ingresses"]), rule(["get"], [""], ["pods"])])
    with pytest.raises(PreflightError, match=r"may not get ingresses\.networking\.k8s\.io: "):
        cluster.check(asking, "staging", rights(("get",), "ingresses.networking.k8s.io", "pods"))


def test_what_incomplete_rules_leave_open_is_asked_one_by_one():
    asking, asked = api([rule(["get"], [""], ["pods"])], incomplete=True, allowed=("list pods",))
    with pytest.raises(PreflightError, match="may not watch pods: "):
        cluster.check(asking, "staging", rights(READ, "pods"))
    assert asked == ["list pods", "watch pods"]


def test_missing_rights_are_grouped_by_what_they_are_for():
    asking, _ = api([rule(["get"], ["", "apps"], ["*"])])
    with pytest.raises(PreflightError) as refused:
        cluster.check(asking, "staging", rights(("get", "patch", "delete"), "deployments.apps", "services"))
    assert "may not patch, delete deployments.apps, services: " in str(refused.value)


def test_without_any_right_and_without_a_look_at_the_namespace_it_may_not_exist():
    asking, _ = api([], namespace=403)
    with pytest.raises(PreflightError, match="it does not exist, or this identity has no rights in it"):
        cluster.check(asking, "staging", rights(READ, "pods"))


def test_a_namespace_that_is_not_there_is_no_question_of_rights():
    asking, _ = api([], namespace=404)
    assert cluster.check(asking, "staging", rights(READ, "pods")) is False


# What answers


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (httpx2.Response(401, json={"message": "Unauthorized", "code": 401}), "does not accept this identity (401"),
        (httpx2.Response(403, json={"message": "no anonymous", "code": 403}), "refuses (403): no anonymous"),
        (httpx2.Response(503, text="<html>", headers={"content-type": "text/html"}), "answers with an error (503): "),
        (httpx2.Response(502), f"what answers at {SERVER} is no Kubernetes API server"),
        (
            httpx2.Response(404, json={"error": "404 Not Found"}),
            f"what answers at {SERVER} is no Kubernetes API server",
        ),
        (httpx2.Response(200, text="hello"), f"what answers at {SERVER} is no Kubernetes API server"),
        (httpx2.Response(302, headers={"location": "/login"}), f"what answers at {SERVER} is no Kubernetes API server"),
    ],
)
def test_any_other_answer_is_told_in_one_line_without_the_token(answer, told):
    with pytest.raises(PreflightError) as refused:
        cluster.check(client(lambda _: answer), "staging", rights(READ, "pods"))
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "planted-token" not in str(refused.value)


def test_a_question_that_takes_for_ever_is_given_up(monkeypatch):
    monkeypatch.setattr(cluster, "CHECK_SECONDS", 0.1)
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()

        def never(_):
            held.accept()  # nobody comes
            raise AssertionError

        with pytest.raises(PreflightError, match=r"does not answer \(nothing within 0\.1 s\)"):
            cluster.check(client(never), "staging", ())


# The kubeconfig


@pytest.fixture
def at_home(monkeypatch, tmp_path):
    """A home without a kubeconfig, and no pod around us."""
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(cluster, "SERVICE_ACCOUNT", str(tmp_path / "no-pod"))
    return tmp_path


def written(path, server):
    path.parent.mkdir(exist_ok=True)
    path.write_text(KUBECONFIG.replace("SERVER", server))
    return path


def in_a_pod(monkeypatch, directory):
    """As in a job of GitLab's Kubernetes executor: the pod has an account of its own."""
    account = directory / "account"
    Authority(account)  # its ca.crt
    for name, content in {"token": "pods-token", "namespace": "gitlab-runner"}.items():
        (account / name).write_text(content)
    monkeypatch.setattr(cluster, "SERVICE_ACCOUNT", str(account))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")


def test_the_kubeconfig_of_the_environment_goes_before_the_one_at_home(at_home, monkeypatch):
    written(at_home / ".kube" / "config", "https://home")
    assert cluster.connect().config.cluster.server == "https://home"
    monkeypatch.setenv("KUBECONFIG", str(written(at_home / "other", "https://other")))
    assert cluster.connect().config.cluster.server == "https://other"
    monkeypatch.setenv("KUBECONFIG", "")
    assert cluster.connect().config.cluster.server == "https://home"


def test_a_kubeconfig_goes_before_the_account_of_the_pod_that_the_job_runs_in(at_home, monkeypatch):
    in_a_pod(monkeypatch, at_home)
    assert cluster.connect().config.cluster.server == "https://10.0.0.1:443"
    monkeypatch.setenv("KUBECONFIG", str(written(at_home / "other", "https://other")))
    assert cluster.connect().config.cluster.server == "https://other"


BROKEN = {
    "not YAML": ("{", "while parsing"),
    "empty": ("", "its content is no kubeconfig"),
    "a list": ("[]", "its content is no kubeconfig"),
    "without a context": ("{clusters: [], contexts: [], users: []}", "No current context"),
    "with a context that it does not have": (
        KUBECONFIG.replace("current-context: a", "current-context: b"),
        "Context 'b'",
    ),
    "with a cluster that it does not have": (KUBECONFIG.replace("{cluster: a", "{cluster: b"), "'b' is missing"),
    "without its user": (KUBECONFIG.replace(", user: a", ""), "Missing user"),
    "of another kind": ("{apiVersion: v1, kind: Secret}", "'clusters' is missing"),
    "with a number for a token": (KUBECONFIG.replace("planted-token", "12345678"), "Expected `str"),
    "with a certificate that is none": (
        KUBECONFIG.replace("server: SERVER", "server: https://a, certificate-authority-data: cGxhbnRlZA=="),
        "",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_kubeconfig_is_told_in_one_line_with_its_path(case, at_home, monkeypatch):
    content, reason = BROKEN[case]
    path = at_home / "kubeconfig"
    path.write_text(content)
    monkeypatch.setenv("KUBECONFIG", str(path))
    with pytest.raises(PreflightError) as refused:
        cluster.connect()
    line = str(refused.value)
    assert line.startswith(f"no usable kubeconfig (KUBECONFIG={path}: ")
    assert reason in line
    assert "\n" not in line
    assert "planted" not in line


def test_no_kubeconfig_at_all_is_told(at_home):
    with pytest.raises(
        PreflightError, match=r"no usable kubeconfig \(/.*/\.kube/config: .* not found\): set KUBECONFIG"
    ):
        cluster.connect()


@pytest.mark.parametrize(("breaks", "asked"), [(0, 1), (2, 3)])
def test_what_only_reads_is_asked_again_where_the_connection_breaks(breaks, asked, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    times = []

    def ask():
        times.append(1)
        if len(times) <= breaks:
            raise httpx2.ConnectError("[SSL: TLSV1_ALERT_DECODE_ERROR]")
        return "answer"

    assert retry.briefly(ask) == "answer"
    assert len(times) == asked


def test_one_that_stays_away_or_refuses_is_told(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    for error, asked in ((httpx2.ConnectError("refused"), 3), (ValueError("no"), 1), (httpx2.ConnectTimeout("no"), 1)):
        times = []

        def ask(error=error, times=times):
            times.append(1)
            raise error

        with pytest.raises(type(error)):
            retry.briefly(ask)
        assert len(times) == asked
