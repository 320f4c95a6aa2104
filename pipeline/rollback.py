"""Going back to the release before: by hand, or by itself after a deployment that failed."""

import os
from pathlib import Path

from lightkube import Client

from pipeline import stack_files
from pipeline.deploy import deploy
from pipeline.ledgers import records
from pipeline.up import Locking
from preflight import cluster
from release.model import Phase, Record
from settings.run import ACTION, WORKLOADS, Action


def rollback(project: Path, stack: str, locking: Locking, *, if_failed: bool) -> int:
    """`pulumi up` with SLIPWAY_ACTION=rollback; returns the job's exit status.

    `if_failed`: only where the deployment before it left a release that did not come up. A job also fails before it
    touches anything (a mistake in the settings, no way to the registry): going back then would replace a good release.
    Of several workloads only those that failed go back.
    """
    if if_failed:
        file = stack_files.load(project, stack)
        bad = failed(cluster.connect(), file)
        if not bad:
            print(
                f"{stack}: the deployment failed before it released anything: there is nothing to roll back", flush=True
            )
            return 0
        os.environ[WORKLOADS] = ",".join(bad)  # the others are well
    for name in [name for name in os.environ if name.startswith("SLIPWAY_IMAGE")]:
        del os.environ[name]  # what the pipeline built is what is gone back from
    os.environ[ACTION] = Action.ROLLBACK
    return deploy(project, stack, locking)


def failed(client: Client, file: stack_files.Text) -> list[str]:
    """The workloads of a stack that are left in the middle of a release, or with one that did not come up."""
    where = stack_files.environment(file)
    if where is None:
        return []
    found = []
    for workload in stack_files.workloads(file):
        if left_behind(records(client, workload, where[1])):
            found.append(workload)
    return found


def left_behind(known: tuple[Record, ...]) -> bool:
    """Whether the last release failed or was cut off. One that is Paused waits for a person, and has not failed."""
    return bool(known) and known[-1].outcome in (Phase.DEGRADED, Phase.PROGRESSING)
