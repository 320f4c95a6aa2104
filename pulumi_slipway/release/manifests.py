"""What a workload looks like in the cluster: its settings as Kubernetes objects, with the safe defaults written out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pulumi_slipway.core.keys import ENVIRONMENT_LABEL, INSTANCE, POOL_LABEL, TRACK_LABEL
from pulumi_slipway.core.model import Manifest, Pool, TrackName
from pulumi_slipway.settings import Autoscaler, Environment, Workload
from pulumi_slipway.source.definition import Definition
from pulumi_slipway.source.rendered import AUTOSCALER

MANAGER = "slipway"
"""In whose name the objects are applied, by the provider and where an object is made again."""

APPLIED = {"pulumi.com/patchFieldManager": MANAGER, "pulumi.com/patchForce": "true"}
"""How the provider applies an object.

Its own name for its changes is random and kept in the state: with the state lost, the next change would conflict with
the last one, and fields that are dropped would stay for ever (measured on 4.32). Force: a field that somebody
set by kubectl is taken back, instead of a conflict that stops the run; said on each object, since a provider of 4.25
has no setting for it.
"""

API_VERSIONS = {
    "ConfigMap": "v1",
    "Deployment": "apps/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "Ingress": "networking.k8s.io/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "PodDisruptionBudget": "policy/v1",
    "Secret": "v1",
    "Service": "v1",
}
"""Where each kind is; the provider's names for them are made of it."""

SKIP_AWAIT = {"pulumi.com/skipAwait": "true"}
"""The provider does not wait: a Service would cost 10 s, a Deployment would hide why it does not come up. We wait."""


