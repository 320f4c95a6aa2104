"""The schema for editors is that of the models, and says of a stack file what the program says."""

import json
import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from pulumi_slipway.settings import Stack, Strategy, parse
from pulumi_slipway.settings.schema import schema
from tests.wrong_configurations import WRONG, Wrong

ROOT = Path(__file__).parents[2]
CHECKED_IN = ROOT / "pulumi_slipway" / "settings" / "slipway.schema.json"
STACK_FILES = [ROOT / f"Pulumi.{stack}.yaml" for stack in ("access", "staging", "production")]
BEYOND_A_SCHEMA = {
    "removed-and-still-there",
    "renamed-from-what-is-there",
    "port-of-a-url",
    "source-of-nothing",
    "two-sources",
    "chart-without-version",
    "said-twice",
    "depends-on-nobody",
    "depends-on-itself",
    "annotation-of-pulumi",
    "autoscaler-upside-down",
    "canary-without-prometheus",
    "check-left-out",
    "check-left-out-of-both-lists",
    "check-of-nothing",
    "check-of-two-kinds",
    "check-that-can-not-fail",
    "check-that-is-not-there",
    "check-twice",
    "check-where-there-are-none",
    "duration-too-long",
    "env-and-secret-env",
    "grace-shorter-than-pre-stop",
    "http-header-with-a-secret",
    "http-with-a-login",
    "job-without-an-end",
    "label-that-is-ours",
    "limits-below-requests",
    "memory-in-bytes",
    "memory-in-thousandths",
    "no-block",
    "no-environment",
    "no-workloads",
    "one-namespace-twice",
    "one-variable-twice-in-a-scope",
    "pod-above-the-quota",
    "pre-stop-longer-than-the-default-grace",
    "prometheus-with-a-login",
    "prometheus-without-a-limit",
    "prometheus-without-address",
    "renewal-after-expiry",
    "replicas-and-autoscaler",
    "step-of-both",
    "step-of-nothing",
    "token-too-long",
    "token-too-short",
    "two-strategies",
    "two-strategies-with-nothing-below",
    "variable-that-is-ours",
    "window-too-long",
    "workload-called-as-the-blue-of-another",
    "workload-called-as-the-canary-of-another",
    "workload-called-as-the-green-of-another",
    "workload-called-as-the-preview-of-another",
    "workload-called-as-the-releases-of-another",
    "writable-twice",
}
"""Rules that hold between settings, or count: the program has them, an editor does not."""


def told(config: object) -> list[str]:
    return [error.message for error in Draft202012Validator(schema()).iter_errors({"config": config})]


def test_the_checked_in_schema_is_that_of_the_models() -> None:
    assert json.loads(CHECKED_IN.read_text()) == schema(), (
        "run: python -m pulumi_slipway.cli schema > pulumi_slipway/settings/slipway.schema.json"
    )


def test_the_schema_is_a_valid_schema() -> None:
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("path", STACK_FILES, ids=lambda path: path.name)
def test_a_stack_file_of_the_repository_follows_the_schema_and_names_it(path: Path) -> None:
    text = path.read_text()
    assert text.startswith("# yaml-language-server: $schema=pulumi_slipway/settings/slipway.schema.json\n")
    assert told(yaml.safe_load(text)["config"]) == []


@pytest.mark.parametrize("stack", ["staging", "production"])
def test_what_a_stack_file_shows_in_comments_is_right_too(stack: str) -> None:
    shown = re.sub(r"(?m)^( +)# ( *)([A-Za-z_]+:)", r"\1\2\3", (ROOT / f"Pulumi.{stack}.yaml").read_text())
    config = yaml.safe_load(shown)["config"]
    blocks = {key.removeprefix("slipway:"): block for key, block in config.items()}
    assert told(config) == []
    (workload,) = parse(blocks, {}, file="f").workloads.values()
    assert workload.checks
    assert workload.strategy != Strategy()


RIGHT = [
    "rolling",
    "blueGreen",
    "{canary: {steps: [{weight: 10, pause: 5m}, {replicas: 2}]}}",
    "{rolling: }",
    "{canary: }",
    "{checkRollback: true}",
]


@pytest.mark.parametrize("strategy", RIGHT)
def test_an_editor_takes_a_strategy_in_every_way_that_the_program_does(strategy: str) -> None:
    workload = yaml.safe_load(f"strategy: {strategy}\nchecks: {{smoke: {{command: [./smoke-test.sh], timeout: 1m}}}}")
    assert "web" in Stack.model_validate({"environment": {"name": "a"}, "workloads": {"web": workload}}).workloads
    assert told({"slipway:environment": {"name": "a"}, "slipway:workloads": {"web": workload}}) == []


@pytest.mark.parametrize("wrong", [wrong for wrong in WRONG if not wrong.environ], ids=lambda wrong: wrong.id)
def test_an_editor_sees_what_a_schema_can_see(wrong: Wrong) -> None:
    assert bool(told(yaml.safe_load(wrong.config))) == (wrong.id not in BEYOND_A_SCHEMA)


def test_every_setting_says_what_it_means() -> None:
    nodes = {name: node for name, node in schema()["$defs"].items() if name != "Secure"}
    silent = [
        f"{name}.{key}"
        for name, node in nodes.items()
        for key, it in node["properties"].items()
        if "description" not in it
    ]
    assert silent == []
