"""Decides every strategy: a pure function from what is observed and wanted to what this run does."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from pulumi_slipway.core.action import Action
from pulumi_slipway.core.goal import Aim, aim
from pulumi_slipway.core.model import HOME, Manifest, Observed, Phase, Pool, Release, TrackName
from pulumi_slipway.core.rules import Rules, Strategy
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

SERVICE, PREVIEW, LEDGER = "service", "preview", "ledger"
"""What a run writes besides the tracks: the Service, blue-green's preview Service, the ledger's ConfigMap."""
STABLE, CANARY = TrackName.STABLE, TrackName.CANARY
COLOURS = (TrackName.BLUE, TrackName.GREEN)


class Way(StrEnum):
    """How a run gets the release to its users."""

    HOLD = "hold"
    """Nothing moves; what is past its time is retired, what somebody changed is mended."""
    IN_PLACE = "in place"
    """The track that serves takes the release, pod by pod."""
    STEPS = "steps"
    """The canary takes it first, in growing numbers; then the stable track, in place."""
    ASIDE = "aside"
    """Another track takes it whole; then the Service is switched."""


@dataclass(frozen=True)
class TrackPlan:
    """One Deployment as this run declares it."""

    track: TrackName
    template: Manifest
    release: str | None
    replicas: int | None
    """None: not declared, for an autoscaler or the steps of a canary to set."""


@dataclass(frozen=True)
class Operation:
    """One object that a run declares."""

    what: str
    """A TrackName, SERVICE, PREVIEW or LEDGER."""
    after: tuple[str, ...]
    """The operations, by their `what`, that must be done before it."""
    gate: Gate | None
    """What stands before it; None: nothing."""
    track: TrackPlan | None = None
    """Where it is a track."""


@dataclass(frozen=True)
class Plan:
    """What this run does with a workload, in the order in which it is done."""

    way: Way
    phase: Phase
    """Where the workload stands once every gate has passed."""
    release: Release
    """The release that this run is about."""
    why: str
    """One sentence for the job log."""
    first: tuple[TrackPlan, ...]
    """The tracks before the Service, each after the one before it."""
    pool: Pool
    """Where the Service points at the end."""
    preview: Pool | None
    """Where the preview Service points; None: there is none."""
    last: tuple[TrackPlan, ...]
    """The tracks after the ledger: what the new one makes needless."""
    gates: Mapping[str, Gate] = field(default_factory=dict)
    """By what they stand before: the name of a track, SERVICE, LEDGER."""
    rolls_back: bool = False
    """Whether users go back to what they had before."""

    @property
    def moves(self) -> bool:
        """Whether this run has anything to do in the cluster besides declaring what is there."""
        return bool(self.gates)

    @property
    def live(self) -> TrackName:
        """The track that serves at the end."""
        return HOME[self.pool]

    @property
    def tracks(self) -> tuple[TrackPlan, ...]:
        """Every Deployment that is declared."""
        return self.first + self.last

    def operations(self) -> tuple[Operation, ...]:
        """What this run declares, in an order in which it can be written: each after those it depends on.

        A Service that nothing stands before waits for no track: it is mended at once.
        """
        shown: tuple[str, ...] = (PREVIEW,) if self.preview else ()
        names: tuple[str, ...] = tuple(track.track for track in self.first)
        made = [self._operation(PREVIEW)] if self.preview else []
        for number, track in enumerate(self.first):
            made.append(self._operation(track.track, shown + names[max(0, number - 1) : number], track))
        made.append(self._operation(SERVICE, names if SERVICE in self.gates else ()))
        made.append(self._operation(LEDGER, (*names, SERVICE)))
        made += [self._operation(track.track, (LEDGER,), track) for track in self.last]
        return tuple(made)

    def _operation(self, what: str, after: tuple[str, ...] = (), track: TrackPlan | None = None) -> Operation:
        return Operation(what, after, self.gates.get(what), track)


def plan(workload: str, observed: Observed, desired: Release, action: Action, rules: Rules) -> Plan:
    """The plan of one run. `release.aim` says which release; this table says how it gets there.

    | strategy          | observed                                             | way      | target         | ends     |
    |-------------------|------------------------------------------------------|----------|----------------|----------|
    | any               | it is only to be settled                             | hold     | where it is    | as it is |
    | any               | the release is Healthy and serves from its place     | hold     | where it is    | Healthy  |
    | canary, blueGreen | the release is Paused, and nobody promotes it        | hold     | where it is    | Paused   |
    | rolling, canary   | blue or green serves                                 | aside    | stable         | Healthy  |
    | rolling           | otherwise                                            | in place | stable         | Healthy  |
    | canary            | nothing is Healthy, or stable has no pods            | in place | stable         | Healthy  |
    | canary            | it goes back, was Healthy last, or stable has it     | in place | stable         | Healthy  |
    | canary            | otherwise, and a step left waits to be promoted      | steps    | canary         | Paused   |
    | canary            | otherwise                                            | steps    | canary, stable | Healthy  |
    | blueGreen         | the release serves, or did until it was deleted      | in place | where it is    | Healthy  |
    | blueGreen         | no autoPromote, not promoted, another release serves | aside    | the idle one   | Paused   |
    | blueGreen         | otherwise                                            | aside    | the idle one   | Healthy  |

    Raises NothingToDo where the action has nothing to act on.
    """
    return _Case(observed, aim(workload, observed, desired, action), rules).plan()


class _Case:
    """One observation with one aim; each method is a part of the table."""

    def __init__(self, observed: Observed, aim: Aim, rules: Rules) -> None:
        self.seen, self.aim, self.rules = observed, aim, rules
        self.release, self.id = aim.release, aim.release.id
        self.home = observed.home
        self.committed = observed.committed
        self.flying = observed.in_flight
        self.resumes = self._resumes()
        self.target = self._target()
        self.proven = not self.resumes and self._is_committed() and self._carries(self.target)
        """The release is Healthy already: there is nothing to begin, to check or to record."""
        self.passed = self.flying.step if self.flying and self.resumes else 0

    def plan(self) -> Plan:
        way = self._way()
        match way:
            case Way.HOLD:
                return self._hold()
            case Way.IN_PLACE:
                return self._in_place()
            case Way.STEPS:
                return self._steps()
            case Way.ASIDE:
                return self._aside()

    # What the table asks

    def _way(self) -> Way:
        paused = self.resumes and self.flying is not None and self.flying.outcome is Phase.PAUSED
        if self.aim.holds or (paused and not self.aim.promotes):
            return Way.HOLD
        if self.rules.strategy is Strategy.BLUE_GREEN:
            here = self.home is self.target and self.seen.pool is self.target.pool
            return self._held_or(Way.IN_PLACE) if here else Way.ASIDE
        if self.home in COLOURS:
            return Way.ASIDE
        stable = self.seen.tracks.get(STABLE)
        unserved = not self.committed or not (stable and stable.wanted)
        skips = unserved or self.aim.rolls_back or self._is_committed() or self._carries(STABLE)
        return Way.STEPS if self.rules.strategy is Strategy.CANARY and not skips else self._held_or(Way.IN_PLACE)

    def _held_or(self, way: Way) -> Way:
        if not (self.proven and self.seen.pool and self.seen.tracks[self.target].complete):
            return way
        asleep = self.rules.replicas is None and not self.seen.tracks[self.target].wanted  # no autoscaler leaves 0
        return way if asleep else Way.HOLD

    def _resumes(self) -> bool:
        """The release under way is this one, in this strategy: it goes on where it is.

        What it has passed counts only while the pods that have passed it are there: else it begins anew.
        """
        flying = self.flying
        if flying is None or flying.release.id != self.id or flying.strategy != self.rules.strategy:
            return False
        its_own = COLOURS if self.rules.strategy is Strategy.BLUE_GREEN else (CANARY, STABLE)
        untried = flying.outcome is Phase.PROGRESSING and not flying.step
        return untried or self.seen.carrier(self.id, its_own) is not None

    def _target(self) -> TrackName:
        if self.rules.strategy is not Strategy.BLUE_GREEN:
            return STABLE
        if self.home in COLOURS and self._carries(self.home):
            return self.home
        if carrier := self.seen.carrier(self.id, tuple(c for c in COLOURS if c is not self.home)):
            return carrier
        if self.home in COLOURS and self.home not in self.seen.tracks and self._is_committed():
            return self.home  # deleted by hand: made anew where it was
        return TrackName.GREEN if self.home is TrackName.BLUE else TrackName.BLUE

    def _is_committed(self) -> bool:
        return self.committed is not None and self.committed.release.id == self.id

    def _carries(self, track: TrackName | None) -> bool:
        live = self.seen.tracks.get(track) if track else None
        return live is not None and live.release == self.id

    # The ways

    def _hold(self) -> Plan:
        flying = self.flying if self.resumes or self.aim.holds else None
        live = self.home or self.target
        never = self.seen.ledger[-1] if self.seen.ledger and self.committed is None else None  # none was ever Healthy
        told = flying or never
        phase, known = (told.outcome, told.release.id) if told else (Phase.HEALTHY, self.id)
        tracks: list[TrackPlan] = []
        if live in self.seen.tracks:  # one with a release that is still to prove itself is left to the run that goes on
            unproven = flying is not None and self.seen.tracks[live].release == flying.release.id
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
        if not flying and self.rules.strategy is not Strategy.BLUE_GREEN and CANARY in self.seen.tracks:
            steps += self._canary_away(others)
        return self._made(
            Way.HOLD,
            phase,
            self.aim.why if self.aim.rolls_back and not flying else f"{known} is {phase if told else 'live'}",
            first=tracks,
            pool=live.pool if self.seen.pool is None or not flying else self.seen.pool,
            preview=under_way or live,
            last=others,
            gates={LEDGER: Gate(tuple(steps))} if steps else {},
        )

    def _in_place(self) -> Plan:
        whole = self._whole()
        begin = self._begin(self.target)
        checks = self._checks(self.rules.after, self.target)
        live = self.seen.tracks.get(self.target)  # one with pods has the number that the autoscaler gave it
        steps: list[Step] = [] if live and live.wanted else self._sized(self.target, whole)
        steps.append(Ready(self.target, self.id))
        if self.rules.strategy is Strategy.BLUE_GREEN:
            steps.append(Reached(self.target))
        steps += [*checks, *self._healthy()]
        others = self._others({self.target}, steps)
        if self.rules.strategy is Strategy.CANARY and CANARY in self.seen.tracks:
            steps += self._canary_away(others)
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

    def _steps(self) -> Plan:
        assert self.committed is not None  # noqa: S101  else the way is in place
        stable, whole = self.committed.release, self._whole()
        away = (Scale(CANARY, 0),)
        titles = [step.title for step in self.rules.steps]
        left = self.rules.steps[self.passed :]
        pauses = any(step.pause is None for step in left)
        begin: list[Step] = []
        if not self._carries(CANARY) or not self.resumes:
            if self.seen.tracks[STABLE].release != stable.id and not pauses:  # an update that a newer release overtook
                begin.append(Apply(STABLE, stable, self.rules.replicas))  # else the engine does it
            begin += self._begin(CANARY)
            if CANARY in self.seen.tracks and not self._carries(CANARY):
                begin.append(Scale(CANARY, 0))  # else pods of its last release, a failed one maybe, would serve users
        conduct: list[Step] = []
        paused_at = None
        for number, step in enumerate(left, self.passed):
            conduct += [
                Mark(number),
                Scale(CANARY, step.pods(whole, self.rules.most_canary)),
                Ready(CANARY, self.id),
                Check(
                    self.rules.before, CANARY, self.id, step.pause, f"step {number + 1}/{len(titles)}, {titles[number]}"
                ),
            ]
            if step.pause is None:
                paused_at = number
                break
        gates: dict[str, Gate] = {CANARY: Gate(tuple(begin), away, self.release)} if begin else {}
        canary = TrackPlan(CANARY, self.release.pod_template(CANARY), self.id, None)
        if paused_at is not None:
            said = f"step {paused_at + 1} of {len(titles)}: SLIPWAY_ACTION=promote goes on, abort rolls it back"
            others = self._others({STABLE, CANARY}, conduct)
            conduct.append(Finish(Phase.PAUSED, said, paused_at + 1))
            gates[LEDGER] = Gate(tuple(conduct), away, self.release)
            first, phase = [self._track(STABLE, stable), canary], Phase.PAUSED
        else:
            steps: list[Step] = [Ready(STABLE, self.id), *self._healthy(), *away]
            others = self._others({STABLE, CANARY}, steps)
            gates[STABLE] = Gate((*conduct, Mark(len(titles))), away, self.release)
            gates[LEDGER] = Gate(tuple(steps), (*self._rolled_back(), *away), self.release)
            first, phase = [canary, self._track(STABLE, self.release)], Phase.HEALTHY
        return self._made(
            Way.STEPS, phase, self._sentence(), first=first, pool=Pool.MAIN, preview=None, last=others, gates=gates
        )

    def _aside(self) -> Plan:
        target, home, whole = self.target, self.home, self._whole()
        blue_green = self.rules.strategy is Strategy.BLUE_GREEN
        recorded = None if self.proven else self.release
        back: tuple[Step, ...] = () if self.proven else (Scale(target, 0),)
        to_prove = blue_green and not self.proven and (self.passed == 0 or self.aim.rolls_back)
        pauses = to_prove and not (self.rules.auto_promote or self.aim.rolls_back or self.aim.promotes)
        beside = self.seen.tracks.get(home) if home and self.committed else None
        pauses = pauses and beside is not None and beside.wanted > 0  # else nobody is served meanwhile

        begin = self._begin(target)
        if begin and target in self.seen.tracks and not self._carries(target):
            begin += [Scale(target, 0), Emptied(target)]  # else two releases would stand beside the live one
        if home and begin and self.seen.pool is not home.pool:
            begin.insert(0, Point(home.pool))  # somebody moved users away: they don't wait for the release
        shown: list[Step] = [Ready(target, self.id), *([Reached(target, preview=True)] if blue_green else [])]
        proof = self._checks(self.rules.before, target) if to_prove else []
        full_already = self._carries(target) and self.seen.tracks[target].wanted >= whole
        few = min(self.rules.preview_replicas or whole, whole) if (proof or pauses) and not full_already else whole
        if proof and not pauses:  # what must wait for a person is not passed before that is written down
            proof.append(Mark(1))
        full = self._sized(target, few if pauses else whole)
        ready = [*full, *shown, *proof]
        if few < whole:
            begin += [*self._applied(target, few), *shown, *proof]
            ready = [*full, *shown]
        gates: dict[str, Gate] = {target: Gate(tuple(begin), back, recorded)} if begin else {}
        declared = self._track(target, self.release, few if pauses else whole)
        if pauses:
            assert home is not None  # noqa: S101  `beside` says so
            said = "before the switch: SLIPWAY_ACTION=promote goes on, abort rolls it back"
            others = self._others({home, target}, ready)
            gates[LEDGER] = Gate((*ready, Finish(Phase.PAUSED, said, 1)), back, recorded)
            first, pool, phase = [self._track(home), declared], home.pool, Phase.PAUSED
        else:
            after: list[Step] = [Reached(target), *self._checks(self.rules.after, target), *self._healthy()]
            others = self._others({target}, after)
            if not blue_green and CANARY in self.seen.tracks:  # its pods are in the pool that users are switched to
                ready.insert(0, Scale(CANARY, 0))
                if self.rules.strategy is Strategy.CANARY:
                    others.append(self._as_it_is(CANARY))
            gates[SERVICE] = Gate(tuple(ready), back, recorded)
            gates[LEDGER] = Gate(tuple(after), self._flipped_back(), recorded)
            first, pool, phase = [declared], target.pool, Phase.HEALTHY
        return self._made(
            Way.ASIDE, phase, self._sentence(), first=first, pool=pool, preview=target, last=others, gates=gates
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
        preview: TrackName | None,
        last: list[TrackPlan],
        gates: Mapping[str, Gate],
    ) -> Plan:
        gates = dict(gates)
        if (
            self.flying
            and not self.resumes
            and not self.aim.holds
            and not any(isinstance(step, Begin) for gate in gates.values() for step in gate.steps)
        ):
            why_closed = "aborted" if self.aim.rolls_back else f"given up for {self.id}"
            ledger = gates.get(LEDGER, Gate(()))
            gates[LEDGER] = Gate((Close(why_closed), *ledger.steps), ledger.failed, ledger.release)
            # It ends with this run, whatever comes of that; a killed one leaves it for the next.
            gates = {where: replace(gate, release=gate.release or self.flying.release) for where, gate in gates.items()}
        if self.aim.rejects:
            ledger = gates.get(LEDGER, Gate(()))
            gates[LEDGER] = Gate((Reject(self.id), *ledger.steps), ledger.failed, ledger.release)
        shown = preview.pool if self.rules.strategy is Strategy.BLUE_GREEN and preview else None
        back = self.aim.rolls_back
        return Plan(way, phase, self.release, why, tuple(first), pool, shown, tuple(last), gates, rolls_back=back)

    def _whole(self) -> int:
        """How many pods the live track has to have."""
        if self.rules.replicas is not None:
            return self.rules.replicas
        live = self.seen.tracks.get(self.home) if self.home else None
        return live.wanted if live and live.wanted else self.rules.least

    def _sized(self, track: TrackName, pods: int) -> list[Step]:
        """Scales what is not declared, whatever it was: a step before may have scaled it, too."""
        return [] if self.rules.replicas is not None else [Scale(track, pods)]

    def _applied(self, track: TrackName, pods: int) -> list[Step]:
        """Gives a track the release with fewer pods than will be declared."""
        if self.rules.replicas is not None:
            return [Apply(track, self.release, pods)]
        return [Apply(track, self.release, None), Scale(track, pods)]

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
        waits = self.aim.holds and self.flying is not None  # what a failure would fall back to must stay
        for track in self.seen.tracks:
            if track in needed or (track is CANARY and self.rules.strategy is Strategy.CANARY):
                continue
            ours = COLOURS if self.rules.strategy is Strategy.BLUE_GREEN else (STABLE,)
            if waits:
                left.append(self._as_it_is(track))
                continue
            if track not in ours:
                steps.append(Remove(track))
                continue
            held = self._as_it_is(track)
            left.append(held if self._warm(track) else replace(held, replicas=0))  # no autoscaler wakes it up
        return left

    def _warm(self, track: TrackName) -> bool:
        """Whether a rollback may still need the track's pods: it was live just before, and its time isn't over."""
        if self.rules.keep == "none":
            return False
        release = self.seen.tracks[track].release
        if not self.proven and not self.aim.holds:  # this run ends with a new live release: the time begins anew
            return self.committed is not None and self.committed.release.id == release
        healthy = any(record.release.id == release for record in self.seen.healthy())
        return healthy and (self.rules.keep == "forever" or self.seen.window_open)

    def _begin(self, track: TrackName) -> list[Step]:
        if self.resumes:
            return [Mark(self.passed)] if self.aim.promotes else []
        return [] if self.proven else [Begin(self.release, track)]

    def _checks(self, names: tuple[str, ...], track: TrackName) -> list[Step]:
        skipped = self.proven or (self.aim.rolls_back and not self.rules.check_rollback) or self._whole() == 0
        return [] if skipped or not names else [Check(names, track, self.id)]

    def _healthy(self) -> list[Step]:
        return [] if self.proven else [Finish(Phase.HEALTHY)]

    def _rolled_back(self) -> tuple[Step, ...]:
        """What brings the committed release back onto the track that serves."""
        if self.proven or self.committed is None or self.committed.release.id == self.id or self.aim.rolls_back:
            return ()
        if self.rules.strategy is Strategy.BLUE_GREEN:
            return self._flipped_back()
        stable = self.committed.release
        return (Apply(STABLE, stable, self.rules.replicas), Ready(STABLE, stable.id))

    def _flipped_back(self) -> tuple[Step, ...]:
        """What brings users back to the track with the committed release, where that is another one."""
        committed = self.committed
        if committed is None or self.proven or self.aim.rolls_back or committed.release.id == self.id:
            return ()
        carrier = self.seen.carrier(committed.release.id, tuple(t for t in HOME.values() if t is not self.target))
        return (Point(carrier.pool), Scale(self.target, 0)) if carrier else ()

    def _canary_away(self, others: list[TrackPlan]) -> list[Step]:
        """The canary at 0, declared without a number; under another strategy `_others` removes it."""
        if self.rules.strategy is not Strategy.CANARY:
            return []
        others.append(self._as_it_is(CANARY))
        return [Scale(CANARY, 0)] if self.seen.tracks[CANARY].wanted else []

    def _sentence(self) -> str:
        serving = self.seen.tracks.get(self.home) if self.home else None
        live = serving.release if serving else None
        if self.resumes:
            return f"{self.aim.why} goes on"
        return f"{self.aim.why} in place of {live}" if live and live != self.id else f"{self.aim.why}"
