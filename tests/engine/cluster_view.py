"""What a test looks at in the cluster."""

from typing import Any

from lightkube import Client
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Pod, Service

from pulumi_slipway.core.keys import POOL_LABEL, RELEASE_LABEL, TRACK_LABEL
from pulumi_slipway.core.model import Record
from pulumi_slipway.release import ledger


def deployment(admin: Client, namespace: str, name: str = "myapp") -> dict[str, Any]:
    """The live Deployment as plain data."""
    found: dict[str, Any] = admin.get(Deployment, name, namespace=namespace).to_dict()
    return found


def image(admin: Client, namespace: str, name: str = "myapp") -> str:
    """The image in the live template."""
    return str(deployment(admin, namespace, name)["spec"]["template"]["spec"]["containers"][0]["image"])


def release(admin: Client, namespace: str, name: str = "myapp") -> str:
    """The release in the live template."""
    return str(deployment(admin, namespace, name)["spec"]["template"]["metadata"]["labels"][RELEASE_LABEL])


def records(admin: Client, namespace: str, name: str = "myapp") -> tuple[Record, ...]:
    """The ledger."""
    return ledger.decode(admin.get(ConfigMap, ledger.name(name), namespace=namespace).data)


def pool(admin: Client, namespace: str, name: str = "myapp") -> str | None:
    """Where a Service points."""
    found = admin.get(Service, name, namespace=namespace).to_dict()
    return found["spec"]["selector"].get(POOL_LABEL)


def outcomes(admin: Client, namespace: str, name: str = "myapp") -> list[str]:
    """The outcomes on the ledger, oldest first."""
    return [str(record.outcome) for record in records(admin, namespace, name)]


def sizes(admin: Client, namespace: str, name: str = "myapp") -> dict[str, int]:
    """Wanted pods by track."""
    found = admin.list(Deployment, namespace=namespace, labels={"app.kubernetes.io/instance": name})
    return {
        d["metadata"]["labels"][TRACK_LABEL]: d["spec"].get("replicas", 1) for d in (one.to_dict() for one in found)
    }


def pods(admin: Client, namespace: str, name: str = "myapp", track: str | None = None) -> set[str]:
    """Uids of the workload's pods, on one track only where one is named, that aren't on their way out."""
    labels = {"app.kubernetes.io/instance": name, **({TRACK_LABEL: track} if track else {})}
    found = admin.list(Pod, namespace=namespace, labels=labels)
    return {p.metadata.uid for p in found if p.metadata and p.metadata.uid and not p.metadata.deletionTimestamp}
