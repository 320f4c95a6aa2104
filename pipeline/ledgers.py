"""What the ledger of a workload says, for the jobs that ask before they start the engine."""

from lightkube import Client
from lightkube.resources.core_v1 import ConfigMap

from preflight import cluster
from release import ledger, observe
from release.model import Record


def records(client: Client, workload: str, namespace: str) -> tuple[Record, ...]:
    """The records, oldest first; none where there is no ledger. Raises PreflightError where nobody answers."""
    with cluster.telling(client):
        found = observe.read(client, ConfigMap, ledger.name(workload), namespace)
    return ledger.decode((found or {}).get("data"))
