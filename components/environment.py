"""An environment: its workloads, each with its release."""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter

import pulumi
from lightkube import Client

from pulumi_slipway.cluster import client as cluster
from pulumi_slipway.cluster.kinds import Kinds
from pulumi_slipway.cluster.retry import briefly
from pulumi_slipway.components.before_write import BeforeWrite
from pulumi_slipway.components.log import Log
from pulumi_slipway.components.provider import kubernetes_provider
from pulumi_slipway.components.prune import contents, leftovers
from pulumi_slipway.components.source import definition
from pulumi_slipway.components.workload import Workload, WorkloadArgs
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.goal import NothingToDo
from pulumi_slipway.core.keys import STACK
from pulumi_slipway.core.model import TrackName
from pulumi_slipway.preflight.environment import (
    Ledgers,
    kinds_brought,
    ledgers_before,
    needed_rights,
    policy_warnings,
    refuse_shared_pods,
)
from pulumi_slipway.release import ledger
from pulumi_slipway.release.image import ImageUnresolved
from pulumi_slipway.release.manifests import Subject
from pulumi_slipway.release.observe import Snapshot, deployed, leaving, snapshot
from pulumi_slipway.release.prepare import Prepared, prepare
from pulumi_slipway.settings import Action, Run
from pulumi_slipway.settings import Environment as EnvironmentSettings
from pulumi_slipway.settings import Workload as WorkloadSettings
from pulumi_slipway.source.rendered import SourceError

LEAVING_SECONDS = 120
"""Longer than most pods take to stop."""


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
        namespace, preview, log = args.settings.namespace, pulumi.runtime.is_dry_run(), Log(self)
        client = cluster.connect()
        cluster.check(client, namespace, ())  # the provider would wait a minute for a silent one
        provider = kubernetes_provider(f"{name}-kubernetes", pulumi.ResourceOptions(parent=self))
        subjects = _subjects(args, provider)
        refuse_shared_pods(subjects.values())
        kinds = Kinds(client)
        with cluster.as_preflight_error(client):
            brought = briefly(lambda: kinds_brought(kinds, subjects.values()))
        exists = cluster.check(client, namespace, needed_rights(subjects.values(), preview=preview, brought=brought))
        if not exists and not preview:
            raise cluster.PreflightError(
                f"namespace {namespace} does not exist: run `pulumi up` on the access stack, which makes it"
            )
        if not exists:
            log.warn(f"namespace {namespace} does not exist yet: this preview shows everything as new")
        before_write = BeforeWrite()
        with cluster.as_preflight_error(client):
            found = _settled(client, args.settings, log) if exists else None
            there = deployed(found or {}, args.settings.name)
            others = _of_other_stacks(there, found or {})
            _refuse_to_adopt(subjects, others, args)
            for line in _gone(there - set(subjects) - set(others), args.settings, before_write):
                log.warn(line)
            held = briefly(lambda: contents(client, found, args.settings)) if found else []
            offered = ledgers_before(client, args.settings)
            prepared = _prepared(kinds, subjects, args.run, found, offered, log=log, preview=preview)
            for warning in policy_warnings(client, args.settings, prepared.values(), exists=exists):
                log.warn(warning)
        below = pulumi.ResourceOptions(parent=self, provider=provider)
        self.workloads: dict[str, Workload] = {}
        sorted_keys = TopologicalSorter({key: it.depends_on for key, it in args.workloads.items()}).static_order()
        order = [key for key in sorted_keys if key in prepared]
        for place, key in enumerate(order):
            first = [other for other in args.workloads[key].depends_on if other in prepared]
            after = [self.workloads[other].committed for other in first]
            dependents = _dependents(key, order[place:], args.workloads)
            unwanted = leftovers(prepared[key], held, before_write.state)
            made = WorkloadArgs(prepared[key], client, before_write, after, dependents, unwanted)
            self.workloads[key] = Workload(key, made, below)
        self.summary = {key: workload.summary for key, workload in self.workloads.items()}
        self.register_outputs({"workloads": self.summary})


def _subjects(args: EnvironmentArgs, provider: pulumi.ProviderResource) -> dict[str, Subject]:
    """The workloads with what their sources define; raises UserError with what is wrong in any of them."""
    subjects: dict[str, Subject] = {}
    mistakes: list[str] = []
    for key, workload in args.workloads.items():
        try:
            source = definition(key, workload, args.settings.namespace, provider)
        except SourceError as error:
            mistakes.append(str(error))
        else:
            subjects[key] = Subject.of(key, args.settings, workload, source)
    if mistakes:
        raise UserError("\n".join(mistakes))
    return subjects


