"""A workload as its source defines it: the Deployment and the Service among the rendered objects, and all the others.

Rendered once, with placeholders where the image goes (`IMAGE`): what a chart or an overlay makes of the image's name
does not depend on which image it is, and a release can be told from the one before it without rendering again.
"""

import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from lightkube.models import apps_v1, autoscaling_v2, core_v1, policy_v1
from lightkube.models.meta_v1 import ObjectMeta

from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.model import CONTAINER, HELD, Manifest
from pulumi_slipway.settings.source import Source
from pulumi_slipway.source.content import content_of, digest, secret_digest

ARTICLES = "IMAGE_PLACEHOLDER"
"""What the article's manifests have in place of the image."""
REPOSITORY, TAG = "slipway.invalid/image", "0.0.0-slipway"
IMAGE = f"{REPOSITORY}:{TAG}"
"""What a chart is given as its image's repository and tag: no registry has it, and the tag is a version and a label."""

CLUSTER_WIDE_REFUSED = ("Namespace",)
OBJECT_LIMIT = 1 << 20
"""Bytes that Kubernetes takes of a ConfigMap or a Secret (its validation's MaxSecretSize)."""

REFERENCES = {"ConfigMap": ("configMap", "configMapRef", "configMapKeyRef"), "Secret": ("secretRef", "secretKeyRef")}
"""Fields of a pod template that name one: all have `name`; a volume of a Secret has `secretName`."""


class SourceError(UserError):
    """The source can't be used; the text says which object, in which file, and what to do."""


@dataclass(frozen=True)
class Rendered:
    """One object, and where it was written down."""

    manifest: Manifest
    place: str
    """For people: "k8s/web.yaml, document 2", "kustomization deploy/overlays/staging", "chart charts/web"."""

    @property
    def kind(self) -> str:
        """Its kind."""
        return str(self.manifest.get("kind"))

    @property
    def name(self) -> str:
        """Its name."""
        return str(self._metadata.get("name"))

    @property
    def title(self) -> str:
        """How it is called in a message."""
        return f"{self.kind} {self.name} ({self.place})"

    @property
    def hook(self) -> str | None:
        """What Helm would run it for; None where it is no hook."""
        found = (self._metadata.get("annotations") or {}).get("helm.sh/hook")
        return None if found is None else str(found)

    @property
    def _metadata(self) -> Manifest:
        metadata = self.manifest.get("metadata")
        return metadata if isinstance(metadata, Mapping) else {}


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
        annotations = {CONTAINER: self.container} | ({HELD: ",".join(sorted(used))} if used else {})
        metadata = template.setdefault("metadata", {})
        metadata["annotations"] = {**metadata.get("annotations", {}), **annotations}
        return template, {key: it for key, it in held.items() if key in used}


AUTOSCALER = "HorizontalPodAutoscaler"

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
        _typed(prefix, one)
    kept = _without_hooks(prefix, source, rendered)
    for one in kept:
        _check(prefix, one, namespace)
    _twice(prefix, kept)
    deployment = _found(prefix, "Deployment", workload, source.deployment, kept)
    service = _service(prefix, workload, source.service, kept, deployment)
    container = _container(prefix, workload, source.container, deployment, service)
    whole, additions = _with_defaults(deployment.manifest, service.manifest, container, pre_stop)
    others = tuple(one for one in kept if one not in (deployment, service))
    return Definition(whole, service.manifest, others, container, additions)


@dataclass
class _Other:
    """What all kinds have in common."""

    metadata: ObjectMeta | None = None


MODELS: Mapping[tuple[str, str], type] = {
    ("apps/v1", "Deployment"): apps_v1.Deployment,
    ("autoscaling/v2", AUTOSCALER): autoscaling_v2.HorizontalPodAutoscaler,
    ("policy/v1", "PodDisruptionBudget"): policy_v1.PodDisruptionBudget,
    ("v1", "ConfigMap"): core_v1.ConfigMap,
    ("v1", "Secret"): core_v1.Secret,
    ("v1", "Service"): core_v1.Service,
}
"""What is read here, field by field; the API server looks at all others."""
QUANTITIES = ("sizeLimit", "divisor")
"""Fields that Kubernetes takes as a number, too, and its description calls a text."""


