"""An environment: its workloads, each with its release."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter

import pulumi
from lightkube import Client

from components.provider import kubernetes_provider
from components.source import definition
from components.workload import Workload, WorkloadArgs
from errors import UserError
from preflight import cluster
from release import checks, manifests
from release.aim import NothingToDo
from release.manifests import Subject
from release.observe import Snapshot, snapshot
from release.prepare import Prepared, prepare
from settings import Action, Run
from settings import Environment as EnvironmentSettings
from settings import Workload as WorkloadSettings


@dataclass
class EnvironmentArgs:
    """What an Environment is made of."""

    settings: EnvironmentSettings
    workloads: Mapping[str, WorkloadSettings]
    run: Run


class Environment(pulumi.ComponentResource):
    """The workloads of one namespace. Everything is asked and planned before the first resource is declared.

    Raises UserError where the cluster, a right, an image or a value is missing: nothing is written then.
    """

    def __init__(self, name: str, args: EnvironmentArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:index:Environment", name, None, opts)
        namespace, preview = args.settings.namespace, pulumi.runtime.is_dry_run()
        provider = kubernetes_provider(f"{name}-kubernetes", pulumi.ResourceOptions(parent=self))
        subjects = {
            key: Subject.of(key, args.settings, workload, definition(key, workload, namespace, provider))
            for key, workload in args.workloads.items()
        }
        client = cluster.connect()
        exists = cluster.check(client, namespace, needed_rights(subjects.values(), preview=preview))
        if not exists and not preview:
            raise cluster.PreflightError(
                f"namespace {namespace} does not exist: run `pulumi up` on the access stack, which makes it"
            )
        if not exists:
            pulumi.log.warn(f"namespace {namespace} does not exist yet: this preview shows everything as new", self)
        with cluster.telling(client):
            found = snapshot(client, namespace) if exists else None
            prepared = _prepared(client, subjects, args.run, found, preview=preview)
        below = pulumi.ResourceOptions(parent=self, provider=provider)
        self.workloads: dict[str, Workload] = {}
        for key in TopologicalSorter({key: it.depends_on for key, it in args.workloads.items()}).static_order():
            after = [self.workloads[other].committed for other in args.workloads[key].depends_on]
            self.workloads[key] = Workload(key, WorkloadArgs(prepared=prepared[key], client=client, after=after), below)
        self.summary = {key: workload.summary for key, workload in self.workloads.items()}
        self.register_outputs({"workloads": self.summary})


def _prepared(
    client: Client, subjects: Mapping[str, Subject], run: Run, found: Snapshot | None, *, preview: bool
) -> dict[str, Prepared]:
    """Every workload with its plan. Where an action is for some of them only, the others are held as they are."""
    prepared: dict[str, Prepared] = {}
    idle: dict[str, NothingToDo] = {}
    for key, subject in subjects.items():
        try:
            prepared[key] = prepare(client, subject, run, found, preview=preview, warn=pulumi.log.warn)
        except NothingToDo as error:
            idle[key] = error
    if idle and not prepared:
        raise UserError("\n".join(map(str, idle.values())))
    held = replace(run, action=Action.SETTLE)
    for key, why in idle.items():
        pulumi.log.info(str(why))
        prepared[key] = prepare(client, subjects[key], held, found, preview=preview, warn=pulumi.log.warn)
    return prepared


OPTIONAL = {
    "poddisruptionbudgets.policy": manifests.disruption_budget,
    "horizontalpodautoscalers.autoscaling": manifests.autoscaler,
    "ingresses.networking.k8s.io": manifests.ingress,
    "networkpolicies.networking.k8s.io": manifests.network_policy,
}
"""What only some workloads have, and what makes it."""


def needed_rights(subjects: Iterable[Subject], *, preview: bool) -> list[cluster.Right]:
    """What the identity must be allowed for these workloads; a preview only reads, and no Secrets.

    What no workload has is only looked for (release/observe.py): a role that leaves it out otherwise is wide enough.
    """
    subjects = tuple(subjects)
    used = ["deployments.apps", "services", "configmaps"]
    used += [kind for kind, make in OPTIONAL.items() if any(map(make, subjects))]
    looked_for = cluster.rights(("list",), *(kind for kind in OPTIONAL if kind not in used))
    if preview:
        return cluster.rights(cluster.READ, *used) + looked_for
    if any(subject.workload.secret_env for subject in subjects):
        used.append("secrets")
    # Why a release does not come up; where a Service sends to, in a change of strategy too.
    needed = {("list", "pods"), ("list", "endpointslices.discovery.k8s.io")}
    for subject in subjects:
        needed |= checks.rights(subject.workload.release_checks, service=bool(subject.workload.strategy.blue_green))
    watched = [right for verb, kind in sorted(needed) for right in cluster.rights((verb,), kind)]
    return cluster.rights((*cluster.READ, *cluster.WRITE), *used) + looked_for + watched
