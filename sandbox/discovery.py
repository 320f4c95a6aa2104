"""Tells Prometheus which pods to scrape: those annotated `prometheus.io/scrape: "true"` with a `prometheus.io/port`.

Lists the API server's pods and writes them in Prometheus' file discovery format; Prometheus reads the file on change.
A pod's labels become the series' labels, beside `namespace` and `pod`, with _ for what a series' label may not have:
`app_kubernetes_io_instance`, `slipway_dev_track`, `slipway_dev_release`. Prometheus' own discovery gives the same names
with a `labelmap` of `__meta_kubernetes_pod_label_(.+)`; the presets of a release's checks select by them.
"""

import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import tenacity
from httpx2 import HTTPError
from lightkube import Client, KubeConfig
from lightkube.core.exceptions import ApiError, ConfigError, LoadResourceError
from lightkube.models.core_v1 import Pod as PodModel
from lightkube.resources.core_v1 import Pod

INTERVAL = 2.0
"""Seconds between two looks; sooner than Prometheus' own discovery, which waits for 5."""


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


def write(entries: list[dict[str, Any]], file: Path) -> None:
    """Whole or not at all: Prometheus may be reading. Each writing also shows that this still runs."""
    draft = file.with_suffix(".tmp")
    draft.write_text(json.dumps(entries))
    if file.exists() and file.read_bytes() == draft.read_bytes():
        draft.unlink()
        file.touch()
    else:
        draft.rename(file)


@tenacity.retry(
    wait=tenacity.wait_fixed(INTERVAL), retry=tenacity.retry_if_exception_type((ApiError, OSError, HTTPError))
)
def look(client: Client, file: Path) -> None:
    """Asks for all pods, and writes those that are to be scraped."""
    entries = [entry for pod in client.list(Pod, namespace="*") if (entry := target(pod))]
    write(sorted(entries, key=lambda entry: str(entry["targets"])), file)


def main(kubeconfig: str, file: str) -> None:
    """Runs until it is killed."""
    client = Client(config=KubeConfig.from_file(kubeconfig), trust_env=False)
    while True:
        look(client, Path(file))
        time.sleep(INTERVAL)


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2])
    except (ConfigError, LoadResourceError) as error:
        sys.exit(str(error))
