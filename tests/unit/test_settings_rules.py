"""What a plan goes by is what the settings say: Rules.of for each strategy."""

from typing import Any

import pytest

from pulumi_slipway.core.rules import CanaryStep, Rules, Strategy
from pulumi_slipway.release.rules import rules_of
from pulumi_slipway.settings import Workload
from pulumi_slipway.settings.workload import DEFAULT_CHECK

CHECKS = {"checks": {"smoke": {"command": ["a"]}, "load": {"command": ["a"]}}}


def rules(strategy: object = "rolling", **settings: object) -> Rules:
    return rules_of(Workload.model_validate({"strategy": strategy, **settings}, by_name=False))


def test_rolling_runs_its_checks_once_the_release_serves() -> None:
    assert rules() == Rules(Strategy.ROLLING, replicas=2, least=2)
    assert rules(**CHECKS) == Rules(Strategy.ROLLING, after=("smoke", "load"))
    assert rules({"rolling": {"checks": ["load", "smoke"]}}, **CHECKS).after == ("load", "smoke")


def test_blue_green_runs_before_the_switch_what_is_not_named_for_after_it() -> None:
    assert rules("blueGreen", **CHECKS) == Rules(Strategy.BLUE_GREEN, before=("smoke", "load"), keep="window")
    split = rules({"blueGreen": {"postPromotion": ["smoke"]}}, **CHECKS)
    assert (split.before, split.after) == (("load",), ("smoke",))
    none = rules({"blueGreen": {"prePromotion": [], "postPromotion": ["load", "smoke"]}}, **CHECKS)
    assert (none.before, none.after) == ((), ("load", "smoke"))
    both = rules({"blueGreen": {"prePromotion": ["smoke"], "postPromotion": ["smoke", "load"]}}, **CHECKS)
    assert (both.before, both.after) == (("smoke",), ("smoke", "load"))


def test_blue_green_hands_on_how_it_switches_and_what_it_keeps() -> None:
    chosen = rules({"blueGreen": {"previewReplicas": 1, "autoPromote": False, "keep": "forever"}}, replicas=5)
    assert chosen == Rules(
        Strategy.BLUE_GREEN, replicas=5, least=5, preview_replicas=1, auto_promote=False, keep="forever"
    )


def test_a_canary_runs_its_checks_in_every_pause_and_on_a_first_release() -> None:
    chosen = rules({"canary": {"steps": [{"weight": 25, "pause": "1m"}, {"replicas": 3}]}}, **CHECKS)
    assert chosen == Rules(
        Strategy.CANARY,
        before=("smoke", "load"),
        after=("smoke", "load"),
        steps=(CanaryStep(25, None, 60), CanaryStep(None, 3, None)),
    )


@pytest.mark.parametrize(("written", "names"), [("canary", (DEFAULT_CHECK,)), ({"canary": {"checks": []}}, ())])
def test_a_canary_without_checks_has_the_error_rate_unless_it_is_to_go_without(
    written: object, names: tuple[str, ...]
) -> None:
    assert (rules(written).before, rules(written).after) == (names, names)


def test_a_canarys_surge_leaves_one_pod_to_the_stable_tracks_own_update() -> None:
    assert rules({"canary": {"checks": [], "maxSurge": 4}}).most_canary == 3
    assert rules({"canary": {"checks": []}}).most_canary is None


@pytest.mark.parametrize("strategy", ["rolling", "blueGreen", {"canary": {"checks": []}}])
def test_an_autoscaler_has_the_number_and_its_least_is_that_of_a_new_track(strategy: object) -> None:
    scaled = rules(strategy, autoscaler={"min": 3, "max": 9})
    assert (scaled.replicas, scaled.least) == (None, 3)
    assert (rules(strategy, replicas=4).replicas, rules(strategy, replicas=4).least) == (4, 4)


@pytest.mark.parametrize("body", [{"rolling": {}}, {"blueGreen": {}}, {"canary": {"checks": []}}])
def test_a_rollback_is_checked_where_the_settings_ask_for_it(body: dict[str, Any]) -> None:
    assert rules({**body, "checkRollback": True}).check_rollback
    assert not rules(body).check_rollback


@pytest.mark.parametrize(
    ("step", "whole", "most", "pods"),
    [
        (CanaryStep(25, None, 0), 4, None, 1),
        (CanaryStep(26, None, 0), 4, None, 2),
        (CanaryStep(1, None, 0), 4, None, 1),
        (CanaryStep(100, None, 0), 4, None, 4),
        (CanaryStep(100, None, 0), 4, 3, 3),
        (CanaryStep(50, None, 0), 0, None, 1),
        (CanaryStep(None, 3, 0), 4, None, 3),
        (CanaryStep(None, 3, 0), 4, 2, 2),
        (CanaryStep(None, 9, 0), 4, None, 9),
    ],
)
def test_a_step_is_rounded_up_to_whole_pods_at_least_one_and_no_more_than_there_is_room_for(
    step: CanaryStep, whole: int, most: int | None, pods: int
) -> None:
    assert step.pods(whole, most) == pods
