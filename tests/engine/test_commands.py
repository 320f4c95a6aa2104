"""Every command at every state of a release: no request lost, nothing missing, nothing left, outputs that are true."""

import pytest

from tests.engine.cluster_view import outcomes
from tests.engine.commands import COMMANDS, WORKLOAD
from tests.engine.commands_table import measured
from tests.engine.harness import stack
from tests.engine.strategies import NAMES, SOAK, under
from tests.engine.test_verbs import emptied, objects

STATES = ("Healthy", "Paused", "Degraded")
QUICK = {("canary", "Paused")}
QUICK_COMMANDS = ("up --target (Service)", "up --exclude (ledger)", "state delete", "refresh --run-program")
RATE = 100
"""New connections a second: more than two cores shared with others can answer would be lost by nobody's doing."""
SENSELESS = {("rolling", "Paused")}
"""A rolling release never waits for a person."""


def at(state, project, images):
    """Brings a stack that runs v1 to this state with v2."""
    match state:
        case "Paused":
            project.up(SLIPWAY_IMAGE=images.v2).expect()
        case "Degraded":
            project.up(SLIPWAY_IMAGE=images.bad).expect(1)
        case _:
            pass


def cases():
    for strategy in NAMES:
        for state in STATES:
            if (strategy, state) not in SENSELESS and (SOAK or (strategy, state) in QUICK):
                yield strategy, state


@pytest.mark.parametrize(("strategy", "state"), cases())
def test_a_command_takes_nothing_away(project, namespace, images, admin, load, strategy, state):
    settings = {"steps": [{"replicas": 1}]} if strategy == "canary" else {}
    settings = {"autoPromote": False} if strategy == "blueGreen" and state == "Paused" else settings
    project.configure(stack(namespace, myapp=under(strategy, replicas=2, **settings)))
    project.up(SLIPWAY_IMAGE=images.v1).expect()
    at(state, project, images)
    project.up().expect()
    before, ledger = objects(admin, namespace), outcomes(admin, namespace)
    expected = project.outputs()["workloads"][WORKLOAD]
    for name in COMMANDS if SOAK else QUICK_COMMANDS:
        command = COMMANDS[name]
        with load(WORKLOAD, rate=RATE) as run:
            ended = command.run(project).expect(1 if command.refused else 0)
            after = project.up().expect()
        assert run.result.failed == 0, (name, run.result.samples)
        assert objects(admin, namespace) == before, name
        assert outcomes(admin, namespace) == ledger, name
        assert project.outputs()["workloads"][WORKLOAD] == expected, name
        measured(strategy, state, name, ended.status, after.changes, run.result)
    project.destroy().expect()
    emptied(admin, namespace)
