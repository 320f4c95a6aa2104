"""The settings of checks: their defaults, and how a mistake in them is told."""

import re
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from pulumi_slipway.release.checks.presets import PODS, query
from pulumi_slipway.settings.checks import PRESET_LIMITS, Check, CheckName, Http, Job, Prometheus
from pulumi_slipway.settings.render import Renderer
from pulumi_slipway.settings.secrets import Encrypted
from pulumi_slipway.settings.shape import Shape
from pulumi_slipway.settings.types import Model
from pulumi_slipway.settings.workload import Workload


class Stack(Model):
    """As the checks stand in a stack file."""

    checks: dict[CheckName, Check]


def told(settings, name="a"):
    """The lines for a check that is not right."""
    blocks = {"checks": {name: settings}}
    with pytest.raises(ValidationError) as caught:
        Stack.model_validate(blocks, by_name=False)
    renderer = Renderer("Pulumi.x.yaml", blocks, Shape(Stack), Encrypted(blocks, (), None))
    return [line.removeprefix("Pulumi.x.yaml: slipway:checks.") for line in renderer.lines(caught.value)]


def read(settings):
    return Stack.model_validate({"checks": {"a": settings}}, by_name=False).checks["a"]


COMMAND = {"command": ["./check.sh"]}


def test_the_defaults_are_argos():
    check = read(COMMAND)
    assert (check.interval, check.count, check.timeout, check.initial_delay) == (10, None, 10, 0)
    assert (check.failure_limit, check.inconclusive_limit, check.consecutive_error_limit) == (0, 0, 4)


def test_a_job_has_more_time_unless_it_says_how_much():
    assert read({"job": {"args": ["x"]}}).timeout == 300
    assert read({"job": {"args": ["x"]}, "timeout": "20s"}).timeout == 20


def test_a_preset_has_limits_of_its_own():
    assert read({"prometheus": {"preset": "success-rate"}}).prometheus.limits == {"min": 0.99}
    assert read({"prometheus": {"preset": "success-rate", "min": 0.5, "max": 1}}).prometheus.limits == {
        "min": 0.5,
        "max": 1,
    }
    assert read({"prometheus": {"preset": "latency-p95", "max": 2}}).prometheus.limits == {"max": 2}
    assert read({"prometheus": {"query": "up", "max": 0}}).prometheus.limits == {"max": 0}


def test_every_preset_has_limits():
    assert set(Prometheus.model_fields["preset"].annotation.__args__[0].__args__) == set(PRESET_LIMITS)


def test_numbers_in_a_command_are_words():
    assert read({"command": ["./check.sh", 3]}).command == ("./check.sh", "3")


def test_other_braces_than_placeholders_are_left_alone():
    assert read({"command": ["kubectl", "-o", "go-template={{.items}} {{ track }}"]})


KINDS = "got a mapping; must have exactly one of http, prometheus, command and job"
PLACEHOLDERS = "there are {{workload}}, {{environment}}, {{namespace}}, {{track}}, {{release}}"


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({}, f"a: {KINDS}"),
        (COMMAND | {"http": {"path": "/"}}, f"a: {KINDS}"),
        ({"command": []}, "a.command: got a list; must not be empty"),
        (COMMAND | {"interval": "0s"}, 'a.interval: got "0s"; must be a duration like'),
        (COMMAND | {"timeout": "2h"}, 'a.timeout: got "2h"; must be a duration like'),
        (COMMAND | {"count": 0}, "a.count: got 0; must be a whole number of 1 or more"),
        (COMMAND | {"count": 2, "failureLimit": 2}, "a.failureLimit: got 2; must be below count (2)"),
        (COMMAND | {"count": 1, "inconclusiveLimit": 1}, "a.inconclusiveLimit: got 1; must be below count (1)"),
        (COMMAND | {"failurelimit": 1}, "a.failurelimit: is not a setting; did you mean failureLimit?"),
        ({"command": ["x", "{{trak}}"]}, f"a.command: got a list; must not use {{{{trak}}}}: {PLACEHOLDERS}"),
        ({"job": {"args": ["{{x}}"]}}, f"a.job.args: got a list; must not use {{{{x}}}}: {PLACEHOLDERS}"),
        ({"job": {}}, "a.job: got a mapping; must have command, args or image: the release's own entry point"),
        (
            {"job": {"args": ["x"], "env": {"SLIPWAY_TRACK": "x"}}},
            "a.job.env.SLIPWAY_TRACK: is a variable that Slipway",
        ),
        ({"http": {}}, "a.http: got a mapping; must have either path or url"),
        ({"http": {"path": "/", "url": "https://x"}}, "a.http: got a mapping; must have either path or url"),
        ({"http": {"path": "healthz"}}, 'a.http.path: got "healthz"; must be a path that starts with "/"'),
        ({"http": {"path": "/", "tokenFromEnv": "T"}}, "a.http: got a mapping; must have tokenFromEnv only together"),
        ({"http": {"path": "/", "status": 99}}, "a.http.status: got 99; must be a whole number from 100 to 599"),
        ({"http": {"url": "ftp://x"}}, 'a.http.url: got "ftp://x"; must be an http:// or https:// URL without a login'),
        ({"prometheus": {}}, "a.prometheus: got a mapping; must have either preset or query"),
        (
            {"prometheus": {"preset": "success-rate", "query": "up"}},
            "a.prometheus: got a mapping; must have either preset or query",
        ),
        (
            {"prometheus": {"preset": "latency"}},
            'a.prometheus.preset: got "latency"; must be success-rate or latency-p95',
        ),
        ({"prometheus": {"query": "up"}}, "a.prometheus: must have min, max or both"),
        (
            {"prometheus": {"query": "up{{x}}", "min": 1}},
            'a.prometheus.query: got "up{{x}}"; must not use {{x}}: there',
        ),
        ({"prometheus": {"query": "up", "min": "1"}}, 'a.prometheus.min: got "1"; must be a number'),
        ({"prometheus": {"query": "up", "min": True}}, "a.prometheus.min: got true; must be a number"),
        ({"prometheus": {"query": "up", "min": float("nan")}}, "a.prometheus.min: got NaN; must be a number"),
        ({"prometheus": {"query": "up", "min": 2, "max": 1}}, "a.prometheus.max: got 1; must not be below min (2)"),
        (
            {"prometheus": {"preset": "success-rate", "min": 2, "max": 1}},
            "a.prometheus.max: got 1; must not be below",
        ),
        (
            {"prometheus": {"query": "up", "min": 2, "window": "1m"}},
            "a.prometheus.window: must be given with a preset only",
        ),
        (
            {"prometheus": {"preset": "success-rate", "window": "4s"}},
            'a.prometheus.window: got "4s"; must be a duration',
        ),
        (
            {"prometheus": {"preset": "success-rate", "address": "prometheus:9090"}},
            'a.prometheus.address: got "prometheus:9090"; must be a URL like',
        ),
    ],
)
def test_a_mistake_is_told_in_one_line_with_its_path(settings, line):
    (found,) = told(settings)
    assert found.startswith(line)


