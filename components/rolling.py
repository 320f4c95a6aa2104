"""The rolling strategy: one Deployment, surged before anything is removed, and the ledger entry as its commit.

The ledger's ConfigMap is updated only after its gate, a `before` hook, saw the rollout through. Killed anywhere, the
next run finds the gate still to be passed, since its inputs were never recorded, and goes on.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2
import pulumi
import pulumi_kubernetes as k8s
from lightkube import Client
from lightkube.resources.apps_v1 import Deployment
from lightkube.types import PatchType

from components.hook import hook
from components.remade import remade
from release import ledger, rollout
from release.model import Phase
from release.prepare import Prepared, declared

PROVENANCE_PREFIX = "slipway.dev/by-"
"""Annotations that tell of the run that began a release: commit, pipeline, job, actor."""


@dataclass
class RollingArgs:
    """What a Rolling release is made of."""

    prepared: Prepared
    client: Client
    secrets: Sequence[pulumi.Resource] = ()
    """What the pods take their environment from: there before them, and gone after them."""


class Rolling(pulumi.ComponentResource):
    """A workload's Deployment and ledger.

    `deployment` is the Deployment; `phase` is known when the gate has passed.
    """

    def __init__(self, name: str, args: RollingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:index:Rolling", name, None, opts)
        prepared, subject = args.prepared, args.prepared.subject
        world = prepared.world
        pulumi.log.info(f"{name}: {prepared.plan.phase}: {prepared.plan.why}", self)

        wanted = declared(_with_provenance(prepared), world.live("Deployment"))
        before = remade(name, args.client, "Deployment", wanted, world.live("Deployment")) + _handover(name, args)
        self.deployment = k8s.apps.v1.Deployment(
            f"{name}-deployment",
            **wanted,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=args.secrets,
                hooks=pulumi.ResourceHookBinding(before_update=[*before]),
            ),
        )
        gate = hook(f"{name}-gate", _gate(args))
        commit = {"metadata": subject.metadata("-releases", {"slipway.dev/release": prepared.plan.release.id})}
        # A run that has something to wait for must touch the ledger, or its gate would not be asked.
        commit = declared(commit, world.live("ConfigMap"), always=prepared.waits)
        metadata: Any = commit["metadata"]
        made_again = remade(name, args.client, "ConfigMap", commit, world.live("ConfigMap"))
        record = k8s.core.v1.ConfigMap(
            f"{name}-ledger",
            metadata=metadata,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[self.deployment],
                hooks=pulumi.ResourceHookBinding(before_create=[gate], before_update=[*made_again, gate]),
            ),
        )
        self.phase: pulumi.Output[str] = record.metadata.apply(lambda _: str(Phase.HEALTHY))
        self.register_outputs({"release": prepared.plan.release.id, "phase": self.phase})


def _with_provenance(prepared: Prepared) -> dict[str, Any]:
    """The Deployment, annotated with the run that began its release; a run that moves nothing keeps what is there."""
    wanted = dict(prepared.deployment)
    live = (prepared.world.live("Deployment") or {}).get("metadata", {}).get("annotations", {})
    recorded = {key: value for key, value in live.items() if key.startswith(PROVENANCE_PREFIX)}
    begun = {f"{PROVENANCE_PREFIX}{key}": value for key, value in prepared.provenance.items()}
    annotations = {**wanted["metadata"]["annotations"], **(begun if prepared.plan.moves else recorded)}
    return {**wanted, "metadata": {**wanted["metadata"], "annotations": annotations}}


def _gate(args: RollingArgs) -> Callable[[], None]:
    """Sees the rollout through and writes its outcome to the ledger, Degraded too; then fails the run."""
    prepared, client = args.prepared, args.client
    subject, release = prepared.subject, prepared.plan.release

    def see_through() -> None:
        began = time.monotonic()

        def write(outcome: Phase, message: str) -> None:
            records = ledger.append(
                prepared.world.observed.ledger,
                release,
                outcome,
                seconds=time.monotonic() - began,
                message=message,
                provenance=prepared.provenance,
                keep=subject.workload.keep_releases,
            )
            ledger.write(client, subject.name, subject.namespace, subject.labels, records)

        try:
            rollout.wait(
                client,
                subject.name,
                subject.namespace,
                release=release.id,
                deadline=subject.workload.progress_deadline,
                tell=lambda line: pulumi.log.info(f"{subject.name}: {Phase.PROGRESSING}: {line}"),
            )
        except rollout.RolloutFailed as failure:
            try:
                write(Phase.DEGRADED, failure.recorded)
            except httpx2.HTTPError as error:  # why the release failed is what must be told
                pulumi.log.warn(f"{subject.name}: the ledger can't be written: {error}")
            raise
        if prepared.plan.moves:
            write(Phase.HEALTHY, "")

    return see_through


def _handover(name: str, args: RollingArgs) -> list[pulumi.ResourceHook]:
    """Before an autoscaler takes over: the number of pods gets a second owner.

    Server-side apply drops a field that its only owner no longer declares, and a Deployment without `replicas` has one
    pod: with a second owner the number stays until the autoscaler sets its own.
    """
    subject, world = args.prepared.subject, args.prepared.world
    live = world.live("Deployment")
    if not subject.workload.autoscaler or live is None or world.live("HorizontalPodAutoscaler"):
        return []
    own = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": live["spec"].get("replicas", 1)}}

    def hold() -> None:
        args.client.patch(
            Deployment,
            subject.name,
            own,
            namespace=subject.namespace,
            patch_type=PatchType.APPLY,
            field_manager="slipway-autoscaler",
            force=True,
        )

    return [hook(f"{name}-handover", hold)]
