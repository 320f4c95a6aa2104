"""An environment: one namespace, and the workloads in it, each with its release."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from graphlib import TopologicalSorter
from typing import Any

import pulumi
from pydantic.alias_generators import to_camel

from pulumi_slipway.cluster import client as cluster
from pulumi_slipway.components import program
from pulumi_slipway.components.args import ApplicationArgs, Block, Texts
from pulumi_slipway.components.before_write import BeforeWrite
from pulumi_slipway.components.destroy_protection import DestroyProtection
from pulumi_slipway.components.inputs import UNKNOWN, Resolver
from pulumi_slipway.components.log import Log
from pulumi_slipway.components.planner import Planned, Planner
from pulumi_slipway.components.provider import kubernetes_provider
from pulumi_slipway.components.workload import Workload
from pulumi_slipway.core.action import IMAGE, variable
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.settings import Settings, parse
from pulumi_slipway.settings import Workload as WorkloadSettings
from pulumi_slipway.settings.load import refuse_another_cluster
from pulumi_slipway.settings.mistakes import SettingsError


@dataclass(kw_only=True)
class EnvironmentArgs:
    """Where workloads run, by the settings of a stack file's `slipway:environment`, and all or none of them."""

    name: str | None = None
    """A label on every object. Default: the name of the resource."""
    namespace: pulumi.Input[str] | None = None
    """It must exist; the access stack makes it. Default: `name`."""
    workloads: Mapping[str, ApplicationArgs] = field(default_factory=dict)
    """All workloads of the environment, planned together before the first is touched. One that runs and is not among
    them is refused, unless it is in `remove`. Or none: then each is a component of its own, with this one as its
    `environment`."""
    kubeconfig: pulumi.Input[str] | None = None
    """Content of a kubeconfig, or the path of one. Default: KUBECONFIG."""
    server: str | None = None
    """The API server: a kubeconfig of another is refused."""
    image_pull_secret: pulumi.Input[str] | None = None
    prometheus: pulumi.Input[str] | None = None
    """Address for checks, as the program reaches it."""
    promote_from: Block | None = None
    repositories: Sequence[pulumi.Input[str]] | None = None
    """Further repositories that images may be promoted from."""
    policy: Block | None = None
    freeze: Sequence[Block] | None = None
    """Times in which no release comes here."""
    windows: Sequence[Block] | None = None
    """The only times in which releases come here."""
    notices: Sequence[Block] | None = None
    """Who is told, by the jobs of the pipeline; a program that `pulumi up` runs by itself tells nobody."""
    labels: Texts | None = None
    remove: Sequence[str] | None = None
    """Workloads that were taken out of `workloads` to be deleted."""
    allow_destroy: bool | None = None
    """Whether `pulumi destroy` may delete it, and an `up` a Workload that left the program. Default: not where its name
    is production's."""
    settings: Settings | None = None
    """All of this as it was read from a stack file, in place of the others."""

    def block(self, resource: str, known: Resolver) -> dict[str, Any]:
        """The settings, as a stack file would give them."""
        own = {it.name for it in fields(self)} - {"workloads", "kubeconfig", "settings", "name"}
        given = {to_camel(it): getattr(self, it) for it in sorted(own) if getattr(self, it) is not None}
        block = {"name": self.name or resource, **known.value(given)}
        if "namespace" in known.unknown:  # what is in it decides everything
            raise known.too_late()
        return block


