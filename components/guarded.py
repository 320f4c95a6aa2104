"""Where the cluster is not as the engine takes it to be: what was deleted by hand, what a replacement would delete."""

from collections.abc import Mapping, Sequence
from typing import Any

from lightkube import Client

from pulumi_slipway.cluster.kinds import Kinds
from pulumi_slipway.components.before_write import Work, Works
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.model import Manifest
from pulumi_slipway.release.interrupt import Interrupt
from pulumi_slipway.release.manifests import API_VERSIONS, MANAGER
from pulumi_slipway.source.rendered import Rendered


def guarded(
    client: Client,
    kind: str,
    manifest: Mapping[str, Any],
    live: Manifest | None,
    always: Sequence[Work] = (),
    *,
    kept: bool = False,
    first: Sequence[Work] = (),
) -> Works:
    """The works before an object's write: these, and what must be done where the engine is mistaken about it.

    `kept`: it is to stay as it is.
    """
    whole = {"apiVersion": API_VERSIONS.get(kind), "kind": kind, **manifest}
    if live is None:
        return Works(always, update=[_recreate(client, whole)], first=first)
    return Works(always, replace=[_refuse_replacement(client, whole)], first=first, kept=kept)


def _recreate(client: Client, manifest: Mapping[str, Any]) -> Work:
    """Before an update of an object that was not observed.

    To the engine an object that was deleted by hand still exists, and an update of what isn't there fails. So the
    object is made just before, by the same server-side apply as the provider's and in its name; the update then finds
    it as it should be. A replacement instead would delete first: an outage where the observation is old.
    """

    def recreate(_: Interrupt) -> None:
        Kinds(client).apply(manifest["metadata"]["namespace"], manifest, MANAGER)

    return recreate


def _refuse_replacement(client: Client, manifest: Mapping[str, Any]) -> Work:
    """Before an object is made that is there.

    An engine that replaces it (`state taint`, `up --replace`, a field that can't change, another provider resource than
    in the state) makes the new one first, which is the old one under its name, and deletes "the old one" then: the
    Service or Deployment that users are on.
    """
    kind, name, namespace = manifest["kind"], manifest["metadata"]["name"], manifest["metadata"]["namespace"]

    def refuse(_: Interrupt) -> None:
        if Kinds(client).live(namespace, [Rendered(dict(manifest), name)])[0] is not None:
            raise UserError(
                f"{kind} {name} is not replaced: it would be deleted once the new one, which has its name, is there: "
                "run without --replace and --target-replace; a mark for it is taken away by `pulumi state untaint`, "
                "one imported with another provider by `pulumi state delete`, after which the next run takes it over"
            )

    return refuse
