"""Ends the pipeline's tokens at once: each is bound to a Secret, and dies with it."""

from collections.abc import Callable, Mapping
from typing import Any

import httpx2
from lightkube import Client
from lightkube.resources.core_v1 import Secret

from pulumi_slipway.cluster.client import PreflightError
from pulumi_slipway.core.keys import ACCOUNT_LABEL
from pulumi_slipway.release.manifests import ownership


def revoke(client: Client, namespaces: Mapping[str, str], tell: Callable[[str], None]) -> int:
    """Revokes the tokens of these environments (`namespaces` by name), old generations too; says each, and how many.

    What is bound is found by the label, whatever its name: a Secret that somebody planted beside goes with it. Raises
    PreflightError for an identity that may not.
    """
    ended = 0
    for environment, namespace in namespaces.items():
        labels: dict[str, Any] = {**ownership(environment), ACCOUNT_LABEL: None}
        try:
            for found in client.list(Secret, namespace=namespace, labels=labels):
                name = str(found.metadata.name if found.metadata else "")
                client.delete(Secret, name, namespace=namespace)
                ended += 1
                tell(f"{environment}: {namespace}/{name} is deleted: its token is refused within some ten seconds")
        except httpx2.HTTPStatusError as error:
            raise PreflightError(
                f"{environment}: the tokens of namespace {namespace} can't be revoked: {error}: set KUBECONFIG to an "
                "administrator's"
            ) from None
    return ended
