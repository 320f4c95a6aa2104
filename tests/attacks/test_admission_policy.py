"""What a deploy token, a review's above all, may put into its namespace: nothing that takes another's traffic or place.

Run with the token itself on the real API server; each was let in before the policy.
"""

import copy
import subprocess
import sys

import httpx2
import pytest
from tenacity import Retrying, stop_after_delay, wait_fixed

from pulumi_slipway.access.names import workload_guard_name
from tests.engine.access_stack import AccessStack, kubernetes

POD = {
    "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {
            "name": "a",
            "image": "registry.invalid/a@sha256:" + "1" * 64,
            "resources": {"limits": {"cpu": "10m", "memory": "16Mi"}},
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
    ],
}
CORE, APPS, NET = "/api/v1", "/apis/apps/v1", "/apis/networking.k8s.io/v1"


def service(**spec):
    return "services", {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}], **spec}}


def pod(**spec):
    return "pods", {"apiVersion": "v1", "kind": "Pod", "spec": {**copy.deepcopy(POD), **spec}}


def templated(kind, plural, group, **spec):
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {**copy.deepcopy(POD), **spec}}
    body = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    if kind == "Job":
        del body["selector"]
        template["spec"]["restartPolicy"] = "Never"
    return plural, {"apiVersion": group, "kind": kind, "spec": body}


def ingress(host=None, **spec):
    backend = {"service": {"name": "a", "port": {"number": 80}}}
    rule = {"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    rules = {} if host is None else {"rules": [{**rule, **({"host": host} if host else {})}]}
    extra = {"defaultBackend": backend} if spec.get("catches") else {}
    return "ingresses", {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "spec": {**rules, **extra}}


def secret(name, **more):
    return "secrets", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, **more}


def with_host_port(of):
    plural, body = of
    spec = body["spec"].get("template", body)["spec"]
    spec["containers"][0]["ports"] = [{"containerPort": 80, "hostPort": 80}]
    return plural, body


DEPLOYMENT = ("Deployment", "deployments", "apps/v1")
ATTACKS = {
    "a Service takes production's address": service(externalIPs=["10.96.0.1"]),
    "a Service is a name elsewhere": service(type="ExternalName", externalName="production.svc"),
    "a Service opens a port of every node": service(type="NodePort"),
    "a Service orders a load balancer": service(type="LoadBalancer"),
    "a pod evicts production's": pod(priorityClassName="system-node-critical"),
    "a Deployment's pods evict production's": templated(*DEPLOYMENT, priorityClassName="system-cluster-critical"),
    "a Job's pods evict production's": templated("Job", "jobs", "batch/v1", priorityClassName="system-node-critical"),
    "a Deployment listens on its node": with_host_port(templated(*DEPLOYMENT)),
    "a pod listens on its node": with_host_port(pod()),
    "a pod is the deploy account": pod(serviceAccountName="gitlab-deploy"),
    "a pod is the preview account": pod(serviceAccount="gitlab-preview"),
    "a Deployment's pods are the deploy account": templated(*DEPLOYMENT, serviceAccountName="gitlab-deploy"),
    "a Job's pods are the deploy account": templated("Job", "jobs", "batch/v1", serviceAccountName="gitlab-deploy"),
    "a long token of the deploy account by projection": pod(
        serviceAccountName="gitlab-deploy",
        volumes=[{"name": "t", "projected": {"sources": [{"serviceAccountToken": {
            "path": "t", "expirationSeconds": 31536000}}]}}],
    ),
    "an Ingress takes production's host": ingress("shop.example.com"),
    "an Ingress takes a host that only ends alike": ingress("evilreview.example.com"),
    "an Ingress takes every host": ingress(""),
    "an Ingress takes what no other does": ingress(catches=True),
    "a token for ever": secret("x", type="kubernetes.io/service-account-token", metadata={
        "name": "x", "annotations": {"kubernetes.io/service-account.name": "gitlab-deploy"}}),
    "a Secret in the place of the next token": secret("gitlab-deploy-token-7"),
    "a Secret in the place of the pull secret": secret("gitlab-registry"),
}  # fmt: skip
FINE = {
    "a Service": service(),
    "a headless Service": service(clusterIP="None"),
    "a Deployment": templated(*DEPLOYMENT),
    "a Job": templated("Job", "jobs", "batch/v1"),
    "an Ingress of its own": ingress("a.review.example.com"),
    "a Secret": secret("mine"),
}
GROUPS = {"deployments": APPS, "jobs": "/apis/batch/v1", "ingresses": NET}


