"""Reads what the cluster says of a workload. The cluster is the truth: stack outputs are gone after a failed run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lightkube import ApiError, Client
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.autoscaling_v2 import HorizontalPodAutoscaler
from lightkube.resources.core_v1 import ConfigMap, Secret, Service
from lightkube.resources.networking_v1 import Ingress, NetworkPolicy
from lightkube.resources.policy_v1 import PodDisruptionBudget

from errors import UserError
from release import ledger
from release.manifests import Subject, ownership
from release.model import RELEASE_LABEL, Manifest, Observed, Track

KINDS: Mapping[str, type[Any]] = {
    "Deployment": Deployment,
    "Service": Service,
    "ConfigMap": ConfigMap,
    "PodDisruptionBudget": PodDisruptionBudget,
    "HorizontalPodAutoscaler": HorizontalPodAutoscaler,
    "Ingress": Ingress,
    "NetworkPolicy": NetworkPolicy,
    "Secret": Secret,
}
"""What a workload is made of: one of each, but for Secrets, which are looked up by name (`held_secret`)."""


@dataclass(frozen=True)
class World:
    """The live objects of a workload by kind, as plain data, and what they mean for its release."""

    objects: Mapping[str, Manifest]
    observed: Observed

    def live(self, kind: str) -> Manifest | None:
        """The workload's live object of this kind."""
        return self.objects.get(kind)


def observe(client: Client, subject: Subject) -> World:
    """Reads the workload's objects; raises UserError for one of our name that isn't ours."""
    objects: dict[str, Manifest] = {}
    for kind, resource in KINDS.items():
        if kind == "Secret":
            continue
        name = ledger.name(subject.name) if kind == "ConfigMap" else subject.name
        live = read(client, resource, name, subject.namespace)
        if live is not None:
            _refuse_foreign(subject, kind, live)
            objects[kind] = live
    records = ledger.decode(objects.get("ConfigMap", {}).get("data"))
    return World(objects, Observed(track(objects.get("Deployment")), records))


def track(live: Manifest | None) -> Track | None:
    """What a live Deployment says; None where there is none."""
    if live is None:
        return None
    spec, status = live["spec"], live.get("status", {})
    wanted, updated = spec.get("replicas", 1), status.get("updatedReplicas", 0)
    available = status.get("availableReplicas", 0)
    seen = status.get("observedGeneration", 0) >= live["metadata"]["generation"]
    return Track(
        release=spec["template"]["metadata"].get("labels", {}).get(RELEASE_LABEL),
        wanted=wanted,
        updated=updated,
        available=available,
        complete=seen and wanted == updated == available == status.get("replicas", 0),
        template=spec["template"],
    )


def held_secret(client: Client, namespace: str, name: str) -> tuple[Manifest | None, bool]:
    """A Secret that a release refers to, and whether this identity may read it; None where it is gone."""
    try:
        return read(client, Secret, name, namespace), True
    except ApiError as error:
        if error.status.code == 403:  # the preview identity: it sees that the Secret stays, not what is in it
            return None, False
        raise


def read(client: Client, resource: type[Any], name: str, namespace: str) -> Manifest | None:
    """The object as plain data, None where there is none."""
    try:
        found: Manifest = client.get(resource, name, namespace=namespace).to_dict()
    except ApiError as error:
        if error.status.code == 404:
            return None
        raise
    return found


def _refuse_foreign(subject: Subject, kind: str, live: Manifest) -> None:
    labels = live["metadata"].get("labels", {})
    if not ownership(subject.environment.name).items() <= labels.items():
        owner = labels.get("slipway.dev/environment") or labels.get("app.kubernetes.io/managed-by") or "someone else"
        raise UserError(
            f"workload {subject.name}: {kind} {subject.namespace}/{live['metadata']['name']} exists and belongs to "
            f"{owner}: rename the workload, delete that object, or hand it over with: kubectl -n {subject.namespace} "
            f"label {kind.lower()} {live['metadata']['name']} "
            + " ".join(f"{k}={v}" for k, v in ownership(subject.environment.name).items())
            + " --overwrite"
        )
