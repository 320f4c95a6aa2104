"""The ledgers of the environment that this one promotes from, as far as its Deployments bear them out."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from lightkube import ApiError, Client
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap

from pulumi_slipway.cluster import client as cluster
from pulumi_slipway.core.keys import LEFT
from pulumi_slipway.core.model import Manifest, Record, TrackName
from pulumi_slipway.release import ledger
from pulumi_slipway.release.observe import ledger_of, read
from pulumi_slipway.release.promotion import deployed_again
from pulumi_slipway.settings import Environment

Ledgers = Callable[[str], Sequence[Record]]
"""A workload's records in the environment that is promoted from."""


def ledgers_before(client: Client, settings: Environment, workloads: Sequence[str]) -> Ledgers | None:
    """Those of these workloads; None where the environment promotes from none. Raises PreflightError.

    An identity that may read no Deployment there (the access stack names no `promoteWorkloads`) takes them as they are.
    """
    rule = settings.promote_from
    if rule is None:
        return None
    if rule.kubeconfig:
        client = cluster.connect(rule.kubeconfig)
    left = f"{LEFT}{rule.environment}"
    try:
        exists = cluster.check(client, rule.namespace, ())
        with cluster.as_preflight_error(client):  # of the other cluster, where it is another
            books = _of(client, ConfigMap, rule.namespace, [left, *map(ledger.name, workloads)])
    except cluster.PreflightError as error:
        raise cluster.PreflightError(
            f"slipway:environment.promoteFrom: the ledgers of {rule.environment} can't be read: {error}; that is about "
            f"promoteFrom, and its namespace {rule.namespace}: is it spelt right, and does the access stack say "
            f"`promoteFrom: {rule.environment}` for this environment, and `promoteWorkloads`, if any, these workloads?"
        ) from None
    if not exists:
        raise cluster.PreflightError(
            f"slipway:environment.promoteFrom: namespace {rule.namespace} does not exist: deploy to {rule.environment} "
            "first, or set promoteFrom.namespace"
        )
    with cluster.as_preflight_error(client):
        tracks = (workload + track.suffix for workload in workloads for track in TrackName)
        found = {"ConfigMap": books, "Deployment": _borne_out(client, rule.namespace, tracks)}
    said = (books.get(left) or {}).get("metadata", {}).get("annotations") or {}
    return lambda workload: deployed_again(ledger_of(found, workload), said)


def _borne_out(client: Client, namespace: str, names: Iterable[str]) -> dict[str, Manifest]:
    try:
        return _of(client, Deployment, namespace, names)
    except ApiError as error:
        if error.status.code != 403:
            raise
        return {}


def _of(client: Client, kind: type[Any], namespace: str, names: Iterable[str]) -> dict[str, Manifest]:
    """By name: all of the namespace in one request, or only these where this identity may read no others."""
    try:
        every = [it.to_dict() for it in client.list(kind, namespace=namespace)]
    except ApiError as error:
        if error.status.code != 403:
            raise
        every = [it for name in names if (it := read(client, kind, name, namespace))]
    return {it["metadata"]["name"]: it for it in every}
