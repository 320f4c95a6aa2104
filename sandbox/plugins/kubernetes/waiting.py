"""When an applied object is what it should be, and what to say when it never becomes so.

The conditions are those of the official provider (provider/pkg/await), read by polling. Two are different on purpose:
a Service settles in 1 s there 10, and a Deployment is only done when all its replicas are updated and available.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import urllib3

from sandbox.plugins.kubernetes.api import Api, ApiError, Object
from sandbox.plugins.kubernetes.objects import (
    SKIP_AWAIT,
    TIMEOUT_SECONDS,
    annotation,
    identity,
    is_annotated,
    metadata,
    name_of,
)

DEFAULT_SECONDS = 600.0
_FIRST_PAUSE, _LAST_PAUSE = 0.1, 1.0
_SETTLE_SECONDS = 1.0


class Unfinished(Exception):
    """The object did not get there: in time, or before the run was cancelled. Carries its last state."""

    def __init__(self, message: str, live: Object, reasons: list[str]) -> None:
        super().__init__(message)
        self.live, self.reasons = live, reasons


@dataclass
class Progress:
    """How far an object is: done, or why not."""

    done: bool
    status: str = ""
    reasons: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Patience:
    """How long to wait (seconds; 0: the default), what ends it before, and whom to tell how far it is."""

    timeout: float
    cancelled: threading.Event
    tell: Callable[[str], None]


Condition = Callable[[Api, Object], Progress]


def seconds_allowed(timeout: float, inputs: Object) -> float:
    """The resource option `custom_timeouts`, else the annotation, else ten minutes."""
    text = annotation(inputs, TIMEOUT_SECONDS)
    return timeout or (float(text) if text.isdigit() and int(text) else DEFAULT_SECONDS)


def await_ready(api: Api, inputs: Object, live: Object, patience: Patience) -> Object:
    """Waits until the live object is ready; gives it as last seen. At once where there is nothing to wait for."""
    condition = condition_for(live)
    if condition is None or is_annotated(inputs, SKIP_AWAIT):
        return live
    path, deadline = api.path_of(live), time.monotonic() + seconds_allowed(patience.timeout, inputs)
    generation = metadata(live).get("generation", 0)
    pause, told, stable_since = _FIRST_PAUSE, "", 0.0
    while True:
        if metadata(live).get("generation", 0) >= generation:
            progress = _asked(condition, api, live)
            stable_since = (stable_since or time.monotonic()) if progress.done else 0.0
            settle = _SETTLE_SECONDS if condition is _service else 0.0
            if progress.done and time.monotonic() - stable_since >= settle:
                patience.tell("")
                return live
            if progress.status and progress.status != told:
                told = progress.status
                patience.tell(told)
        if patience.cancelled.is_set():
            raise Unfinished(f'Resource operation was cancelled for "{name_of(live)}"', live, progress.reasons)
        if time.monotonic() > deadline:
            reasons = progress.reasons + _pod_errors(api, live)
            raise Unfinished(f"'{name_of(live)}' timed out waiting to be Ready", live, reasons)
        patience.cancelled.wait(pause)
        pause = min(pause * 1.5, _LAST_PAUSE)
        live = _seen_again(api, path, live)


def _asked(condition: Condition, api: Api, live: Object) -> Progress:
    """What the condition says; what it may not look at, or cannot reach just now, is a reason and no failure."""
    try:
        return condition(api, live)
    except (ApiError, urllib3.exceptions.HTTPError) as error:
        return Progress(False, str(error), [str(error)])


def _seen_again(api: Api, path: str, live: Object) -> Object:
    """The object as it is now, or as it was while the API server cannot say; the write itself has succeeded."""
    try:
        return api.call("GET", path)
    except urllib3.exceptions.HTTPError:
        return live
    except ApiError as error:
        if error.code >= 500:
            return live
        raise Unfinished(f"'{name_of(live)}' cannot be waited for: {error}", live, [str(error)]) from None


def check_ready(api: Api, inputs: Object, live: Object) -> None:
    """The same without waiting: what a refresh asks."""
    condition = condition_for(live)
    if condition is None or is_annotated(inputs, SKIP_AWAIT) or condition in _ONLY_AWAITED:
        return
    progress = _asked(condition, api, live)
    if not progress.done:
        message = f"Resource '{name_of(live)}' was created but failed to initialize"
        raise Unfinished(message, live, progress.reasons + _pod_errors(api, live))


def await_gone(api: Api, inputs: Object, path: str, uid: str | None, patience: Patience) -> None:
    """Waits until the object is gone, or another has its name."""
    deadline, pause = time.monotonic() + seconds_allowed(patience.timeout, inputs), _FIRST_PAUSE
    while True:
        try:
            live = api.call("GET", path)
        except ApiError as error:
            if error.code == 404:
                return
            raise
        if uid and metadata(live).get("uid") != uid:
            return
        if patience.cancelled.is_set():
            raise Unfinished(f'Resource operation was cancelled for "{name_of(live)}"', live, [])
        if time.monotonic() > deadline:
            finalizers = ", ".join(metadata(live).get("finalizers") or [])
            reasons = [f"finalizers might be preventing deletion ({finalizers})"]
            raise Unfinished("timed out waiting for the condition", live, reasons)
        patience.cancelled.wait(pause)
        pause = min(pause * 1.5, _LAST_PAUSE)


def _conditions_of(live: Object) -> dict[str, Object]:
    return {each["type"]: each for each in _status(live).get("conditions") or []}


def _status(live: Object) -> Object:
    found = live.get("status")
    return found if isinstance(found, dict) else {}


def _wanted(live: Object) -> int:
    replicas = (live.get("spec") or {}).get("replicas")
    return 1 if replicas is None else int(replicas)


def _seen(live: Object) -> bool:
    return bool(_status(live).get("observedGeneration", 0) >= metadata(live).get("generation", 0))


def _deployment(_api: Api, live: Object) -> Progress:
    status, wanted, conditions = _status(live), _wanted(live), _conditions_of(live)
    available = int(status.get("availableReplicas", 0))
    if not _seen(live):
        return Progress(False, "Waiting for the controller to see the Deployment")
    progressing, enough = conditions.get("Progressing", {}), conditions.get("Available", {})
    rolled_out = (
        progressing.get("status") == "True"
        and progressing.get("reason") == "NewReplicaSetAvailable"
        and enough.get("status") == "True"
        and int(status.get("updatedReplicas", 0)) == int(status.get("replicas", 0)) == wanted
        and available >= wanted
    )
    if rolled_out:
        return Progress(True)
    reasons = [
        f"[{each.get('reason')}] {each.get('message')}"
        for each in (progressing, enough)
        if each.get("status") == "False"
    ]
    if enough.get("status") != "True":
        reasons.append("Minimum number of live Pods was not attained")
    elif progressing.get("reason") != "NewReplicaSetAvailable":
        reasons.append("Minimum number of Pods to consider the application live was not attained")
    else:
        reasons.append("Attempted to roll forward to new ReplicaSet, but minimum number of Pods did not become live")
    waiting = f"Waiting for app ReplicaSet to be available ({available}/{wanted} Pods available)"
    return Progress(False, reasons[0] if progressing.get("status") == "False" else waiting, reasons)


def _stateful_set(_api: Api, live: Object) -> Progress:
    status, wanted = _status(live), _wanted(live)
    ready, updated = int(status.get("readyReplicas", 0)), int(status.get("updatedReplicas", 0))
    same = status.get("currentRevision") == status.get("updateRevision") or updated >= wanted
    if _seen(live) and ready >= wanted and same:
        return Progress(True)
    waiting = f"Waiting for StatefulSet update to roll out ({ready}/{wanted} Pods ready)"
    return Progress(False, waiting, [f"{ready} out of {wanted} replicas succeeded readiness checks"])


def _daemon_set(_api: Api, live: Object) -> Progress:
    status = _status(live)
    wanted, ready = int(status.get("desiredNumberScheduled", 0)), int(status.get("numberAvailable", 0))
    updated = int(status.get("updatedNumberScheduled", 0))
    if _seen(live) and updated >= wanted and ready >= wanted:
        return Progress(True)
    return Progress(False, f"Waiting for DaemonSet ({ready}/{wanted} Pods available)", [f"{ready} of {wanted} ready"])


def _job(_api: Api, live: Object) -> Progress:
    conditions = _conditions_of(live)
    if conditions.get("Complete", {}).get("status") == "True":
        return Progress(True)
    failed = conditions.get("Failed", {})
    if failed.get("status") == "True":
        reason = f"[{failed.get('reason')}] {failed.get('message')}"
        raise Unfinished(f"Resource '{name_of(live)}' was created but failed to initialize", live, [reason])
    return Progress(False, "Waiting for Job to complete", ["Job did not complete"])


def _pod(_api: Api, live: Object) -> Progress:
    ready = _conditions_of(live).get("Ready", {})
    if ready.get("status") == "True" or _status(live).get("phase") == "Succeeded":
        return Progress(True)
    return Progress(False, ready.get("message") or "Waiting for Pod to be ready", _container_errors(live))


def _service(api: Api, live: Object) -> Progress:
    spec = live.get("spec") or {}
    if spec.get("type") == "LoadBalancer" and not _has_address(live):
        reason = "Service was not allocated an IP address; does your cloud provider support this?"
        return Progress(False, "Attempting to allocate IP address to Service", [reason])
    if spec.get("type") == "ExternalName" or spec.get("clusterIP") == "None" or not spec.get("selector"):
        return Progress(True)
    try:
        endpoints = api.call("GET", api.kind("v1", "Endpoints").path(metadata(live).get("namespace"), name_of(live)))
    except ApiError as error:
        if error.code != 404:
            raise
        endpoints = {}
    subsets = endpoints.get("subsets") or []
    if endpoints and not any(each.get("notReadyAddresses") for each in subsets):
        return Progress(True)
    reason = (
        "Service does not target any Pods. Selected Pods may not be ready, or "
        "field '.spec.selector' may not match labels on any Pods"
    )
    return Progress(False, "Finding Pods to direct traffic to", [reason])


def _ingress(_api: Api, live: Object) -> Progress:
    if _has_address(live):
        return Progress(True)
    reason = "Ingress .status.loadBalancer field was not updated with a hostname/IP address."
    return Progress(False, "Waiting for update of .status.loadBalancer with hostname/IP", [reason])


def _has_address(live: Object) -> bool:
    return bool((_status(live).get("loadBalancer") or {}).get("ingress"))


def _claim(_api: Api, live: Object) -> Progress:
    phase = _status(live).get("phase")
    return Progress(phase == "Bound", f"PersistentVolumeClaim is {phase}", [f"status.phase currently at: {phase}"])


def _volume(_api: Api, live: Object) -> Progress:
    phase = _status(live).get("phase")
    return Progress(phase in {"Available", "Bound"}, f"PersistentVolume is {phase}", [f"phase: {phase}"])


def _quota(_api: Api, live: Object) -> Progress:
    return Progress((live.get("spec") or {}).get("hard", {}) == _status(live).get("hard", {}))


def _secret(_api: Api, live: Object) -> Progress:
    """A controller fills in service account tokens; every other Secret is whole when written."""
    return Progress(live.get("type") != "kubernetes.io/service-account-token" or bool(live.get("data")))


_CONDITIONS: dict[tuple[str, str], Condition] = {
    ("apps/v1", "Deployment"): _deployment,
    ("apps/v1", "StatefulSet"): _stateful_set,
    ("apps/v1", "DaemonSet"): _daemon_set,
    ("batch/v1", "Job"): _job,
    ("v1", "Pod"): _pod,
    ("v1", "Service"): _service,
    ("networking.k8s.io/v1", "Ingress"): _ingress,
    ("v1", "PersistentVolumeClaim"): _claim,
    ("v1", "PersistentVolume"): _volume,
    ("v1", "ResourceQuota"): _quota,
    ("v1", "Secret"): _secret,
}
_ONLY_AWAITED = {_claim, _volume, _quota, _secret}
"""Asked after a write only, never on a refresh."""


def condition_for(live: Object) -> Condition | None:
    """What to wait for, by kind; None: ready once written."""
    return _CONDITIONS.get((str(live.get("apiVersion")), str(live.get("kind"))))


def _pod_errors(api: Api, live: Object) -> list[str]:
    """Why the pods of a workload are not ready, as far as we may look."""
    selector = ((live.get("spec") or {}).get("selector") or {}).get("matchLabels")
    if live.get("kind") not in {"Deployment", "StatefulSet", "DaemonSet"} or not selector:
        return []
    path = api.kind("v1", "Pod").path(metadata(live).get("namespace"))
    labels = ",".join(f"{key}={value}" for key, value in selector.items())
    try:
        pods = api.call("GET", path, labelSelector=labels, limit="20").get("items", [])
    except ApiError:
        return []
    return [f"[Pod {identity(pod)}]: {error}" for pod in pods for error in _container_errors(pod)]


def _container_errors(pod: Object) -> list[str]:
    found = []
    scheduled = _conditions_of(pod).get("PodScheduled", {})
    if scheduled.get("status") == "False":
        found.append(f"[{scheduled.get('reason')}] {scheduled.get('message')}")
    containers: list[dict[str, Any]] = _status(pod).get("containerStatuses") or []
    for container in containers:
        state = container.get("state") or {}
        cause = state.get("waiting") or state.get("terminated") or {}
        if cause.get("reason") not in {None, "ContainerCreating", "PodInitializing", "Completed"}:
            unready = f"containers with unready status: [{container['name']}]"
            found.append(f"{unready}[{cause['reason']}] {cause.get('message', '')}".rstrip())
    return found
