"""The settings of a strategy: the ways to write one, its defaults and bounds, and which checks it runs."""

import re
from typing import Any

import pytest
from pydantic import ValidationError

from pulumi_slipway.settings import Action, Run, SettingsError, Strategy, Workload, parse
from pulumi_slipway.settings.schema import schema
from pulumi_slipway.settings.types import seconds_of
from pulumi_slipway.settings.workload import DEFAULT_CHECK

SMOKE = {"command": ["./smoke-test.sh"]}


def read(strategy: object = None, **settings: object) -> Workload:
    """A workload with this strategy, as YAML gives it."""
    given = settings if strategy is None else {"strategy": strategy, **settings}
    return Workload.model_validate(given, by_name=False)


# The ways to write one


@pytest.mark.parametrize("written", [None, {}, "rolling", {"rolling": {}}, {"rolling": None}])
def test_rolling_is_the_default_and_needs_no_settings(written: object) -> None:
    assert read(written).strategy == Strategy()
    assert (read(written).strategy.blue_green, read(written).strategy.canary) == (None, None)


@pytest.mark.parametrize("name", ["blueGreen", "canary"])
def test_a_bare_name_is_the_strategy_with_its_defaults(name: str) -> None:
    bare, empty, null = (read(written).strategy for written in (name, {name: {}}, {name: None}))
    assert bare == empty == null
    assert bare != Strategy()


def test_a_setting_of_all_strategies_leaves_the_strategy_as_it_is() -> None:
    assert read({"checkRollback": True}).strategy == Strategy(check_rollback=True)
    chosen = read({"canary": None, "checkRollback": True}).strategy
    assert chosen == read("canary").strategy.model_copy(update={"check_rollback": True})


# Defaults


def test_a_rolling_release_has_one_pod_more_and_runs_all_checks() -> None:
    rolling = read("rolling").strategy.rolling
    assert (rolling.max_surge, rolling.checks) == (1, None)


def test_blue_green_goes_live_by_itself_and_stays_warm_for_ten_minutes() -> None:
    b = read("blueGreen").strategy.blue_green
    assert b is not None
    assert (b.pre_promotion, b.post_promotion, b.preview_replicas) == (None, (), None)
    assert (b.auto_promote, b.keep, b.rollback_window) == (True, "window", 600)


def test_a_canary_is_the_articles_one_pod_for_five_minutes() -> None:
    c = read("canary").strategy.canary
    assert c is not None
    assert [(step.weight, step.replicas, step.pause) for step in c.steps] == [(None, 1, 300)]
    assert (c.checks, c.max_surge) == (None, None)


def test_a_step_without_a_pause_waits_to_be_promoted() -> None:
    c = read({"canary": {"steps": [{"weight": 20, "pause": 0}, {"weight": 20}]}}).strategy.canary
    assert c is not None
    assert [step.pause for step in c.steps] == [0, None]


def test_a_rollback_passes_no_checks_unless_asked_to() -> None:
    assert read("canary").strategy.check_rollback is False


LITERAL = re.compile(r"Default:? (?!all)((?>[0-9]+(?:[.][0-9]+)?[A-Za-z]*|[A-Za-z]+))(?=( [(][^)]*[)])?([.:;,]|$))")
"""A default that is told as a value, not in a sentence."""


def literals() -> list[tuple[str, str, Any]]:
    """Each setting whose description gives its default as a value: where, what it says, what the model has."""
    found = []
    for name, node in schema()["$defs"].items():
        for key, it in node.get("properties", {}).items():
            said = LITERAL.search(it.get("description", ""))
            if said and "default" in it:
                found.append((f"{name}.{key}", said[1], it["default"]))
    return found


def same(said: str, default: Any) -> bool:
    if said in ("null", "true", "false"):
        return default is {"null": None, "true": True, "false": False}[said]
    if said == "none":
        return not default
    if isinstance(default, int) and not said.isdigit():
        return seconds_of(said) == default
    return str(default) == said


def test_every_default_that_a_description_tells_is_the_models() -> None:
    assert len(literals()) > 40
    assert [(where, said, default) for where, said, default in literals() if not same(said, default)] == []


# Bounds

BOUNDS = {
    "rolling.maxSurge": ([1, 1000], [0, -1, 1.5, True, "2", None]),
    "blueGreen.previewReplicas": ([1, 1000, None], [0, -1, "1"]),
    "blueGreen.rollbackWindow": ([0, "30d", "90s", 600], ["30d1s", -1, "soon", None]),
    "blueGreen.keep": (["window", "forever", "none"], ["", "Window", None, True]),
    "blueGreen.autoPromote": ([True, False], ["true", 1, None]),
    "canary.maxSurge": ([2, 1000, None], [1, 0, "2"]),
    "checkRollback": ([True, False], ["true", 1, None]),
}
STEP = {
    "weight": ([1, 100], [0, 101, 0.5, "20%", True]),
    "replicas": ([1, 1000], [0, -1, "1"]),
    "pause": ([0, "1d", None, 60], ["1d1s", -1, "for ever"]),
}