def _settled(client: Client, settings: EnvironmentSettings, log: Log) -> Snapshot:
    """What is in the namespace, once nothing of ours there is on its way out: what is made beside it would go, too."""
    until, told = time.monotonic() + LEAVING_SECONDS, False
    while True:
        found = briefly(lambda: snapshot(client, settings.namespace))
        left = leaving(found, settings.name)
        if not left:
            return found
        if pulumi.runtime.is_dry_run():
            return {
                kind: {n: it for n, it in all_.items() if f"{kind} {n}" not in left} for kind, all_ in found.items()
            }
        if time.monotonic() > until:
            raise UserError(
                f"{', '.join(left)}: being deleted, still after {LEAVING_SECONDS} s: run again when it is gone"
            )
        if not told:
            log.info(f"{', '.join(left)}: being deleted, and waited for")
        told = True
        time.sleep(0.5)


def _of_other_stacks(workloads: Collection[str], found: Snapshot) -> dict[str, str]:
    """The workloads that another stack of this environment has deployed, and which."""
    own = f"{pulumi.get_project()}/{pulumi.get_stack()}"
    ledgers = {name: found["ConfigMap"].get(ledger.name(name), {}) for name in workloads}
    stacks = {name: it.get("metadata", {}).get("annotations", {}).get(STACK, own) for name, it in ledgers.items()}
    return {name: stack for name, stack in stacks.items() if stack != own}


def _refuse_to_adopt(workloads: Collection[str], others: Mapping[str, str], args: EnvironmentArgs) -> None:
    """Two stacks must not have one workload: a destroy of either deletes it. Raises UserError."""
    mistakes = [
        f"workload {name} in {args.settings.namespace} belongs to stack {others[name]}: give it another name here, or "
        f"take it over with SLIPWAY_TAKE_OVER={others[name]} and `pulumi state delete` it there"
        for name in sorted(workloads)
        if name in others and others[name] != args.run.take_over
    ]
    if mistakes:
        raise UserError("\n".join(mistakes))


def _gone(workloads: Collection[str], settings: EnvironmentSettings, before_write: BeforeWrite) -> Iterator[str]:
    """What becomes of workloads that the stack file does not have; raises UserError where nobody has said so."""
    unsaid = []
    for name in sorted(workloads):
        tracks = ({"namespace": settings.namespace, "name": f"{name}{track.suffix}"} for track in TrackName)
        if not any(before_write.state.holds("Deployment", track) for track in tracks):
            yield (
                f"{name} is neither in the stack file nor in the stack's state: it is left as it is; to delete it: "
                f"kubectl -n {settings.namespace} delete all,configmaps,secrets -l app.kubernetes.io/instance={name}"
            )
        elif name in settings.remove:
            yield f"{name} is in slipway:environment.remove: what this stack has made of it is deleted"
        else:
            unsaid.append(
                f"workload {name} runs in {settings.namespace} and is not in the stack file: put it back, or have it "
                f"deleted by `slipway:environment: {{remove: [{name}]}}`"
            )
    if unsaid:
        raise UserError("\n".join(unsaid))


def _not_ready(
    asked: Collection[str], subjects: Mapping[str, Subject], prepared: Mapping[str, Prepared]
) -> list[UserError]:
    """What the workloads of this run depend on, is left out of it, and never was Healthy."""
    return [
        UserError(
            f"workload {key} depends on {other}, which has no Healthy release, and this run leaves it as it is: name "
            "it in SLIPWAY_WORKLOADS too"
        )
        for key in subjects
        for other in subjects[key].workload.depends_on
        if key in asked and other not in asked
        if other not in prepared or prepared[other].world.observed.committed is None
    ]


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
    log: Log,
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
            warn=log.warn,
            offered=before,
            tell=log.info,
            kinds=kinds,
        )

    held, asked = replace(run, action=Action.SETTLE), run.only or set(subjects)
    mistakes: list[UserError] = []
    for key in subjects:
        try:
            prepared[key] = one(key, run if key in asked else held)
        except NothingToDo as error:
            if key in asked:
                idle[key] = error
            else:
                log.info(f"{key}: not deployed yet, and this run is for others")
        except ImageUnresolved:  # a registry that does not answer is waited for once, not for each workload
            raise
        except UserError as error:
            mistakes.append(error)
    if run.only and run.action is Action.DEPLOY:
        mistakes += _not_ready(asked, subjects, prepared)
    if not mistakes and set(idle) >= asked and run.action is not Action.SETTLE:
        mistakes = [*idle.values()]
    if mistakes:
        raise UserError("\n".join(map(str, mistakes)))
    for key, why in idle.items():
        log.info(str(why))
        with suppress(NothingToDo):
            prepared[key] = one(key, held)
    return prepared
