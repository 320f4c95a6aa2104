"""Going back to the release before: by hand, or by itself after a deployment that failed."""

import os
from pathlib import Path

from lightkube import Client

from pulumi_slipway.cluster import client as cluster
from pulumi_slipway.core.action import Action
from pulumi_slipway.core.model import Phase, Record
from pulumi_slipway.pipeline import stack_files
from pulumi_slipway.pipeline.deploy import act
from pulumi_slipway.pipeline.ledgers import records
from pulumi_slipway.pipeline.up import Locking
from pulumi_slipway.settings.run import RELEASE, WORKLOADS


def rollback(project: Path, stack: str, locking: Locking, *, if_failed: bool) -> int:
    """`pulumi up` with SLIPWAY_ACTION=rollback; returns the job's exit status. SLIPWAY_RELEASE names another release.

    `if_failed`: only where the deployment before it left a release that did not come up. A job also fails before it
    touches anything (a mistake in the settings, no way to the registry): going back then would replace a good release.
    Of several workloads only those that failed go back.
    """
    if if_failed:
        os.environ.pop(RELEASE, None)  # nobody has asked this run for anything
        file = stack_files.load(project, stack)
        bad = failed(cluster.connect(), file)
        if not bad:
            print(
                f"{stack}: the deployment failed before it released anything: there is nothing to roll back", flush=True
            )
            return 0
        os.environ[WORKLOADS] = ",".join(bad)  # the others are well
    return act(project, stack, locking, Action.ROLLBACK)


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
