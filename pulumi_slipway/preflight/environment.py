"""What an environment asks of the cluster before its first resource is declared; no Pulumi in it."""

from collections.abc import Iterable, Sequence

from lightkube import ApiError, Client
from lightkube.resources.core_v1 import ResourceQuota

from pulumi_slipway.cluster.kinds import Kinds
from pulumi_slipway.cluster.rights import READ, WRITE, Right, rights
from pulumi_slipway.core.keys import JOBS, LEFT
from pulumi_slipway.core.model import Manifest
from pulumi_slipway.preflight import policy
from pulumi_slipway.release import checks, manifests
from pulumi_slipway.release.manifests import Subject
from pulumi_slipway.release.observe import SUFFIXES
from pulumi_slipway.release.prepare import Prepared
from pulumi_slipway.settings import Environment as EnvironmentSettings
from pulumi_slipway.source.rendered import Rendered, SourceError

OPTIONAL = {
    "poddisruptionbudgets.policy": "PodDisruptionBudget",
    "horizontalpodautoscalers.autoscaling": "HorizontalPodAutoscaler",
    "ingresses.networking.k8s.io": "Ingress",
    "networkpolicies.networking.k8s.io": "NetworkPolicy",
}
"""The kinds that only some workloads have, by what a role calls them."""


def kinds_brought(kinds: Kinds, subjects: Iterable[Subject]) -> list[str]:
    """The kinds that sources bring, as kubectl names them; a custom one that isn't there yet is left out."""
    found: set[str] = set()
    for subject in subjects:
        for other in subject.source.others if subject.source else ():
            kind = kinds.find(other.manifest)
            if kind is None and not _defined(subject, other):
                raise SourceError(
                    f"slipway:workloads.{subject.name}.source: {other.title}: the cluster has no kind "
                    f"{other.manifest['apiVersion']} {other.kind}: have its CustomResourceDefinition installed first"
                )
            if kind is not None and kind.namespaced:
                found.add(kind.plural + (f".{kind.group}" if kind.group else ""))
    return sorted(found)


def refuse_shared_pods(subjects: Iterable[Subject]) -> None:
    """Refuses two workloads whose selectors find each other's pods; raises SourceError."""
    seen: list[Subject] = []
    for subject in subjects:
        for other in seen:
            one, two = subject.selector.items(), other.selector.items()
            if (subject.source or other.source) and (one <= two or two <= one):
                raise SourceError(
                    f"slipway:workloads.{subject.name}.source: its Deployment selects the pods of workload "
                    f"{other.name} too ({', '.join(f'{key}={value}' for key, value in one)}): give it labels of its own"
                )
        seen.append(subject)


def refuse_shared_objects(subjects: Iterable[Subject]) -> None:
    """Refuses two workloads that make the same object: each run of one would undo the other's; raises SourceError."""
    makers: dict[tuple[str, str, str], Subject] = {}
    shared: dict[tuple[str, str], list[str]] = {}
    for subject in subjects:
        made = [("apps", "Deployment", subject.name), ("", "Service", subject.called("Service"))]
        for other in subject.source.others if subject.source else ():
            group, _, _ = str(other.manifest["apiVersion"]).rpartition("/")
            made.append((group, other.kind, other.name))
        for one in made:
            first = makers.setdefault(one, subject)
            if first is not subject and (first.source or subject.source):
                shared.setdefault((first.name, subject.name), []).append(f"{one[1]} {one[2]}")
    if shared:
        raise SourceError(
            "\n".join(
                f"slipway:workloads.{two}.source: makes the same objects as workload {one}: {', '.join(objects[:5])}"
                f"{' …' if len(objects) > 5 else ''}: give each workload files of its own, or make one workload of both"
                for (one, two), objects in shared.items()
            )
        )


def refuse_own_names(subjects: Sequence[Subject]) -> None:
    """Refuses a source's object that has the name of one that a run keeps for itself; raises SourceError.

    Else a source could write a workload's ledger, or be taken for a release.
    """
    own = {
        (kind, f"{subject.name}{suffix}"): f"workload {subject.name}'s own"
        for subject in subjects
        for kind, suffixes in SUFFIXES.items()
        for suffix in suffixes
        if suffix
    }
    for subject in subjects:
        for other in subject.source.others if subject.source else ():
            whose = own.get((other.kind, other.name))
            if other.kind == "ConfigMap" and (other.name.startswith(LEFT) or other.name == JOBS):
                whose = "Slipway's own"
            if whose:
                raise SourceError(
                    f"slipway:workloads.{subject.name}.source: {other.kind} {other.name} ({other.place}) has the name "
                    f"of {whose}: call it something else"
                )


def _defined(subject: Subject, other: Rendered) -> bool:
    """Whether the source itself brings the definition of a custom kind."""
    others = subject.source.others if subject.source else ()
    specs = [it.manifest.get("spec", {}) for it in others if it.kind == "CustomResourceDefinition"]
    group = str(other.manifest["apiVersion"]).partition("/")[0]
    return any(it.get("group") == group and it.get("names", {}).get("kind") == other.kind for it in specs)


def policy_warnings(
    client: Client, settings: EnvironmentSettings, prepared: Iterable[Prepared], *, exists: bool
) -> list[str]:
    """What the policy only warns of; raises PolicyDenied."""
    findings: list[policy.Finding] = []
    used: list[tuple[Manifest, int]] = []
    for one in prepared:
        serves = one.deployments.get(one.plan.live)  # none where it was deleted by hand, and this run only holds
        live = [{**serves, "kind": "Deployment"}] if serves else []
        extra = [other.wanted.manifest for other in one.extra_objects]
        served = live[0] if live and not one.subject.workload.worker else None
        findings += policy.look(one.subject.name, [*live, *extra], served=served)
        for manifest in (*live, *extra):
            if spec := policy.pod_spec(manifest):
                used.append((spec, int(manifest.get("spec", {}).get("replicas") or 1)))
    if exists and settings.policy.quota != "off":
        try:
            quotas = [it.to_dict() for it in client.list(ResourceQuota, namespace=settings.namespace)]
        except ApiError as error:
            if error.status.code != 403:
                raise
            quotas = []  # a role made by an earlier version: the API server still enforces it
        findings += policy.over_quota(used, quotas)
    return policy.enforce(settings.policy, findings)


def needed_rights(subjects: Iterable[Subject], *, preview: bool, brought: Sequence[str] = ()) -> list[Right]:
    """What the identity must be allowed for these workloads; a preview only reads, and no Secrets.

    What no workload has is only looked for (release/observe.py): a role that leaves it out otherwise is wide enough.
    """
    subjects = tuple(subjects)
    used = ["deployments.apps", "services", "configmaps"]
    used += [kind for kind in brought if kind not in used and not (preview and kind == "secrets")]
    used += [kind for kind, of in OPTIONAL.items() if kind not in used and any(map(manifests.OPTIONAL[of], subjects))]
    looked_for = rights(("list",), *(kind for kind in OPTIONAL if kind not in used))
    if preview:
        return rights(READ, *used) + looked_for
    if "secrets" not in used and any(subject.workload.secret_env for subject in subjects):
        used.append("secrets")
    # Why a release does not come up; where a Service sends to, in a change of strategy too.
    needed = {("list", "pods"), ("list", "endpointslices.discovery.k8s.io")}
    for subject in subjects:
        needed |= checks.rights(subject.workload.release_checks, service=bool(subject.workload.strategy.blue_green))
    watched = [right for verb, kind in sorted(needed) for right in rights((verb,), kind)]
    return rights((*READ, *WRITE), *used) + looked_for + watched
