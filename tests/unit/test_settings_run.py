"""What the environment of a run says."""

import pytest

from pulumi_slipway.core.action import variable
from pulumi_slipway.settings import Action, Run, SettingsError, parse
from pulumi_slipway.settings.run import read

STACK = {"environment": {"name": "a"}, "workloads": {"web": {"image": "web:0"}}}
TWO = {"environment": {"name": "a"}, "workloads": {"web": {}, "my-api": {"image": "api:0"}}}


def test_a_run_with_nothing_said_deploys_what_is_there() -> None:
    assert parse(STACK, {}, file="f").run == Run(Action.DEPLOY, {}, {})


@pytest.mark.parametrize("action", list(Action))
def test_an_action_is_read(action: Action) -> None:
    assert parse(STACK, {"SLIPWAY_ACTION": action.value}, file="f").run.action is action


def test_the_image_of_the_run_wins() -> None:
    assert parse(STACK, {"SLIPWAY_IMAGE": "web:1"}, file="f").run.images == {"web": "web:1"}


def test_a_workload_can_have_an_image_of_its_own() -> None:
    settings = parse(TWO, {"SLIPWAY_IMAGE_MY_API": "api:1"}, file="f")
    assert settings.run.images == {"my-api": "api:1"}


def test_the_narrower_variable_wins() -> None:
    assert parse(STACK, {"SLIPWAY_IMAGE": "web:1", "SLIPWAY_IMAGE_WEB": "web:2"}, file="f").run.images == {
        "web": "web:2"
    }


def test_a_named_release_is_for_a_rollback() -> None:
    assert parse(STACK, {"SLIPWAY_ACTION": "rollback", "SLIPWAY_RELEASE": "a1"}, file="f").run.release == "a1"
    with pytest.raises(SettingsError, match=r"^SLIPWAY_RELEASE: names what SLIPWAY_ACTION=rollback goes back to"):
        parse(STACK, {"SLIPWAY_RELEASE": "a1"}, file="f")


def test_an_empty_variable_is_unset() -> None:
    assert parse(STACK, {"SLIPWAY_IMAGE": "", "SLIPWAY_ACTION": " "}, file="f").run == Run()


def test_blanks_around_an_image_are_not_part_of_it() -> None:
    assert parse(STACK, {"SLIPWAY_IMAGE": "web:1\n"}, file="f").run.images == {"web": "web:1"}


def test_the_variables_of_the_sandbox_are_not_taken_for_misspelt_ones() -> None:
    environ = {"SLIPWAY_SANDBOX": "x", "SLIPWAY_SANDBOX_REGISTRY": "x", "SLIPWAY_SOAK": "1", "SLIPWAY_PLUGIN_DIR": "x"}
    assert parse(STACK, environ, file="f").run == Run()


def test_an_access_stack_takes_no_offence_at_a_pipelines_image() -> None:
    access: dict[str, object] = {"access": {"environments": {"a": {}}}}
    assert parse(access, {"SLIPWAY_IMAGE": "web:1", "SLIPWAY_IMAGE_WEB": "web:1"}, file="f").run.images == {}


def test_provenance_is_what_gitlab_tells() -> None:
    environ = {
        "CI_COMMIT_SHA": "abc",
        "CI_PIPELINE_ID": "7",
        "GITLAB_USER_LOGIN": "ann",
        "CI_JOB_URL": "",
        "CI_OTHER": "x",
    }
    assert parse(STACK, environ, file="f").run.provenance == {"commit": "abc", "pipeline": "7", "actor": "ann"}


def test_a_variable_is_named_after_its_workload() -> None:
    assert variable("my-api") == "SLIPWAY_IMAGE_MY_API"


def test_an_image_for_no_workload_names_those_there_are() -> None:
    with pytest.raises(
        SettingsError, match="SLIPWAY_IMAGE_ZZZ: names no workload of this stack; this stack has SLIPWAY"
    ):
        parse(STACK, {"SLIPWAY_IMAGE_ZZZ": "x"}, file="f")


def test_where_there_may_be_other_workloads_a_name_that_is_not_known_is_no_mistake() -> None:
    environ = {"SLIPWAY_IMAGE_API": "api:1", "SLIPWAY_IMAGE_WEB": "web:1", "SLIPWAY_WORKLOADS": "api"}
    run, mistakes = read(environ, ["web"], whole=False)
    assert mistakes == []
    assert (run.images, run.only) == ({"web": "web:1"}, {"api"})
