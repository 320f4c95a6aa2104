"""The scheduled look whether the cluster is still what was deployed: the state against the cluster, and no settings."""

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pulumi_slipway.cluster import client as cluster
from pulumi_slipway.cluster.kinds import AT_ONCE, Kinds, Unreadable
from pulumi_slipway.core.keys import POOL_LABEL, PREFIX, RELEASE_LABEL
from pulumi_slipway.core.model import Manifest, Observed, Phase, Record
from pulumi_slipway.pipeline import deployed, engine, note
from pulumi_slipway.pipeline.deployed import Deployed
from pulumi_slipway.pipeline.digest import Change, Digest, shown
from pulumi_slipway.pipeline.preview import table
from pulumi_slipway.pipeline.project import API_TOKEN, connect
from pulumi_slipway.release import ledger
from pulumi_slipway.release.bound import sorted_out
from pulumi_slipway.release.drift import drift as differing

LABEL = "slipway-drift"
TOLD_IN_GITLAB, NOT_TOLD = 2, 1
"""Exit statuses when there is drift: with an issue (a warning is enough), and without (the pipeline has to fail)."""

Live = Mapping[str, Manifest | Unreadable | None]
"""By URN: what the cluster has in the place of each object that was deployed."""


def drift(project: Path, stack: str) -> int:
    """Compares the live objects with what the last deployment declared, whatever this commit's settings say.

    An issue tells what differs, and is closed when nothing does any more. Returns 0 where all is as deployed.
    """
    state = deployed.read(project, stack)
    objects = deployed.objects(state)
    kinds = Kinds(cluster.connect())
    with cluster.as_preflight_error(kinds.client), ThreadPoolExecutor(AT_ONCE) as pool:
        for it in objects:
            kinds.find(it.manifest)  # each group is asked for once
        live = dict(zip([it.urn for it in objects], pool.map(lambda it: kinds.read(it.manifest), objects), strict=True))
    found = compared(stack, objects, live, len(deployed.others(state)))
    engine.say(table(found), sys.stdout)
    gitlab, title = connect(API_TOKEN), f"{stack} differs from what was deployed"
    if not found.changes:
        if gitlab:
            gitlab.close_issue(title, LABEL)
        return 0
    if gitlab is None:
        print(f"{stack} differs from what was deployed; with {API_TOKEN} set this would be an issue", file=sys.stderr)
        return NOT_TOLD
    print(f"issue: {gitlab.put_issue(title, note.drift(found), LABEL)}", flush=True)
    return TOLD_IN_GITLAB


def compared(stack: str, objects: Sequence[Deployed], live: Live, others: int = 0) -> Digest:
    """What the next deployment would set right. `others`: resources that are in no cluster, which are not looked at."""
    records = _ledgers(objects, live)
    changes: list[Change] = []
    notices = [f"{others} resources that are in no cluster: not looked at"] if others else []
    moving = {workload: known[-1] for workload, known in records.items() if known[-1].outcome is Phase.PROGRESSING}
    notices += [
        f"{workload}: release {last.release.id} is under way, or was cut off: its tracks and Service are not looked at"
        for workload, last in moving.items()
    ]
    for it in objects:
        there = live[it.urn]
        if isinstance(there, Unreadable):
            notices.append(f"{it.kind} {it.name}: this identity may not read it: not looked at")
        elif it.workload in moving and (it.track or it.kind == "Service"):
            continue
        elif there is None:
            changes.append(Change("create", it.kind, it.name, ()))
        else:
            wanted = _expected(it, there, records.get(it.workload, ()))
            fields = tuple(shown(path, there, wanted) for path in differing(wanted, there))
            if fields:
                changes.append(Change("update", it.kind, it.name, fields))
    return Digest(stack, tuple(changes), tuple(notices))


def _ledgers(objects: Sequence[Deployed], live: Live) -> dict[str, tuple[Record, ...]]:
    """The records of each workload that has some."""
    found: dict[str, tuple[Record, ...]] = {}
    for it in objects:
        there = live[it.urn]
        if it.is_ledger and there is not None and not isinstance(there, Unreadable):
            own = [live[one.urn] for one in objects if one.track and one.workload == it.workload]
            tracks = [one for one in own if one and not isinstance(one, Unreadable)]
            found[it.workload] = tuple(sorted_out(ledger.decode(there.get("data")), tracks)[0])
    return {workload: records for workload, records in found.items() if records}


def _expected(it: Deployed, there: Manifest, records: Sequence[Record]) -> Manifest:
    """The object as it should be: as the last run declared it.

    A release that failed is taken back past the engine: the state still shows it, the ledger says what it gave way to.
    """
    metadata = it.manifest["metadata"]
    wanted = {**it.manifest, "metadata": {**metadata, "annotations": _without(metadata, "pulumi.com/")}}
    back = Observed(ledger=tuple(records)).committed
    if back is None or records[-1].outcome is not Phase.DEGRADED:
        return wanted
    spec: dict[str, Any] = dict(wanted.get("spec") or {})
    if it.track and _release(it.manifest) == records[-1].release.id:
        wanted["metadata"]["annotations"] = _without(wanted["metadata"], PREFIX)  # it was written without them
        if _release(there) == back.release.id:
            spec["template"] = back.release.pod_template(it.track)
        if not there["spec"].get("replicas"):  # emptied
            spec.pop("replicas", None)
        return {**wanted, "spec": spec}
    if it.serves:
        return {**wanted, "spec": {**spec, "selector": {**spec["selector"], POOL_LABEL: str(back.track.pool)}}}
    return wanted


def _release(deployment: Manifest) -> str | None:
    labels = deployment["spec"]["template"]["metadata"].get("labels") or {}
    return labels.get(RELEASE_LABEL)


def _without(metadata: Manifest, prefix: str) -> dict[str, str]:
    return {key: it for key, it in (metadata.get("annotations") or {}).items() if not key.startswith(prefix)}
