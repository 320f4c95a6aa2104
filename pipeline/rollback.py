"""Going back to the release before: by hand, or by itself after a deployment that failed."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lightkube import ApiError, Client
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap

from pipeline import stack_files
from pipeline.deploy import deploy
from pipeline.up import Locking
from preflight import cluster
from release import ledger
from release.model import RELEASE_LABEL, Phase, Record
from settings.run import ACTION, Action


def rollback(project: Path, stack: str, locking: Locking, *, if_failed: bool) -> int:
    """`pulumi up` with SLIPWAY_ACTION=rollback; returns the job's exit status.

    `if_failed`: only where the deployment before it left a release that did not come up. A job also fails before it
    touches anything (a mistake in the settings, no way to the registry): going back then would replace a good release.
    """
    if if_failed and not failed(cluster.connect(), stack_files.load(project, stack)):
        print(f"{stack}: the deployment failed before it released anything: there is nothing to roll back", flush=True)
        return 0
    for name in [name for name in os.environ if name.startswith("SLIPWAY_IMAGE")]:
        del os.environ[name]  # what the pipeline built is what is gone back from
    os.environ[ACTION] = Action.ROLLBACK
    return deploy(project, stack, locking)


def failed(client: Client, file: stack_files.Text) -> bool:
    """Whether a workload of the stack is left in the middle of a release, or with one that did not come up."""
    where = stack_files.environment(file)
    if where is None:
        return False
    for workload in stack_files.workloads(file):
        with cluster.telling(client):
            try:
                data = client.get(ConfigMap, ledger.name(workload), namespace=where[1]).data
            except ApiError as error:
                if error.status.code != 404:
                    raise
                data = None
            labels: dict[str, Any] = {"app.kubernetes.io/instance": workload}
            found = [d.spec.template for d in client.list(Deployment, namespace=where[1], labels=labels) if d.spec]
        live = [(t.metadata.labels or {}).get(RELEASE_LABEL) for t in found if t.metadata]
        if left_behind(ledger.decode(data), live):
            print(f"{workload}: its last release did not come up: going back", file=sys.stderr, flush=True)
            return True
    return False


def left_behind(records: tuple[Record, ...], live: Iterable[str | None]) -> bool:
    """Whether the last release failed or was cut off, or a Deployment runs one that no record knows.

    One that is Paused waits for a person, and has not failed.
    """
    if records and records[-1].outcome in (Phase.DEGRADED, Phase.PROGRESSING):
        return True
    known = {record.release.id for record in records}
    return any(release not in known for release in live)