def _typed(prefix: str, one: Rendered) -> None:
    """Refuses a field of another type than Kubernetes has it, or a missing one; it says where, and no value."""
    try:
        msgspec.convert(one.manifest, MODELS.get((str(one.manifest.get("apiVersion")), one.kind), _Other))
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at ")
        if not path.rstrip("`").endswith(QUANTITIES):
            field = path.strip("`").removeprefix("$.") or "it"
            raise SourceError(f"{prefix}{one.title}: {field}: {what[:1].lower()}{what[1:]}") from None
    if one.kind in REFERENCES:  # their models say nothing of the values
        for part in ("data", "stringData"):
            for key, value in (one.manifest.get(part) or {}).items():
                if value is not None and not isinstance(value, str):
                    raise SourceError(f"{prefix}{one.title}: {part}.{key}: must be a text: write it in quotes")


def filled(node: Any, image: str) -> Any:  # noqa: ANN401  any value of a manifest
    """The same with the image in the place of every placeholder."""
    if isinstance(node, Mapping):
        return {key: filled(value, image) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [filled(value, image) for value in node]
    if not isinstance(node, str) or not any(mark in node for mark in (ARTICLES, REPOSITORY, TAG)):
        return node
    repository, _, told = image.partition("@")
    short = told.removeprefix("sha256:")[:12] or repository.rpartition(":")[2]
    whole = re.sub(re.escape(IMAGE) + r"(@sha256:[0-9a-f]{64})?", image, node).replace(ARTICLES, image)
    return whole.replace(REPOSITORY, repository).replace(TAG, short)


def readable(manifest: Manifest) -> Manifest:
    """A Secret with its `stringData`, which is only written, as the `data` that it is read as; others as they are."""
    if manifest.get("kind") != "Secret" or not manifest.get("stringData"):
        return manifest
    written = {key: base64.b64encode(str(it).encode()).decode() for key, it in manifest["stringData"].items()}
    bare = {key: it for key, it in manifest.items() if key != "stringData"}
    return {**bare, "data": {**(manifest.get("data") or {}), **written}}


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


def _check(prefix: str, one: Rendered, namespace: str) -> None:
    metadata = one.manifest.get("metadata")
    if not isinstance(metadata, Mapping) or not metadata.get("name"):
        raise SourceError(f"{prefix}{one.kind} without metadata.name ({one.place}): give it one")
    if one.kind in CLUSTER_WIDE_REFUSED:
        raise SourceError(
            f"{prefix}{one.title}: the environment's namespace is made by the access stack: remove it from the source"
        )
    given = metadata.get("namespace")
    if given not in (None, "", namespace):
        raise SourceError(
            f"{prefix}{one.title} is for namespace {given}, this environment's is {namespace}: remove its "
            "metadata.namespace"
        )
    if one.kind in REFERENCES:
        size = sum(len(str(value)) for part in ("data", "binaryData", "stringData")
                   for value in (one.manifest.get(part) or {}).values())  # fmt: skip
        if size > OBJECT_LIMIT:
            raise SourceError(
                f"{prefix}{one.title} holds {size / 2**20:.1f} MiB, Kubernetes takes 1 MiB: put large files into "
                "the image or a volume"
            )
    if one.kind == "Deployment":
        _check_deployment(prefix, one)


def _check_deployment(prefix: str, one: Rendered) -> None:
    version = one.manifest.get("apiVersion")
    if version != "apps/v1":
        raise SourceError(f"{prefix}{one.title} has apiVersion {version}: Kubernetes has Deployments in apps/v1")
    spec = one.manifest.get("spec") or {}
    labels = (spec.get("selector") or {}).get("matchLabels")
    template = spec.get("template") or {}
    containers = (template.get("spec") or {}).get("containers")
    if not labels or (spec.get("selector") or {}).get("matchExpressions"):
        raise SourceError(f"{prefix}{one.title} must select its pods by spec.selector.matchLabels, and by nothing else")
    if not labels.items() <= ((template.get("metadata") or {}).get("labels") or {}).items():
        raise SourceError(f"{prefix}{one.title}: the labels of spec.selector.matchLabels are not on its pod template")
    if not isinstance(containers, list) or not all(isinstance(it, Mapping) and it.get("name") for it in containers):
        raise SourceError(f"{prefix}{one.title} has no containers with names in spec.template.spec.containers")


def _twice(prefix: str, rendered: Iterable[Rendered]) -> None:
    seen: dict[tuple[str, str], Rendered] = {}
    for one in rendered:
        group = str(one.manifest.get("apiVersion", "")).rpartition("/")[0]
        first = seen.setdefault((f"{group}/{one.kind}", one.name), one)
        if first is not one:
            raise SourceError(f"{prefix}{one.kind} {one.name} is there twice: {first.place} and {one.place}")


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