@dataclass(frozen=True)
class Subject:
    """Whose objects these are: a workload in an environment."""

    name: str
    environment: Environment
    workload: Workload
    source: Definition | None = None
    """What its source defines; None: the settings do."""
    says_replicas: bool = False
    """Whether its settings or its source say how many pods it has; else it is a default."""
    scaled_by: str | None = None
    """Name of an autoscaler that isn't ours and holds the number of pods (KEDA's, one made by kubectl)."""

    @classmethod
    def of(cls, name: str, environment: Environment, workload: Workload, source: Definition | None) -> "Subject":
        """The workload; what a source says of pods, autoscaler and budget counts where the settings don't."""
        says = "replicas" in workload.model_fields_set
        if source is None:
            return cls(name, environment, workload, says_replicas=says)
        known: dict[str, Any] = {"disruption_budget": workload.disruption_budget and not source.disruption_budget}
        if scaler := source.autoscaler:
            spec = scaler["spec"]
            known["autoscaler"] = Autoscaler(min=spec.get("minReplicas", 1), max=spec["maxReplicas"])
        elif "replicas" not in workload.model_fields_set:
            known["replicas"] = source.replicas
        deadline = workload.progress_deadline
        if "progress_deadline" not in workload.model_fields_set and source.progress_deadline:
            deadline = source.progress_deadline
        # Kubernetes refuses a deadline that is over before a pod counts as available.
        least = source.min_ready
        known["progress_deadline"] = deadline if deadline > least else deadline + least
        says = says or source.deployment["spec"].get("replicas") is not None
        return cls(name, environment, workload.model_copy(update=known), source, says_replicas=says)

    def called(self, kind: str, suffix: str = "") -> str:
        """Name of the workload's object: its own and a suffix; Service and autoscaler of a source keep theirs."""
        if self.source and not suffix:
            if kind == "Service":
                return str(self.source.service["metadata"]["name"])
            if kind == AUTOSCALER and self.source.autoscaler:
                return str(self.source.autoscaler["metadata"]["name"])
        return f"{self.name}{suffix}"

    @property
    def namespace(self) -> str:
        """The environment's namespace."""
        return self.environment.namespace

    @property
    def selector(self) -> dict[str, str]:
        """The labels that find this workload's pods, on whichever track."""
        return self.source.selector if self.source else self.instance

    @property
    def instance(self) -> dict[str, str]:
        """The labels that say which workload an object belongs to."""
        return {"app.kubernetes.io/name": self.name, INSTANCE: self.name}

    @property
    def owned(self) -> dict[str, str]:
        """The labels that an object must have to be this workload's own."""
        return {**ownership(self.environment.name), INSTANCE: self.name}

    @property
    def labels(self) -> dict[str, str]:
        """The labels of every object; with them an object is known as ours."""
        return {
            **self.environment.labels,
            **self.workload.labels,
            **self.instance,
            **ownership(self.environment.name),
        }

    def metadata(self, suffix: str = "", annotations: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The metadata of the workload's object with this suffix."""
        return {
            "name": f"{self.name}{suffix}",
            "namespace": self.namespace,
            "labels": self.labels,
            "annotations": {**self.workload.annotations, **APPLIED, **(annotations or {})},
        }

    def adopted(self, manifest: Manifest, annotations: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The metadata of an object from the source: the author's, and ours."""
        given, own = manifest["metadata"], self.metadata(annotations=annotations)
        return {
            "name": given["name"],
            "namespace": self.namespace,
            "labels": {**(given.get("labels") or {}), **own["labels"]},
            "annotations": {**(given.get("annotations") or {}), **own["annotations"]},
        }


def ownership(environment: str) -> dict[str, str]:
    """The labels that say whose an object is: an observed object without them is never written to."""
    return {"app.kubernetes.io/managed-by": "slipway", ENVIRONMENT_LABEL: environment}


WORKER_READY_SECONDS = 10
"""So long a worker's pod must have run to count: without a probe one that crashes is ready between two crashes."""

PREVIEW = "-preview"
"""Suffix of the Service that reaches the track that is about to go live."""


def deployment(subject: Subject, track: TrackName, template: Manifest, replicas: int | None) -> dict[str, Any]:
    """A track's Deployment: surge before removal, so that capacity never drops.

    Its selector, which can never change, holds the track: two tracks never fight for a pod. `replicas` None leaves the
    number to an autoscaler or to the steps of a canary. Blue and green are filled at once.
    """
    w = subject.workload
    whole = track in (TrackName.BLUE, TrackName.GREEN)
    spec: dict[str, Any] = {
        "selector": {"matchLabels": {**subject.selector, TRACK_LABEL: str(track)}},
        "progressDeadlineSeconds": w.progress_deadline,
        "revisionHistoryLimit": 2,  # the ledger is the history
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "100%" if whole else w.strategy.rolling.max_surge},
        },
        "template": template,
    }
    if subject.source:
        authors = subject.source.deployment["spec"]
        spec = {**{key: value for key, value in authors.items() if key != "replicas"}, **spec}
        spec["strategy"] = authors.get("strategy", spec["strategy"])
    if not w.overlap:
        spec["strategy"] = {"type": "Recreate"}  # its controller waits until the pods before are gone
    if w.worker:
        spec.setdefault("minReadySeconds", min(WORKER_READY_SECONDS, w.progress_deadline - 1))
    if replicas is not None:
        spec["replicas"] = replicas
    metadata = subject.metadata(track.suffix, SKIP_AWAIT)
    if subject.source:
        metadata = {**subject.adopted(subject.source.deployment, SKIP_AWAIT), "name": metadata["name"]}
    return {"metadata": {**metadata, "labels": {**metadata["labels"], TRACK_LABEL: str(track)}}, "spec": spec}


def pool_selector(subject: Subject, pool: Pool) -> dict[str, str]:
    """The labels by which a Service finds the pods of a pool."""
    selector = subject.source.service["spec"]["selector"] if subject.source else subject.selector
    return {**selector, POOL_LABEL: str(pool)}


def service(subject: Subject, pool: Pool, ports: Sequence[Manifest] | None = None) -> dict[str, Any]:
    """The Service that users reach the workload by. `ports`: a source's, in place of its author's."""
    if subject.source:
        authors = subject.source.service
        ports = list(authors["spec"]["ports"] if ports is None else ports)
        spec = {**authors["spec"], "selector": pool_selector(subject, pool), "ports": ports}
        return {"metadata": subject.adopted(authors, SKIP_AWAIT), "spec": spec}
    s = subject.workload.service
    return {"metadata": subject.metadata(annotations=SKIP_AWAIT), "spec": _service_spec(subject, pool, s.type)}


