"""Tells Prometheus which pods to scrape: those annotated `prometheus.io/scrape: "true"` with a `prometheus.io/port`.

Follows the API server's pods and writes them in Prometheus' file discovery format; Prometheus reads the file on change.
A pod's labels become the series' labels, beside `namespace` and `pod`.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import tenacity
from lightkube import Client, KubeConfig
from lightkube.core.exceptions import ApiError, ConfigError, LoadResourceError
from lightkube.models.core_v1 import Pod as PodModel
from lightkube.resources.core_v1 import Pod

ROUND = 20
"""Seconds of watching before the pods are listed anew, which also shows that this still runs."""


def target(pod: PodModel) -> dict[str, Any] | None:
    """The pod's entry, or None when it isn't to be scraped (any more)."""
    metadata, status = pod.metadata, pod.status
    if metadata is None or status is None or metadata.deletionTimestamp is not None:
        return None
    annotations = metadata.annotations or {}
    port = annotations.get("prometheus.io/port", "")
    if annotations.get("prometheus.io/scrape") != "true" or not port.isdigit():
        return None
    if status.phase != "Running" or not status.podIP:
        return None
    labels = {re.sub(r"[^a-zA-Z0-9_]", "_", name): value for name, value in (metadata.labels or {}).items()}
    labels |= {"namespace": metadata.namespace or "", "pod": metadata.name or ""}
    if path := annotations.get("prometheus.io/path"):
        labels["__metrics_path__"] = path
    return {"targets": [f"{status.podIP}:{port}"], "labels": labels}


class Targets:
    """The file, and what stands in it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.entries: dict[str, dict[str, Any]] = {}

    def put(self, pod: PodModel, *, deleted: bool = False) -> None:
        """Takes a pod's latest state; `write` makes it seen."""
        name = f"{pod.metadata.namespace}/{pod.metadata.name}" if pod.metadata else ""
        entry = None if deleted else target(pod)
        if entry is None:
            self.entries.pop(name, None)
        else:
            self.entries[name] = entry

    def write(self) -> None:
        """Whole or not at all: Prometheus may be reading."""
        draft = self.file.with_suffix(".tmp")
        draft.write_text(json.dumps(list(self.entries.values())))
        draft.rename(self.file)


@tenacity.retry(wait=tenacity.wait_fixed(1), retry=tenacity.retry_if_exception_type((ApiError, OSError)))
def follow(client: Client, targets: Targets) -> None:
    """One round: all pods as listed, then their changes for ROUND seconds."""
    targets.entries.clear()
    pods = client.list(Pod, namespace="*")
    for pod in pods:
        targets.put(pod)
    targets.write()
    for change, pod in client.watch(Pod, namespace="*", resource_version=pods.resourceVersion, server_timeout=ROUND):
        before = dict(targets.entries)
        targets.put(pod, deleted=change == "DELETED")
        if targets.entries != before:
            targets.write()


def main(kubeconfig: str, file: str) -> None:
    """Runs until it is killed."""
    client = Client(config=KubeConfig.from_file(kubeconfig), trust_env=False)
    targets = Targets(Path(file))
    while True:
        follow(client, targets)


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2])
    except (ConfigError, LoadResourceError) as error:
        sys.exit(str(error))
