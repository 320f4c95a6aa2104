"""Waits for a rollout, tells how it goes, and why it does not."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import httpx2
from lightkube import Client
from lightkube.core.client import LabelSelector
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod

from pulumi_slipway.core.errors import WorkloadError
from pulumi_slipway.core.keys import RELEASE_LABEL
from pulumi_slipway.core.model import Manifest, TrackName
from pulumi_slipway.release.observe import read
from pulumi_slipway.release.observe import track as said_by

POLL_SECONDS = 0.1
PULLS = ("ErrImagePull", "ImagePullBackOff")
LASTING = ("InvalidImageName", "CreateContainerConfigError", "ErrImageNeverPull")
"""The kubelet's reasons (pkg/kubelet/images, kuberuntime) that nothing but a person mends."""
STALLED_SECONDS = 5.0
"""Without a step forward for so long, the job log says what stands in the way, and again when that changes."""
HOPELESS_SECONDS = 30.0
"""So long a reason that does not mend itself may last. A kubelet that has not read the Secret yet (a node under load, a
new namespace) asks the registry without a login, is refused in the same words, and asks again 10 to 25 s later."""
LOG_LINES = 5
LOG_CHARACTERS = 500
"""Of all these lines together, from their end: one line of a log may be a megabyte of JSON."""


@dataclass(frozen=True)
class Reason:
    """Why a release does not come up."""

    text: str
    log: str = ""
    """What the container wrote last; for the job log alone, it may hold what not everyone may read."""
    lasting: bool = False
    """Whether nothing but a person mends it: a registry that refuses, a name that is none, a missing Secret."""

    def __str__(self) -> str:
        return f"{self.text}, last lines: {self.log}" if self.log else self.text


class ReleaseFailed(WorkloadError):
    """The release has to be rolled back: it did not come up, or a check was not Successful.

    `recorded` is the reason without lines of the pods' logs: the ledger is read by more people than they are.
    """

    def __init__(self, workload: str, release: str, reason: str, recorded: str | None = None) -> None:
        super().__init__(workload, f"release {release}: {reason}")
        self.recorded = reason if recorded is None else recorded


class CheckFailed(ReleaseFailed):
    """A check was not Successful: what is wrong is the release itself, wherever it goes."""