@pytest.mark.parametrize("path", ["/..", "/a/../../b", "/a/%2e%2E/b", "/..%2fb", "/%2e%2e%2Fb"])
def test_a_path_can_not_leave_the_proxy(path):
    assert "must be a path" in told({"http": {"path": path}})[0]


def test_a_path_may_have_a_query_and_dots():
    assert read({"http": {"path": "/a..b/c.d?x=1"}}).http.path == "/a..b/c.d?x=1"


@pytest.mark.parametrize("name", ["", "A", "1a", "a_b", "a-", "a" * 41])
def test_a_name_has_to_fit_into_a_jobs(name):
    assert "must be a check's name" in told(COMMAND, name)[0]


@pytest.mark.parametrize(
    "settings",
    [
        {"http": {"url": "https://user:planted@host/"}},
        {"prometheus": {"preset": "success-rate", "address": "https://user:planted@host"}},
        {"http": {"path": "/", "headers": {"authorization": "Bearer planted"}}},
        {"http": {"path": "/", "headers": {"Cookie": "planted"}}},
    ],
)
def test_a_secret_in_plain_text_is_refused_and_not_shown(settings):
    (line,) = told(settings)
    assert "planted" not in line
    assert line.partition(": ")[2].startswith(("must be", "is a secret in plain text; use tokenFromEnv"))


DOCS = (Path(__file__).parents[2] / "docs" / "checks.md").read_text()


def test_the_examples_of_the_docs_are_right():
    examples = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)[0])
    kinds = {name: next(iter(read(check).model_fields_set)) for name, check in examples.items()}
    assert {"smoke", "error-rate", "health", "success-rate", "queue", "database"} == set(kinds)


def test_the_docs_tell_the_presets_own_queries():
    (block,) = re.findall(r"```\n(success-rate .*?)```", DOCS, re.DOTALL)
    text = re.sub(r"\s+", " ", block)
    for preset in PRESET_LIMITS:
        assert query(preset, 60).replace(PODS, "PODS").replace("1m", "WINDOW") in text
    assert PODS in text.replace(", ", ",")


@pytest.mark.parametrize("model", [Check, Http, Job, Prometheus])
def test_the_docs_name_every_setting(model):
    assert not [field.alias for field in model.model_fields.values() if f"`{field.alias}`" not in DOCS]


@pytest.mark.parametrize(
    "name",
    ["KUBE_TOKEN", "PULUMI_CONFIG_PASSPHRASE", "KUBECONFIG", "CI_JOB_TOKEN", "GITLAB_TOKEN"],
)
def test_the_pipelines_own_credentials_go_to_no_check_and_no_pod(name):
    check = {"http": {"url": "https://elsewhere.example.com", "tokenFromEnv": name}}
    for settings in ({"checks": {"a": check}}, {"secretEnv": {"A": {"fromEnv": name}}}):
        with pytest.raises(ValidationError, match="this one is the pipeline's own credential"):
            Workload.model_validate(settings, by_name=False)
