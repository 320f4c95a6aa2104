"""What the ledger of a workload says, for the jobs that ask before they start the engine."""

from lightkube import Client
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap

from pulumi_slipway.cluster import client as cluster
from pulumi_slipway.core.keys import INSTANCE
from pulumi_slipway.core.model import Record
from pulumi_slipway.release import ledger, observe


def records(client: Client, workload: str, namespace: str) -> tuple[Record, ...]:
    """The records that the workload's Deployments know, oldest first; none where there is no ledger.

    Raises PreflightError where nobody answers, or this identity may not read them.
    """
    name = ledger.name(workload)
    with cluster.as_preflight_error(client):
        book = observe.read(client, ConfigMap, name, namespace)
        if book is None:
            return ()
        live = [it.to_dict() for it in client.list(Deployment, namespace=namespace, labels={INSTANCE: workload})]
    found: observe.Snapshot = {"ConfigMap": {name: book}, "Deployment": {it["metadata"]["name"]: it for it in live}}
    return observe.ledger_of(found, workload)
