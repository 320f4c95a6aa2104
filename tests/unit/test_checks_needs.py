"""What is asked before a release begins."""

from pathlib import Path

import pytest

from pulumi_slipway.release.checks import missing, rights
from pulumi_slipway.settings.checks import Check

HTTP, POD = {"http": {"path": "/"}}, {"http": {"url": "https://a", "tokenFromEnv": "TOKEN"}}
PRESET = {"prometheus": {"preset": "success-rate", "tokenFromEnv": "TOKEN"}}


def lacks(settings, prometheus=None, **environment):
    return missing(
        {"a": Check.model_validate(settings)},
        prometheus=prometheus,
        environment={"PATH": "/usr/bin:/bin", **environment},
    )


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_prometheus_is_needed_somewhere():
    address = "check a: has no Prometheus to ask: set its address, or slipway:environment.prometheus"
    assert lacks(PRESET, TOKEN="t") == (address,)
    assert lacks(PRESET, "http://p", TOKEN="t") == ()
    assert lacks({"prometheus": {"preset": "success-rate", "address": "http://p"}}) == ()


def test_a_token_that_is_named_must_be_there():
    token = "check a: needs the variable TOKEN with a token: set it in GitLab for this environment"
    for value in ("", " \n"):
        assert lacks(PRESET, "http://p", TOKEN=value) == (token,)
    assert lacks(POD) == (token,)
    assert lacks(POD, TOKEN="t") == ()


def test_a_program_must_be_there_and_executable():
    assert lacks({"command": ["sh"]}) == ()
    assert lacks({"command": ["no-such-thing"]}) == (f"check a: no-such-thing is not there (looked in {Path.cwd()})",)
    command = {"command": ["./smoke.sh", "x"]}
    assert lacks(command) == (f"check a: ./smoke.sh is not there (looked in {Path.cwd()})",)
    Path("smoke.sh").write_text("#!/bin/sh\n")
    assert lacks(command) == ("check a: ./smoke.sh is not executable: git update-index --chmod=+x ./smoke.sh",)
    Path("smoke.sh").chmod(0o755)
    assert lacks(command) == ()
    assert lacks({"command": ["./{{track}}.sh"]}) == ()  # known only when it runs


def test_a_command_needs_linux(monkeypatch):
    monkeypatch.setattr("pulumi_slipway.release.checks.needs.sys.platform", "darwin")
    assert lacks({"command": ["sh"]}) == (
        "check a: runs a command, which needs Linux: run it in a CI job or a container",
    )


def test_http_by_path_and_jobs_need_rights():
    def needed(settings, service=True):
        return rights({"a": Check.model_validate(settings)}, service=service)

    assert needed(HTTP) == {("get", "services/proxy")}
    assert needed(HTTP, service=False) == {("get", "pods/proxy"), ("list", "pods")}
    assert needed({"job": {"args": ["x"]}}) == {
        ("create", "jobs.batch"), ("get", "jobs.batch"), ("delete", "jobs.batch"), ("list", "pods"),
        ("get", "pods/log"),
    }  # fmt: skip
    for settings in (POD, PRESET, {"command": ["x"]}):
        assert needed(settings) == set()