def refused(strategy: object) -> bool:
    try:
        read(strategy)
    except ValidationError:
        return True
    return False


@pytest.mark.parametrize("path", BOUNDS)
def test_a_setting_takes_what_is_within_its_bounds_and_nothing_beyond(path: str) -> None:
    def written(value: object) -> dict[str, Any]:
        name, _, key = path.partition(".")
        return {name: {key: value}} if key else {name: value}

    good, bad = BOUNDS[path]
    assert [value for value in good if refused(written(value))] == []
    assert [value for value in bad if not refused(written(value))] == []


@pytest.mark.parametrize("key", STEP)
def test_a_step_takes_what_is_within_its_bounds_and_nothing_beyond(key: str) -> None:
    def written(value: object) -> dict[str, Any]:
        return {"canary": {"steps": [{"weight": 50, key: value} if key == "pause" else {key: value}]}}

    good, bad = STEP[key]
    assert [value for value in good if refused(written(value))] == []
    assert [value for value in bad if not refused(written(value))] == []


def test_a_canary_has_from_one_to_twenty_steps() -> None:
    taken = [count for count in range(23) if not refused({"canary": {"steps": [{"weight": 5}] * count}})]
    assert taken == list(range(1, 21))


# Which checks it runs


@pytest.mark.parametrize(
    "strategy",
    [
        "rolling",
        "blueGreen",
        "canary",
        {"rolling": {"checks": ["load", "smoke"]}},
        {"canary": {"checks": ["load", "smoke"]}},
        {"blueGreen": {"prePromotion": ["smoke"], "postPromotion": ["load"]}},
        {"blueGreen": {"prePromotion": ["smoke", "load"], "postPromotion": ["load"]}},
        {"blueGreen": {"postPromotion": ["load"]}},
    ],
)
def test_a_strategy_runs_every_check_of_the_workload_somewhere(strategy: object) -> None:
    assert set(read(strategy, checks={"smoke": SMOKE, "load": SMOKE}).release_checks) == {"smoke", "load"}


def test_a_canary_without_checks_watches_the_error_rate() -> None:
    (name,), (check,) = zip(*read("canary").release_checks.items(), strict=True)
    assert name == DEFAULT_CHECK
    assert check.prometheus is not None
    assert check.prometheus.limits == {"min": 0.99}


@pytest.mark.parametrize("written", [{"canary": {"checks": []}}, {"rolling": {"checks": []}}, "rolling", "blueGreen"])
def test_no_checks_at_all_are_run_where_the_list_is_empty_or_the_strategy_needs_none(written: object) -> None:
    assert read(written).release_checks == {}


def test_a_canary_with_checks_has_only_those() -> None:
    assert list(read("canary", checks={"smoke": SMOKE}).release_checks) == ["smoke"]


# What a whole stack has to have


def stack(workloads: dict[str, Any], **environment: str) -> dict[str, Any]:
    return {"environment": {"name": "a", **environment}, "workloads": workloads}


ERRORS = {"errors": {"prometheus": {"preset": "success-rate"}}}
PROMETHEUS = "http://prometheus.monitoring:9090"


@pytest.mark.parametrize(
    "workload",
    [
        {"strategy": "canary"},
        {"checks": ERRORS},
        {"checks": ERRORS, "strategy": "canary"},
        {"checks": ERRORS, "strategy": "blueGreen"},
    ],
)
def test_prometheus_has_an_address_by_the_environment_or_the_run_does_not_begin(workload: dict[str, Any]) -> None:
    parse(stack({"web": workload}, prometheus=PROMETHEUS), {}, file="f")
    with pytest.raises(SettingsError, match=r"set slipway:environment\.prometheus to where the job reaches it"):
        parse(stack({"web": workload}), {}, file="f")


@pytest.mark.parametrize(
    "workload",
    [
        {"checks": {"errors": {"prometheus": {"preset": "success-rate", "address": PROMETHEUS}}}},
        {"checks": {"smoke": SMOKE}, "strategy": "canary"},
        {"strategy": {"canary": {"checks": []}}},
        {},
    ],
)
def test_what_does_not_ask_the_environments_prometheus_needs_none(workload: dict[str, Any]) -> None:
    assert "web" in parse(stack({"web": workload}), {}, file="f").workloads


@pytest.mark.parametrize("other", ["web2-canary", "web-canaries", "web-stable", "canary", "webcanary"])
def test_workloads_whose_objects_have_names_of_their_own_live_side_by_side(other: str) -> None:
    assert set(parse(stack({"web": {}, other: {}}), {}, file="f").workloads) == {"web", other}


def test_a_run_may_settle_what_is_past_its_time() -> None:
    assert parse(stack({"web": {}}), {"SLIPWAY_ACTION": "settle"}, file="f").run == Run(Action.SETTLE)
