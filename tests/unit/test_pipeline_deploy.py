"""What a deploy job is handed on, and which job an action of a run is."""

import os

import pytest

from pulumi_slipway.cli.__main__ import main
from pulumi_slipway.core.action import Action
from pulumi_slipway.pipeline import deploy as module
from pulumi_slipway.pipeline import rollback, settle
from pulumi_slipway.pipeline.deploy import NoImage, deploy
from pulumi_slipway.pipeline.deployed import ended_well
from pulumi_slipway.pipeline.up import Locking

LOCKING = Locking(serialised=True, wait=0)
ONE = "config: {'slipway:environment': {name: staging}, 'slipway:workloads': {web: {}}}\n"
TWO = ONE.replace("web: {}", "web: {}, my-api: {}")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project; what would be run is noted, as the commit that it is for."""
    for name in [name for name in os.environ if name.startswith(("SLIPWAY_", "CI_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CI_COMMIT_SHA", "c1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Pulumi.yaml").write_text("name: web\nruntime: python\n")
    (tmp_path / "Pulumi.staging.yaml").write_text(ONE)
    return tmp_path


@pytest.fixture
def ran(project, monkeypatch):
    ran = []
    monkeypatch.setattr(module, "_update", lambda *arguments: ran.append(arguments[-1]) or 0)
    return ran


@pytest.mark.parametrize("given", [{}, {"SLIPWAY_IMAGE": ""}, {"SLIPWAY_IMAGE_OTHER": "r/o:1"}])
def test_a_job_that_is_to_release_an_image_and_was_handed_none_fails(project, ran, monkeypatch, given):
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(NoImage, match=r"no image was handed on to this job \(SLIPWAY_IMAGE_WEB is not set\)"):
        deploy(project, "staging", LOCKING, needs_image=True)
    assert ran == []
    assert deploy(project, "staging", LOCKING) == 0, "who changes settings has none"
    assert ran == [""], "and deploys no image of this commit"


@pytest.mark.parametrize(
    ("text", "given"),
    [(ONE, "SLIPWAY_IMAGE"), (ONE, "SLIPWAY_IMAGE_WEB"), (TWO, "SLIPWAY_IMAGE_MY_API")],
)
def test_one_that_has_it_goes_on_and_its_commit_is_what_the_environment_runs(project, ran, monkeypatch, text, given):
    (project / "Pulumi.staging.yaml").write_text(text)
    monkeypatch.setenv(given, "r/web:1")
    deploy(project, "staging", LOCKING, needs_image=True)
    assert ran == ["c1"]


def test_a_person_who_asks_a_deploy_job_for_an_action_needs_no_image(project, ran, monkeypatch):
    monkeypatch.setenv("SLIPWAY_ACTION", "promote")
    deploy(project, "staging", LOCKING, needs_image=True)
    assert ran == [""]


@pytest.mark.parametrize("action", [Action.SETTLE, Action.ROLLBACK, Action.ABORT, Action.REJECT])
def test_what_is_not_about_the_commit_does_not_go_by_its_settings(project, monkeypatch, action):
    asked = []
    monkeypatch.setenv("SLIPWAY_ACTION", action)
    monkeypatch.setattr(module, "act", lambda *arguments: asked.append(arguments[-1]) or 0)
    monkeypatch.setattr(module, "deploy", lambda *_, **__: pytest.fail("it would deploy the commit's settings"))
    monkeypatch.setattr(settle, "settle", lambda *arguments: asked.append(Action.SETTLE) or 0)
    assert main(["up", "--stack", "staging", "--serialised"]) == 0
    assert asked == [action]


@pytest.mark.parametrize(
    ("runs", "well"),
    [
        ([], False),
        ([("failed", "a")], False),
        ([("succeeded", "a")], True),
        ([("failed", "b"), ("succeeded", "a")], False),  # they may be what it failed of
        ([("failed", "a"), ("succeeded", "a"), ("failed", "b")], True),  # a rollback that was refused
    ],
)
def test_the_settings_of_the_last_run_count_where_a_run_succeeded_with_them(runs, well):
    assert ended_well([{"result": result, "config": config} for result, config in runs]) is well


def test_the_rollback_of_a_failed_deployment_goes_to_no_release_that_somebody_once_named(project, monkeypatch):
    monkeypatch.setenv("SLIPWAY_WORKLOADS", "")
    monkeypatch.setenv("SLIPWAY_RELEASE", "0123456789")
    monkeypatch.setattr(rollback, "failed", lambda *_: ["web"])
    monkeypatch.setattr(rollback.cluster, "connect", lambda: None)
    monkeypatch.setattr(rollback, "act", lambda *_: os.environ.get("SLIPWAY_RELEASE") is not None)
    assert not rollback.rollback(project, "staging", LOCKING, if_failed=True)
    monkeypatch.setenv("SLIPWAY_RELEASE", "0123456789")
    assert rollback.rollback(project, "staging", LOCKING, if_failed=False)
