"""One workload of an environment: what surrounds its release, whatever the strategy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from lightkube import Client

from pulumi_slipway.components.before_write import BeforeWrite, Works
from pulumi_slipway.components.extra_objects import extra_objects, ordered
from pulumi_slipway.components.kubernetes_object import KubernetesObject
from pulumi_slipway.components.prune import Left
from pulumi_slipway.components.recreate import recreate_if_deleted
from pulumi_slipway.components.release import Release, ReleaseArgs
from pulumi_slipway.release import manifests
from pulumi_slipway.release.declared import declared
from pulumi_slipway.release.prepare import Prepared, VersionedConfig


@dataclass
class WorkloadArgs:
    """What a Workload is made of."""

    prepared: Prepared
    """What was observed of it and planned for it."""
    client: Client
    """To wait for the rollout and to write the ledger."""
    before_write: BeforeWrite
    after: Sequence[pulumi.Resource] = ()
    """What must be done before anything of it is touched: the releases of the workloads that it depends on."""
    dependents: Sequence[str] = ()
    """The workloads that depend on it, by way of others too."""
    leftovers: Sequence[Left] = ()
    """What a killed run has left of it."""


class Workload(pulumi.ComponentResource):
    """Budget, autoscaler, ingress, network policy, what a source adds, and the release in their midst.

    `committed` is the resource that is written when its release is done.
    """

    def __init__(self, name: str, args: WorkloadArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:index:Workload", name, None, opts)
        prepared, subject = args.prepared, args.prepared.subject

        def made(kind: str, what: str, manifest: dict[str, Any] | None, after: Sequence[pulumi.Resource] = ()) -> None:
            if manifest is None:
                return
            live = prepared.world.live(kind)
            wanted = declared(manifest, live, by=prepared.by)
            works = Works(update=recreate_if_deleted(args.client, kind, wanted, live))
            opts = pulumi.ResourceOptions(parent=self, depends_on=[*after])
            KubernetesObject(kind, f"{name}-{what}", wanted, args.before_write, works, opts)

        needed: list[pulumi.Resource] = [
            _config(name, key, config, args, self) for key, config in prepared.configs.items()
        ]
        first, rest = ordered(prepared.extra_objects)
        client, before_write = args.client, args.before_write
        needed += [
            *args.after,
            *extra_objects(subject, first, client, before_write, self, prepared.by, after=args.after),
        ]
        made("PodDisruptionBudget", "budget", manifests.disruption_budget(subject), after=args.after)
        made("Ingress", "ingress", manifests.ingress(subject), after=args.after)
        made("NetworkPolicy", "policy", manifests.network_policy(subject), after=args.after)
        below = pulumi.ResourceOptions(parent=self)
        release = Release(
            name, ReleaseArgs(prepared, client, before_write, needed, args.dependents, args.leftovers), below
        )
        self.committed = release.committed
        extra_objects(subject, rest, client, before_write, self, prepared.by, after=[release.committed])
        scaler = manifests.autoscaler(subject, prepared.plan.live)
        made("HorizontalPodAutoscaler", "autoscaler", scaler, after=[release.committed])
        self.summary = release.summary
        self.register_outputs(self.summary)


def _config(
    name: str, key: tuple[str, str], config: VersionedConfig, args: WorkloadArgs, parent: pulumi.Resource
) -> KubernetesObject:
    """The immutable object of one content. One that may not be read (preview identity) is left as it is."""
    kind, called = key
    metadata = {**args.prepared.subject.metadata(), "name": called}
    wanted = declared({"metadata": metadata, "immutable": True}, config.live, by=args.prepared.by)
    content = dict(config.content or {})
    fields = {"data": content.pop("data", {})} | ({"type": "Opaque"} if kind == "Secret" else {}) | content
    child = f"{name}-{called.removeprefix(args.prepared.subject.name + '-')}"
    unknown = {"data": config.content is None, "type": config.content is None, "metadata": not config.readable}
    whole = {**wanted, **fields}
    works = Works(update=recreate_if_deleted(args.client, kind, whole, config.live) if config.readable else [])
    left = [path for path, unreadable in unknown.items() if unreadable]
    opts = pulumi.ResourceOptions(parent=parent, ignore_changes=left, depends_on=[*args.after])
    return KubernetesObject(kind, child, whole, args.before_write, works, opts)
