"""Tells what stands in the way of an object that the engine waits for: it waits without a word."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2
from lightkube import Client
from lightkube.core.client import LabelSelector
from lightkube.resources.apps_v1 import DaemonSet, Deployment, StatefulSet
from lightkube.resources.core_v1 import Pod

from pulumi_slipway.core.model import Manifest
from pulumi_slipway.release.observe import read
from pulumi_slipway.release.why import Reason, why

POLL_SECONDS = 1.0
STALLED_SECONDS = 5.0
"""What stands in the way is told when it has lasted so long."""
WATCHED_SECONDS = 3600.0

Look = Callable[[], tuple[bool, Reason | None]]
"""Whether it has ended, and why it does not go on, or has failed."""


@dataclass(frozen=True)
class Watch:
    """One object that is waited for."""

    title: str
    look: Look
    tell: Callable[[str], None]
    _begun: list[float] = field(default_factory=list)
    _said: set[str] = field(default_factory=set)

    def begin(self) -> None:
        """Watches until it ends, in a thread that no one waits for."""
        self._begun.append(time.monotonic())
        threading.Thread(target=self._watch, name=f"slipway-watch-{self.title}", daemon=True).start()

    def why(self) -> str:
        """Why it has not ended well, for a run that has failed; empty where it has, or was not begun."""
        try:
            _, reason = self.look() if self._begun else (True, None)
        except (httpx2.HTTPError, OSError):
            return ""
        return f"{self.title}: {reason}" if reason else ""

    def _watch(self) -> None:
        while (since := time.monotonic() - self._begun[0]) < WATCHED_SECONDS:
            time.sleep(POLL_SECONDS)
            try:
                ended, reason = self.look()
            except (httpx2.HTTPError, OSError):  # the engine itself will say it
                continue
            if ended:
                return
            if reason and reason.text not in self._said and since > STALLED_SECONDS:
                self._said.add(reason.text)  # a failed pull alternates between two reasons
                self.tell(f"{self.title}: {reason}")


ROLLED_OUT: Mapping[str, type[Any]] = {"Deployment": Deployment, "StatefulSet": StatefulSet, "DaemonSet": DaemonSet}
"""Kinds with pods that the engine waits for."""


def rolled_out(client: Client, namespace: str, kind: str, name: str) -> tuple[bool, Reason | None]:
    """Whether all pods of an object beside the workload's own are there, and what keeps them from it."""
    live = read(client, ROLLED_OUT[kind], name, namespace)
    if live is None:
        return False, None
    spec, status = live["spec"], live.get("status") or {}
    wanted = status.get("desiredNumberScheduled", 0) if kind == "DaemonSet" else spec.get("replicas", 1)
    updated = status.get("updatedNumberScheduled" if kind == "DaemonSet" else "updatedReplicas", 0)
    ready = status.get("numberReady" if kind == "DaemonSet" else "readyReplicas", 0)
    seen = status.get("observedGeneration", 0) >= live["metadata"]["generation"]
    if seen and wanted == updated == ready:
        return True, None
    labels = spec["selector"]["matchLabels"]
    reason = next(why(client, labels, namespace, live), None)
    stuck = _stuck(client, namespace, labels, status) if reason and kind == "StatefulSet" else ""
    return False, replace(reason, text=reason.text + stuck) if reason else None


def _stuck(client: Client, namespace: str, labels: LabelSelector, status: Manifest) -> str:
    """What lets a StatefulSet go on whose pod of the revision before does not come up: its controller waits for it.

    Source: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback
    """
    for found in client.list(Pod, namespace=namespace, labels=labels):
        pod = found.to_dict()
        revision = (pod["metadata"].get("labels") or {}).get("controller-revision-hash")
        ready = any(it["type"] == "Ready" and it["status"] == "True" for it in pod["status"].get("conditions") or ())
        if revision != status.get("updateRevision") and not ready:
            name = pod["metadata"]["name"]
            return f"; Kubernetes waits for this pod before it goes on: kubectl -n {namespace} delete pod {name}"
    return ""
