"""What the preflight asks for is what these workloads need: no more, and nothing too late."""

import pytest

from pulumi_slipway.access.rights import Rule
from pulumi_slipway.access.rights import deploy as deploy_rules
from pulumi_slipway.access.rights import preview as preview_rules
from pulumi_slipway.cluster.rights import READ, WRITE, Right, rights
from pulumi_slipway.preflight.environment import needed_rights
from pulumi_slipway.release.manifests import Subject
from pulumi_slipway.settings import Environment, Workload

OPTIONAL = {
    "poddisruptionbudgets.policy": {"replicas": 2},
    "ingresses.networking.k8s.io": {"ingress": {"host": "a.example.com"}},
    "networkpolicies.networking.k8s.io": {"networkPolicy": {"allowFrom": []}},
    "horizontalpodautoscalers.autoscaling": {"autoscaler": {"min": 1, "max": 2, "cpu": 50}},
}
BY_PATH = {"checks": {"answers": {"http": {"path": "/healthz"}}}}
BY_URL = {"checks": {"answers": {"http": {"url": "https://example.com/healthz"}}}}
BY_JOB = {"checks": {"inside": {"job": {"command": ["/test"]}}}}
BY_COMMAND = {"checks": {"smoke": {"command": ["./smoke-test.sh"]}}}
BY_PROMETHEUS = {"checks": {"errors": {"prometheus": {"preset": "success-rate"}}}}
EVERYTHING = {
    **{key: value for settings in OPTIONAL.values() for key, value in settings.items() if key != "replicas"},
    "secretEnv": {"KEY": {"fromEnv": "KEY"}},
    "checks": {**BY_PATH["checks"], **BY_JOB["checks"]},
}


def subject(**settings):
    return Subject("myapp", Environment(name="staging"), Workload.model_validate({"image": "a", **settings}))


def needed(*subjects, preview=False):
    return set(needed_rights(subjects or [subject(replicas=1)], preview=preview))


def kinds(found):
    return {right.kind for right in found}


def test_a_plain_workload_needs_what_carries_its_release_and_a_look_at_the_rest():
    assert needed() == {
        *rights((*READ, *WRITE), "deployments.apps", "services", "configmaps"),
        *rights(("list",), *OPTIONAL, "pods", "endpointslices.discovery.k8s.io"),
    }


def test_a_preview_of_it_only_reads():
    assert needed(preview=True) == {
        *rights(READ, "deployments.apps", "services", "configmaps"),
        *rights(("list",), *OPTIONAL),
    }


@pytest.mark.parametrize("kind", OPTIONAL)
def test_what_one_of_the_workloads_has_is_asked_to_be_written_and_by_a_preview_to_be_read(kind):
    subjects = [subject(replicas=1), subject(**OPTIONAL[kind])]
    assert set(rights((*READ, *WRITE), kind)) <= needed(*subjects)
    previewed = needed(*subjects, preview=True)
    assert set(rights(READ, kind)) <= previewed
    assert {right.verb for right in previewed} == set(READ)


def test_secrets_are_asked_for_by_a_run_with_secret_variables_and_by_no_preview():
    secret = subject(replicas=1, secretEnv={"KEY": {"fromEnv": "KEY"}})
    assert set(rights((*READ, *WRITE), "secrets")) <= needed(secret)
    assert "secrets" not in kinds(needed(secret, preview=True))


# Checks


@pytest.mark.parametrize("checks", [{}, BY_URL, BY_COMMAND, BY_PROMETHEUS], ids=["none", "url", "command", "promql"])
@pytest.mark.parametrize("strategy", ["rolling", "blueGreen", "canary"])
def test_checks_that_the_job_makes_itself_need_neither_proxies_nor_jobs(checks, strategy):
    assert needed(subject(replicas=1, strategy=strategy, **checks)) == needed()


@pytest.mark.parametrize(
    ("strategy", "proxy"), [("rolling", "pods/proxy"), ("canary", "pods/proxy"), ("blueGreen", "services/proxy")]
)
def test_a_check_by_path_reads_the_pods_or_where_there_is_one_the_preview_service(strategy, proxy):
    asked = needed(subject(replicas=1, strategy=strategy, **BY_PATH))
    assert asked - needed() == {Right("get", "", proxy)}


@pytest.mark.parametrize("strategy", ["rolling", "blueGreen", "canary"])
def test_a_check_by_job_makes_follows_and_removes_one(strategy):
    asked = needed(subject(replicas=1, strategy=strategy, **BY_JOB))
    assert asked - needed() == {*rights(("create", "get", "delete"), "jobs.batch"), Right("get", "", "pods/log")}


def test_a_preview_makes_no_checks():
    assert needed(subject(replicas=1, checks=EVERYTHING["checks"]), preview=True) == needed(preview=True)


# What the access stack gives


def given(rules: list[Rule]) -> set[Right]:
    return {
        Right(verb, group, resource)
        for rule in rules
        for group in rule.groups
        for resource in rule.resources
        for verb in rule.verbs
    }


@pytest.mark.parametrize("strategy", ["rolling", "blueGreen", "canary"])
def test_the_accounts_of_the_access_stack_have_all_that_is_asked_for(strategy):
    everything = subject(strategy=strategy, **EVERYTHING)
    assert needed(everything) - given(deploy_rules("staging")) == set()
    assert needed(everything, preview=True) - given(preview_rules("staging")) == set()
