"""One run on the small world, write by write, as `plan().operations()` says; steps do what release/conduct.py does."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from pulumi_slipway.core.action import Action
from pulumi_slipway.core.model import HOME, Phase
from pulumi_slipway.core.plan import LEDGER, SERVICE, Operation, Plan, Way
from pulumi_slipway.core.rules import CanaryStep, Rules, Strategy
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
from tests.unit.small_world import NUMBER, TRACKS, VERSIONS, Entry, State, Trial, placed

CHECKS = {"before": ("good",), "after": ("good",)}
RULES: Mapping[str, Rules] = {
    "rolling": Rules(after=("good",)),
    "blue-green": Rules(Strategy.BLUE_GREEN, **CHECKS, keep="window"),
    "blue-green, promoted": Rules(
        Strategy.BLUE_GREEN, before=("good",), preview_replicas=1, auto_promote=False, keep="none"
    ),
    "canary": Rules(Strategy.CANARY, **CHECKS, steps=(CanaryStep(50, None, 10), CanaryStep(None, 2, 10))),
    "canary, promoted": Rules(Strategy.CANARY, **CHECKS, steps=(CanaryStep(None, 1, None), CanaryStep(100, None, 10))),
}
"""Two pods each. An autoscaler's number is left to the random histories."""


class Unsafe(AssertionError):
    """What must never be."""


@dataclass(frozen=True)
class Run:
    """One `pulumi up`."""

    rules: str
    action: Action
    version: int

    def __str__(self) -> str:
        return f"{self.rules}: {self.action} v{self.version}"


@dataclass
class End:
    """What became of a run."""

    state: State
    how: str
    """done, failed, or died: it ended with an error that is no failure of the release"""


class Asked(Protocol):
    """What looks at each step."""

    failing: set[int]
    """Versions that have failed in this run."""

    def step(self, before: State, after: State) -> None: ...


