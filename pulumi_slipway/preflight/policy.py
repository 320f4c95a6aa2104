"""What objects must not have, looked at before anything is written: a pure function of the rendered objects.

Inside the program, and no Pulumi policy pack: one needs an analyzer plugin beside the engine, and an organisation's
service to be required of everyone; this one is in the same place as what it guards (docs/adr/0024).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.model import Manifest
from pulumi_slipway.settings.environment import Policy
from pulumi_slipway.settings.types import amount


class PolicyDenied(UserError):
    """Something has what the policy denies; the text has one line each."""


@dataclass(frozen=True)
class Finding:
    """One thing that a rule is about."""

    rule: str
    """Name of the setting: `mutableTag`, `resources` …"""
    text: str


def enforce(policy: Policy, findings: Iterable[Finding]) -> list[str]:
    """The warnings; raises PolicyDenied with all that is denied."""
    levels = policy.model_dump(by_alias=True)
    lines = [(levels[it.rule], f"slipway:environment.policy.{it.rule}: {it.text}") for it in findings]
    denied = [text for level, text in lines if level == "deny"]
    if denied:
        raise PolicyDenied("\n".join(denied))
    return [text for level, text in lines if level == "warn"]


def look(workload: str, objects: Sequence[Manifest], served: Manifest | None = None) -> Iterator[Finding]:
    """What the rules find in a workload's objects; `served` is the one whose pods a Service sends to."""
    for manifest in objects:
        spec = pod_spec(manifest)
        if spec is not None:
            place = f"workload {workload}: {manifest.get('kind')} {manifest['metadata']['name']}"
            yield from _pod(place, spec, probed=manifest is served)


def over_quota(used: Sequence[tuple[Manifest, int]], quotas: Iterable[Manifest]) -> Iterator[Finding]:
    """Where all pods together are more than a ResourceQuota allows; `used`: pod specs and how many of each."""
    totals: dict[str, Decimal] = {"pods": Decimal(sum(count for _, count in used))}
    for spec, count in used:
        for container in spec.get("containers", []):
            for part, values in (container.get("resources") or {}).items():
                for what, value in (values or {}).items():
                    key = f"{part}.{what}"
                    totals[key] = totals.get(key, Decimal(0)) + amount(str(value)) * count
    for quota in quotas:
        for key, hard in (quota.get("spec", {}).get("hard") or {}).items():
            names = (key, f"requests.{key}") if key in ("cpu", "memory") else (key,)
            most = max((totals.get(name, Decimal(0)) for name in names), default=Decimal(0))
            if most > amount(str(hard)):
                yield Finding(
                    "quota",
                    f"all workloads together need {key} {most.normalize():f}, ResourceQuota "
                    f"{quota['metadata']['name']} allows {hard}: pods beyond it would never come up",
                )


def pod_spec(manifest: Manifest) -> Manifest | None:
    """The spec of the pods that an object makes; None where it makes none."""
    spec = manifest.get("spec") or {}
    match manifest.get("kind"):
        case "Pod":
            return spec
        case "CronJob":
            spec = (spec.get("jobTemplate") or {}).get("spec") or {}
        case "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job":
            pass
        case _:
            return None
    found: Manifest | None = (spec.get("template") or {}).get("spec")
    return found


def _pod(place: str, spec: Manifest, *, probed: bool) -> Iterator[Finding]:
    shared = [name for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    if shared:
        yield Finding("privileged", f"{place} has {', '.join(shared)}: remove it")
    for volume in spec.get("volumes") or []:
        if "hostPath" in volume:
            yield Finding(
                "hostPath", f"{place} mounts {volume['hostPath'].get('path')} of the node: use another volume"
            )
    for container in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]:
        yield from _container(f"{place}, container {container.get('name')}", container)
    if probed and not any("readinessProbe" in it for it in spec.get("containers") or []):
        yield Finding("probe", f"{place} has no readinessProbe: a pod that starts would get requests")


def _container(place: str, container: Mapping[str, object]) -> Iterator[Finding]:
    image = str(container.get("image", ""))
    if "@sha256:" not in image:
        yield Finding("mutableTag", f"{place} has image {image}: name it by its digest")
    security = container.get("securityContext") or {}
    if isinstance(security, Mapping) and security.get("privileged"):
        yield Finding("privileged", f"{place} is privileged: remove it")
    resources = container.get("resources") or {}
    if isinstance(resources, Mapping):
        missing = [part for part in ("requests", "limits") if not resources.get(part)]
        if missing:
            yield Finding(
                "resources", f"{place} has no {' and no '.join(missing)}: the scheduler guesses, and may evict"
            )
