"""What was deleted by hand is made again."""

from collections.abc import Mapping
from typing import Any

from lightkube import Client
from lightkube.core.resource import api_info

from pulumi_slipway.components.before_write import Work
from pulumi_slipway.release.interrupt import Interrupt
from pulumi_slipway.release.manifests import MANAGER
from pulumi_slipway.release.observe import KINDS


def recreate_if_deleted(
    client: Client, kind: str, manifest: Mapping[str, Any], live: Mapping[str, Any] | None
) -> list[Work]:
    """The work before an update of an object that was not observed; none where it was.

    To the engine an object that was deleted by hand still exists, and an update of what isn't there fails. So the
    object is made just before, by the same server-side apply as the provider's and in its name; the update then finds
    it as it should be. A replacement instead would delete first: an outage where the observation is old.
    """
    if live is not None:
        return []
    resource = KINDS[kind]
    whole = {"apiVersion": api_info(resource).resource.api_version, "kind": kind, **manifest}

    def recreate(_: Interrupt) -> None:
        client.apply(resource.from_dict(whole), field_manager=MANAGER, force=True)

    return [recreate]
