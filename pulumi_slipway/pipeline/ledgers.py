"""What the ledger of a workload says, for the jobs that ask before they start the engine."""

from lightkube import Client
from lightkube.resources.core_v1 import ConfigMap

from pulumi_slipway.cluster import client as cluster
from pulumi_slipway.core.model import Record
from pulumi_slipway.release import ledger, observe


def records(client: Client, workload: str, namespace: str) -> tuple[Record, ...]:
    """The records, oldest first; none where there is no ledger. Raises PreflightError where nobody answers."""
    with cluster.as_preflight_error(client):
        found = observe.read(client, ConfigMap, ledger.name(workload), namespace)
    return ledger.decode((found or {}).get("data"))
