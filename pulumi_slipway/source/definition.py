"""A workload as its source defines it: the Deployment and the Service among the rendered objects, and the others."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pulumi_slipway.core.keys import CONFIGS, CONTAINER
from pulumi_slipway.core.model import Manifest
from pulumi_slipway.settings.source import Source
from pulumi_slipway.source.content import content_of, digest, secret_digest
from pulumi_slipway.source.rendered import (
    ARTICLES,
    AUTOSCALER,
    REFERENCES,
    REPOSITORY,
    Rendered,
    SourceError,
    filled,
    readable,
)
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

    @property
    def selector(self) -> dict[str, str]:
        """The labels that find the workload's pods: the author's."""
        return dict(self.deployment["spec"]["selector"]["matchLabels"])

    @property
    def replicas(self) -> int:
        """The author's number of pods; Kubernetes' default is 1."""
        return int(self.deployment["spec"].get("replicas", 1))

    @property
    def progress_deadline(self) -> int | None:
        """The author's, in seconds; None where nothing is said of it."""
        said = self.deployment["spec"].get("progressDeadlineSeconds")
        return None if said is None else int(said)

    @property
    def port(self) -> int | str:
        """The first port of the Service, as the pods have it: its number, which alone the API server's proxy takes."""
        target = _target(self.service)
        containers = self.deployment["spec"]["template"]["spec"]["containers"]
        named: dict[object, int] = {
            port.get("name"): port["containerPort"] for it in containers for port in it.get("ports") or ()
        }
        return named.get(target, target)

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
        labels = self.deployment["spec"]["template"]["metadata"].get("labels", {})
        budgets = [it.manifest.get("spec") or {} for it in self.others if it.kind == "PodDisruptionBudget"]
        wanted = [(budget.get("selector") or {}).get("matchLabels") for budget in budgets]
        return any(one and one.items() <= labels.items() for one in wanted)

    def pod_template(self, image: str, secret: str | None) -> tuple[Manifest, dict[str, Manifest]]:
        """The template with this image, and the objects of one content that it takes its configuration from.

        A ConfigMap or Secret of the source that the pods refer to is copied under a name that its content gives: a
        change of it is a release, and a rollback gets back what it ran with. `secret` names one that is added as
        environment of the container.
        """
        template = json.loads(json.dumps(filled(self.deployment["spec"]["template"], image)))
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


def define(workload: str, source: Source, rendered: Sequence[Rendered], namespace: str, pre_stop: int) -> Definition:
    """Finds the Deployment and the Service, fills in the defaults of zero downtime; raises SourceError."""
    prefix = f"slipway:workloads.{workload}.source: "
    for one in rendered:
        refuse_types(prefix, one)
    kept = _without_hooks(prefix, source, rendered)
    for one in kept:
        refuse_place(prefix, one, namespace)
    refuse_twice(prefix, kept)
    deployment = _found(prefix, "Deployment", workload, source.deployment, kept)
    service = _service(prefix, workload, source.service, kept, deployment)
    container = _container(prefix, workload, source.container, deployment, service)
    whole, additions = _with_defaults(deployment.manifest, service.manifest, container, pre_stop)
    others = tuple(one for one in kept if one not in (deployment, service))
    return Definition(whole, service.manifest, others, container, additions)


def of_content(manifest: Manifest) -> dict[str, Any]:
    """A ConfigMap or Secret under a name that ends with a hash of what is in it; it never changes."""
    metadata, content = manifest["metadata"], content_of(manifest)
    owner = f"{metadata.get('namespace', '')}/{metadata['name']}"
    ending = secret_digest(content, owner) if manifest["kind"] == "Secret" else digest(content)
    return {**manifest, "metadata": {**metadata, "name": f"{metadata['name'][:242]}-{ending}"}, "immutable": True}


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


def _without_hooks(prefix: str, source: Source, rendered: Sequence[Rendered]) -> list[Rendered]:
    real = [one for one in rendered if one.hook is not None and not one.hook.startswith("test")]
    if real and source.helm and source.helm.hooks == "refuse":
        raise SourceError(
            f"{prefix}Helm hooks are not run here, and the chart has some: "
            + "; ".join(one.title for one in real)
            + ": turn them off by values, or leave them out with helm.hooks: skip"
        )
    return [one for one in rendered if one.hook is None]


def left_out(rendered: Iterable[Rendered]) -> list[str]:
    """The Helm hooks among the objects, by name: what a definition leaves out, so that it can be told."""
    return [one.title for one in rendered if one.hook is not None]


