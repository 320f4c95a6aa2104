"""A value that somebody has encrypted must not end as plain text in an object that anybody may read."""

import json

import pytest
import yaml

from pulumi_slipway.components import environment as environments
from pulumi_slipway.components.args import ApplicationArgs
from pulumi_slipway.components.inputs import Resolver
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.settings import parse
from pulumi_slipway.settings.mistakes import SettingsError

SECRET = "hunter2-planted"
SECURE = {"secure": "v1:abc"}
HELM = {"chart": "charts/web"}
PLACES = [
    ("env", {"env": {"DB": SECURE}}, ".env.DB"),
    ("env as a number", {"env": {"PIN": SECURE}}, ".env.PIN"),
    ("args", {"args": ["--password", SECURE]}, ".args[1]"),
    ("command", {"command": [SECURE]}, ".command[0]"),
    ("annotations", {"annotations": {"a": SECURE}}, ".annotations.a"),
    ("pod annotations", {"podAnnotations": {"a": SECURE}}, ".podAnnotations.a"),
    ("labels", {"labels": {"a": SECURE}}, ".labels.a"),
    (
        "chart values",
        {"source": {"helm": {**HELM, "values": {"db": {"password": SECURE}}}}},
        ".source.helm.values.db.password",
    ),
    (
        "query",
        {"checks": {"c": {"prometheus": {"query": SECURE, "max": 1, "address": "http://p"}}}},
        ".checks.c.prometheus.query",
    ),
    (
        "header",
        {"checks": {"c": {"http": {"path": "/", "headers": {"X-Key": SECURE}}}}},
        ".checks.c.http.headers.X-Key",
    ),
    ("body", {"checks": {"c": {"http": {"path": "/", "body": SECURE}}}}, ".checks.c.http.body"),
    ("check's command", {"checks": {"c": {"command": ["check", SECURE]}}}, ".checks.c.command[1]"),
    ("job's env", {"checks": {"c": {"job": {"image": "i", "env": {"X": SECURE}}}}}, ".checks.c.job.env.X"),
    ("job's args", {"checks": {"c": {"job": {"image": "i", "args": [SECURE]}}}}, ".checks.c.job.args[0]"),
    ("ingress", {"ingress": {"host": "a.example.com", "annotations": {"a": SECURE}}}, ".ingress.annotations.a"),
]


def decrypted(node):
    if isinstance(node, dict):
        return SECRET if set(node) == {"secure"} else {key: decrypted(value) for key, value in node.items()}
    return [*map(decrypted, node)] if isinstance(node, list) else node


def told(workload, text=True, **environment):
    """What the settings say of a workload of which these values are encrypted."""
    file = {"environment": {"name": "staging", **environment}, "workloads": {"web": workload}}
    config = {"config": {f"slipway:{key}": it for key, it in file.items()}}
    sealed = [key for key, it in file.items() if "secure" in json.dumps(it)]
    parse(
        decrypted(file), {}, file="Pulumi.staging.yaml", text=yaml.safe_dump(config) if text else None, sealed=sealed
    )  # fmt: skip


@pytest.mark.parametrize(("workload", "path"), [it[1:] for it in PLACES], ids=[it[0] for it in PLACES])
def test_an_encrypted_value_that_would_be_plain_text_is_refused_with_the_way_out(workload, path):
    with pytest.raises(SettingsError, match="secretEnv") as said:
        told(workload)
    lines = str(said.value).split("\n")
    assert any(line.startswith(f"Pulumi.staging.yaml: slipway:workloads.web{path}: is encrypted") for line in lines)
    assert SECRET not in str(said.value)


def test_so_is_one_of_the_environment():
    with pytest.raises(SettingsError, match=r"environment\.labels\.a: is encrypted"):
        told({}, labels={"a": SECURE})


def test_and_where_the_file_can_not_be_read():
    with pytest.raises(SettingsError, match="is encrypted"):
        told({"env": {"DB": SECURE}}, text=False)


@pytest.mark.parametrize("text", [True, False])
def test_what_becomes_a_secret_is_taken(text):
    told({"secretEnv": {"DB": SECURE}}, text=text)


@pytest.mark.parametrize("field", ["env", "args", "annotations", "image"])
def test_a_secret_output_of_somebodys_program_is_refused_alike(field):
    known = Resolver("workload web")
    known.secrets = ["secretEnv.DB"]
    made = environments.Environment.__new__(environments.Environment)
    made._name, made._args = "staging", environments.EnvironmentArgs()
    args = ApplicationArgs(secret_env={"DB": SECRET})
    assert made._read({"web": args}, known).workloads
    known.secrets.append(f"{field}.DB")
    with pytest.raises(
        UserError, match=rf"^workload web: {field}.DB: is a secret and would be plain text .* secret_env"
    ):
        made._read({"web": args}, known)