def wait(
    client: Client,
    workload: str,
    namespace: str,
    *,
    track: TrackName,
    release: str,
    deadline: int,
    tell: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Returns when every pod of the Deployment runs the release and is available, and no old one is left.

    `deadline` is Kubernetes' progressDeadlineSeconds, counted from now and anew with each step forward; the
    controller's own condition is not asked, it may be left from an earlier try. `tell` gets one line each change.
    Raises ReleaseFailed with the reason a person needs, before the deadline where it is one that nothing but a person
    mends; and WorkloadError where it is no longer ours to wait for: another
    run has taken over, or the API server no longer knows us. One that is away for a moment is waited for.
    """
    name, best, line = workload + track.suffix, -1.0, ""
    said: set[str] = set()  # a failed pull alternates between two reasons
    until, stalled = clock() + deadline, clock() + STALLED_SECONDS
    hopeless: float | None = None
    while True:
        live, trouble, refused = _look(client, name, namespace)
        state = said_by(live) if live is not None else None
        if state is not None and live is not None:
            if state.complete and state.release == release:
                return
            score = _score(live)  # before the controller has seen the change, its status is of the release before
            if score >= 0 and line != (
                line := f"{state.updated} of {state.wanted} updated, {state.available} available"
            ):
                tell(f"{track}: {line}")
            if score > best:
                best, until, stalled = score, clock() + deadline, clock() + STALLED_SECONDS
        over = clock() > until
        if over or clock() > stalled:
            stalled = clock() + STALLED_SECONDS
            if live is None and not trouble:
                raise ReleaseFailed(
                    workload, release, f"Deployment {namespace}/{name} is gone: run again to make it anew"
                )
            if refused:  # not at once: an API server that restarts first knows nobody
                raise WorkloadError(workload, trouble)
            if state is not None and state.release != release:  # that run keeps the ledger
                raise WorkloadError(
                    workload,
                    f"release {release} was replaced by {state.release or 'an unknown one'} while it came up: run "
                    "again, and let only one run at a time change the environment",
                )
            reasons = [Reason(trouble)] if live is None else _reasons(client, release, namespace, live)
            lasts = any(reason.lasting for reason in reasons)
            hopeless = (hopeless or clock()) if lasts else None
            given_up = hopeless is not None and clock() - hopeless >= HOPELESS_SECONDS
            if over or given_up:
                how = f"did not come up within {deadline} s: " if over else "cannot come up: "
                raise ReleaseFailed(
                    workload,
                    release,
                    how + ("; ".join(map(str, reasons)) or line),
                    how + ("; ".join(reason.text for reason in reasons) or line),
                )
            if reasons and (reason := str(reasons[0])) not in said:
                said.add(reason)
                tell(reason)
        sleep(POLL_SECONDS)


def _look(client: Client, name: str, namespace: str) -> tuple[Manifest | None, str, bool]:
    """The live Deployment, or what keeps us from seeing it, and whether that is who we are."""
    try:
        return read(client, Deployment, name, namespace), "", False
    except httpx2.HTTPStatusError as error:
        if error.response.status_code in (401, 403):
            trouble = (
                f"the API server no longer shows Deployment {namespace}/{name} ({error}): the token is revoked or "
                "expired, or its role too narrow: run `pulumi up` on the access stack, then this again, which goes on"
            )
            return None, trouble, True
        return None, f"the API server answers: {error}", False
    except httpx2.TransportError as error:
        return None, f"the API server does not answer: {error}", False


def is_observed(live: Manifest) -> bool:
    """Whether the controller has seen the Deployment as it is: before, its status tells of an earlier one."""
    seen: int = live.get("status", {}).get("observedGeneration", 0)
    return seen >= int(live["metadata"]["generation"])


def _score(live: Manifest) -> float:
    """How far the rollout is; what the controller says of an earlier template does not count."""
    status = live.get("status", {})
    if not is_observed(live):
        return -1.0
    forward = status.get("updatedReplicas", 0) + status.get("availableReplicas", 0)
    # Old pods that go are a step forward too.
    return float(forward - status.get("replicas", 0) / 1000)


def _reasons(client: Client, release: str, namespace: str, live: Manifest) -> list[Reason]:
    labels: LabelSelector = {**live["spec"]["selector"]["matchLabels"], RELEASE_LABEL: release}
    try:
        return list(why(client, labels, namespace, live))
    except httpx2.HTTPError as error:  # a reason that can't be read is no reason to give up
        return [Reason(f"its pods can't be looked at: {error}")]


def why(client: Client, labels: LabelSelector, namespace: str, live: Manifest) -> Iterator[Reason]:
    """The reasons a release does not come up: refused pods, unschedulable, image pull, crash loop with log, probe."""
    for condition in live.get("status", {}).get("conditions", []):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            yield Reason(f"pods are refused: {condition.get('message', '')}")
    seen: set[Reason] = set()
    for pod in client.list(Pod, namespace=namespace, labels=labels):
        reason = _why_pod(client, namespace, pod.to_dict())
        if reason and reason not in seen:
            seen.add(reason)
            yield replace(reason, text=f"pod {pod.metadata.name if pod.metadata else '?'}: {reason.text}")


def _why_pod(client: Client, namespace: str, pod: Manifest) -> Reason | None:
    if pod["metadata"].get("deletionTimestamp"):
        return None  # on its way out, whatever its state
    for condition in pod.get("status", {}).get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return Reason(f"unschedulable: {condition.get('message', '')}")
    for status in pod.get("status", {}).get("containerStatuses", []):
        state = status.get("state", {})
        waiting = state.get("waiting")
        ended = state.get("terminated") or status.get("lastState", {}).get("terminated")
        if ended and ended.get("exitCode") != 0:
            log = last_log_lines(client, namespace, pod["metadata"]["name"])
            said = f", {ended['message']}" if ended.get("message") else ""
            return Reason(f"exits with {ended['exitCode']} ({ended.get('reason')}){said}", "" if said else log)
        if waiting and waiting.get("reason") != "ContainerCreating":
            text = f"{waiting.get('reason')}: {waiting.get('message', '')}"
            refused = waiting.get("reason") in PULLS and re.search(r"\b40[13]\b", text) is not None
            login = " (is slipway:environment.imagePullSecret the registry's login?)" if refused else ""
            return Reason(text + login, lasting=refused or waiting.get("reason") in LASTING)
        if not status.get("ready") and state.get("running"):
            probe = _probe(pod, status.get("name"))
            return Reason(f"runs, but its readiness probe fails ({probe}): see `port` and `probe` of the workload")
    return None


def _probe(pod: Manifest, container: str | None) -> str:
    """What is asked of a container, where, to know whether it is ready."""
    containers: list[Manifest] = pod.get("spec", {}).get("containers", [])
    found = next((it for it in containers if it.get("name") == container), {})
    probe = found.get("readinessProbe", {})
    ports = {it.get("name"): it.get("containerPort") for it in found.get("ports", [])}
    if "httpGet" in probe:
        asked = probe["httpGet"]
        return f"HTTP GET port {ports.get(asked.get('port'), asked.get('port'))}, path {asked.get('path', '/')}"
    if "tcpSocket" in probe:
        port = probe["tcpSocket"].get("port")
        return f"TCP port {ports.get(port, port)}"
    if "grpc" in probe:
        return f"gRPC port {probe['grpc'].get('port')}"
    return "a command in the container" if "exec" in probe else "a readiness gate"


def last_log_lines(client: Client, namespace: str, pod: str) -> str:
    """The last lines that the pod's newest container wrote, on one line; empty where they can't be read."""
    try:
        lines = list(client.log(pod, namespace=namespace, tail_lines=LOG_LINES))
    except httpx2.HTTPError:
        return ""
    return " | ".join(line.strip() for line in lines if line.strip())[-LOG_CHARACTERS:]
