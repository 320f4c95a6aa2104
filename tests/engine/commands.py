"""Pulumi's commands as the matrix runs them: on a stack at some state, and what each is expected to end with."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.engine.harness import Outcome, Project

WORKLOAD = "myapp"


def urn(project: Project, ending: str) -> str:
    """Of the workload's resource whose name ends so."""
    (found,) = [it["urn"] for it in project.resources() if it["urn"].endswith(f"::{WORKLOAD}-{ending}")]
    return str(found)


def saved_plan(project: Project) -> Outcome:
    """A preview's plan, carried out."""
    project.preview("--save-plan", "plan.json").expect()
    return project.up("--plan", "plan.json")


def moved(project: Project) -> Outcome:
    """The state taken out and put back."""
    file = project.directory / "exported.json"
    file.write_text(json.dumps({"version": 3, "deployment": project.state()}))
    return project.pulumi("stack", "import", "--stack", project.stack, "--file", str(file))


def tainted(project: Project) -> Outcome:
    """A Service that is to be replaced: refused; then no more to be replaced."""
    service = urn(project, "service")
    project.pulumi("state", "taint", service, "--yes", "--stack", project.stack).expect()
    refused = project.up().expect(1)
    assert any("is not replaced" in line for line in refused.messages), refused.output
    return project.pulumi("state", "untaint", service, "--yes", "--stack", project.stack)


def renamed(project: Project) -> Outcome:
    """Another name in the state."""
    return project.pulumi("state", "rename", urn(project, "service"), "elsewhere", "--yes", "--stack", project.stack)


def forgotten(project: Project) -> Outcome:
    """The Service taken out of the state, dependents with it."""
    return project.pulumi(
        "state", "delete", urn(project, "service"), "--target-dependents", "--yes", "--stack", project.stack
    )


@dataclass(frozen=True)
class Command:
    """One command; what it must not do is the same for all."""

    run: Callable[[Project], Outcome]
    refused: bool = False
    """Whether it ends with an error that says why."""


COMMANDS: Mapping[str, Command] = {
    "preview": Command(lambda it: it.preview()),
    "preview --refresh": Command(lambda it: it.preview("--refresh")),
    "up": Command(lambda it: it.up()),
    "up --refresh": Command(lambda it: it.up("--refresh")),
    "up --continue-on-error": Command(lambda it: it.up("--continue-on-error")),
    "up --parallel 1": Command(lambda it: it.up("--parallel", "1")),
    "up --plan": Command(saved_plan),
    "up --target (Service)": Command(lambda it: it.up("--target", urn(it, "service"))),
    "up --target (ledger) --target-dependents": Command(
        lambda it: it.up("--target", urn(it, "ledger"), "--target-dependents")
    ),
    "up --exclude (ledger)": Command(lambda it: it.up("--exclude", urn(it, "ledger"))),
    "up --replace (Service)": Command(lambda it: it.up("--replace", urn(it, "service")), refused=True),
    "state taint, up, untaint": Command(tainted),
    "state rename": Command(renamed),
    "state delete": Command(forgotten),
    "refresh": Command(lambda it: it.refresh()),
    "refresh --run-program": Command(lambda it: it.refresh("--run-program")),
    "stack export, import": Command(moved),
    "cancel": Command(lambda it: it.cancel()),
}
