"""An environment: its workloads, each with its release."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter

import pulumi

from components.before import Ledgers, apart, kinds_brought, ledgers_before, needed_rights, policed
from components.before_write import BeforeWrite
from components.provider import kubernetes_provider
from components.source import definition
from components.workload import Workload, WorkloadArgs
from errors import UserError
from preflight import cluster
from release.aim import NothingToDo
from release.kinds import Kinds
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
        apart(subjects.values())
        client = cluster.connect()
        kinds = Kinds(client)
        with cluster.telling(client):
            brought = cluster.again(lambda: kinds_brought(kinds, subjects.values()))
        exists = cluster.check(client, namespace, needed_rights(subjects.values(), preview=preview, brought=brought))
        if not exists and not preview:
            raise cluster.PreflightError(
                f"namespace {namespace} does not exist: run `pulumi up` on the access stack, which makes it"
            )
        if not exists:
            pulumi.log.warn(f"namespace {namespace} does not exist yet: this preview shows everything as new", self)
        with cluster.telling(client):
            found = cluster.again(lambda: snapshot(client, namespace)) if exists else None
            offered = ledgers_before(client, args.settings)
            prepared = _prepared(kinds, subjects, args.run, found, offered, preview=preview)
            for warning in policed(client, args.settings, prepared.values(), exists=exists):
                pulumi.log.warn(warning, self)
        below = pulumi.ResourceOptions(parent=self, provider=provider)
        before_write = BeforeWrite()
        self.workloads: dict[str, Workload] = {}
        sorted_keys = TopologicalSorter({key: it.depends_on for key, it in args.workloads.items()}).static_order()
        order = [key for key in sorted_keys if key in prepared]
        for place, key in enumerate(order):
            first = [other for other in args.workloads[key].depends_on if other in prepared]
            after = [self.workloads[other].committed for other in first]
            dependents = _dependents(key, order[place:], args.workloads)
            made = WorkloadArgs(prepared[key], client, before_write, after, dependents)
            self.workloads[key] = Workload(key, made, below)
        self.summary = {key: workload.summary for key, workload in self.workloads.items()}
        self.register_outputs({"workloads": self.summary})


def _dependents(key: str, later: Sequence[str], workloads: Mapping[str, WorkloadSettings]) -> list[str]:
    """Of the later ones those that depend on this one, by way of others too."""
    found = {key}
    for other in later:
        if found & {*workloads[other].depends_on}:
            found.add(other)
    return [other for other in later if other in found and other != key]


def _prepared(
    kinds: Kinds,
    subjects: Mapping[str, Subject],
    run: Run,
    found: Snapshot | None,
    offered: Ledgers | None,
    *,
    preview: bool,
) -> dict[str, Prepared]:
    """Every workload with its plan. Where an action is for some of them only, the others are held as they are.

    One that was never deployed is left out of a run that deploys nothing.
    """
    prepared: dict[str, Prepared] = {}
    idle: dict[str, NothingToDo] = {}

    def one(key: str, run: Run) -> Prepared:
        before = None if offered is None else offered(key)
        return prepare(
            kinds.client,
            subjects[key],
            run,
            found,
            preview=preview,
            warn=pulumi.log.warn,
            offered=before,
            tell=pulumi.log.info,
            kinds=kinds,
        )

    held = replace(run, action=Action.SETTLE)
    for key in subjects:
        try:
            prepared[key] = one(key, held if run.only and key not in run.only else run)
        except NothingToDo as error:
            idle[key] = error
    if idle and set(idle) >= (run.only or set(subjects)) and run.action is not Action.SETTLE:
        raise UserError("\n".join(map(str, idle.values())))
    for key, why in idle.items():
        pulumi.log.info(str(why))
        with suppress(NothingToDo):
            prepared[key] = one(key, held)
    return prepared
