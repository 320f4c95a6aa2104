"""Does the steps of a gate: what the plan has decided, against the cluster, told line by line."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import httpx2
from lightkube import Client

from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.model import HOME, CheckResult, Event, Manifest, Moment, Observed, Phase, Pool, TrackName
from pulumi_slipway.core.plan import Plan
from pulumi_slipway.core.rules import Strategy
from pulumi_slipway.core.steps import (
    Apply,
    Begin,
    Check,
    Close,
    Emptied,
    Finish,
    Gate,
    Mark,
    Point,
    Reached,
    Ready,
    Reject,
    Remove,
    Scale,
    Step,
)
from pulumi_slipway.release import checks, reach, rollout
from pulumi_slipway.release.checks.clock import InterruptibleClock
from pulumi_slipway.release.checks.model import Status, Verdict
from pulumi_slipway.release.interrupt import Interrupt
from pulumi_slipway.release.ledger import Book
from pulumi_slipway.release.live import Live
from pulumi_slipway.release.manifests import Subject
from pulumi_slipway.release.observe import observe, snapshot
from pulumi_slipway.release.rollout import CheckFailed, ReleaseFailed
from pulumi_slipway.release.standing import standing
from pulumi_slipway.release.target import target
from pulumi_slipway.settings.checks import Check as CheckSettings
from pulumi_slipway.settings.strategy import CanaryStep

POLL_SECONDS = 0.1
EMPTIED_SECONDS = 10.0
"""A controller takes a part of a second; one that is away is met again where the release's own pods are waited for."""
VALUES = 20
"""Measured values of a check that the ledger keeps, the newest."""


