"""Retires the tracks that the rollback window no longer needs: for a schedule, which runs on some branch's commit.

So it goes by the stack's state and the cluster, never by settings, and destroys those Deployments alone: nothing else
of the environment can change, whatever the branch says of it.
"""

import json
import os
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from pathlib import Path

from lightkube import Client
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Service

from pulumi_slipway.cluster import client as cluster
from pulumi_slipway.core.keys import POOL_LABEL, PROTECTION
from pulumi_slipway.core.model import Manifest, Observed, Pool, Record, TrackName
from pulumi_slipway.core.retire import retired
from pulumi_slipway.pipeline import deployed, engine, jobs, stack_files
from pulumi_slipway.pipeline.deploy import publish
from pulumi_slipway.pipeline.deployed import Deployed
from pulumi_slipway.pipeline.engine import Ended
from pulumi_slipway.pipeline.ledgers import records
from pulumi_slipway.pipeline.up import Locking, past_locks, put_state
from pulumi_slipway.release.observe import read, track
from pulumi_slipway.settings.run import WORKLOADS


def settle(project: Path, stack: str, locking: Locking) -> int:
    """Destroys the Deployments of the tracks that are retired; returns the job's exit status.

    They are looked for again each time that a lock was in the way, right before the engine starts.
    """
    only = {name.strip() for name in os.environ.get(WORKLOADS, "").split(",") if name.strip()}
    found: list[Deployed] = []
    with (
        stack_files.workspace(project, stack, stack_files.NO_SETTINGS) as none,
        deployed.settings(project, stack) as known,
    ):
        where = stack_files.environment(stack_files.load(known, stack)) if known else None
        others = jobs.of(stack, where and where[1])
        directory = known or none  # what it runs with, the backend takes for the settings of the last run

        def start() -> Ended:
            found[:] = deployed.objects(deployed.read(project, stack))
            gone = needless(cluster.connect(), [it for it in found if not only or it.workload in only])
            if not gone:  # without a target `destroy` would take the whole stack
                engine.say(f"{stack}: nothing to retire")
                return Ended(0, "")
            _let_go(stack, {it.urn for it in gone}, directory)
            command = ["destroy", "--yes", "--skip-preview", "--stack", stack, *(f"--target={it.urn}" for it in gone)]

            def run() -> Ended:
                return engine.run(command, directory=directory)

            return others.at_work(run) if others else run()

        def lift() -> None:
            engine.read(["cancel", "--yes", "--stack", stack], directory=directory)

        ended = past_locks(stack, locking, start, lift, others)
    if ended.status == 0 and ended.output:
        publish(project, stack, deployed.place(found), None)
    return ended.exit_status


def _let_go(stack: str, gone: AbstractSet[str], directory: Path) -> None:
    """Takes the tracks out of what a destroy of the whole environment is kept from: else it keeps them, too."""
    state = json.loads(engine.read(["stack", "export", "--stack", stack], directory=directory))
    kept = [it for it in state["deployment"]["resources"] if it["type"] == PROTECTION]
    if any(gone & {*it.get("dependencies", ())} for it in kept):
        for it in kept:
            it["dependencies"] = [urn for urn in it["dependencies"] if urn not in gone]
        put_state(stack, state, directory)


def needless(client: Client, found: Sequence[Deployed], now: datetime | None = None) -> list[Deployed]:
    """The tracks that are retired, of all workloads that the stack has deployed."""
    gone: list[Deployed] = []
    for workload in sorted({it.workload for it in found if it.is_ledger}):
        own = [it for it in found if it.workload == workload]
        tracks = {it.track: it for it in own if it.track}
        with cluster.as_preflight_error(client):
            seen = _observed(client, own, tracks, now or datetime.now(UTC))
        for name in retired(seen):
            engine.say(f"{workload}: {tracks[name].name} is retired: {_why(seen)}")
            gone.append(tracks[name])
    return gone


def _observed(client: Client, own: Sequence[Deployed], tracks: dict[TrackName, Deployed], now: datetime) -> Observed:
    """What the cluster says of a workload, as far as the state knows its objects."""
    live = {name: read(client, Deployment, it.name, it.namespace) for name, it in tracks.items()}
    service = next((read(client, Service, it.name, it.namespace) for it in own if it.serves), None)
    known = next(records(client, it.workload, it.namespace) for it in own if it.is_ledger)
    seen = Observed({name: track(it) for name, it in live.items() if it}, _pool(service), known)
    return Observed(seen.tracks, seen.pool, known, window_open(seen.committed, now))


def window_open(committed: Record | None, now: datetime) -> bool:
    """Whether the track before the live release is warm still, as its release has promised."""
    until = committed.kept_until if committed else ""
    return until == "forever" or (until != "" and now < datetime.fromisoformat(until))


def _pool(service: Manifest | None) -> Pool | None:
    label = ((service or {}).get("spec", {}).get("selector") or {}).get(POOL_LABEL)
    return Pool(label) if label in list(Pool) else None


def _why(seen: Observed) -> str:
    until = seen.committed.kept_until if seen.committed else ""
    return f"its rollback window ended at {until}" if until else "no release of its strategy needs it"
