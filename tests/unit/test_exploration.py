"""The bounded state space of the plan, whole: nothing in it is unsafe or a dead end, and a planted fault shows."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from pulumi_slipway.core import plan as package
from pulumi_slipway.core.action import Action
from pulumi_slipway.core.goal import goal
from pulumi_slipway.core.model import TrackName
from pulumi_slipway.core.plan import LEDGER, SERVICE, Plan, plan
from pulumi_slipway.core.plan.blue_green import BLUE, BlueGreen
from pulumi_slipway.core.plan.canary import Canary
from pulumi_slipway.core.plan.case import COLOURS, Case
from pulumi_slipway.core.steps import Apply, Begin, Check, Finish, Gate, Point, Ready, Scale, Step
from tests.unit.exploration import Exploration
from tests.unit.small_run import RULES

SOAK = bool(os.environ.get("SLIPWAY_SOAK"))
MOVING = tuple(action for action in Action if action is not Action.REJECT)
BOUNDS: dict[str, dict[str, Any]] = {
    "rolling, and one accident": {"rules": ("rolling",), "disturbances": 1, "versions": 2},
    "blue-green": {"rules": ("blue-green",), "disturbances": 0, "versions": 2},
    "blue-green that waits": {"rules": ("blue-green, promoted",), "disturbances": 0, "versions": 2},
    "rolling and canary": {
        "rules": ("rolling", "canary, promoted"),
        "disturbances": 0,
        "versions": 2,
        "actions": MOVING,
    },
    "the nearest changes of strategy": {
        "rules": ("rolling", "blue-green", "canary, promoted"),
        "disturbances": 0,
        "versions": 2,
        "actions": MOVING,
        "most": 1500,
    },
}
if SOAK:
    BOUNDS = {"everything": {"disturbances": 1, "versions": 3}}


@pytest.mark.parametrize("bounds", BOUNDS.values(), ids=BOUNDS)
@pytest.mark.timeout(0 if SOAK else 900)
def test_no_state_is_unsafe_and_none_is_a_dead_end(bounds, capsys):
    found = Exploration(**bounds).explore()
    with capsys.disabled():
        print(f"\n{found}")
    assert not found.unsafe, found.unsafe[0]
    assert not found.stuck, found.stuck[0]


# Planted faults


@dataclass
class Fault:
    """A fault, and the strategy under which it shows."""

    rules: tuple[str, ...]
    decide: Callable[..., Plan] = plan
    patched: tuple[Any, str, Any] | None = None


def changed(change: Callable[[str, Gate], Gate]) -> Callable[..., Plan]:
    """A plan with other gates."""

    def decide(*args: Any) -> Plan:
        made = plan(*args)
        return replace(made, gates={where: change(where, gate) for where, gate in made.gates.items()})

    return decide


def lacks(*kinds: type[Step], before: str = "") -> Callable[..., Plan]:
    """Steps of these kinds are left out."""
    return changed(
        lambda where, gate: (
            gate
            if before and where != before
            else replace(gate, steps=tuple(step for step in gate.steps if not isinstance(step, kinds)))
        )
    )


def not_taken_back(*kinds: type[Step]) -> Callable[..., Plan]:
    """Steps of these kinds are left out where a release is taken back."""
    return changed(
        lambda where, gate: replace(gate, failed=tuple(step for step in gate.failed if not isinstance(step, kinds)))
    )


def no_gate(where: str) -> Callable[..., Plan]:
    def decide(*args: Any) -> Plan:
        made = plan(*args)
        return replace(made, gates={key: gate for key, gate in made.gates.items() if key != where})

    return decide


def on_the_serving_colour(case: BlueGreen) -> TrackName:
    return case.home if case.home in COLOURS else BLUE


def forward(workload: str, observed: Any, desired: Any, action: Action, named: str = "") -> Any:
    made = goal(workload, observed, desired, action, named)
    flying = observed.in_flight
    return replace(made, release=flying.release, rolls_back=False) if flying and action is Action.ABORT else made


def unpaused(case: Case) -> Plan:
    return case._hold() if case.goal.holds else case.decide()


def resumes_anyway(case: Case) -> bool:
    flying = case.flying
    return flying is not None and flying.release.id == case.id and flying.strategy == case.rules.strategy


def one_step_less(case: Canary, last: int) -> list[Step]:
    return CONDUCT(case, max(last - 1, 1))


CONDUCT = Canary._conduct
ROLLING, SWITCH, WAITS, STEPS, PAUSES = RULES
FAULTS: dict[str, Fault] = {
    "the Service has no gate": Fault((SWITCH,), no_gate(SERVICE)),
    "nobody waits for pods": Fault((ROLLING,), lacks(Ready)),
    "blue-green switches before its pods are ready": Fault((SWITCH,), lacks(Ready, before=SERVICE)),
    "blue-green is not checked": Fault((SWITCH,), lacks(Check, before=SERVICE)),
    "the colour that serves takes the release": Fault(
        (SWITCH,), patched=(BlueGreen, "_find_target", on_the_serving_colour)
    ),
    "what is Paused goes on without a promotion": Fault((PAUSES,), patched=(Case, "plan", unpaused)),
    "blue-green does not wait for a person": Fault((WAITS,), patched=(BlueGreen, "_pauses", lambda case: False)),
    "a failed rolling release is not taken back": Fault((ROLLING,), not_taken_back(Apply, Ready)),
    "a failed canary keeps its pods": Fault((STEPS,), not_taken_back(Scale)),
    "users stay on a colour whose check failed": Fault((SWITCH,), not_taken_back(Point)),
    "a canary skips its last step": Fault((STEPS,), patched=(Canary, "_conduct", one_step_less)),
    "an abort goes forward": Fault((PAUSES,), patched=(package, "goal", forward)),
    "a rolling release is not checked": Fault((ROLLING,), lacks(Check)),
    "the ledger is not told of a beginning": Fault((ROLLING,), lacks(Begin)),
    "the ledger is not told of an end": Fault((ROLLING,), lacks(Finish)),
    "the ledger has no gate": Fault((ROLLING,), no_gate(LEDGER)),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_that_is_planted_is_found(name, monkeypatch):
    fault = FAULTS[name]
    decide = fault.decide
    if fault.patched:
        monkeypatch.setattr(*fault.patched)
    found = Exploration(
        rules=fault.rules, disturbances=0, versions=2, most=400, stop_at=1, actions=MOVING, decide=decide
    ).explore()
    assert found.unsafe or found.stuck, found


def test_a_release_that_goes_on_though_its_pods_are_gone_is_found(monkeypatch):
    """It takes an accident: the canary that has passed a step is deleted."""
    monkeypatch.setattr(Case, "_resumes", resumes_anyway)
    bounds = {"rules": (PAUSES,), "disturbances": 1, "versions": 2, "most": 900, "stop_at": 1}
    assert Exploration(**bounds, actions=(Action.DEPLOY, Action.PROMOTE)).explore().unsafe