@dataclass
class Conductor:
    """One workload's gates in one run. Each method may be called again: every step can be done twice."""

    client: Client
    subject: Subject
    plan: Plan
    strategy: Strategy
    book: Book
    tell: Callable[[str], None]
    """Gets one line for the job log at each change."""
    report: Callable[[Book], None] = lambda book: None
    """Called where a gate has ended, whichever way."""
    provenance: Mapping[str, str] = field(default_factory=dict)
    dependents: Sequence[str] = ()
    """The workloads that this run leaves as they are where this one fails."""
    template: Callable[[str, str], Manifest | None] = lambda track, release: None
    """The pod template of a track's release where the engine has another one than the ledger."""
    measure: Callable[..., tuple[Verdict, ...]] = checks.run
    interrupt: Interrupt = field(default_factory=Interrupt)

    def passes(self, gate: Gate, interrupt: Interrupt) -> None:
        """Does the gate's steps; where one fails, rolls the release back, writes that down, and raises."""
        self.interrupt = interrupt
        try:
            for step in gate.steps:
                interrupt.check()
                self._do(step)
        except ReleaseFailed as failure:
            self._roll_back(gate, failure)
            raise
        finally:
            self.report(self.book)

    def standing(self, end: Exception | None) -> str:
        """Where users are, for a run that ends before its release does; None: by no gate."""
        return standing(self._live, self.book, self.plan.release.id, end)

    def seen(self) -> tuple[Observed, dict[str, int]] | None:
        """The workload as it is now, and the releases behind its Service with their ready pods; None: not known."""
        try:
            found = snapshot(self.client, self.subject.namespace)
            return observe(found, self.subject).observed, self._live.shares()
        except (httpx2.HTTPError, UserError):
            return None

    def _roll_back(self, gate: Gate, failure: ReleaseFailed) -> None:
        self._say(Phase.DEGRADED, failure.what)
        for step in gate.failed:
            try:
                self._do(step)
            except httpx2.TransportError as error:  # waited for already, and the rest would wait as long
                self._say(Phase.DEGRADED, f"rolling back: the API server is away ({error}): run again when it is there")
                return
            except (UserError, httpx2.HTTPError) as error:  # the others still help
                self._say(Phase.DEGRADED, f"rolling back: {error}")
        if gate.release:
            try:
                self._note(Moment(Event.ROLLED_BACK))
                rejected = failure.recorded if isinstance(failure, CheckFailed) else ""
                self.book.finish(Phase.DEGRADED, failure.recorded, rejected=rejected)
            except httpx2.HTTPError as error:  # why the release failed is what must be told
                self._say(Phase.DEGRADED, f"the ledger can't be written: {error}")
        for other in self.dependents:
            self.tell(f"{other}: left as it is, for it depends on {self.subject.name}")

    def _do(self, step: Step) -> None:  # noqa: PLR0912  a table
        match step:
            case Begin():
                last = self.book.last
                left = last.release.image if self.plan.rolls_back and last else ""
                steps = len(self._canary_steps)
                self.book.begin(step.release, step.track, self.strategy, self.provenance, left=left, steps=steps)
                self._note(Moment(Event.BEGUN, track=step.track))
                self._say(Phase.PROGRESSING, f"release {step.release.id} begins on {step.track}")
            case Mark():
                self.book.mark(step.step)
            case Finish():
                self._finish(step)
            case Close():
                self._close(step.message)
            case Scale():
                self._scale(step)
            case Emptied():
                self._emptied(step.track)
            case Apply():
                self._apply(step)
            case Ready():
                self._ready(step)
            case Reached():
                self._reached(step)
            case Check():
                self._check(step)
            case Point():
                self._point(step.pool)
            case Remove():
                self._live.remove(step.track)
            case Reject():
                by = self.provenance.get("actor") or "SLIPWAY_ACTION=reject"
                self.book.reject(f"by {by}", step.release)
                self._say(self.plan.phase, f"release {step.release} is rejected: no environment takes it from here")

    # The ledger

    def _close(self, why: str) -> None:
        if self.book.last:
            self._say(Phase.DEGRADED, f"release {self.book.last.release.id} ends: {why}")
        self.book.finish(Phase.DEGRADED, why)

    def _finish(self, step: Finish) -> None:
        healthy = step.outcome is Phase.HEALTHY
        settings = self.subject.workload.strategy.blue_green
        window: int | None = 0
        if healthy and settings:
            window = {"window": settings.rollback_window, "forever": None, "none": 0}[settings.keep]
        self._note(Moment(Event.OUTCOME, outcome=step.outcome))
        self.book.finish(
            step.outcome,
            step.message,
            step=None if healthy else step.step,
            track=self.plan.live if healthy else None,
            window=window,
        )
        self._say(step.outcome, step.message or f"{self.plan.release.id} is live")

    # The cluster

    @property
    def _live(self) -> Live:
        return Live(self.client, self.subject)

    def _scale(self, step: Scale) -> None:
        if step.pods == 0 and self._serving() is step.track.pool and step.track is HOME[step.track.pool]:
            self._say(Phase.DEGRADED, f"{step.track} keeps its pods: the Service points to them")
            return
        self._live.scale(step.track, step.pods)
        self._note(Moment(Event.SCALED, track=step.track, replicas=step.pods))

    def _emptied(self, track: TrackName) -> None:
        until = time.monotonic() + EMPTIED_SECONDS
        while time.monotonic() < until:  # nothing depends on it but how long the release takes
            live = self._live.deployment(track)
            if live is None or (rollout.is_observed(live) and not live["status"].get("replicas")):
                return
            self.interrupt.sleep(POLL_SECONDS)

    def _apply(self, step: Apply) -> None:
        template = self.template(step.track, step.release.id) or step.release.pod_template(step.track)
        self._live.apply(step.track, step.release, template, step.pods, self.book.records)
        self._note(Moment(Event.APPLIED, track=step.track, release=step.release.id))

    def _ready(self, step: Ready) -> None:
        def tell(line: str) -> None:
            self._say(Phase.PROGRESSING, line)
            self._note(Moment())

        rollout.wait(
            self.client,
            self.subject.name,
            self.subject.namespace,
            track=step.track,
            release=step.release,
            deadline=self.subject.workload.progress_deadline,
            tell=tell,
            sleep=self.interrupt.sleep,
        )
        self._note(Moment(Event.READY, track=step.track))

    def _reached(self, step: Reached) -> None:
        reach.wait(
            self._live,
            step.track,
            self.plan.release.id,
            preview=step.preview,
            deadline=self.subject.workload.progress_deadline,
            sleep=self.interrupt.sleep,
        )
        if not step.preview:
            self._note(Moment(Event.REACHED, track=step.track))

    def _point(self, pool: Pool) -> None:
        if not any(self._pods(HOME[pool]).values()):
            self._say(Phase.DEGRADED, f"{HOME[pool]} has no ready pod to switch back to")
            return
        self._live.point(pool)
        self._note(Moment(Event.SWITCHED_BACK, track=HOME[pool]))
        self._say(Phase.PROGRESSING, f"users are switched back to {HOME[pool]}")

    def _serving(self) -> Pool | None:
        return self._live.serving()

    def _pods(self, track: TrackName) -> dict[str, bool]:
        return self._live.pods(track)

    # Checks

    def _check(self, step: Check) -> None:
        if step.title:
            self._say(Phase.PROGRESSING, step.title + (f", {step.seconds} s" if step.seconds else ""))
            self._note(self._step_moment())
            self.book.save()  # so that `status` knows the step while it lasts
        settings = self.subject.workload.release_checks
        wanted: Mapping[str, CheckSettings] = {name: settings[name] for name in step.names}
        if not wanted and not step.seconds:
            return
        verdicts = self.measure(
            self.client,
            wanted,
            target(self.subject, self.strategy, self.plan.release, step),
            seconds=step.seconds,
            prometheus=self.subject.environment.prometheus,
            tell=lambda line: self._say(Phase.PROGRESSING, line),
            clock=InterruptibleClock(self.interrupt),
        )
        for verdict in verdicts:
            values = tuple((m.at, m.value, str(m.status)) for m in verdict.measurements[-VALUES:])
            self.book.checked(
                CheckResult(verdict.check, str(verdict.status), verdict.message, dict(verdict.threshold), values)
            )
        bad = [verdict for verdict in verdicts if verdict.status is not Status.SUCCESSFUL]
        if bad:
            said = "; ".join(verdict.message for verdict in bad)
            raise CheckFailed(self.subject.name, step.release, said)

    @property
    def _canary_steps(self) -> Sequence[CanaryStep]:
        canary = self.subject.workload.strategy.canary
        return canary.steps if canary else ()

    def _step_moment(self) -> Moment:
        """The step that the ledger's marks say is under way."""
        number = self.book.last.step if self.book.last else 0
        if number >= len(self._canary_steps):
            return Moment(Event.STEP, step=number + 1)
        step = self._canary_steps[number]
        return Moment(Event.STEP, step=number + 1, weight=step.weight, replicas=step.replicas)

    # Telling

    def _say(self, phase: Phase, line: str) -> None:
        self.tell(f"{self.subject.name}: {phase}: {line}")

    def _note(self, moment: Moment) -> None:
        """A moment of the timeline, with the pods that the Service could send to; a picture is not worth a failure."""
        try:
            self.book.note(replace(moment, pods=self._live.shares()))
        except httpx2.HTTPError:
            return
