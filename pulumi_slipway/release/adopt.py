"""Takes over objects that kubectl or Helm made (`adopt: true`), while they serve."""

import json
from collections.abc import Iterator

from lightkube import Client
from lightkube.resources.core_v1 import Pod

from pulumi_slipway.core.foreign import shown
from pulumi_slipway.core.keys import POOL_LABEL
from pulumi_slipway.core.model import Manifest, Pool, TrackName
from pulumi_slipway.release.declared import comparable
from pulumi_slipway.release.drift import differences
from pulumi_slipway.release.observe import adopted, adopts
from pulumi_slipway.release.prepare import Prepared

SHOWN = 80
"""Characters of a field's value."""


def changes(prepared: Prepared) -> Iterator[str]:
    """What becomes of each object that is taken over, a line a field; of Secrets the fields alone."""
    for kind, wanted, live in _objects(prepared):
        if not adopts(prepared.subject, live):
            continue
        title = f"{prepared.subject.name}: {kind} {wanted['metadata']['name']} is adopted"
        fields = differences(comparable(dict(wanted)), live)
        yield title + ("" if fields else ", and stays as it is")
        for path, now, then in fields:
            yield f"{title}: {path}" + ("" if kind == "Secret" else f": {_short(now)} becomes {_short(then)}")


def marked(client: Client, prepared: Prepared) -> None:
    """Gives the pods of a Deployment that is taken over the label by which its Service is to find them.

    Labels restart no pod. Without this one the Service would lead to nobody until the first new pod is ready.
    """
    subject, world = prepared.subject, prepared.world
    live = world.live("Deployment")
    if not adopted(subject, TrackName.STABLE, live) or live is None:
        return
    if POOL_LABEL in (live["spec"]["template"]["metadata"].get("labels") or {}):
        return
    for pod in client.list(Pod, namespace=subject.namespace, labels={**subject.selector}):
        if pod.metadata and POOL_LABEL not in (pod.metadata.labels or {}):
            body = {"metadata": {"labels": {POOL_LABEL: str(Pool.MAIN)}}}
            client.patch(Pod, str(pod.metadata.name), body, namespace=subject.namespace)


def _objects(prepared: Prepared) -> Iterator[tuple[str, Manifest, Manifest | None]]:
    for track, manifest in prepared.deployments.items():
        yield "Deployment", manifest, prepared.world.live("Deployment", track.suffix)
    yield "Service", prepared.service, prepared.world.live("Service")
    for it in prepared.extra_objects:
        yield it.wanted.kind, it.wanted.manifest, it.live


def _short(value: object) -> str:
    text = "not set" if value is None else json.dumps(value, sort_keys=True)
    text = shown(text)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