@pytest.fixture(scope="module")
def review(tmp_path_factory, sandbox):
    """The access stack with a review environment, whose token every branch has."""
    stack = AccessStack(tmp_path_factory.mktemp("attacks"))
    settings = {"protected": False, "hosts": ["*.review.example.com"], "scope": "review/*"}
    stack.configure({"review": settings, "production": {"allow": {"serviceTypes": ["LoadBalancer"]}}})
    stack.up()
    yield stack
    stack.discard()


def attempt(stack, environment, scope, of):
    plural, body = of
    namespace = stack.namespace(environment)
    body = {**body, "metadata": {"name": "tried", **body.get("metadata", {})}}
    with kubernetes(stack.token(scope)) as client:
        path = f"{GROUPS.get(plural, CORE)}/namespaces/{namespace}/{plural}"
        return client.post(path, params={"dryRun": "All"}, json=body)


@pytest.mark.parametrize("attack", ATTACKS)
def test_it_is_refused_to_a_review(attack, review):
    answer = attempt(review, "review", "review/*", ATTACKS[attack])
    assert answer.status_code == 403, answer.text
    stopped_by = (workload_guard_name(review.namespace("review")), "may not mint tokens", "violates PodSecurity")
    assert any(it in answer.text for it in stopped_by), answer.text


@pytest.mark.parametrize("fine", FINE)
def test_what_workloads_have_is_let_in(fine, review):
    answer = attempt(review, "review", "review/*", FINE[fine])
    assert answer.status_code == 201, answer.text


def test_what_an_environment_allows_is_let_in_there_alone(review):
    assert attempt(review, "production", "production", service(type="LoadBalancer")).status_code == 201
    refused: httpx2.Response = attempt(review, "production", "production", service(type="NodePort"))
    assert "slipway:access.environments.production.allow.serviceTypes" in refused.text
    assert attempt(review, "production", "production", ingress("shop.example.com")).status_code == 201


def test_a_service_that_was_let_in_does_not_become_what_would_not_have_been(review):
    namespace = review.namespace("review")
    with kubernetes(review.token("review/*")) as client:
        path = f"{CORE}/namespaces/{namespace}/services"
        client.post(path, json={**service()[1], "metadata": {"name": "meek"}}).raise_for_status()
        for change in ({"externalIPs": ["10.96.0.1"]}, {"type": "NodePort"}):
            headers = {"Content-Type": "application/merge-patch+json"}
            assert client.patch(f"{path}/meek", json={"spec": change}, headers=headers).status_code == 403


def test_a_leaked_token_ends_with_one_command(review):
    leaked = review.token("production")
    path = f"{CORE}/namespaces/{review.namespace('production')}/configmaps"
    with kubernetes(leaked) as client:
        assert client.get(path).status_code == 200
        command = [sys.executable, "-m", "pulumi_slipway.cli", "revoke", "production"]
        said = subprocess.run(
            command, cwd=review.run.directory, env=review.run.environ, capture_output=True, text=True, check=False
        )
        assert said.returncode == 0, said.stderr
        assert f"production: {review.namespace('production')}/gitlab-deploy-token-" in said.stdout
        assert "2 tokens revoked" in said.stdout
        for attempt_ in Retrying(stop=stop_after_delay(30), wait=wait_fixed(0.5), reraise=True):
            with attempt_:
                assert client.get(path).status_code == 401
    with kubernetes(review.token("review/*")) as other:
        assert other.get(f"{CORE}/namespaces/{review.namespace('review')}/configmaps").status_code == 200
