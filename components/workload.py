"""One workload: its release, by the strategy that it is given, and what surrounds it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import pulumi

from pulumi_slipway.components import program
from pulumi_slipway.components.args import ApplicationArgs, Block
from pulumi_slipway.components.before_write import Works
from pulumi_slipway.components.extra_objects import extra_objects, ordered
from pulumi_slipway.components.guarded import guarded
from pulumi_slipway.components.kubernetes_object import KubernetesObject
from pulumi_slipway.components.planner import Planned
from pulumi_slipway.components.release import Release
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.model import Manifest
from pulumi_slipway.release import manifests
from pulumi_slipway.release.declared import declared
from pulumi_slipway.release.prepare import VersionedConfig


@dataclass(kw_only=True)
class WorkloadArgs(ApplicationArgs):
    """What a Workload is made of."""

    strategy: str | Block | None = None
    """`rolling`, `blueGreen`, `canary`, or one of them with its settings: `{"canary": {"steps": […]}}`. Default
    rolling."""

    def chosen(self) -> object:
        """The strategy as settings."""
        return self.strategy


class Workload(pulumi.ComponentResource):
    """Deployments, Service, ledger; budget, autoscaler, ingress, network policy, and what a source adds.

    `Rolling`, `BlueGreen` and `Canary` are this with one strategy; in the stack's state they are the same, so that a
    change of strategy moves no resource.

    >>> staging = Environment("staging", EnvironmentArgs())
    >>> args = WorkloadArgs(environment=staging, image="registry.example.com/web:1.4.2", strategy="blueGreen")
    >>> web = Workload("web", args)
    >>> pulumi.export("url", web.url)
    """

    release: pulumi.Output[str]
    """Id of the release that users are on: what was reached, never what was wished; one that is Paused is not it. In a
    preview: what it will be."""
    image: pulumi.Output[str]
    """Its image, by digest."""
    phase: pulumi.Output[str]
    """Healthy, Paused, Degraded: how the newest release stands (Argo Rollouts' words)."""
    live_track: pulumi.Output[str]
    """stable, blue or green: the Deployment that the Service points to."""
    step: pulumi.Output[int]
    """Of a canary's steps those that are passed; 0 where no canary waits."""
    weight: pulumi.Output[int]
    """Percent of the pods behind the Service that run a canary's release; 0 where none waits."""
    url: pulumi.Output[str]
    """Where users reach it: its ingress, else the Service's address in the cluster."""
    preview_service: pulumi.Output[str | None]
    """Name of the Service that reaches a blue-green release that is not live yet; None with another strategy."""
    ledger: pulumi.Output[str]
    """Name of the ConfigMap that records its releases."""
    committed: pulumi.Resource
    """What is written when its release is done, for `depends_on`."""

    @program.one_line()
    def __init__(self, name: str, args: ApplicationArgs | Planned, opts: pulumi.ResourceOptions | None = None) -> None:
        """With `Planned`: by an Environment, which plans all its workloads at once."""
        planned = args if isinstance(args, Planned) else _planned(name, args)
        below = pulumi.ResourceOptions(parent=getattr(args, "environment", None))
        super().__init__("slipway:index:Workload", name, None, pulumi.ResourceOptions.merge(below, opts))
        self._name, self._planned = name, planned
        prepared, subject = planned.prepared, planned.prepared.subject
        first, follow, rest = ordered(prepared.extra_objects)

        needed: list[pulumi.Resource] = [_config(name, key, it, planned, self) for key, it in prepared.configs.items()]
        needed += [*planned.after, *extra_objects(name, first, planned, self, after=planned.after)]
        self._made("PodDisruptionBudget", "budget", manifests.disruption_budget(subject), after=planned.after)
        self._made("Ingress", "ingress", manifests.ingress(subject), after=planned.after)
        self._made("NetworkPolicy", "policy", prepared.network_policy, after=planned.after)
        released = Release(name, planned, self, needed, partial(extra_objects, name, follow, planned, self))
        self.committed = released.committed
        extra_objects(name, rest, planned, self, after=[self.committed])
        scaler = manifests.autoscaler(subject, prepared.plan.live)
        self._made("HorizontalPodAutoscaler", "autoscaler", scaler, after=[self.committed])

        reached = released.reached()
        self.summary = {key: reached[key] for key in ("release", "image", "phase")}
        for key, value in reached.items():
            setattr(self, key, value)
        self.register_outputs(self.summary)
        if not isinstance(args, Planned) and args.environment:
            args.environment.protect(subject.name, [self])

    def _made(self, kind: str, what: str, manifest: Manifest | None, after: Sequence[pulumi.Resource]) -> None:
        if manifest is None:
            return
        planned = self._planned
        live = planned.prepared.world.live(kind)
        admitted = planned.explains(kind, manifest, live)
        wanted = declared(dict(manifest), live, by=planned.prepared.by, admitted=admitted)
        works = guarded(planned.client, kind, wanted, live, kept=admitted)
        opts = pulumi.ResourceOptions(parent=self, provider=planned.provider, depends_on=[*after])
        KubernetesObject(kind, f"{self._name}-{what}", wanted, planned.before_write, works, opts)


def _planned(name: str, args: ApplicationArgs) -> Planned:
    if args.environment is None:
        raise UserError(f"workload {name}: environment is missing: environment=Environment(…)")
    return args.environment.plan(name, args)


def _config(
    name: str, key: tuple[str, str], config: VersionedConfig, planned: Planned, parent: pulumi.Resource
) -> KubernetesObject:
    """The immutable object of one content. One that may not be read (preview identity) is left as it is."""
    kind, called = key
    prepared = planned.prepared
    metadata = {**prepared.subject.metadata(), "name": called}
    wanted = declared({"metadata": metadata, "immutable": True}, config.live, by=prepared.by)
    content = dict(config.content or {})
    fields = {"data": content.pop("data", {})} | ({"type": "Opaque"} if kind == "Secret" else {}) | content
    child = f"{name}-{called.removeprefix(prepared.subject.name + '-')}"
    unknown = {"data": config.content is None, "type": config.content is None, "metadata": not config.readable}
    whole = {**wanted, **fields}
    works = guarded(planned.client, kind, whole, config.live) if config.readable else Works()
    left = [path for path, unreadable in unknown.items() if unreadable]
    opts = pulumi.ResourceOptions(
        parent=parent, provider=planned.provider, ignore_changes=left, depends_on=[*planned.after]
    )
    return KubernetesObject(kind, child, whole, planned.before_write, works, opts)
