"""A workload as its source defines it: the Deployment and the Service among the rendered objects, and the others."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pulumi_slipway.core.keys import CONFIGS, CONTAINER
from pulumi_slipway.core.model import Manifest
from pulumi_slipway.settings.source import Source
from pulumi_slipway.source import find
from pulumi_slipway.source.content import content_of, digest, secret_digest
from pulumi_slipway.source.defaults import completed, unreached
from pulumi_slipway.source.helm_hooks import taken
from pulumi_slipway.source.images import of_release, refuse_half_filled
from pulumi_slipway.source.normal import refuse_large_numbers, spelled_out
from pulumi_slipway.source.ports import asked, declared, elsewhere, target
from pulumi_slipway.source.rendered import AUTOSCALER, REFERENCES, Rendered, filled, readable
from pulumi_slipway.source.validate import refuse_place, refuse_twice, refuse_types


@dataclass(frozen=True)
class Definition:
    """What a source says of a workload, checked and complete."""

    deployment: Manifest
    service: Manifest
    others: tuple[Rendered, ...]
    """All that is neither of the two, in the order in which it can be made."""
    container: str
    """The container that gets the image."""
    additions: tuple[str, ...] = ()
    """What Slipway adds where the author said nothing, one line each."""
    former: Manifest | None = None
    """The Deployment as an earlier version completed it; None: as it is."""
    beside: tuple[Rendered, ...] = ()
    """Those of the others that are Services of the same pods."""
    unreached: tuple[str, ...] = ()
    """Where its Services lead to no port of the pods, a line each."""

    @property
    def selector(self) -> dict[str, str]:
        """The labels that find the workload's pods: the author's."""
        return dict(self.deployment["spec"]["selector"]["matchLabels"])

    @property
    def labels(self) -> Manifest:
        """The labels of its pods."""
        found: Manifest = self.deployment["spec"]["template"]["metadata"].get("labels") or {}
        return found

    @property
    def replicas(self) -> int:
        """The author's number of pods; Kubernetes' default is 1."""
        return int(self.deployment["spec"].get("replicas", 1))

    @property
    def min_ready(self) -> int:
        """Seconds that a pod must have been ready to count as available; Kubernetes' default is 0."""
        return int(self.deployment["spec"].get("minReadySeconds") or 0)

    @property
    def progress_deadline(self) -> int | None:
        """The author's, in seconds; None where nothing is said of it."""
        said = self.deployment["spec"].get("progressDeadlineSeconds")
        return None if said is None else int(said)

    @property
    def asked(self) -> Manifest | None:
        """The port of the Service that checks ask, and that the workload's address has; a worker has none."""
        return asked(self.service["spec"]["ports"])

    @property
    def selecting(self) -> set[str]:
        """The labels by which objects of the source find pods."""
        found = set(self.selector)
        for one in (self.service, *(it.manifest for it in self.others)):
            spec = _mapping(one.get("spec"))
            for field in ("selector", "podSelector"):
                selector = _mapping(spec.get(field))
                found |= set(_mapping(selector.get("matchLabels")) or (selector if one["kind"] == "Service" else ()))
        return found

    def number(self, port: Manifest, ports: Sequence[Manifest], template: Manifest) -> int | None:
        """The number that a port of one of its Services has in the pods of a release, whichever; None: unknown."""
        said = (self.former or self.deployment)["spec"]["template"]["spec"]
        own, to = self.deployment["spec"]["template"]["spec"], target(port)
        declares = isinstance(to, str) or any(it["containerPort"] == to for it in declared(said))
        return elsewhere(port, ports, own, template["spec"], said=declares)

    @property
    def autoscaler(self) -> Manifest | None:
        """The HorizontalPodAutoscaler of the Deployment, if there is one."""
        return next((it.manifest for it in self.others if self.scales(it)), None)

    def scales(self, other: Rendered) -> bool:
        """Whether this is the workload's autoscaler."""
        target = (other.manifest.get("spec") or {}).get("scaleTargetRef", {}) if other.kind == AUTOSCALER else {}
        return bool(target.get("kind") == "Deployment" and target.get("name") == self.deployment["metadata"]["name"])

    @property
    def disruption_budget(self) -> bool:
        """Whether the source has a budget for the pods."""
        budgets = [it.manifest.get("spec") or {} for it in self.others if it.kind == "PodDisruptionBudget"]
        wanted = [(budget.get("selector") or {}).get("matchLabels") for budget in budgets]
        return any(one and one.items() <= self.labels.items() for one in wanted)

    def pod_template(
        self, image: str, secret: str | None, *, former: bool = False
    ) -> tuple[Manifest, dict[str, Manifest]]:
        """The template with this image, and the objects of one content that it takes its configuration from.

        A ConfigMap or Secret of the source that the pods refer to is copied under a name that its content gives: a
        change of it is a release, and a rollback gets back what it ran with. `secret` names one that is added as
        environment of the container. `former`: as an earlier version made it.
        """
        deployment = (self.former if former else None) or self.deployment
        template = json.loads(json.dumps(filled(deployment["spec"]["template"], image)))
        held: dict[str, Manifest] = {}
        copies: dict[tuple[str, str], str] = {}
        for other in self.others:
            if other.kind in REFERENCES:
                copy = of_content(readable(filled(other.manifest, image)))
                copies[other.kind, other.name] = copy["metadata"]["name"]
                held[f"{other.kind}/{copy['metadata']['name']}"] = copy
        used: set[str] = set()
        _renamed(template["spec"], copies, used)
        if secret:
            main = next(it for it in template["spec"]["containers"] if it["name"] == self.container)
            main["envFrom"] = [*(main.get("envFrom") or []), {"secretRef": {"name": secret}}]
            used.add(f"Secret/{secret}")
        annotations = {CONTAINER: self.container} | ({CONFIGS: ",".join(sorted(used))} if used else {})
        metadata = template.setdefault("metadata", {})
        metadata["annotations"] = {**metadata.get("annotations", {}), **annotations}
        return template, {key: it for key, it in held.items() if key in used}


