"""A release as resources of the engine: tracks, Service, ledger, in the plan's order, with its gates as hooks.

A gate is a `before` hook: what it stands before is written, and recorded in the stack's state, only once it has passed.
Killed anywhere, the next run finds the inputs unrecorded and asks the gate again (docs/adr/0001).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields
from functools import partial
from threading import Lock
from typing import Any

import pulumi
from lightkube.resources.apps_v1 import Deployment
from lightkube.types import PatchType

from pulumi_slipway import report
from pulumi_slipway.components import prune
from pulumi_slipway.components.before_write import Work
from pulumi_slipway.components.guarded import guarded
from pulumi_slipway.components.kubernetes_object import KubernetesObject
from pulumi_slipway.components.log import Log
from pulumi_slipway.components.order import Order
from pulumi_slipway.components.ownership import this_stack
from pulumi_slipway.components.planner import Planned
from pulumi_slipway.components.program import at_end, interrupted, moving, outputs_settled, outputs_wait
from pulumi_slipway.components.reached import Reached
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.keys import PAUSED, PROMOTES, PROVENANCE, RELEASE_LABEL, RUNS, STACK
from pulumi_slipway.core.model import Manifest, Phase, TrackName
from pulumi_slipway.core.model import Release as ReleaseOf
from pulumi_slipway.core.plan import LEDGER, PREVIEW, SERVICE, Operation, TrackPlan
from pulumi_slipway.core.steps import Gate
from pulumi_slipway.release import adopt, ledger, manifests
from pulumi_slipway.release.conduct import Conductor
from pulumi_slipway.release.declared import declared
from pulumi_slipway.release.interrupt import Interrupt, Interrupted
from pulumi_slipway.release.ledger_writer import Writer
from pulumi_slipway.release.live import SCALER


class Release:
    """Declares what carries a workload's releases. `committed` is the resource that is written when all is done."""

    def __init__(
        self,
        name: str,
        planned: Planned,
        parent: pulumi.Resource,
        needed: Sequence[pulumi.Resource],
        beside: Callable[[Sequence[pulumi.Resource]], Sequence[pulumi.Resource]] = lambda after: (),
    ) -> None:
        """`needed`: what the pods need: there before them, and gone after them.

        `beside`: declares the Services that move with the workload's own, after the resources that it is given.
        """
        self._name, self._planned, self._parent, self._needed = name, planned, parent, needed
        self._prepared, plan = planned.prepared, planned.prepared.plan
        self._order = Order(plan, planned.before_write)
        self._passed = LEDGER not in plan.gates
        """Whether the release is where the plan wants it."""
        self._failed = False
        self._found: Reached | None = None
        self._asking = Lock()
        self._done = asyncio.Event()
        self._log = Log(parent)
        self._log.info(f"{name}: {_announced(plan.phase, moves=plan.moves)}: {plan.why}")
        for kind, left in planned.leftovers:
            self._log.warn(f"{kind} {left['name']}: left behind by a run that was killed: deleted when {name} is done")
        self._conductor = self._conducted()
        if plan.gates and not pulumi.runtime.is_dry_run():
            moving(name, self._standing)
        made = self._order.made
        for operation in plan.operations():
            also = beside([made[SERVICE]]) if operation.what == LEDGER else ()
            after = [self._order.written(other) for other in operation.after]
            made[operation.what] = self._declared(operation, [*after, *also])
        self.committed: KubernetesObject = made[LEDGER]

    def reached(self) -> dict[str, pulumi.Output[Any]]:
        """The workload's outputs, by name; in a preview what it would come to."""
        preview = pulumi.runtime.is_dry_run()
        if not preview:
            outputs_wait(partial(asyncio.get_event_loop().call_soon_threadsafe, self._done.set))

        async def value(name: str) -> object:
            written = asyncio.ensure_future(self.committed.id.future())
            told = asyncio.ensure_future(self._done.wait())
            await asyncio.wait((written, told), return_when=asyncio.FIRST_COMPLETED)
            told.cancel()
            done = written.done() and not written.exception()  # else the engine has told
            if done and self._order.broken() and not self._prepared.plan.last:  # else the next one tells it
                at_end(self._name, self._order.line(LEDGER))
            if preview or (self._passed and self._prepared.plan.phase is Phase.HEALTHY):
                return getattr(Reached.planned(self._prepared), name)
            return getattr(await asyncio.to_thread(self._seen), name)

        async def always(it: bool) -> bool:
            return it

        return {
            it.name: pulumi.Output({self.committed}, value(it.name), always(True), always(False))
            for it in fields(Reached)
        }

    def _declared(
        self, operation: Operation, after: Sequence[pulumi.Resource | Awaitable[pulumi.Resource]]
    ) -> KubernetesObject:
        """One object, with the gate that stands before it. What has a gate must be written, or it wouldn't be asked."""
        planned, what, gate = self._planned, operation.what, operation.gate
        kind, suffix, manifest = self._object(operation)
        live = self._prepared.world.live(kind, suffix)
        left = planned.leftovers if what == LEDGER else ()
        by = None if operation.track else self._prepared.by
        always = gate is not None or bool(left)
        admitted = not always and planned.explains(kind, manifest, live)
        wanted = declared(dict(manifest), live, always=always, by=by, admitted=admitted)
        first: list[Work] = [lambda _: adopt.marked(planned.client, planned.prepared)]
        first += _handover(planned, operation.track.track) if operation.track else []
        gates: list[Work] = [partial(self._pass, gate)] if gate else []
        last: list[Work] = [self._prune] if left else []
        works = guarded(
            planned.client, kind, wanted, live, [*first, *gates, *last],
            kept=admitted, first=[self._order.refusal(operation)],
        )  # fmt: skip
        # What waits for the ledger, or for the tracks where the Service moves, waits for what the pods need with them.
        opts = pulumi.ResourceOptions(
            parent=self._parent,
            provider=planned.provider,
            depends_on=[*(self._needed if LEDGER not in operation.after and what != LEDGER else ()), *after],
        )
        return KubernetesObject(kind, f"{self._name}-{what}", wanted, planned.before_write, works, opts)

    def _object(self, operation: Operation) -> tuple[str, str, Manifest]:
        """Kind, what its name adds to the workload's, and content."""
        subject = self._prepared.subject
        if operation.track:
            return "Deployment", operation.track.track.suffix, self._with_provenance(operation.track)
        match operation.what:
            case kind if kind == PREVIEW:
                return "Service", manifests.PREVIEW, self._prepared.preview or {}
            case kind if kind == SERVICE:
                return "Service", "", self._prepared.service
            case _:
                return "ConfigMap", ledger.SUFFIX, {"metadata": subject.metadata(ledger.SUFFIX, self._told())}

    def _conducted(self) -> Conductor:
        prepared = self._prepared
        subject = prepared.subject
        live = prepared.world.live("ConfigMap", ledger.SUFFIX)
        book = ledger.Book(
            prepared.world.observed.ledger,
            Writer(
                self._planned.client,
                subject.name,
                subject.namespace,
                subject.labels,
                live,
                annotations={STACK: this_stack()},
            ),
            keep=subject.workload.keep_releases,
        )
        return Conductor(
            client=self._planned.client,
            subject=subject,
            plan=prepared.plan,
            strategy=prepared.rules.strategy,
            book=book,
            tell=self._log.info,
            report=self._reported,
            provenance=prepared.provenance,
            dependents=self._planned.dependents,
            template=self._order.template,
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
        return {RELEASE_LABEL: live, STACK: this_stack(), **paused, **promotes}

    def _pass(self, gate: Gate, interrupt: Interrupt) -> None:
        """Why it failed is told once, at the end; the engine repeats what a hook raises three times."""
        try:
            self._conductor.passes(gate, interrupt)
            self._passed |= gate is self._prepared.plan.gates.get(LEDGER)
        except Exception as end:
            self._failed = True
            at_end(self._name, self._conductor.standing(end))
            self._seen()
            outputs_settled()
            what = "was interrupted" if isinstance(end, Interrupted) else "failed"
            raise UserError(
                f"release {self._prepared.plan.release.id} {what}: the line of `{self._name}:` says more"
            ) from None

    def _seen(self) -> Reached:
        """Where users are by the cluster, for a run that did not get there; it is asked once."""
        with self._asking:
            if self._found is None:
                observed, shares = self._conductor.seen() or (self._prepared.world.observed, {})
                self._found = Reached.seen(self._prepared, observed, shares, failed=self._failed)
            return self._found

    def _standing(self) -> str:
        """How things are where no gate has told: the provider was refused, or the run ended between two gates."""
        begun = self._conductor.book.records != self._prepared.world.observed.ledger
        return self._conductor.standing(None) if interrupted() or (begun and not self._passed) else ""

    def _prune(self, _: Interrupt) -> None:
        subject = self._prepared.subject
        prune.delete(self._planned.client, subject.namespace, self._planned.leftovers, self._log.warn)

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


def _handover(planned: Planned, track: TrackName) -> list[Work]:
    """Before an autoscaler takes over: the number of pods gets a second owner.

    Server-side apply drops a field that its only owner no longer declares, and a Deployment without `replicas` has one
    pod: with a second owner the number stays until the autoscaler sets its own. One that scales another track than the
    one that serves from now on has not done so. A canary's number is never declared: its steps set it.
    """
    subject, world = planned.prepared.subject, planned.prepared.world
    live, scaler = world.live("Deployment", track.suffix), world.live("HorizontalPodAutoscaler")
    scaled = scaler["spec"]["scaleTargetRef"]["name"] if scaler else None
    held = scaler is None or (track is planned.prepared.plan.live and scaled != subject.name + track.suffix)
    if not subject.workload.autoscaler or live is None or not held or track is TrackName.CANARY:
        return []
    own = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": live["spec"].get("replicas", 1)}}

    def hold(_: Interrupt) -> None:
        planned.client.patch(
            Deployment,
            subject.name + track.suffix,
            own,
            namespace=subject.namespace,
            patch_type=PatchType.APPLY,
            field_manager=SCALER,
            force=True,
        )

    return [hold]
