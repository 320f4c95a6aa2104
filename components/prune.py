"""What a killed run made and no later one wants.

Where the engine writes its state once, at the end of a run (`PULUMI_SKIP_CHECKPOINTS`), a run that is killed leaves
objects of which no state tells, so that no engine ever deletes them. A workload's own are found by their names and our
labels, and deleted when its release is done: behind the gate of its ledger, so by `pulumi up` alone. Its Deployments
are the plan's affair, which knows who serves (core/plan).
"""

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

import httpx2
from lightkube import ApiError, Client
from lightkube.resources.core_v1 import Secret

from pulumi_slipway.components.state import LastState
from pulumi_slipway.core.model import Manifest
from pulumi_slipway.release import ledger, manifests
from pulumi_slipway.release.manifests import PREVIEW, ownership
from pulumi_slipway.release.observe import KINDS, Snapshot, read
from pulumi_slipway.release.prepare import Prepared
from pulumi_slipway.settings import Environment

Left = tuple[str, Manifest]
"""Kind and metadata of an object: what a Secret holds is no concern here."""

OF_A_CONTENT = re.compile(r"-[0-9a-f]{10}$")
"""How the name of what holds one content ends (source/content.py)."""


def contents(client: Client, found: Snapshot, settings: Environment) -> list[Left]:
    """The ConfigMaps and Secrets of an environment's workloads that hold one content each."""
    objects: list[Left] = [("ConfigMap", it) for it in found["ConfigMap"].values()]
    with suppress(ApiError):  # an identity that may not list them, as a preview's, leaves them alone
        mine = client.list(Secret, namespace=settings.namespace, labels={**ownership(settings.name)})
        objects += [("Secret", it.to_dict()) for it in mine]
    held = [(kind, it["metadata"]) for kind, it in objects if it.get("immutable")]
    return [(kind, {"labels": {}, **it}) for kind, it in held if OF_A_CONTENT.search(it["name"])]


def leftovers(prepared: Prepared, contents: Iterable[Left], state: LastState) -> list[Left]:
    """The workload's objects that this run does not declare, and that no state tells of."""
    subject, wanted = prepared.subject, _wanted(prepared)
    own: list[Left] = [
        (kind, it["metadata"]) for (kind, _), it in prepared.world.objects.items() if kind != "Deployment"
    ]
    own += [(kind, it) for kind, it in contents if subject.owned.items() <= it["labels"].items()]
    unwanted = [(kind, it) for kind, it in own if (kind, it["name"]) not in wanted]
    if not unwanted or state.urns is None:
        return []
    return [(kind, it) for kind, it in unwanted if not state.holds(kind, it)]


def delete(client: Client, namespace: str, unwanted: Sequence[Left], warn: Callable[[str], None]) -> None:
    """Deletes them, each if it is still the one that was seen; what can't be deleted is left to the next run."""
    for kind, seen in unwanted:
        name = seen["name"]
        try:
            live = read(client, KINDS[kind], name, namespace)
            if live and live["metadata"]["uid"] == seen["uid"]:
                client.delete(KINDS[kind], name, namespace=namespace)
        except httpx2.HTTPError as error:
            warn(f"{kind} {name}, left behind by a run that was killed, can't be deleted: {error}")


def _wanted(prepared: Prepared) -> set[tuple[str, str]]:
    """Kind and name of everything that this run declares for a workload, besides its Deployments."""
    subject = prepared.subject
    return {
        ("Service", subject.called("Service")),
        ("ConfigMap", ledger.name(subject.name)),
        *([("Service", f"{subject.name}{PREVIEW}")] if prepared.plan.preview else []),
        *((kind, subject.called(kind)) for kind, make in manifests.OPTIONAL.items() if make(subject) is not None),
        *prepared.configs,
        *((it.wanted.kind, it.wanted.name) for it in prepared.extra_objects),
    }
