"""docs/releases.md says what the code does: its tables, its diagram, its defaults."""

import re
from pathlib import Path

import pytest

from pulumi_slipway.core.goal import NothingToDo, goal
from pulumi_slipway.core.model import Phase
from pulumi_slipway.core.plan import STRATEGIES, plan
from pulumi_slipway.settings import Action
from pulumi_slipway.settings.strategy import BlueGreen, Canary, CanaryStep, Rolling
from tests.unit.simulation import Run, Simulation, release
from tests.unit.test_plan import PAUSES, ROLLING, STEPS, SWITCH, WAITS

PAGE = (Path(__file__).parents[2] / "docs" / "releases.md").read_text()


def table(text: str) -> list[str]:
    """The lines of the first table."""
    lines = text.splitlines()
    first = next(number for number, line in enumerate(lines) if line.strip().startswith("|"))
    rest = [line.strip() for line in lines[first:]]
    return rest[: next((n for n, line in enumerate(rest) if not line.startswith("|")), len(rest))]


def arrows() -> set[tuple[str, str]]:
    """The transitions of the diagram."""
    return set(re.findall(r"^  (\S+) --> (\w+):", PAGE, re.MULTILINE))


def explored() -> set[tuple[str, str]]:
    """Every transition of a release that the simulation has, over each strategy, each kill and each failure."""
    found: set[tuple[str, str]] = set()
    for settings in (ROLLING, SWITCH, WAITS, STEPS, PAUSES):
        for first in (Run(2), Run(2, fails=0), *(Run(2, kill=beat) for beat in range(3, 30, 4))):
            for then in (Run(2), Run(3), Run(3, Action.PROMOTE), Run(3, Action.ABORT), Run(2, Action.SETTLE)):
                world = Simulation(settings)
                for run in (Run(1), first, then):
                    world.up(run)
                found |= world.transitions
    return {(before, after) for before, after in found if before != after}


TABLES = {"goal": goal.__doc__, "plan": plan.__doc__, **{str(n): case.__doc__ for n, case in STRATEGIES.items()}}


@pytest.mark.parametrize(("mark", "said"), TABLES.items())
def test_the_tables_of_the_page_are_those_of_the_code(mark, said):
    assert table(PAGE.partition(f"<!-- {mark} -->")[2]) == table(said)


def test_the_diagram_has_the_transitions_that_are_and_no_others():
    assert arrows() == explored()


def test_the_diagram_ends_where_no_run_goes_on_from():
    ends = {after for _, after in arrows()} - {before for before, _ in arrows()}
    assert ends == {Phase.HEALTHY, Phase.DEGRADED}


def test_what_is_called_final_is_never_changed():
    world = Simulation(SWITCH)
    for run in (Run(1), Run(2, fails=0), Run(2)):
        world.up(run)
    before = world.seen.ledger
    assert [record.outcome for record in before] == [Phase.HEALTHY, Phase.DEGRADED, Phase.HEALTHY]
    world.up(Run(2, Action.ROLLBACK))
    assert [(r.release, r.outcome) for r in world.seen.ledger[:3]] == [(r.release, r.outcome) for r in before]


@pytest.mark.parametrize(
    ("heading", "model"), [("**rolling**", Rolling), ("**blueGreen**", BlueGreen), ("**canary**", Canary)]
)
def test_every_setting_of_a_strategy_is_on_the_page_and_no_other(heading, model):
    rows = table(PAGE.partition(f"\n{heading}")[2])[2:]
    said = [re.match(r"\| `(\w+)`", row).group(1) for row in rows]
    assert sorted(said) == sorted(field.alias for field in model.model_fields.values())


def test_the_defaults_on_the_page_are_those_of_the_settings():
    rows = {
        row.split("|")[1].strip().strip("`"): row.split("|")[2] for row in PAGE.splitlines() if row.startswith("| `")
    }
    assert rows["autoPromote"].strip() == f"`{str(BlueGreen().auto_promote).lower()}`"
    assert rows["keep"].strip() == f"`{BlueGreen().keep}`"
    assert rows["rollbackWindow"].strip() == f"`{BlueGreen().rollback_window // 60}m`"
    assert Canary().steps == (CanaryStep(replicas=1, pause=300),)
    assert "`{replicas: 1, pause: 300s}`" in rows["steps"]
    assert "| `maxSurge` | 1 |" in PAGE
    assert Rolling().max_surge == 1


@pytest.mark.parametrize("action", [action for action in Action if action is not Action.DEPLOY])
def test_every_action_is_on_the_page_and_is_refused_or_does_something(action):
    assert f"`SLIPWAY_ACTION={action}`" in PAGE
    world = Simulation(WAITS)
    for run in (Run(1), Run(2)):
        world.up(run)
    assert world.up(Run(2, action)).how == "done"
    with pytest.raises(NothingToDo):
        goal("app", Simulation(WAITS).seen, release(1), Action.PROMOTE)


def test_links_of_the_page_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (Path(__file__).parents[2] / "docs" / target).exists(), target
