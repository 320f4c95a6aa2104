"""Decides how a release gets to its users: a pure function from what is observed and wanted to what this run does.

One module for each strategy (`rolling`, `canary`, `blue_green`) over what they share (`case`); `model` is what comes
out.
"""

from collections.abc import Mapping

from pulumi_slipway.core.action import Action
from pulumi_slipway.core.goal import goal
from pulumi_slipway.core.model import Observed, Release
from pulumi_slipway.core.plan.blue_green import BlueGreen
from pulumi_slipway.core.plan.canary import Canary
from pulumi_slipway.core.plan.case import Case
from pulumi_slipway.core.plan.model import LEDGER, PREVIEW, SERVICE, Operation, Plan, TrackPlan, Way
from pulumi_slipway.core.plan.rolling import Rolling
from pulumi_slipway.core.rules import Rules, Strategy

__all__ = ["LEDGER", "PREVIEW", "SERVICE", "STRATEGIES", "Operation", "Plan", "TrackPlan", "Way", "plan"]

STRATEGIES: Mapping[Strategy, type[Case]] = {
    Strategy.ROLLING: Rolling,
    Strategy.CANARY: Canary,
    Strategy.BLUE_GREEN: BlueGreen,
}


def plan(  # noqa: PLR0917
    workload: str, observed: Observed, desired: Release, action: Action, rules: Rules, named: str = ""
) -> Plan:
    """The plan of one run. `core.goal` says which release; this table and its strategy's say how it gets there.

    Of any strategy, and before what its own table says:

    | observed                                         | way  | target      | ends     |
    |--------------------------------------------------|------|-------------|----------|
    | it is only to be settled                         | hold | where it is | as it is |
    | the release is Healthy and serves from its place | hold | where it is | Healthy  |
    | the release is Paused, and nobody promotes it    | hold | where it is | Paused   |

    Raises NothingToDo where the action has nothing to act on.
    """
    return STRATEGIES[rules.strategy](observed, goal(workload, observed, desired, action, named), rules).plan()
