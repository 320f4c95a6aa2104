"""One workload of an environment: what surrounds its release, whatever the strategy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from lightkube import Client

from components.kubernetes_object import KubernetesObject
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

        def made(kind: str, what: str, manifest: dict[str, Any] | None, after: Sequence[pulumi.Resource] = ()) -> None:
            if manifest is None:
                return
            live = prepared.world.live(kind)
            wanted = declared(manifest, live)
            hooks = pulumi.ResourceHookBinding(before_update=[*remade(name, args.client, kind, wanted, live)])
            KubernetesObject(
                kind, f"{name}-{what}", wanted, pulumi.ResourceOptions(parent=self, hooks=hooks, depends_on=[*after])
            )

        secrets = [_secret(name, key, held, args, self) for key, held in prepared.secrets.items()]
        made("PodDisruptionBudget", "budget", manifests.disruption_budget(subject))
        made("Ingress", "ingress", manifests.ingress(subject))
        made("NetworkPolicy", "policy", manifests.network_policy(subject))
        below = pulumi.ResourceOptions(parent=self)
        release = Release(name, ReleaseArgs(prepared=prepared, client=args.client, secrets=secrets), below)
        scaler = manifests.autoscaler(subject, prepared.plan.live)
        made("HorizontalPodAutoscaler", "autoscaler", scaler, after=[release.committed])
        self.summary: dict[str, pulumi.Input[str]] = {
            "release": prepared.plan.release.id,
            "image": prepared.plan.release.image,
            "phase": release.phase,
        }
        self.register_outputs(self.summary)


def _secret(name: str, key: str, held: HeldSecret, args: WorkloadArgs, parent: pulumi.Resource) -> KubernetesObject:
    """The immutable Secret of one content. One that may not be read (preview identity) is left as it is."""
    metadata = {**args.prepared.subject.metadata(), "name": key}
    fixed = {"immutable": True, "type": "Opaque"}
    wanted = declared({"metadata": metadata, **fixed}, held.live)
    data = dict(held.data or {})
    child = f"{name}-{key.removeprefix(args.prepared.subject.name + '-')}"
    unknown = {"data": held.data is None, "metadata": not held.readable}
    hooks = remade(child, args.client, "Secret", {**wanted, "data": data}, held.live)
    opts = pulumi.ResourceOptions(
        parent=parent,
        ignore_changes=[path for path, left in unknown.items() if left],
        hooks=pulumi.ResourceHookBinding(before_update=[*hooks]),
    )
    return KubernetesObject("Secret", child, {**wanted, "data": pulumi.Output.secret(data)}, opts, secret=("data",))
