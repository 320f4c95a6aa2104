"""What the objects of a source must be like before anything is made of them; each rule raises SourceError."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec
from lightkube.models import apps_v1, autoscaling_v2, core_v1, networking_v1, policy_v1
from lightkube.models.meta_v1 import ObjectMeta

from pulumi_slipway.source.rendered import AUTOSCALER, REFERENCES, Rendered, SourceError

CLUSTER_WIDE_REFUSED = ("Namespace",)
OBJECT_LIMIT = 1 << 20
"""Bytes that Kubernetes takes of a ConfigMap or a Secret (its validation's MaxSecretSize)."""


@dataclass
class _Other:
    """What all kinds have in common."""

    metadata: ObjectMeta | None = None


MODELS: Mapping[tuple[str, str], type] = {
    ("apps/v1", "Deployment"): apps_v1.Deployment,
    ("autoscaling/v2", AUTOSCALER): autoscaling_v2.HorizontalPodAutoscaler,
    ("networking.k8s.io/v1", "NetworkPolicy"): networking_v1.NetworkPolicy,
    ("policy/v1", "PodDisruptionBudget"): policy_v1.PodDisruptionBudget,
    ("v1", "ConfigMap"): core_v1.ConfigMap,
    ("v1", "Secret"): core_v1.Secret,
    ("v1", "Service"): core_v1.Service,
}
"""What is read here, field by field; the API server looks at all others."""
QUANTITIES = ("sizeLimit", "divisor")
"""Fields that Kubernetes takes as a number, too, and its description calls a text."""


def refuse_types(prefix: str, one: Rendered) -> None:
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


def refuse_place(prefix: str, one: Rendered, namespace: str) -> None:
    """Refuses an object without a name, of another namespace, or too large; and a Deployment that can't be one."""
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


def refuse_twice(prefix: str, rendered: Iterable[Rendered]) -> None:
    """Refuses two objects of one kind and name."""
    seen: dict[tuple[str, str], Rendered] = {}
    for one in rendered:
        group = str(one.manifest.get("apiVersion", "")).rpartition("/")[0]
        first = seen.setdefault((f"{group}/{one.kind}", one.name), one)
        if first is not one:
            raise SourceError(f"{prefix}{one.kind} {one.name} is there twice: {first.place} and {one.place}")