ORDER = (
    "CustomResourceDefinition",
    "PriorityClass",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "ServiceAccount",
    "Secret",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "Service",
    "Job",
)
"""Helm's order of kinds, as far as it goes before the workloads. A Job comes before the release, which waits for its
end: it migrates what the new pods need. What isn't named here comes after the release."""


def define(
    workload: str,
    source: Source,
    rendered: Sequence[Rendered],
    namespace: str,
    pre_stop: int,
    *,
    worker: bool = False,
) -> Definition:
    """Finds the Deployment and the Service, fills in the defaults of zero downtime; raises SourceError.

    `worker`: nobody calls it, so that it has no Service.
    """
    prefix = f"slipway:workloads.{workload}.source: "
    for one in rendered:
        refuse_large_numbers(prefix, one)
        refuse_types(prefix, one)
    kept = [spelled_out(one) for one in taken(prefix, source.helm.hooks if source.helm else "skip", rendered)]
    for one in kept:
        refuse_place(prefix, one, namespace)
    refuse_twice(prefix, kept)
    deployment = find.found(prefix, "Deployment", workload, source.deployment, kept)
    if worker:
        service = _mark(workload, deployment)
    else:
        service = find.service(prefix, workload, source.service, kept, deployment)
    container = find.container(prefix, workload, source.container, deployment, service)
    beside = find.services_beside(kept, deployment, service)
    services = [service.manifest, *(one.manifest for one in beside)]
    whole = completed(deployment.manifest, services, container, 0 if worker else pre_stop)
    others = [of_release(one, whole.literal) for one in kept if one not in (deployment, service)]
    for one in (Rendered(whole.deployment, deployment.place), *others):
        refuse_half_filled(prefix, one)
    lost = unreached(deployment.manifest, services)
    return Definition(
        whole.deployment,
        service.manifest,
        tuple(others),
        container,
        whole.additions,
        former=whole.former,
        beside=tuple(beside),
        unreached=tuple(prefix + line for line in lost),
    )


def _mark(workload: str, deployment: Rendered) -> Rendered:
    """The Service of a worker: it leads nowhere, and marks by its selector which pods are live."""
    labels = deployment.manifest["spec"]["selector"]["matchLabels"]
    spec = {"clusterIP": "None", "selector": labels, "ports": []}
    return Rendered(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": workload}, "spec": spec}, deployment.place
    )


def of_content(manifest: Manifest) -> dict[str, Any]:
    """A ConfigMap or Secret under a name that ends with a hash of what is in it; it never changes."""
    metadata, content = manifest["metadata"], content_of(manifest)
    owner = f"{metadata.get('namespace', '')}/{metadata['name']}"
    ending = secret_digest(content, owner) if manifest["kind"] == "Secret" else digest(content)
    return {**manifest, "metadata": {**metadata, "name": f"{metadata['name'][:242]}-{ending}"}, "immutable": True}


def _mapping(node: object) -> Mapping[str, Any]:
    return node if isinstance(node, Mapping) else {}


def _renamed(node: object, copies: Mapping[tuple[str, str], str], used: set[str]) -> None:
    """Changes the names of configuration in a pod's spec to those of the copies."""
    if isinstance(node, list):
        for item in node:
            _renamed(item, copies, used)
        return
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        for kind, fields in REFERENCES.items():
            if key in fields and isinstance(value, dict):
                _rename(value, "name", kind, copies, used)
        if key == "secret" and isinstance(value, dict):  # a volume, or a part of a projected one
            _rename(value, "secretName", "Secret", copies, used)
            _rename(value, "name", "Secret", copies, used)
        _renamed(value, copies, used)


def _rename(node: dict[str, Any], field: str, kind: str, copies: Mapping[tuple[str, str], str], used: set[str]) -> None:
    copy = copies.get((kind, str(node.get(field))))
    if copy:
        node[field] = copy
        used.add(f"{kind}/{copy}")
