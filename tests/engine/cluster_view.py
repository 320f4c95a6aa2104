"""What a test looks at in the cluster."""

from typing import Any

from lightkube import Client
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Pod

from release import ledger
from release.model import RELEASE_LABEL, Record


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


def pods(admin: Client, namespace: str, name: str = "myapp") -> set[str]:
    """Uids of the workload's pods that aren't on their way out."""
    found = admin.list(Pod, namespace=namespace, labels={"app.kubernetes.io/instance": name})
    return {p.metadata.uid for p in found if p.metadata and p.metadata.uid and not p.metadata.deletionTimestamp}
