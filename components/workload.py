"""One workload of an environment: what surrounds its release, whatever the strategy."""

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
from lightkube import Client

from components.remade import remade_when_gone
from components.rolling import Rolling, RollingArgs
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
    """Service, budget, autoscaler, ingress, network policy and secrets of a workload, and the release in their midst."""

    def __init__(self, name: str, args: WorkloadArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:index:Workload", name, None, opts)
        prepared, subject = args.prepared, args.prepared.subject

        def live_or_new(manifest: dict[str, Any], kind: str) -> dict[str, Any]:
            return declared(manifest, prepared.world.live(kind))

        secrets = [_secret(name, key, held, prepared, self) for key, held in prepared.secrets.items()]
        child = remade_when_gone(parent=self)
        k8s.core.v1.Service(f"{name}-service", **live_or_new(manifests.service(subject), "Service"), opts=child)
        if budget := manifests.disruption_budget(subject):
            k8s.policy.v1.PodDisruptionBudget(
                f"{name}-budget", **live_or_new(budget, "PodDisruptionBudget"), opts=child
            )
        if ingress := manifests.ingress(subject):
            k8s.networking.v1.Ingress(f"{name}-ingress", **live_or_new(ingress, "Ingress"), opts=child)
        if policy := manifests.network_policy(subject):
            k8s.networking.v1.NetworkPolicy(f"{name}-policy", **live_or_new(policy, "NetworkPolicy"), opts=child)
        rolling = Rolling(
            name,
            RollingArgs(prepared=prepared, client=args.client),
            pulumi.ResourceOptions(parent=self, depends_on=secrets),
        )
        if scaler := manifests.autoscaler(subject):
            k8s.autoscaling.v2.HorizontalPodAutoscaler(
                f"{name}-autoscaler",
                **live_or_new(scaler, "HorizontalPodAutoscaler"),
                opts=remade_when_gone(parent=self, depends_on=[rolling.deployment]),
            )
        self.summary: dict[str, pulumi.Input[str]] = {
            "release": prepared.plan.release.id,
            "image": prepared.plan.release.image,
            "phase": rolling.phase,
        }
        self.register_outputs(self.summary)


def _secret(
    name: str, key: str, held: HeldSecret, prepared: Prepared, parent: pulumi.Resource
) -> k8s.core.v1.Secret:
    """The immutable Secret of one content. One that may not be read (preview identity) is left as it is."""
    subject = prepared.subject
    wanted = {"metadata": {**subject.metadata(), "name": key}}
    return k8s.core.v1.Secret(
        f"{name}-{key.removeprefix(subject.name + '-')}",
        **declared(wanted, held.live),
        immutable=True,
        type="Opaque",
        data=pulumi.Output.secret(dict(held.data or {})),
        opts=remade_when_gone(parent=parent, ignore_changes=None if held.data is not None else ["data", "metadata"]),
    )
