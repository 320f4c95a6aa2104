"""Wrong settings through the real engine: one line each, exit status 1, no traceback, nothing written."""

import os

import pytest

from tests.engine.harness import Project
from tests.wrong_configurations import SECRET, WRONG, Wrong

RUN = [wrong for wrong in WRONG if "secure:" not in wrong.config]  # encrypted values need a key: see the last tests
if not os.environ.get(
    "SLIPWAY_SOAK"
):  # what each is answered is shown without an engine: tests/unit/test_settings_mistakes.py
    RUN = [next(it for it in RUN if it.environ), next(it for it in RUN if SECRET in it.config), *RUN[::20]]


@pytest.fixture(scope="module")
def anyone(sandbox: str, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One project for all of them: nothing is ever written, so there is nothing to undo."""
    return Project(tmp_path_factory.mktemp("wrong"))


def test_there_are_enough_of_them() -> None:
    assert len(WRONG) >= 60


@pytest.mark.parametrize("wrong", RUN, ids=lambda wrong: wrong.id)
def test_a_wrong_setting_ends_the_run_with_one_line_and_nothing_written(wrong: Wrong, anyone: Project) -> None:
    outcome = anyone.configure(wrong.config).up(**wrong.environ).expect(status=1)
    assert [line for line in outcome.messages if line.startswith(wrong.line)], outcome.output
    assert "Traceback" not in outcome.output
    assert SECRET not in outcome.output
    assert {name for _, name in outcome.operations()} <= {"slipway-staging"}


def test_an_encrypted_value_that_is_wrong_is_not_shown(project: Project) -> None:
    project.configure({"slipway:access": {"gitlab": {"project": "demo/app"}, "environments": {"a": {}}}})
    project.secret("slipway:access.environments.a.variables.API_KEY", "planted with blanks")
    outcome = project.secret("slipway:access.environments.a.tier", SECRET).up().expect(status=1)
    path = "Pulumi.staging.yaml: slipway:access.environments.a"
    assert [line for line in outcome.messages if line.startswith(path)] == [
        f"{path}.tier: got a value that is not shown; must be production, staging, testing, development or other",
        f"{path}.variables.API_KEY: got a value that is not shown; must be 8 or more characters on one line without a "
        "blank, else GitLab can not mask it",
    ]
    for file, content in project.written():
        assert SECRET.encode() not in content, file
        assert b"planted with blanks" not in content, file


def test_all_mistakes_of_a_stack_are_told_by_one_run(project: Project) -> None:
    project.configure("slipway:environment: {name: Staging}\nslipway:workloads: {a: {replicas: x}, b: {prot: 1}}")
    outcome = project.up(SLIPWAY_ACTION="undo").expect(status=1)
    lines = [line for line in outcome.messages if "slipway:" in line or "SLIPWAY" in line]
    assert [line.partition(": got")[0].removeprefix("Pulumi.staging.yaml: ") for line in lines] == [
        "slipway:environment.name",
        "slipway:workloads.a.replicas",
        "slipway:workloads.b.prot: is not a setting; did you mean port?",
        "SLIPWAY_ACTION",
    ]


def test_unquoted_words_that_yaml_might_take_for_booleans_are_text_to_the_engine(project: Project) -> None:
    # YAML 1.1 reads them as booleans, Pulumi's reader does not: what a user sees must be told as it is.
    project.configure("slipway:environment: {name: staging}\nslipway:workloads: {a: {disruptionBudget: yes}}")
    (line,) = [line for line in project.up().expect(status=1).messages if "slipway:" in line]
    assert line.endswith('.disruptionBudget: got "yes"; must be true or false, without quotes')