def preview_service(subject: Subject, pool: Pool, ports: Sequence[Manifest] | None = None) -> dict[str, Any]:
    """The Service that reaches the track that is about to go live, for the checks and whoever wants to look first."""
    spec = _service_spec(subject, pool, "ClusterIP")
    if subject.source:
        authors = subject.source.service["spec"]["ports"] if ports is None else ports
        spec["ports"] = [{key: value for key, value in port.items() if key != "nodePort"} for port in authors]
    return {"metadata": subject.metadata(PREVIEW, SKIP_AWAIT), "spec": spec}


def _service_spec(subject: Subject, pool: Pool, type_: str) -> dict[str, Any]:
    """By the port's name: pods of releases with different numbers serve behind it."""
    if subject.workload.worker:
        return {"clusterIP": "None", "selector": pool_selector(subject, pool), "ports": []}
    port = {"name": "http", "port": subject.workload.service.port, "targetPort": "http", "protocol": "TCP"}
    return {"type": type_, "selector": pool_selector(subject, pool), "ports": [port]}


def disruption_budget(subject: Subject) -> dict[str, Any] | None:
    """At most one pod away in a drain of nodes; with a single pod a budget would only block the drain."""
    w = subject.workload
    least = w.autoscaler.min if w.autoscaler else w.replicas
    if not w.disruption_budget or least < 2:
        return None
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": subject.selector}}
    return {"metadata": subject.metadata(), "spec": spec}


def autoscaler(subject: Subject, live: TrackName = TrackName.STABLE) -> dict[str, Any] | None:
    """The HorizontalPodAutoscaler on CPU of the live track; with it `replicas` of no Deployment is declared."""
    a = subject.workload.autoscaler
    if a is None or subject.scaled_by:
        return None
    if subject.source and (authors := subject.source.autoscaler):
        scaled = {**authors["spec"]["scaleTargetRef"], "name": subject.name + live.suffix}
        return {
            "apiVersion": authors["apiVersion"],
            "metadata": subject.adopted(authors, SKIP_AWAIT),
            "spec": {**authors["spec"], "scaleTargetRef": scaled},
        }
    target = {"type": "Utilization", "averageUtilization": a.cpu}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": subject.name + live.suffix},
        "minReplicas": a.min,
        "maxReplicas": a.max,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
    }
    return {"metadata": subject.metadata(annotations=SKIP_AWAIT), "spec": spec}


def ingress(subject: Subject) -> dict[str, Any] | None:
    """The Ingress for one host."""
    i = subject.workload.ingress
    if i is None:
        return None
    backend = {"service": {"name": subject.name, "port": {"name": "http"}}}
    spec: dict[str, Any] = {
        "rules": [{"host": i.host, "http": {"paths": [{"path": i.path, "pathType": "Prefix", "backend": backend}]}}]
    }
    if i.class_name:
        spec["ingressClassName"] = i.class_name
    if i.tls_secret:
        spec["tls"] = [{"hosts": [i.host], "secretName": i.tls_secret}]
    return {"metadata": subject.metadata(annotations={**i.annotations, **SKIP_AWAIT}), "spec": spec}


def network_policy(subject: Subject, numbers: Sequence[int] = ()) -> dict[str, Any] | None:
    """Who may reach the workload's port, and, where `egress` is given, whom its pods may reach.

    `numbers`: the ports that the pods of all its releases have which run; a number moves with its release.
    """
    n = subject.workload.network_policy
    if n is None:
        return None
    sources = [_namespace_peer(name) for name in n.allow_from]
    ports = [{"port": number, "protocol": "TCP"} for number in numbers or (subject.workload.port,)]
    spec: dict[str, Any] = {
        "podSelector": {"matchLabels": subject.selector},
        "policyTypes": ["Ingress"] if n.egress is None else ["Ingress", "Egress"],
        "ingress": [{"from": sources, "ports": ports}] if sources else [],
    }
    if n.egress is not None:
        dns = {"ports": [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")]}
        spec["egress"] = [dns, *({"to": [_namespace_peer(name)]} for name in n.egress)]
    return {"metadata": subject.metadata(), "spec": spec}


def _namespace_peer(name: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


OPTIONAL = {
    "PodDisruptionBudget": disruption_budget,
    "HorizontalPodAutoscaler": autoscaler,
    "Ingress": ingress,
    "NetworkPolicy": network_policy,
}
"""What only some workloads have, by kind, and what makes it."""
