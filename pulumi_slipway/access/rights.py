"""What the accounts of an environment may do, as RBAC rules; all else is refused by the API server."""

from collections.abc import Sequence
from dataclasses import dataclass

from pulumi_slipway.cluster.rights import READ, WRITE
from pulumi_slipway.core.keys import LEFT
from pulumi_slipway.core.model import TrackName
from pulumi_slipway.release import ledger

ALL = (*READ, *WRITE)


@dataclass(frozen=True)
class Rule:
    """One RBAC rule: these verbs on these resources of these API groups, of these names only where some are given."""

    groups: Sequence[str]
    resources: Sequence[str]
    verbs: Sequence[str]
    names: Sequence[str] = ()


def deploy(namespace: str | None, kinds: Sequence[str] = ()) -> list[Rule]:
    """The deploy account's rules; with no namespace those of the cluster-wide role. `kinds` are the user's own."""
    return [
        # The article's rule, to the letter.
        Rule(("", "apps", "extensions"), ("deployments", "services", "pods", "configmaps", "secrets"), ALL),
        # What a rollout is watched by. Without these reads the kubernetes provider hangs with no message (facts.md);
        # events and logs are the reasons that a failed release gives to people.
        Rule(("apps",), ("replicasets",), READ),
        Rule(("",), ("endpoints", "persistentvolumeclaims", "events", "pods/log"), READ),
        Rule(("discovery.k8s.io",), ("endpointslices",), READ),
        # The rest of what a workload consists of here: its budget, its autoscaler, its way in and its fence.
        Rule(("policy",), ("poddisruptionbudgets",), ALL),
        Rule(("autoscaling",), ("horizontalpodautoscalers",), ALL),
        Rule(("networking.k8s.io",), ("ingresses", "networkpolicies"), ALL),
        # Checks of a release: a GET of its pods through the API server, and Jobs beside it (docs/adr/0009).
        Rule(("",), ("services/proxy", "pods/proxy"), ("get",)),
        Rule(("batch",), ("jobs",), (*READ, "create", "delete")),
        # What all pods may take together: the policy check.
        Rule(("",), ("resourcequotas",), READ),
        *_also(kinds, ALL),
        _own_namespace(namespace),
    ]


def preview(namespace: str, kinds: Sequence[str] = ()) -> list[Rule]:
    """The read-only account's rules: what a preview compares with.

    No secrets; no logs and no way to the pods, which may show some; no checks, which a preview does not run.
    """
    return [
        Rule(("", "apps", "extensions"), ("deployments", "services", "pods", "configmaps"), READ),
        Rule(("apps",), ("replicasets",), READ),
        Rule(("",), ("endpoints", "persistentvolumeclaims", "events"), READ),
        Rule(("discovery.k8s.io",), ("endpointslices",), READ),
        Rule(("policy",), ("poddisruptionbudgets",), READ),
        Rule(("autoscaling",), ("horizontalpodautoscalers",), READ),
        Rule(("networking.k8s.io",), ("ingresses", "networkpolicies"), READ),
        Rule(("",), ("resourcequotas",), READ),
        *_also(kinds, READ),
        _own_namespace(namespace),
    ]


def ledgers(source: str, workloads: Sequence[str]) -> list[Rule]:
    """What promotion reads in the environment that it promotes from (`source`): of these workloads alone, if any."""
    if not workloads:
        return [Rule(("",), ("configmaps",), READ)]
    books = [f"{LEFT}{source}", *map(ledger.name, workloads)]
    tracks = [workload + track.suffix for workload in workloads for track in TrackName]
    return [Rule(("",), ("configmaps",), ("get",), books), Rule(("apps",), ("deployments",), ("get",), tracks)]


def _also(kinds: Sequence[str], verbs: Sequence[str]) -> list[Rule]:
    named = [kind.partition(".") for kind in kinds]
    return [Rule((group,), (resource,), verbs) for resource, _, group in named]


def _own_namespace(namespace: str | None) -> Rule:
    """So that the preflight can tell a missing namespace from a missing right."""
    return Rule(("",), ("namespaces",), ("get",), (namespace,) if namespace else ())
