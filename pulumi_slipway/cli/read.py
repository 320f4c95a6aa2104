"""Reads what `status` shows: three kinds of objects in each namespace, and never a Secret."""

from collections.abc import Iterable, Sequence
from typing import Any

import httpx2
from lightkube import Client
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Service

from pulumi_slipway.cluster import client as cluster
from pulumi_slipway.cluster.rights import rights
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.release.observe import Snapshot

OURS: dict[str, Any] = {"app.kubernetes.io/managed-by": "slipway"}
KINDS: dict[str, type[Any]] = {"Deployment": Deployment, "Service": Service, "ConfigMap": ConfigMap}
NEEDED = rights(("list",), "deployments.apps", "services", "configmaps")


def namespaces(client: Client, given: Sequence[str]) -> tuple[str, ...]:
    """Where to look: where it was asked for, else the kubeconfig's namespace, else wherever Slipway's objects are.

    Raises UserError where that can't be read.
    """
    chosen = tuple(dict.fromkeys(given)) or _of_context(client)
    for namespace in chosen:
        if not cluster.check(client, namespace, NEEDED):
            raise UserError(
                f"namespace {namespace} does not exist: run `pulumi up` on the access stack, which makes it"
            )
    return chosen or _with_objects(client)


def snapshots(client: Client, where: Iterable[str]) -> dict[str, Snapshot]:
    """Slipway's objects by namespace, kind and name; raises UserError where the cluster can't be read."""
    with cluster.as_preflight_error(client):
        return {namespace: {kind: _read(client, kind, namespace) for kind in KINDS} for namespace in where}


def _read(client: Client, kind: str, namespace: str) -> dict[str, Any]:
    found = (item.to_dict() for item in client.list(KINDS[kind], namespace=namespace, labels=OURS))
    return {item["metadata"]["name"]: item for item in found}


def _of_context(client: Client) -> tuple[str, ...]:
    """The namespace that the kubeconfig's context names; lightkube's own word for none is `default`."""
    named = client.config.context.namespace
    return (named,) if named else ()


def _with_objects(client: Client) -> tuple[str, ...]:
    cluster.check(client, "default", ())  # whether anybody answers, and knows us
    found: set[str] = set()
    with cluster.as_preflight_error(client):
        try:
            for kind in ("Deployment", "ConfigMap"):
                listed = client.list(KINDS[kind], namespace="*", labels=OURS)
                found |= {str(item.metadata.namespace) for item in listed}
        except httpx2.HTTPStatusError as error:
            if error.response.status_code != 403:
                raise
            raise UserError(
                "the kubeconfig's context names no namespace, and this identity may not look for workloads in all of "
                "them: say where with --namespace"
            ) from None
    return tuple(sorted(found))
