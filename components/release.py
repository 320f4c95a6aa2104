"""A release as resources of the engine: tracks, Service, ledger, in the plan's order, with its gates as hooks.

A gate is a `before` hook: what it stands before is written, and recorded in the stack's state, only once it has passed.
Killed anywhere, the next run finds the inputs unrecorded and asks the gate again (docs/adr/0001).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pulumi
from lightkube import Client
from lightkube.resources.apps_v1 import Deployment
from lightkube.types import PatchType

from pulumi_slipway import report
from pulumi_slipway.components import prune
from pulumi_slipway.components.before_write import BeforeWrite, Work, Works
from pulumi_slipway.components.kubernetes_object import KubernetesObject
from pulumi_slipway.components.log import Log
from pulumi_slipway.components.program import at_end, interrupted, moving
from pulumi_slipway.components.recreate import recreate_if_deleted
from pulumi_slipway.components.strategies import BlueGreen, Canary
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.keys import PAUSED, PROMOTES, PROVENANCE, RELEASE_LABEL, RUNS, STACK
from pulumi_slipway.core.model import Manifest, Phase, Pool, TrackName
from pulumi_slipway.core.model import Release as ReleaseOf
from pulumi_slipway.core.plan import LEDGER, SERVICE, TrackPlan
from pulumi_slipway.core.steps import Gate
from pulumi_slipway.release import ledger, manifests
from pulumi_slipway.release.conduct import Conductor
from pulumi_slipway.release.declared import declared
from pulumi_slipway.release.interrupt import Interrupt, Interrupted
from pulumi_slipway.release.live import SCALER
from pulumi_slipway.release.manifests import PREVIEW
from pulumi_slipway.release.prepare import Prepared


@dataclass
class ReleaseArgs:
    """What a Release is made of."""

    prepared: Prepared
    client: Client
    before_write: BeforeWrite
    after: Sequence[pulumi.Resource] = ()
    """What the pods need: there before them, and gone after them."""
    dependents: Sequence[str] = ()
    """The workloads that depend on this one."""
    leftovers: Sequence[prune.Left] = ()
    """What a killed run has left of the workload."""


class Release(pulumi.ComponentResource):
    """What carries a workload's releases. `committed` is the resource that is written when all is done."""

    def __init__(self, name: str, args: ReleaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:index:Release", name, None, opts)
        self._name, self._args = name, args
        self._prepared, plan = args.prepared, args.prepared.plan
        subject = self._prepared.subject
        self._passed = LEDGER not in plan.gates
        """Whether the release is where the plan wants it."""
        self._owners: dict[type, pulumi.Resource] = {}
        self._log = Log(self)
        self._log.info(f"{name}: {_announced(plan.phase, moves=plan.moves)}: {plan.why}")
        for kind, left in args.leftovers:
            self._log.warn(f"{kind} {left['name']}: left behind by a run that was killed: deleted when {name} is done")
        self._conductor = self._conducted()
        if plan.gates and not pulumi.runtime.is_dry_run():
            moving(name, self._standing)

        before: list[pulumi.Resource] = [*args.after]
        if plan.preview:
            before.append(self._preview_service(plan.preview))
        tracks: list[pulumi.Resource] = []
        for track in plan.first:
            tracks.append(self._track(track, after=[*before, *tracks[-1:]]))
        service = self._written(
            SERVICE,
            f"{name}-service",
            "Service",
            manifests.service(subject, plan.pool),
            after=tracks if SERVICE in plan.gates else args.after,
        )
        self.committed = self._written(
            LEDGER,
            f"{name}-ledger",
            "ConfigMap",
            {"metadata": subject.metadata(ledger.SUFFIX, self._told())},
            suffix=ledger.SUFFIX,
            after=[*tracks, service],
        )
        for track in plan.last:
            self._track(track, after=[self.committed])
        self.summary = self._summary()
        self.register_outputs(self.summary)

    def _summary(self) -> dict[str, pulumi.Input[str]]:
        """Release, image and phase: what was reached, never what was wished; in a preview what it would come to."""
        plan = self._prepared.plan
        wished = {"release": plan.release.id, "image": plan.release.image, "phase": str(plan.phase)}
        live = self._prepared.world.observed.committed

        def reached(key: str, _: str) -> str:
            if self._passed:
                return wished[key]
            before = {"release": live.release.id, "image": live.release.image} if live else {}
            return {"phase": str(Phase.DEGRADED), "release": "", "image": "", **before}[key]

        if pulumi.runtime.is_dry_run():
            return {**wished}
        return {key: self.committed.id.apply(partial(reached, key)) for key in wished}

    def _conducted(self) -> Conductor:
        prepared = self._prepared
        subject = prepared.subject
        book = ledger.Book(
            prepared.world.observed.ledger,
            lambda records: ledger.write(self._args.client, subject.name, subject.namespace, subject.labels, records),
            keep=subject.workload.keep_releases,
        )
        return Conductor(
            client=self._args.client,
            subject=subject,
            plan=prepared.plan,
            strategy=prepared.rules.strategy,
            book=book,
            tell=self._log.info,
            report=self._reported,
            provenance=prepared.provenance,
            dependents=self._args.dependents,
        )

    def _reported(self, book: ledger.Book) -> None:
        """Draws the release, where this run has moved one; a picture is not worth a failure."""
        subject = self._prepared.subject
        if book.records == self._prepared.world.observed.ledger:
            return
        try:
            report.write(report.directory(), subject.environment.name, subject.name, book.records)
        except Exception as error:  # whatever it is: the release itself goes on
            self._log.warn(f"{subject.name}: no report in {report.directory()}: {error or type(error).__name__}")

    def _told(self) -> dict[str, str]:
        """The ledger's annotations: which release is live after this run, and which one waits."""
        plan = self._prepared.plan
        live = next((track.release for track in plan.tracks if track.track is plan.live), None) or plan.release.id
        paused = {PAUSED: plan.release.id} if plan.phase is Phase.PAUSED else {}
        rule = self._prepared.subject.environment.promote_from
        promotes = {PROMOTES: f"{rule.environment}/{rule.namespace}/{rule.verified_for}"} if rule else {}
        stack = f"{pulumi.get_project()}/{pulumi.get_stack()}"
        return {RELEASE_LABEL: live, STACK: stack, **paused, **promotes}

    def _preview_service(self, pool: Pool) -> KubernetesObject:
        return self._written(
            PREVIEW,
            f"{self._name}{PREVIEW}",
            "Service",
            manifests.preview_service(self._prepared.subject, pool),
            suffix=PREVIEW,
            after=self._args.after,
            parent=self._owner(TrackName.BLUE),
        )

    def _track(self, planned: TrackPlan, after: Sequence[pulumi.Resource]) -> KubernetesObject:
        name = f"{self._name}-{planned.track}"
        manifest = self._with_provenance(planned)
        return self._written(
            planned.track,
            name,
            "Deployment",
            manifest,
            suffix=planned.track.suffix,
            after=after,
            first=_handover(self._args, planned.track),
            parent=self._owner(planned.track),
        )

    def _owner(self, track: TrackName) -> pulumi.Resource:
        """The component of the strategy that alone has this track; the stable one stays through every change."""
        if track is TrackName.STABLE:
            return self
        owner = Canary if track is TrackName.CANARY else BlueGreen
        if owner not in self._owners:
            self._owners[owner] = owner(self._name, pulumi.ResourceOptions(parent=self))
        return self._owners[owner]

    def _written(
        self,
        where: str,
        name: str,
        kind: str,
        manifest: Manifest,
        *,
        suffix: str = "",
        after: Sequence[pulumi.Resource] = (),
        first: Sequence[Work] = (),
        parent: pulumi.Resource | None = None,
    ) -> KubernetesObject:
        """One object, with the gate that stands before it. What has a gate must be written, or it wouldn't be asked."""
        live = self._prepared.world.live(kind, suffix)
        gate = self._prepared.plan.gates.get(where)
        by = None if kind == "Deployment" else self._prepared.by
        left = self._args.leftovers if where == LEDGER else ()
        wanted = declared(dict(manifest), live, always=gate is not None or bool(left), by=by)
        gates: list[Work] = [partial(self._pass, gate)] if gate else []
        last: list[Work] = [self._prune] if left else []
        works = Works([*first, *gates, *last], update=recreate_if_deleted(self._args.client, kind, wanted, live))
        opts = pulumi.ResourceOptions(parent=parent or self, depends_on=[*after])
        return KubernetesObject(kind, name, wanted, self._args.before_write, works, opts)

    def _pass(self, gate: Gate, interrupt: Interrupt) -> None:
        """Why it failed is told once, at the end; the engine repeats what a hook raises three times."""
        try:
            self._conductor.passes(gate, interrupt)
            self._passed |= gate is self._prepared.plan.gates.get(LEDGER)
        except Exception as end:
            at_end(self._name, self._conductor.standing(end))
            what = "was interrupted" if isinstance(end, Interrupted) else "failed"
            raise UserError(
                f"release {self._prepared.plan.release.id} {what}: the line of `{self._name}:` says more"
            ) from None

    def _standing(self) -> str:
        """How things are where no gate has told: the provider was refused, or the run ended between two gates."""
        begun = self._conductor.book.records != self._prepared.world.observed.ledger
        return self._conductor.standing(None) if interrupted() or (begun and not self._passed) else ""

    def _prune(self, _: Interrupt) -> None:
        subject = self._prepared.subject
        prune.delete(self._args.client, subject.namespace, self._args.leftovers, self._log.warn)

    def _with_provenance(self, planned: TrackPlan) -> dict[str, Any]:
        """The Deployment, annotated with the run that gave it its release; one that keeps it keeps what is there."""
        manifest = dict(self._prepared.deployments[planned.track])
        world = self._prepared.world
        live = (world.live("Deployment", planned.track.suffix) or {}).get("metadata", {}).get("annotations", {})
        recorded = {key: value for key, value in live.items() if key == RUNS or key.startswith(PROVENANCE)}
        begun = {**self._prepared.by, RUNS: ReleaseOf.of(planned.template).image}
        observed = world.observed.tracks.get(planned.track)
        keeps = observed is not None and observed.release == planned.release
        annotations = {**manifest["metadata"]["annotations"], **(recorded if keeps else begun)}
        return {**manifest, "metadata": {**manifest["metadata"], "annotations": annotations}}


def _announced(phase: Phase, *, moves: bool) -> Phase:
    return Phase.PROGRESSING if moves else phase


def _handover(args: ReleaseArgs, track: TrackName) -> list[Work]:
    """Before an autoscaler takes over: the number of pods gets a second owner.

    Server-side apply drops a field that its only owner no longer declares, and a Deployment without `replicas` has one
    pod: with a second owner the number stays until the autoscaler sets its own. One that scales another track than the
    one that serves from now on has not done so. A canary's number is never declared: its steps set it.
    """
    subject, world = args.prepared.subject, args.prepared.world
    live, scaler = world.live("Deployment", track.suffix), world.live("HorizontalPodAutoscaler")
    scaled = scaler["spec"]["scaleTargetRef"]["name"] if scaler else None
    held = scaler is None or (track is args.prepared.plan.live and scaled != subject.name + track.suffix)
    if not subject.workload.autoscaler or live is None or not held or track is TrackName.CANARY:
        return []
    own = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": live["spec"].get("replicas", 1)}}

    def hold(_: Interrupt) -> None:
        args.client.patch(
            Deployment,
            subject.name + track.suffix,
            own,
            namespace=subject.namespace,
            patch_type=PatchType.APPLY,
            field_manager=SCALER,
            force=True,
        )

    return [hold]
