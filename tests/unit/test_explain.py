"""Every setting is explained, with an example that holds, in the terminal and on docs/settings.md."""

from typing import Any

import pytest
import yaml

from ci import reference
from pulumi_slipway.cli.__main__ import main
from pulumi_slipway.settings import parse
from pulumi_slipway.settings.reference import EXAMPLES, settings

BLOCKS = yaml.safe_load(EXAMPLES.read_text())


def decrypted(value: Any) -> Any:
    """As Pulumi gives it to the program."""
    if isinstance(value, dict):
        return "a-decrypted-value" if value.keys() == {"secure"} else {key: decrypted(it) for key, it in value.items()}
    return [*map(decrypted, value)] if isinstance(value, list) else value


@pytest.mark.parametrize("names", [["access"], ["environment", "workloads"]])
def test_the_examples_are_a_stack_file_that_is_taken(names):
    parse(decrypted({name: BLOCKS[f"slipway:{name}"] for name in names}), {}, file="examples.yaml")


@pytest.mark.parametrize("setting", settings().values(), ids=lambda it: it.written)
def test_each_setting_has_a_meaning_a_type_and_an_example(setting):
    assert setting.meaning
    assert setting.type
    assert setting.example is not None


def test_the_page_of_all_settings_is_what_they_are():
    assert reference.PAGE.read_text() == reference.page(), "python -m ci.reference"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("slipway:workloads.web.replicas", ["default  2", "replicas: 3", "integer of 0 or more"]),
        ("workloads.any-name.strategy.canary.steps[0].pause", ["slipway:workloads.<name>.strategy.canary.steps.pause"]),
        ("environment.freeze", ["from", "timeZone", "holidays"]),
        ("", ["slipway:access", "slipway:environment", "slipway:workloads"]),
        ("access.registry.password", ["secret", "required"]),
    ],
)
def test_a_path_is_explained(path, said, capsys):
    assert main(["explain", *([path] if path else [])]) == 0
    shown = capsys.readouterr().out
    for text in said:
        assert text in shown


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("workloads.web.replica", "workloads.<name>.replicas"),
        ("environment.rollbackWindow", "workloads.<name>.strategy.blueGreen.rollbackWindow"),
        ("nonsense", "`slipway explain` lists the blocks"),
    ],
)
def test_one_that_is_none_is_one_line_with_the_nearest(path, near, capsys):
    assert main(["explain", path]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert near in said
