"""Why pods do not come up: the sentence that a person would have found with `kubectl describe`, `logs` and `events`."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import httpx2
from lightkube import Client
from lightkube.core.client import LabelSelector
from lightkube.resources.core_v1 import Event, Pod

from pulumi_slipway.core.foreign import shown
from pulumi_slipway.core.model import Manifest

PULLS = ("ErrImagePull", "ImagePullBackOff")
LASTING = ("InvalidImageName", "CreateContainerConfigError", "ErrImageNeverPull")
"""The kubelet's reasons (pkg/kubelet/images, kuberuntime) that nothing but a person mends."""
NOT_YET = ("ContainerCreating", "PodInitializing")
"""The kubelet's reasons for a container that waits for something else; what that is, only events tell."""
MOUNTS = ("FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox", "FailedCreatePodContainer")
"""The kubelet's reasons of events for pods that can't begin."""
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

    def __post_init__(self) -> None:
        """A container writes what it likes, its termination message too: no line of its own, nothing to be obeyed."""
        object.__setattr__(self, "text", shown(self.text.strip()))
        object.__setattr__(self, "log", shown(self.log))

    def __str__(self) -> str:
        return f"{self.text}, last lines: {self.log}" if self.log else self.text


@dataclass(frozen=True)
class Looked:
    """A pod, and where more can be asked about it."""

    client: Client
    namespace: str
    pod: Manifest

    @property
    def spec(self) -> Manifest:
        """What it is to be."""
        found: Manifest = self.pod.get("spec") or {}
        return found

    @property
    def status(self) -> Manifest:
        """How it is."""
        found: Manifest = self.pod.get("status") or {}
        return found

    def log(self, container: str) -> str:
        """The last lines of a container, on one line; empty where they can't be read."""
        return last_log_lines(self.client, self.namespace, self.pod["metadata"]["name"], container)

    def event(self, *reasons: str) -> str:
        """The newest event with one of these reasons; empty where there is none, or none may be read."""
        pod = str(self.pod["metadata"]["name"])
        try:
            found = list(self.client.list(Event, namespace=self.namespace, fields={"involvedObject.name": pod}))
        except httpx2.HTTPError:
            return ""
        told = [it for it in found if it.reason in reasons]
        told.sort(key=lambda it: str(it.lastTimestamp or it.eventTime or ""))
        return " ".join((told[-1].message or "").split()) if told else ""


def why(client: Client, labels: LabelSelector, namespace: str, live: Manifest) -> Iterator[Reason]:
    """The reasons that the pods with these labels give, each once; first what keeps them from being made at all."""
    for condition in live.get("status", {}).get("conditions", []):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            yield Reason(f"pods are refused: {condition.get('message', '')}")
    seen: set[Reason] = set()
    for found in client.list(Pod, namespace=namespace, labels=labels):
        pod = found.to_dict()
        reason = why_pod(Looked(client, namespace, pod))
        if reason and reason not in seen:
            seen.add(reason)
            yield Reason(f"pod {pod['metadata'].get('name', '?')}: {reason.text}", reason.log, reason.lasting)


def why_pod(it: Looked) -> Reason | None:
    """Why this pod is not ready; None where it is, where it is on its way out, or where nothing tells."""
    if it.pod["metadata"].get("deletionTimestamp"):
        return None
    for condition in it.status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return Reason(f"unschedulable: {condition.get('message', '')}{_asks(it.spec)}")
    inits = {one["name"]: one for one in it.spec.get("initContainers") or ()}
    for status in it.status.get("initContainerStatuses") or ():
        if reason := _why_init(it, inits.get(status["name"], {}), status):
            return reason
    statuses = it.status.get("containerStatuses") or ()
    for status in statuses:
        several = f"container {status.get('name')}: " if len(statuses) > 1 or inits else ""
        if reason := _why_container(it, status, several):
            return reason
    return _why_gate(it)


def _asks(spec: Manifest) -> str:
    """What a pod asks of a node; the scheduler tells only what is short."""
    asked = [(it.get("resources") or {}).get("requests") or {} for it in spec.get("containers") or ()]
    told = "; ".join(", ".join(f"{key} {value}" for key, value in sorted(one.items())) for one in asked if one)
    where = ", ".join(f"{key}={value}" for key, value in sorted((spec.get("nodeSelector") or {}).items()))
    parts = [part for part in (f"requests {told}" if told else "", f"nodeSelector {where}" if where else "") if part]
    return f" (it has {', '.join(parts)})" if parts else ""