class Conduct:
    """One run from one state: yields every state on its way, and says where it ends when all goes well."""

    def __init__(self, run: Run, start: State, made: Plan, asked: Asked) -> None:
        self.run, self.start, self.plan, self.asked = run, start, made, asked
        self.rules = RULES[run.rules]
        self.windows = self.rules.strategy is Strategy.BLUE_GREEN
        self.ends: list[End] = []
        self.why: list[str] = []

    def walk(self) -> Iterator[State]:
        """Every state between two steps, failures' too; `ends` holds where it ends, the undisturbed way last."""
        operations = self.plan.operations()
        orders = [operations]
        service = next(one for one in operations if one.what == SERVICE)
        if not service.after and self.plan.pool is not self.start.service:  # the engine may write it at any time
            orders.append((service, *(one for one in operations if one is not service)))
        for order in reversed(orders):
            yield from self._written(self._promoted(self.start), order)

    def _promoted(self, state: State) -> State:
        """Somebody has asked for it."""
        flying, trial = state.flying, state.trial
        if self.run.action is Action.PROMOTE and flying and trial and flying.outcome is Phase.PAUSED:
            return state._replace(trial=trial._replace(promoted=flying.step))
        return state

    def _written(self, state: State, operations: tuple[Operation, ...]) -> Iterator[State]:
        for one in operations:
            gate = self._settled(one)
            for step in gate.steps if gate else ():
                before, self.why = state, [f"{one.what}: {step}"]
                if self._may_fail(state, step):
                    yield from self._failed(state, gate, step)
                try:
                    state = self._done(before, step)
                except ReleaseFailed:
                    yield from self._failed(before, gate, step)
                    return
                except LookupError:
                    self.ends.append(End(before, "died"))
                    return
                yield self._seen(before, state)
            before, self.why = state, [f"{one.what} is written"]
            if one.track:
                release = one.track.release or ""
                live = state.live(one.track.track)
                state = placed(state, one.track.track, NUMBER[release], one.track.replicas, live)
                yield self._seen(before, state)
                state = state._replace(recorded=state.recorded | {one.track.track})
            elif one.what == SERVICE:
                state = state._replace(service=self.plan.pool)
            yield self._seen(before, state)
        for track in state.recorded - {one.what for one in operations}:
            before, self.why = state, [f"the engine deletes {track}"]
            state = state.put(track, None)
            yield self._seen(before, state)
            state = state._replace(recorded=state.recorded - {track})
            yield state
        self.ends.append(End(state, "done"))

    def _settled(self, one: Operation) -> Gate | None:
        """release/prepare.py: what is only scaled or mended is waited for."""
        if one.what != LEDGER or (one.gate and one.gate.steps and self.plan.way is not Way.HOLD):
            return one.gate
        live = next((track for track in self.plan.tracks if track.track is self.plan.live), None)
        now = self.start.live(self.plan.live)
        if live is None or live.release is None:
            return one.gate
        if now and (VERSIONS[now.version].id, now.wanted) == (live.release, live.replicas):
            return one.gate
        gate = one.gate or Gate(())
        return Gate((Ready(live.track, live.release), *gate.steps), gate.failed, gate.release)

    def _seen(self, before: State, state: State) -> State:
        self.asked.step(before, state)
        return state

    def _failed(self, state: State, gate: Gate | None, at: Step) -> Iterator[State]:
        """The gate's way back, each step of which may fail too; then the ledger says so."""
        self.asked.failing = {NUMBER[at.release]} if isinstance(at, Check) else set()
        states = [state]
        for step in gate.failed if gate else ():
            after = []
            for one in states:
                self.why = [f"taking back: {step}"]
                if self._may_fail(one, step):
                    after.append(one)
                try:
                    after.append(self._done(one, step))
                except (ReleaseFailed, LookupError):
                    after.append(one)
                yield self._seen(one, after[-1])
            states = after
        for one in states:
            state = one.ended(Phase.DEGRADED) if gate and gate.release else one
            self.ends.append(End(state, "failed"))
            yield state
        self.asked.failing = set()

    def _may_fail(self, state: State, step: Step) -> bool:
        match step:
            case Check():
                return bool(step.names)
            case Ready():
                live = state.live(step.track)
                return live is not None and not live.complete
        return False

    def _done(self, state: State, step: Step) -> State:  # noqa: PLR0911, PLR0912  a table
        """What release/conduct.py does."""
        match step:
            case Begin():
                version = NUMBER[step.release.id]
                entry = Entry(version, Phase.PROGRESSING, step.track, str(self.rules.strategy))
                trial = Trial(version, self.run.rules)
                return state._replace(ledger=(*state.ledger, entry), trial=trial, bad=state.bad - {version})
            case Mark():
                return state.ended(Phase.PROGRESSING, step=step.step)
            case Finish():
                if step.outcome is Phase.HEALTHY:
                    return state.ended(Phase.HEALTHY, track=self.plan.live)._replace(window=True)
                return state.ended(step.outcome, step=step.step)
            case Close():
                return state.ended(Phase.DEGRADED)
            case Scale():
                live = state.live(step.track)
                if step.pods == 0 and state.service is step.track.pool and step.track is HOME[step.track.pool]:
                    return state
                if live is None and step.pods:
                    raise LookupError
                return state.put(step.track, live.at(step.pods)) if live else state
            case Emptied():
                live = state.live(step.track)
                return state.put(step.track, live.grown()) if live and not live.wanted else state
            case Apply():
                return placed(state, step.track, NUMBER[step.release.id], step.pods, state.live(step.track))
            case Ready():
                live = state.live(step.track)
                if live is None:
                    raise ReleaseFailed
                if live.version != NUMBER[step.release]:
                    raise Unsafe(f"{step.track} runs v{live.version}, and is waited for with {step.release}")
                return state.put(step.track, live.grown())
            case Reached():
                return self._reached(state, step)
            case Check():
                trial = state.trial
                if trial is None or NUMBER[step.release] != trial.version:
                    return state
                number = int(step.title.split()[1].partition("/")[0]) if step.title else 1
                return state._replace(trial=trial._replace(proved=max(trial.proved, min(number, trial.proved + 1))))
            case Point():
                live = state.live(HOME[step.pool])
                return state._replace(service=step.pool) if live and live.ready else state
            case Remove():
                return state.put(step.track, None)
            case Reject():
                return self._rejected(state, NUMBER[step.release])

    def _reached(self, state: State, step: Reached) -> State:
        pool = self.plan.preview if step.preview else state.service
        reached = [track for track in TRACKS if track.pool is pool and (live := state.live(track)) and live.ready]
        live = state.live(step.track)
        if pool is not step.track.pool or (step.track in reached) != bool(live and live.ready):
            raise ReleaseFailed
        return state

    @staticmethod
    def _rejected(state: State, version: int) -> State:
        places = [place for place, entry in enumerate(state.ledger) if entry.version == version]
        if not places:
            return state
        entries = list(state.ledger)
        entries[places[-1]] = entries[places[-1]]._replace(rejected=True)
        return state._replace(ledger=tuple(entries))


class ReleaseFailed(Exception):
    """A step failed."""
