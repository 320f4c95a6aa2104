"""What the strategies share: what is asked of an observation, and the parts that plans are made of."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace

from pulumi_slipway.core.goal import Goal
from pulumi_slipway.core.model import HOME, Observed, Phase, Pool, Release, TrackName
from pulumi_slipway.core.plan.model import LEDGER, SERVICE, Plan, TrackPlan, Way
from pulumi_slipway.core.rules import Rules
from pulumi_slipway.core.steps import (
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

STABLE, CANARY = TrackName.STABLE, TrackName.CANARY
COLOURS = (TrackName.BLUE, TrackName.GREEN)


class Case(ABC):
    """One observation with one goal, under one strategy."""

    own: tuple[TrackName, ...]
    """The tracks that a release of this strategy can be under way on."""
    keeps: tuple[TrackName, ...]
    """The tracks that stay, at 0 pods, while nobody needs them; others are removed."""
    idle: TrackName | None = None
    """The track that stays and is left to its steps."""
    previews: bool = False
    """Whether there is a preview Service."""

    def __init__(self, observed: Observed, goal: Goal, rules: Rules) -> None:
        self.seen, self.goal, self.rules = observed, goal, rules
        self.release, self.id = goal.release, goal.release.id
        self.home = observed.home
        self.committed = observed.committed
        self.flying = observed.in_flight
        self.resumes = self._resumes()
        self.target = self._find_target()
        self.proven = not self.resumes and self._is_committed() and self._carries(self.target)
        """The release is Healthy already: there is nothing to begin, to check or to record."""
        self.passed = self.flying.step if self.flying and self.resumes else 0

    def plan(self) -> Plan:
        """What is held whatever the strategy is, else what it decides."""
        paused = self.resumes and self.flying is not None and self.flying.outcome is Phase.PAUSED
        return self._hold() if self.goal.holds or (paused and not self.goal.promotes) else self.decide()

    # What a strategy says

    @abstractmethod
    def decide(self) -> Plan:
        """The plan of a release that goes on, by the table of the strategy."""

    @abstractmethod
    def _find_target(self) -> TrackName:
        """The track that serves the release at the end."""

    @abstractmethod
    def _rolled_back(self) -> tuple[Step, ...]:
        """What brings the committed release back to users, from the track that serves."""

    def _held_pool(self, live: TrackName, *, unproven: bool) -> Pool:
        """Where a Service is pointed that points nowhere, while nothing is to move."""
        return live.pool

    def _idle_canary(self, others: list[TrackPlan]) -> list[Step]:
        """Adds a canary that no release needs, and says what brings it to 0."""
        return []

    # What is asked

    def _resumes(self) -> bool:
        """The release under way is this one, in this strategy: it goes on where it is.

        What it has passed counts only while the pods that have passed it are there: else it begins anew.
        """
        flying = self.flying
        if flying is None or flying.release.id != self.id or flying.strategy != self.rules.strategy:
            return False
        untried = flying.outcome is Phase.PROGRESSING and not flying.step
        return untried or self.seen.carrier(self.id, self.own) is not None

    def _is_committed(self) -> bool:
        return self.committed is not None and self.committed.release.id == self.id

    def _carries(self, track: TrackName | None) -> bool:
        return track is not None and self.seen.carries(track, self.id)

    def _whole(self) -> int:
        """How many pods the live track has to have."""
        if self.rules.replicas is not None:
            return self.rules.replicas
        live = self.seen.tracks.get(self.home) if self.home else None
        return live.wanted if live and live.wanted else self.rules.least

    def _warm(self, track: TrackName) -> bool:
        """Whether a rollback may still need the track's pods: it was live just before, and its time isn't over."""
        if self.rules.keep == "none":
            return False
        release = self.seen.tracks[track].release
        if not self.proven and not self.goal.holds:  # this run ends with a new live release: the time begins anew
            return self.committed is not None and self.committed.release.id == release
        healthy = any(record.release.id == release for record in self.seen.healthy())
        return healthy and (self.rules.keep == "forever" or self.seen.window_open)

    def _fallback(self) -> Release | None:
        """The release that a failure of this one goes back to."""
        if self.proven or self.committed is None or self._is_committed() or self.goal.rolls_back:
            return None
        return self.committed.release

    # The ways

    def _in_place_or_hold(self) -> Plan:
        live = self.seen.tracks.get(self.target)
        asleep = live is not None and self.rules.replicas is None and not live.wanted  # no autoscaler leaves 0
        serves = self.proven and self.seen.pool is not None and live is not None and live.complete
        return self._hold() if serves and not asleep else self._in_place()

    def _hold(self) -> Plan:
        flying = self.flying if self.resumes or self.goal.holds else None
        live = self.home or self.target
        never = self.seen.ledger[-1] if self.seen.ledger and self.committed is None else None  # none was ever Healthy
        told = flying or never
        phase, known = (told.outcome, told.release.id) if told else (Phase.HEALTHY, self.id)
        unproven = told is not None and (self.committed is None or self.seen.carries(live, told.release.id))
        tracks: list[TrackPlan] = []
        if live in self.seen.tracks:  # one with a release that is still to prove itself is left to the run that goes on
            tracks.append(self._as_it_is(live) if unproven else self._track(live))
        beside = tuple(track for track in TrackName if track is not live)
        under_way = None
        if flying:
            its_own = (flying.track,) if flying.track in beside else ()
            under_way = self.seen.carrier(flying.release.id, its_own + beside)
        if under_way:
            tracks.append(self._as_it_is(under_way))
        steps: list[Step] = []
        others = self._others({live, under_way}, steps)
        if not flying:
            steps += self._idle_canary(others)
        return self._made(
            Way.HOLD,
            phase,
            self.goal.why if self.goal.rolls_back and not flying else f"{known} is {phase if told else 'live'}",
            first=tracks,
            pool=self.seen.pool if self.seen.pool and told else self._held_pool(live, unproven=unproven),
            preview=under_way or live,
            last=others,
            gates={LEDGER: Gate(tuple(steps))} if steps else {},
        )

    def _in_place(self) -> Plan:
        """The track that serves takes the release."""
        begin = self._begin(self.target)
        live = self.seen.tracks.get(self.target)  # one with pods has the number that the autoscaler gave it
        steps: list[Step] = [] if live and live.wanted else self._sized(self.target, self._whole())
        steps += [Ready(self.target, self.id), Reached(self.target)]
        steps += [*self._checks(self.rules.after, self.target), *self._healthy()]
        others = self._others({self.target}, steps)
        steps += self._idle_canary(others)
        gates: dict[str, Gate] = {self.target: Gate(tuple(begin), release=self.release)} if begin else {}
        gates[LEDGER] = Gate(tuple(steps), self._rolled_back(), None if self.proven else self.release)
        return self._made(
            Way.IN_PLACE,
            Phase.HEALTHY,
            self._sentence(),
            first=[self._track(self.target, self.release)],
            pool=self.target.pool,
            preview=self.target,
            last=others,
            gates=gates,
        )

    def _begin_aside(self) -> list[Step]:
        """What is done before a track that serves nobody takes the release."""
        target, home = self.target, self.home
        begin = self._begin(target)
        if begin and target in self.seen.tracks and not self._carries(target):
            begin += [Scale(target, 0), Emptied(target)]  # else two releases would stand beside the live one
        if home and begin and self.seen.pool is not home.pool:
            begin.insert(0, Point(home.pool))  # somebody moved users away: they don't wait for the release
        return begin

    def _switch(self, begin: list[Step], ready: list[Step]) -> Plan:
        """The target takes the release whole; once it is ready, the Service is pointed to it."""
        target, recorded = self.target, None if self.proven else self.release
        back = self._not_switched()
        after: list[Step] = [Reached(target), *self._checks(self.rules.after, target), *self._healthy()]
        others = self._others({target}, after)
        self._idle_canary(others)
        gates: dict[str, Gate] = {target: Gate(tuple(begin), back, recorded)} if begin else {}
        gates[SERVICE] = Gate(tuple(ready), back, recorded)
        gates[LEDGER] = Gate(tuple(after), self._switched_back(), recorded)
        return self._made(
            Way.ASIDE,
            Phase.HEALTHY,
            self._sentence(),
            first=[self._track(target, self.release, self._whole())],
            pool=target.pool,
            preview=target,
            last=others,
            gates=gates,
        )

    # Their parts

    def _made(
        self,
        way: Way,
        phase: Phase,
        why: str,
        *,
        first: list[TrackPlan],
        pool: Pool,
        last: list[TrackPlan],
        gates: Mapping[str, Gate],
        preview: TrackName | None = None,
    ) -> Plan:
        gates = dict(gates)
        begins = any(isinstance(step, Begin) for gate in gates.values() for step in gate.steps)
        if self.flying and not self.resumes and not self.goal.holds and not begins:
            why_closed = "aborted" if self.goal.rolls_back else f"given up for {self.id}"
            gates[LEDGER] = _with(Close(why_closed), gates.get(LEDGER))
            # It ends with this run, whatever comes of that; a killed one leaves it for the next.
            gates = {where: replace(gate, release=gate.release or self.flying.release) for where, gate in gates.items()}
        if self.goal.rejects:
            gates[LEDGER] = _with(Reject(self.id), gates.get(LEDGER))
        shown = preview.pool if self.previews and preview else None
        back = self.goal.rolls_back
        return Plan(way, phase, self.release, why, tuple(first), pool, shown, tuple(last), gates, rolls_back=back)

    def _sized(self, track: TrackName, pods: int) -> list[Step]:
        """Scales what is not declared, whatever it was: a step before may have scaled it, too."""
        return [] if self.rules.replicas is not None else [Scale(track, pods)]

    def _track(self, track: TrackName, release: Release | None = None, pods: int | None = None) -> TrackPlan:
        """A track that serves, or is about to, with this release; without one it keeps its own."""
        replicas = self.rules.replicas if pods is None or self.rules.replicas is None else pods
        if release is None:
            held = self._as_it_is(track)
            return TrackPlan(track, held.template, held.release, replicas)
        return TrackPlan(track, release.pod_template(track), release.id, replicas)

    def _as_it_is(self, track: TrackName) -> TrackPlan:
        """A track with the release and the number that it has."""
        live = self.seen.tracks[track]
        known = self.seen.known(live.release)
        scaled = track is CANARY or (self.rules.replicas is None and live.wanted)
        declared = None if scaled else live.wanted
        return TrackPlan(track, known.pod_template(track) if known else live.template, live.release, declared)

    def _others(self, needed: set[TrackName | None], steps: list[Step]) -> list[TrackPlan]:
        """The tracks that this run doesn't need: warm ones stay, the rest is retired, or removed by added steps."""
        left = []
        waits = self.goal.holds and self.flying is not None  # what a failure would fall back to must stay
        for track in self.seen.tracks:
            if track in needed or track is self.idle:
                continue
            if waits:
                left.append(self._as_it_is(track))
            elif track not in self.keeps:
                steps.append(Remove(track))
            else:
                held = self._as_it_is(track)
                left.append(held if self._warm(track) else replace(held, replicas=0))  # no autoscaler wakes it up
        return left

    def _begin(self, track: TrackName) -> list[Step]:
        if self.resumes:
            return [Mark(self.passed)] if self.goal.promotes else []
        return [] if self.proven else [Begin(self.release, track)]

    def _checks(self, names: tuple[str, ...], track: TrackName) -> list[Step]:
        skipped = self.proven or (self.goal.rolls_back and not self.rules.check_rollback) or self._whole() == 0
        return [] if skipped or not names else [Check(names, track, self.id)]

    def _healthy(self) -> list[Step]:
        return [] if self.proven else [Finish(Phase.HEALTHY)]

    def _switched_back(self) -> tuple[Step, ...]:
        """What brings users back to the track with the committed release, where that is another one."""
        carrier = self._safe_track()
        switch = (Point(carrier.pool), Scale(self.target, 0)) if carrier else ()
        return (*self._canary_away(), *switch)

    def _not_switched(self) -> tuple[Step, ...]:
        """What is left to do where the target failed before the switch."""
        carrier = self._safe_track()
        moved = (Point(carrier.pool),) if carrier and carrier is not self.home else ()  # by a run before
        return (*self._canary_away(), *moved, *(() if self.proven else (Scale(self.target, 0),)))

    def _safe_track(self) -> TrackName | None:
        """The track that users go back to: the one with the committed release that has the most pods."""
        if self.committed is None or (self.goal.rolls_back and not self._is_committed()):
            return None  # what a rollback leaves is no better
        release, tracks = self.committed.release.id, self.seen.tracks
        carriers = [it for it in HOME.values() if it is not self.target and self.seen.carries(it, release)]
        settled = [it for it in carriers if tracks[it].updated or not tracks[it].available]  # else its pods are older
        return max(settled, key=lambda it: (tracks[it].available, tracks[it].wanted), default=None)

    def _canary_away(self) -> tuple[Step, ...]:
        """What keeps a canary that is left from serving a release that has failed since, on another track."""
        return (Scale(CANARY, 0),) if CANARY in self.seen.tracks else ()

    def _sentence(self) -> str:
        serving = self.seen.tracks.get(self.home) if self.home else None
        live = serving.release if serving else None
        if self.resumes:
            return f"{self.goal.why} goes on"
        return f"{self.goal.why} in place of {live}" if live and live != self.id else f"{self.goal.why}"


def _with(step: Step, gate: Gate | None) -> Gate:
    """The gate with one more step, before the others."""
    gate = gate or Gate(())
    return replace(gate, steps=(step, *gate.steps))