def _found(prefix: str, kind: str, workload: str, named: str | None, rendered: Iterable[Rendered]) -> Rendered:
    """The one named in the settings, else called as the workload, else the only one; else the candidates are listed."""
    there = {one.name: one for one in rendered if one.kind == kind}
    key = kind.lower()
    if named is not None and named not in there:
        raise SourceError(f"{prefix}{key} {named} is not among the objects; there are: {', '.join(there) or 'none'}")
    if named or workload in there:
        return there[named or workload]
    if len(there) == 1:
        return next(iter(there.values()))
    if not there:
        raise SourceError(f"{prefix}there is no {kind} among the objects: a workload is a Deployment behind a Service")
    raise SourceError(
        f"{prefix}there are {len(there)} {kind}s, none called {workload}: name the workload's with `{key}`: "
        + ", ".join(there)
    )


def _service(
    prefix: str, workload: str, named: str | None, rendered: Sequence[Rendered], deployment: Rendered
) -> Rendered:
    """The Service; a headless one beside it is not meant."""
    labels = deployment.manifest["spec"]["template"]["metadata"]["labels"]
    fitting = [
        one
        for one in rendered
        if one.kind != "Service"
        or (
            (one.manifest.get("spec") or {}).get("clusterIP") != "None"
            and ((one.manifest.get("spec") or {}).get("selector") or {"": ""}).items() <= labels.items()
        )
        or one.name == named
    ]
    found = _found(prefix, "Service", workload, named, fitting)
    spec = found.manifest.get("spec") or {}
    if not spec.get("ports"):
        raise SourceError(f"{prefix}{found.title} has no ports")
    if not (spec.get("selector") or {}) or not spec["selector"].items() <= labels.items():
        raise SourceError(f"{prefix}{found.title} does not select the pods of {deployment.title}")
    return found


def _container(prefix: str, workload: str, named: str | None, deployment: Rendered, service: Rendered) -> str:
    containers = {str(it["name"]): it for it in deployment.manifest["spec"]["template"]["spec"]["containers"]}
    marked = [name for name, it in containers.items() if _marked(it)]
    if named is not None and named not in containers:
        raise SourceError(f"{prefix}container {named} is not in {deployment.title}; there are: {', '.join(containers)}")
    if named:
        return named
    if marked:  # of several, the one that users reach: sidecars and helpers may be of the same image
        target = _target(service.manifest)
        serving = [name for name in marked if any(
            target in (it.get("name"), it["containerPort"]) for it in containers[name].get("ports") or ()
        )]  # fmt: skip
        return workload if workload in marked else (serving or marked)[0]
    if workload in containers or len(containers) == 1:
        return workload if workload in containers else next(iter(containers))
    raise SourceError(
        f"{prefix}{deployment.title} has {len(containers)} containers, none called {workload} and none with the image "
        f"{ARTICLES}: name the one that gets the image with `container`: {', '.join(containers)}"
    )


def _with_defaults(
    deployment: Manifest, service: Manifest, container: str, pre_stop: int
) -> tuple[Manifest, tuple[str, ...]]:
    """The Deployment with what loses no request, only where the author said nothing, and what was added."""
    whole = json.loads(json.dumps(deployment))
    spec, added = whole["spec"], []
    main = next(it for it in spec["template"]["spec"]["containers"] if it["name"] == container)
    if not _marked(main):
        main["image"] = ARTICLES
    target = _target(service)
    if "readinessProbe" not in main:
        main["readinessProbe"] = {"tcpSocket": {"port": target}, "periodSeconds": 2}
        added.append(f"readinessProbe: a TCP connection to port {target}, so that no request meets a pod that starts")
    if pre_stop and "lifecycle" not in main:
        main["lifecycle"] = {"preStop": {"sleep": {"seconds": pre_stop}}}
        added.append(f"preStop: {pre_stop} s, so that no request meets a pod that stops")
    if "strategy" not in spec:
        added.append("strategy: maxUnavailable 0, so that capacity never drops")
    return whole, tuple(added)


def _target(service: Manifest) -> int | str:
    """Where the Service's first port sends to, by number or name."""
    first = service["spec"]["ports"][0]
    target: int | str = first.get("targetPort", first["port"])
    return target


def _marked(container: Manifest) -> bool:
    return any(mark in str(container.get("image", "")) for mark in (ARTICLES, REPOSITORY))
