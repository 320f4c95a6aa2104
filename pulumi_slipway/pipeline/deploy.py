"""`pulumi up` of an environment's stack, and what previews will compare with afterwards."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from lightkube import ApiError

from pulumi_slipway.cluster import client as cluster
from pulumi_slipway.core.action import IMAGE, Action
from pulumi_slipway.pipeline import engine, snapshot, stack_files
from pulumi_slipway.pipeline.up import Locking, select, update
from pulumi_slipway.settings.run import ACTION


def deploy(project: Path, stack: str, locking: Locking) -> int:
    """Updates the stack; returns the job's exit status. A release that ends `Paused` is a success."""
    file = stack_files.load(project, stack)
    select(stack, project)
    ended = update("up", stack, locking, directory=project, environ=environ(file, os.environ))
    if ended.status == 0:
        _publish(project, stack, file)
    return ended.exit_status


def act(project: Path, stack: str, locking: Locking, action: Action) -> int:
    """`pulumi up` with SLIPWAY_ACTION; what the pipeline has built is not what the action is about."""
    for name in [name for name in os.environ if name.startswith(IMAGE)]:
        del os.environ[name]
    os.environ[ACTION] = action
    return deploy(project, stack, locking)


def environ(file: stack_files.Text, given: Mapping[str, str]) -> dict[str, str]:
    """The engine's variables: the state of an environment is written once, when a run ends (docs/state.md).

    What a killed run leaves then is found by its labels (components/prune.py). The tokens that an access stack makes
    are not: they must not be forgotten.
    """
    if stack_files.ACCESS in file["config"]:
        return {**given}
    return {"PULUMI_SKIP_CHECKPOINTS": "true", **given}


def _publish(project: Path, stack: str, file: stack_files.Text) -> None:
    """Leaves the state without secrets for the previews. A failure is told; the deployment stands all the same."""
    where = stack_files.environment(file)
    if where is None:
        return
    name, namespace = where
    state = json.loads(engine.read(["stack", "export", "--stack", stack], directory=project))
    try:
        client = cluster.connect()
        with cluster.as_preflight_error(client):
            fits = snapshot.publish(client, namespace, name, stack, state)
        if not fits:
            _warn(f"the state of {stack} is too large for a ConfigMap: previews go on to compare with an older one")
    except (ApiError, cluster.PreflightError) as error:
        _warn(f"previews of {stack} go on to compare with an older state: {' '.join(str(error).split())}")


def _warn(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr, flush=True)
