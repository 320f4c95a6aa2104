"""Waits for a rollout, tells how it goes, and why it does not."""

import time
from collections.abc import Callable, Iterator

import httpx2
from lightkube import ApiError, Client
from lightkube.core.client import LabelSelector
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod

from errors import UserError
from release.model import RELEASE_LABEL, Manifest
from release.observe import read, track

POLL_SECONDS = 0.2
STALLED_SECONDS = 5.0
"""Without a step forward for so long, the job log says what stands in the way, and again when that changes."""
LOG_LINES = 5


class RolloutFailed(UserError):
    """The release did not come up before its progress deadline."""


def wait(
    client: Client,
    name: str,
    namespace: str,
    *,
    release: str,
    deadline: int,
    tell: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Returns when every pod of the Deployment runs the release and is available, and no old one is left.

    `deadline` is Kubernetes' progressDeadlineSeconds, counted from now and anew with each step forward; the
    controller's own condition is not asked, it may be left from an earlier try. `tell` gets one line each change.
    Raises RolloutFailed with the reason a person needs. An API server that is away for a moment is waited for.
    """
    best, line, reason = -1.0, "", ""
    until, stalled = clock() + deadline, clock() + STALLED_SECONDS
    while True:
        live, trouble = _look(client, name, namespace)
        state = track(live)
        if state is not None and live is not None:
            if state.complete and state.release == release:
                return
            if line != (line := f"{state.updated} of {state.wanted} updated, {state.available} available"):
                tell(line)
            # Old pods that go are a step forward too.
            score = state.updated + state.available - live.get("status", {}).get("replicas", 0) / 1000
            if score > best:
                best, until, stalled = score, clock() + deadline, clock() + STALLED_SECONDS
        over = clock() > until
        if over or clock() > stalled:
            stalled = clock() + STALLED_SECONDS
            if live is None and not trouble:
                raise RolloutFailed(
                    f"workload {name}: Deployment {namespace}/{name} is gone: run again to make it anew"
                )
            reasons = [trouble] if trouble else list(why(client, name, namespace, release, live or {}))
            if over:
                raise RolloutFailed(
                    f"workload {name}: release {release} did not come up within {deadline} s: "
                    + ("; ".join(reasons) or line)
                )
            if reasons and reason != (reason := reasons[0]):
                tell(reason)
        sleep(POLL_SECONDS)


def _look(client: Client, name: str, namespace: str) -> tuple[Manifest | None, str]:
    """The live Deployment, or what keeps us from seeing it: an API server that restarts is waited for."""
    try:
        return read(client, Deployment, name, namespace), ""
    except ApiError as error:
        if error.status.code in (401, 403):
            raise
        return None, f"the API server answers: {error}"
    except httpx2.TransportError as error:
        return None, f"the API server does not answer: {error}"


def why(client: Client, name: str, namespace: str, release: str, live: Manifest) -> Iterator[str]:
    """The reasons a release does not come up: refused pods, unschedulable, image pull, crash loop with log, probe."""
    for condition in live.get("status", {}).get("conditions", []):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            yield f"pods are refused: {condition.get('message', '')}"
    seen: set[str] = set()
    labels: LabelSelector = {"app.kubernetes.io/instance": name, RELEASE_LABEL: release}
    for pod in client.list(Pod, namespace=namespace, labels=labels):
        reason = _why_pod(client, namespace, pod.to_dict())
        if reason and reason not in seen:
            seen.add(reason)
            yield f"pod {pod.metadata.name if pod.metadata else '?'}: {reason}"


def _why_pod(client: Client, namespace: str, pod: Manifest) -> str | None:
    for condition in pod.get("status", {}).get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"unschedulable: {condition.get('message', '')}"
    for status in pod.get("status", {}).get("containerStatuses", []):
        state = status.get("state", {})
        waiting = state.get("waiting")
        ended = state.get("terminated") or status.get("lastState", {}).get("terminated")
        if ended and ended.get("exitCode") != 0:
            log = last_log_lines(client, namespace, pod["metadata"]["name"])
            said = ended.get("message") or (f"last lines: {log}" if log else "")
            return f"exits with {ended['exitCode']} ({ended.get('reason')})" + (f", {said}" if said else "")
        if waiting and waiting.get("reason") != "ContainerCreating":
            return f"{waiting.get('reason')}: {waiting.get('message', '')}"
        if not status.get("ready") and state.get("running"):
            return "runs, but its readiness probe fails: see `probe` of the workload"
    return None


def last_log_lines(client: Client, namespace: str, pod: str) -> str:
    """The last lines that the pod's newest container wrote, on one line; empty where they can't be read."""
    try:
        lines = list(client.log(pod, namespace=namespace, tail_lines=LOG_LINES))
    except ApiError:
        return ""
    return " | ".join(line.strip() for line in lines if line.strip())
