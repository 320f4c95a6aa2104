"""The command `status`: reads, and shows once or over and over."""

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from lightkube import Client
from rich.console import Console
from rich.live import Live

from pulumi_slipway.cli import read, render
from pulumi_slipway.cli.view import WorkloadView
from pulumi_slipway.cli.workloads import workloads
from pulumi_slipway.cluster import client as cluster
from pulumi_slipway.core.errors import UserError

REFRESH_SECONDS = 1.0


def show(namespaces: Sequence[str], only: Sequence[str], *, as_json: bool) -> None:
    """Prints where things stand; raises UserError where the cluster can't be read, or has no such workload."""
    client = cluster.connect()
    where = read.namespaces(client, namespaces)
    now = datetime.now(UTC)
    views = _views(client, where, only, now)
    if as_json:
        print(json.dumps(render.as_json(views, now), indent=2), flush=True)
        return
    Console(highlight=False).print(render.page(views, where))


def watch(namespaces: Sequence[str], only: Sequence[str]) -> None:
    """The same every second, until Ctrl-C. A cluster that goes away meanwhile is told below what was last read."""
    client = cluster.connect()
    where = read.namespaces(client, namespaces)
    views = _views(client, where, only, datetime.now(UTC))
    console = Console(highlight=False)
    with Live(render.page(views, where), console=console, auto_refresh=False) as live:
        while True:
            time.sleep(REFRESH_SECONDS)
            note = ""
            try:
                views = workloads(read.snapshots(client, where), datetime.now(UTC), only)
            except UserError as error:
                note = f"{datetime.now(UTC):%H:%M:%S} UTC: {error}; above is what was read last"
            live.update(render.page(views, where, note), refresh=True)


def _views(client: Client, where: Sequence[str], only: Sequence[str], now: datetime) -> tuple[WorkloadView, ...]:
    every = workloads(read.snapshots(client, where), now)
    absent = set(only) - {view.name for view in every}
    if absent:
        there = ", ".join(sorted({view.name for view in every})) or "none"
        raise UserError(
            f"no workload {', '.join(sorted(absent))} in namespace {', '.join(where) or '(none)'}: there is {there}"
        )
    return tuple(view for view in every if not only or view.name in only)
