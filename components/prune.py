"""Removes what a killed run made and no later one wants.

Where the engine writes its state once, at the end of a run (`PULUMI_SKIP_CHECKPOINTS`), a run that is killed leaves
objects of which no state tells, so that no engine ever deletes them. They are known by our labels and field manager.
"""

from collections.abc import Collection, Iterable
from contextlib import suppress
from functools import partial

import pulumi
from lightkube import ApiError, Client
from lightkube.resources.core_v1 import Secret

from pulumi_slipway.components.before_write import BeforeWrite
from pulumi_slipway.components.log import Log
from pulumi_slipway.components.state import Key, key
from pulumi_slipway.core.model import Manifest
from pulumi_slipway.release.manifests import MANAGER, ownership
from pulumi_slipway.release.observe import KINDS, Snapshot
from pulumi_slipway.settings import Environment


def prune(client: Client, unwanted: Collection[Key], after: Iterable[pulumi.Output[str]], log: Log) -> None:
    """Deletes them once all that this run wants is there; a preview tells of them."""

    def delete(one: Key, _: object) -> None:
        kind, namespace, name = one
        try:
            client.delete(KINDS[kind], name, namespace=namespace)
        except ApiError as error:
            if error.status.code != 404:
                log.warn(f"{kind} {name}, which a killed run has left behind, could not be deleted: {error}")

    for one in unwanted:
        log.info(f"{one[0]} {one[2]}: left behind by a run that was killed: deleted when this one is done")
        if not pulumi.runtime.is_dry_run():
            pulumi.Output.all(*after).apply(partial(delete, one))


def leftovers(
    client: Client, found: Snapshot, settings: Environment, workloads: Collection[str], before: BeforeWrite
) -> list[Key]:
    """The objects of these workloads that this run does not declare, and that no state tells of."""
    every: list[tuple[str, Manifest]] = [(kind, it) for kind, objects in found.items() for it in objects.values()]
    with suppress(ApiError):  # an identity that may not list them, as a preview's, leaves them alone
        mine = client.list(Secret, namespace=settings.namespace, labels={**ownership(settings.name)})
        every += [("Secret", it.to_dict()) for it in mine]
    unwanted = {
        key(kind, live["metadata"]) for kind, live in every if _ours(live["metadata"], settings.name, workloads)
    } - before.declared
    if not unwanted or before.state.uids is None:
        return []
    return sorted(unwanted - set(before.state.uids))


def _ours(metadata: Manifest, environment: str, workloads: Collection[str]) -> bool:
    """Whether we made it: labels alone are copied with an object."""
    labels = metadata.get("labels") or {}
    return (
        ownership(environment).items() <= labels.items()
        and labels.get("app.kubernetes.io/instance") in workloads
        and any(it.get("manager") == MANAGER for it in metadata.get("managedFields") or ())
    )