def _why_init(it: Looked, spec: Manifest, status: Manifest) -> Reason | None:
    called = f"init container {status['name']}"
    state = status.get("state") or {}
    sidecar = spec.get("restartPolicy") == "Always"
    if "running" in state:
        if sidecar:
            return None if status.get("started") else Reason(f"{called} runs, but its startupProbe has not passed yet")
        return Reason(f"{called} is still at work, the others wait for it", it.log(status["name"]))
    if sidecar or (state.get("terminated") or {}).get("exitCode") != 0:
        return _why_container(it, status, f"{called}: ")
    return None


def _why_container(it: Looked, status: Manifest, called: str) -> Reason | None:
    """`called`: which container of several, to begin the sentence."""
    state, name = status.get("state") or {}, str(status.get("name"))
    ended = state.get("terminated") or (status.get("lastState") or {}).get("terminated")
    if status.get("ready"):
        return None
    if ended:
        return _why_ended(it, ended, name, called)
    if "waiting" in state:
        return _why_waiting(it, state["waiting"], called)
    if "running" in state:
        return Reason(
            f"{called}runs, but its readiness probe fails ({_probe(it.spec, name)}): see `port` and `probe` of the "
            "workload"
        )
    return None


def _why_ended(it: Looked, ended: Manifest, name: str, called: str) -> Reason:
    killed = it.event("Killing")
    if "failed liveness probe" in killed:  # the kubelet's own words
        said = it.event("Unhealthy")
        return Reason(f"{called}{killed}: {said}; does it start slower than that? Give it a startupProbe")
    said = f", {ended['message']}" if ended.get("message") else ""
    text = f"{called}exits with {ended.get('exitCode')} ({ended.get('reason')}){said}"
    return Reason(text, "" if said else it.log(name))


def _why_waiting(it: Looked, waiting: Manifest, called: str) -> Reason | None:
    if waiting.get("reason") in NOT_YET:
        kept = it.event(*MOUNTS)
        return Reason(kept) if kept else None
    text = f"{called}{waiting.get('reason')}: {waiting.get('message', '')}"
    refused = waiting.get("reason") in PULLS and re.search(r"\b40[13]\b", text) is not None
    return Reason(text + (_login(it.spec) if refused else ""), lasting=refused or waiting.get("reason") in LASTING)


def _login(spec: Manifest) -> str:
    """Which login a refused pull was tried with."""
    names = [str(one.get("name")) for one in spec.get("imagePullSecrets") or ()]
    tried = f"with the pull secret {', '.join(names)}" if names else "without a pull secret"
    return f" (asked {tried}: is slipway:environment.imagePullSecret the registry's login?)"


def _why_gate(it: Looked) -> Reason | None:
    """A readiness gate (KEP-580) is a condition that somebody else sets: without it the pod is never ready."""
    conditions = {one["type"]: one["status"] for one in it.status.get("conditions") or ()}
    gates = [str(one.get("conditionType")) for one in it.spec.get("readinessGates") or ()]
    if conditions.get("ContainersReady") != "True":
        return None
    missing = [gate for gate in gates if conditions.get(gate) != "True"]
    if not missing:
        return None
    said = ", ".join(f"{gate} is {conditions.get(gate, 'not set')}" for gate in missing)
    return Reason(f"its containers are ready, its readiness gate is not: {said}; does what sets it run here?")


def _probe(spec: Manifest, container: str) -> str:
    """What is asked of a container, where, to know whether it is ready."""
    every: Sequence[Manifest] = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    found = next((it for it in every if it.get("name") == container), {})
    probe = found.get("readinessProbe") or {}
    ports = {it.get("name"): it.get("containerPort") for it in found.get("ports") or ()}
    if "httpGet" in probe:
        asked = probe["httpGet"]
        return f"HTTP GET port {ports.get(asked.get('port'), asked.get('port'))}, path {asked.get('path', '/')}"
    if "tcpSocket" in probe:
        port = probe["tcpSocket"].get("port")
        return f"TCP port {ports.get(port, port)}"
    if "grpc" in probe:
        return f"gRPC port {probe['grpc'].get('port')}"
    return "a command in the container" if "exec" in probe else "a readiness gate"


def last_log_lines(client: Client, namespace: str, pod: str, container: str | None = None) -> str:
    """The last lines that a container wrote, on one line; empty where they can't be read."""
    try:
        lines = list(client.log(pod, namespace=namespace, tail_lines=LOG_LINES, container=container))
    except httpx2.HTTPError:
        return ""
    return " | ".join(line.strip() for line in lines if line.strip())[-LOG_CHARACTERS:]