class Environment(pulumi.ComponentResource):
    """The workloads of one namespace. Everything is asked and planned before the first resource is declared.

    Raises an error of one line where the cluster, a right, an image or a value is missing: nothing is written then.

    >>> web = BlueGreenArgs(image="registry.example.com/web:1.4.2", rollback_window="1h")
    >>> api = RollingArgs(image="registry.example.com/api:2.0.0", port=8080)
    >>> staging = Environment("staging", EnvironmentArgs(workloads={"web": web, "api": api}))
    >>> pulumi.export("workloads", staging.summary)
    """

    workloads: dict[str, Workload]
    """By name; those of `EnvironmentArgs.workloads`."""
    summary: dict[str, dict[str, pulumi.Output[str]]]
    """By workload: release, image and phase."""

    @program.one_line()
    def __init__(self, name: str, args: EnvironmentArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:index:Environment", name, None, opts)
        program.begin()
        self._name, self._args, known = name, args, Resolver(f"environment {name}")
        whole = args.settings or self._read(args.workloads, known)
        assert whole.environment is not None  # noqa: S101  `parse` has seen to it
        self._settings = whole.environment
        self._planner = self._asked(known)
        planned = self._planner.plan(whole.workloads, whole.run, whole=True) if whole.workloads or args.settings else {}
        self.workloads = {}
        for key, it in _ordered(planned, whole.workloads):
            after = [self.workloads[other].committed for other in whole.workloads[key].depends_on if other in planned]
            # A resource's URN has its parents' types, not their names: two environments need names that differ.
            resource = key if args.settings else f"{name}-{key}"
            self.workloads[key] = Workload(resource, replace(it, after=after), pulumi.ResourceOptions(parent=self))
        if self.workloads or args.settings:
            self.protect("", [*self.workloads.values()])
        self.summary = {key: workload.summary for key, workload in self.workloads.items()}
        self.register_outputs({"workloads": self.summary})

    def plan(self, resource: str, args: ApplicationArgs) -> Planned:
        """Plans one workload that is a component of its own; raises UserError."""
        if self._args.workloads or self._args.settings:
            raise UserError(
                f"workload {resource}: environment {self._name} lists its workloads: add this one to "
                "EnvironmentArgs.workloads"
            )
        key = args.name or resource
        settings = self._read({key: args}, Resolver(f"workload {resource}"))
        others = self._planner.before_write.workloads.alone
        if others and os.environ.get(IMAGE) and not os.environ.get(variable(key)):
            raise UserError(
                f"{IMAGE}: does not say whether it is for {others[-1]} or {key}; use {variable(others[-1])} or "
                f"{variable(key)}"
            )
        others.append(key)
        planned = self._planner.plan(settings.workloads, settings.run, whole=False)
        if key not in planned:
            raise UserError(
                f"workload {key}: not deployed yet, and this run is for others: run without SLIPWAY_WORKLOADS"
            )
        return planned[key]

    def protect(self, workload: str, workloads: Sequence[pulumi.Resource]) -> None:
        """Keeps these from `pulumi destroy`, where the environment does not allow it. `workload`: one of its own."""
        name = f"{self._name}-{workload}" if workload else self._name
        DestroyProtection(name, workloads, self, allowed=self._settings.allow_destroy)

    def _read(self, workloads: Mapping[str, ApplicationArgs], known: Resolver) -> Settings:
        blocks = {
            "environment": self._args.block(self._name, known),
            "workloads": {key: args.block(known) for key, args in workloads.items()},
        }
        opened = [it for it in known.secrets if it.split(".")[0] not in ("secret_env", "secretEnv", "kubeconfig")]
        if opened:
            raise UserError(
                f"{known.where}: {', '.join(opened)}: is a secret and would be plain text in the cluster: give it to "
                "the pods by secret_env, or take the mark off with pulumi.Output.unsecret"
            )
        sealed = ("workloads",) if known.secret else ()
        whole = workloads is self._args.workloads
        try:
            settings = parse(blocks, os.environ, file=known.where, sealed=sealed, whole=whole)
        except SettingsError as error:
            if known.unknown and UNKNOWN in str(error):  # no text, so that nothing can stand for it
                raise known.too_late() from None
            raise
        for path in known.unknown:
            Log(self).warn(f"{known.where}: {path} is known only after `pulumi up`: this preview takes it to change")
        return settings

    def _asked(self, known: Resolver) -> Planner:
        kubeconfig = known.value(self._args.kubeconfig, "kubeconfig", standing_in=False)
        if kubeconfig is None:
            refuse_another_cluster()
        client = cluster.connect(given=kubeconfig)
        cluster.refuse_another(client, self._settings.server)
        cluster.check(client, self._settings.namespace, ())  # the provider would wait a minute for a silent one
        below = pulumi.ResourceOptions(parent=self)
        provider = kubernetes_provider(f"{self._name}-kubernetes", below, kubeconfig)
        return Planner(self._settings, client, provider, Log(self), BeforeWrite.of_the_program())


def _ordered(planned: Mapping[str, Planned], workloads: Mapping[str, WorkloadSettings]) -> list[tuple[str, Planned]]:
    """Each after those that it depends on, and told which others wait for it, by way of others too."""
    order = [*TopologicalSorter({key: it.depends_on for key, it in workloads.items()}).static_order()]
    present = [key for key in order if key in planned]
    return [
        (key, replace(planned[key], dependents=_dependents(key, present[place:], workloads)))
        for place, key in enumerate(present)
    ]


def _dependents(key: str, later: Sequence[str], workloads: Mapping[str, WorkloadSettings]) -> list[str]:
    found = {key}
    for other in later:
        if found & {*workloads[other].depends_on}:
            found.add(other)
    return [other for other in later if other in found and other != key]
