"""One workload of an environment: what surrounds its release, whatever the strategy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
from lightkube import Client

from components.release import Release, ReleaseArgs
from components.remade import remade
from release import manifests
from release.prepare import HeldSecret, Prepared, declared


@dataclass
class WorkloadArgs:
    """What a Workload is made of."""

    prepared: Prepared
    """What was observed of it and planned for it."""
    client: Client
    """To wait for the rollout and to write the ledger."""


class Workload(pulumi.ComponentResource):
    """Budget, autoscaler, ingress, network policy, secrets of a workload, and the release in their midst."""

    def __init__(self, name: str, args: WorkloadArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:index:Workload", name, None, opts)
        prepared, subject = args.prepared, args.prepared.subject

        def options(
            kind: str, manifest: dict[str, Any], after: Sequence[pulumi.Resource] = ()
        ) -> pulumi.ResourceOptions:
            made_again = remade(name, args.client, kind, manifest, prepared.world.live(kind))
            hooks = pulumi.ResourceHookBinding(before_update=[*made_again])
            return pulumi.ResourceOptions(parent=self, hooks=hooks, depends_on=after)

        def live_or_new(kind: str, manifest: dict[str, Any] | None) -> dict[str, Any]:
            return declared(manifest, prepared.world.live(kind)) if manifest else {}

        secrets = [_secret(name, key, held, args, self) for key, held in prepared.secrets.items()]
        if budget := live_or_new("PodDisruptionBudget", manifests.disruption_budget(subject)):
            opts = options("PodDisruptionBudget", budget)
            k8s.policy.v1.PodDisruptionBudget(f"{name}-budget", **budget, opts=opts)
        if ingress := live_or_new("Ingress", manifests.ingress(subject)):
            k8s.networking.v1.Ingress(f"{name}-ingress", **ingress, opts=options("Ingress", ingress))
        if policy := live_or_new("NetworkPolicy", manifests.network_policy(subject)):
            k8s.networking.v1.NetworkPolicy(f"{name}-policy", **policy, opts=options("NetworkPolicy", policy))
        below = pulumi.ResourceOptions(parent=self)
        release = Release(name, ReleaseArgs(prepared=prepared, client=args.client, secrets=secrets), below)
        if scaler := live_or_new("HorizontalPodAutoscaler", manifests.autoscaler(subject, prepared.plan.live)):
            opts = options("HorizontalPodAutoscaler", scaler, after=[release.committed])
            k8s.autoscaling.v2.HorizontalPodAutoscaler(f"{name}-autoscaler", **scaler, opts=opts)
        self.summary: dict[str, pulumi.Input[str]] = {
            "release": prepared.plan.release.id,
            "image": prepared.plan.release.image,
            "phase": release.phase,
        }
        self.register_outputs(self.summary)


def _secret(name: str, key: str, held: HeldSecret, args: WorkloadArgs, parent: pulumi.Resource) -> k8s.core.v1.Secret:
    """The immutable Secret of one content. One that may not be read (preview identity) is left as it is."""
    metadata = {**args.prepared.subject.metadata(), "name": key}
    fixed = {"immutable": True, "type": "Opaque"}
    wanted = declared({"metadata": metadata, **fixed}, held.live)
    data = dict(held.data or {})
    child = f"{name}-{key.removeprefix(args.prepared.subject.name + '-')}"
    unknown = {"data": held.data is None, "metadata": not held.readable}
    hooks = remade(child, args.client, "Secret", {**wanted, "data": data}, held.live)
    return k8s.core.v1.Secret(
        child,
        **wanted,
        data=pulumi.Output.secret(data),
        opts=pulumi.ResourceOptions(
            parent=parent,
            ignore_changes=[path for path, left in unknown.items() if left],
            hooks=pulumi.ResourceHookBinding(before_update=[*hooks]),
        ),
    )
