"""The whole bounded state space of the plan: every state that runs, kills, failures and people lead to, each looked at.

A run is done write by write on a small world, as `plan().operations()` says. Each state between two writes is where a
kill leaves the workload, so it is a state to go on from like any other; every check and every wait for pods comes out
both ways. What a state can't tell is told by how it was reached: see `Invariants`.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pulumi_slipway.core.action import Action
from pulumi_slipway.core.goal import NothingToDo
from pulumi_slipway.core.model import HOME, Phase, Pool, TrackName
from pulumi_slipway.core.plan import LEDGER, SERVICE, Operation, Plan, Way, plan
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
from tests.unit.small_world import NUMBER, SLOT, TRACKS, VERSIONS, Entry, State, Trial, placed

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


class Conduct:
    """One run from one state: yields every state on its way, and says where it ends when all goes well."""

    def __init__(self, run: Run, start: State, made: Plan, asked: "Invariants") -> None:
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
        if reached != ([step.track] if live and live.ready else []):
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


class Invariants:
    """What is asked at each step of a run, and at its end."""

    def __init__(self, run: Run, start: State, made: Plan) -> None:
        self.run, self.start, self.plan, self.rules = run, start, made, RULES[run.rules]
        self.failing: set[int] = set()
        """Versions that have failed in this run."""
        self.whole = self.rules.replicas or 0
        home = made_home(start)
        self.least = min(self.whole, home.wanted) if home else self.whole
        old = next((it for it in start.tracks if it and it.version == start.committed), None)
        if start.flying and old:
            self.least = min(self.least, old.wanted)  # what a failure falls back to is as it was

    def step(self, before: State, after: State) -> None:
        """Nothing that a run does takes users' pods away, or leads them to a version that may not serve."""
        if before.flying and after.last and after.last.outcome is Phase.HEALTHY:
            self._healthy(after)
        if before.service is after.service and before.tracks == after.tracks:
            return
        met = before.users | before.grown().users | self.start.users
        if (stable := self.start.live(TrackName.STABLE)) and self.rules.strategy is not Strategy.BLUE_GREEN:
            met |= {stable.version, *dict(stable.pods)}  # asked when it was given to stable, from where users came
        for state in (after, after.grown()):
            if state.serving < min(before.serving, self.least):
                raise Unsafe(f"{before.serving} pods served, {state.serving} do now, {self.least} are to")
            others = [live for track in HOME.values() if (live := state.live(track)) and live.ready]
            first = state.ledger and state.committed is None and not before.serving
            if state.service is not before.service and not state.serving and others and not first:
                raise Unsafe("the Service is pointed to nothing, while another track has ready pods")
            for version in state.users - met:
                self._approved(version, before, state)
        if self.rules.strategy is Strategy.BLUE_GREEN and before.serving and before.service:
            was, now = before.live(HOME[before.service]), after.live(HOME[before.service])
            if was and now and was.version != now.version:
                raise Unsafe("the track that serves is given another release")

    def _healthy(self, state: State) -> None:
        """The release is called Healthy."""
        live = state.live(self.plan.live)
        if live is None or not live.complete or self.plan.release is not VERSIONS[live.version]:
            raise Unsafe("a release is called Healthy whose pods are not ready")
        if self.rules.after and not self.plan.rolls_back and state.trial and not state.trial.proved:
            raise Unsafe("a release is called Healthy that was not checked")

    def _approved(self, version: int, before: State, state: State) -> None:
        """Users newly meet this version."""
        if version == before.committed:
            return
        if before.committed is None and self.rules.strategy is not Strategy.BLUE_GREEN:
            return  # the first one has no steps and no pause, and its checks are once it serves
        if version in before.bad | self.failing:
            raise Unsafe(f"users meet v{version}, which failed, or was given up")
        back = self.run.action in (Action.ABORT, Action.ROLLBACK)
        if back and version in {entry.version for entry in state.ledger if entry.outcome is Phase.HEALTHY}:
            return
        trial = state.trial
        if trial is None or trial.version != version or not state.flying:
            raise Unsafe(f"users meet v{version}, which is not under way")
        if not any(self._passed(trial, RULES[name], state) for name in {self.run.rules, trial.rules}):
            raise Unsafe(f"users meet v{version}, which has not passed what it must: {trial}")

    def _passed(self, trial: Trial, rules: Rules, state: State) -> bool:
        if rules.strategy is Strategy.BLUE_GREEN:
            served = state.committed is not None and self.least > 0 and made_home(self.start) is not None
            asks = not rules.auto_promote and served
            return trial.proved >= len(rules.before) and (trial.promoted > 0 or not asks)
        stable = self.start.live(TrackName.STABLE)
        straight = state.committed is None or stable is None or not stable.wanted or stable.version == trial.version
        on_stable = (live := state.live(TrackName.STABLE)) is not None and trial.version in dict(live.pods)
        if rules.strategy is Strategy.CANARY and on_stable and not straight and self.start.service is Pool.MAIN:
            asked = [number for number, step in enumerate(rules.steps, 1) if step.pause is None]
            return trial.proved >= len(rules.steps) and all(trial.promoted >= number for number in asked)
        return True

    def end(self, end: End, *, undisturbed: bool) -> None:
        """A run that wasn't killed leaves an end."""
        state, last = end.state.grown(), end.state.last
        held = self.run.action in (Action.SETTLE, Action.REJECT)
        if last and last.outcome is Phase.PROGRESSING and not held and end.how != "died":
            raise Unsafe(f"the run is over ({end.how}), and the release is Progressing")
        if self.run.action in (Action.ABORT, Action.ROLLBACK) and end.how == "done":
            left = {self.start.flying.version} if self.start.flying else set()
            if end.state.flying or state.users & left - {end.state.committed}:
                raise Unsafe("what was aborted is still there")
        if held or self.plan.rolls_back:
            return
        committed = end.state.committed
        failed = (state.users & end.state.bad) - {committed} - self.start.bad
        if end.how == "done" and failed:
            raise Unsafe(f"users are left on {failed}, which failed, or was given up")
        others = [
            live for live in end.state.tracks if live and live.version == committed and committed in dict(live.pods)
        ]
        if self.plan.way in (Way.IN_PLACE, Way.STEPS) and self.rules.strategy is not Strategy.BLUE_GREEN:
            stable = end.state.live(TrackName.STABLE)
            others += [stable] if committed is not None and stable and stable.version in failed else []
        if end.how == "failed" and failed and others:
            raise Unsafe(f"users are left on {failed}, which failed, though v{committed} is there")
        if not undisturbed:
            return
        if end.how != "done":
            raise NoWayOut(f"{end.how}")
        if not state.users and self.whole:
            raise NoWayOut("nobody is served")
        flying = end.state.flying
        if (
            self.run.action is Action.DEPLOY
            and not flying
            and (state.users, committed)
            != (
                {self.run.version},
                self.run.version,
            )
        ):
            raise NoWayOut(f"users are on {set(state.users)}, v{committed} is live")


class NoWayOut(Exception):
    """A run that nothing disturbed did not come to an end."""


def made_home(state: State) -> Any:
    """The track that serves, as a plan sees it."""
    home = state.observed(windows=False).home
    return state.live(home) if home else None


@dataclass
class Exploration:
    """All that is reachable within its bounds."""

    rules: tuple[str, ...] = tuple(RULES)
    actions: tuple[Action, ...] = tuple(Action)
    versions: int = 3
    disturbances: int = 1
    """How often at most somebody changes something by hand, pods fail, or the stack's state or the ledger is lost."""
    most: int | None = None
    """States at most; None: all."""
    decide: Callable[..., Plan] = plan
    states: int = 0
    transitions: int = 0
    seconds: float = 0.0
    unsafe: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    whole: bool = True
    """Whether no bound on the number of states cut it short."""
    came: dict[State, tuple[State | None, str]] = field(default_factory=dict)
    """Each state with the one that it was reached from, and how."""
    raw: set[State] = field(default_factory=set)
    """What has been reached, before versions are named anew."""
    stop_at: int = 20
    """Faults at most; it is over then."""

    def explore(self) -> "Exploration":
        """Everything, the nearest first."""
        began = time.process_time()
        first = State()
        self.came[first] = (None, "the beginning")
        layer = [first]
        for disturbed in range(self.disturbances + 1):
            reached: list[State] = []
            while layer:
                found: list[State] = []
                for state in layer:
                    if len(self.unsafe) + len(self.stuck) >= self.stop_at:
                        break
                    if self.most is not None and self.states >= self.most:
                        self.whole = False
                        break
                    self.states += 1
                    reached.append(state)
                    found += self._new(state, self._runs(state))
                layer = found
            if disturbed < self.disturbances:
                for state in reached:
                    layer += self._new(state, disturbed_by_hand(state))
        self.seconds = time.process_time() - began
        return self

    def _new(self, state: State, successors: Iterator[tuple[State, str]]) -> list[State]:
        found = []
        for raw, how in successors:
            self.transitions += 1
            if raw in self.raw:
                continue
            self.raw.add(raw)
            after = raw.canonical()
            if after not in self.came:
                self.came[after] = (state, how)
                found.append(after)
        return found

    def _runs(self, state: State) -> Iterator[tuple[State, str]]:
        yield state.grown(), "the controllers come to their end"
        if state.window:
            yield state._replace(window=False), "the window is over"
        known = 1 + max((entry.version for entry in state.ledger), default=-1)
        known = max([known, *(live.version + 1 for live in state.tracks if live)])
        for name in self.rules:
            for action in self.actions:
                for version in range(min(known + 1, self.versions)) if action is Action.DEPLOY else (0,):
                    run = Run(name, action, version)
                    yield from ((after, str(run)) for after in self._run(state, run))

    def _run(self, state: State, run: Run, *, again: bool = True) -> Iterator[State]:
        rules = RULES[run.rules]
        seen = state.observed(windows=rules.strategy is Strategy.BLUE_GREEN)
        try:
            made = self.decide("app", seen, VERSIONS[run.version], run.action, rules)
        except NothingToDo:
            return
        asked = Invariants(run, state, made)
        conduct = Conduct(run, state, made, asked)
        try:
            yield from conduct.walk()
            for number, end in enumerate(conduct.ends, 1):
                asked.end(end, undisturbed=number == len(conduct.ends))
        except Unsafe as fault:
            self.unsafe.append(self._told(state, f"{run}: {'; '.join(conduct.why)}: {fault}"))
        except NoWayOut as fault:
            last = conduct.ends[-1].state
            if again and run.action is Action.DEPLOY:
                before = len(self.stuck) + len(self.unsafe)
                for _ in self._run(last, run, again=False):
                    pass
                if len(self.stuck) + len(self.unsafe) == before:
                    return
            self.stuck.append(self._told(state, f"{run}: {fault}"))

    def _told(self, state: State, end: str) -> str:
        """The way to a fault."""
        lines = [end, f"    {state}"]
        while state in self.came and self.came[state][0] is not None:
            before, how = self.came[state]
            assert before is not None
            lines += [f"after {how}, from", f"    {before}"]
            state = before
        return "\n".join(lines)

    def __str__(self) -> str:
        return (
            f"{self.states} states, {self.transitions} transitions, {self.seconds:.0f} s, "
            f"{len(self.unsafe)} unsafe, {len(self.stuck)} without a way out"
            f"{'' if self.whole else ', cut short'}"
        )


def disturbed_by_hand(state: State) -> Iterator[tuple[State, str]]:
    """What somebody, or an accident, does."""
    for track in TRACKS:
        live = state.tracks[SLOT[track]]
        if live is None:
            continue
        for pods in {0, 1} - {live.wanted}:
            yield state.put(track, live.at(pods)), f"{track} is scaled to {pods}"
        gone = state.put(track, None)
        if gone.trial and not any(it and it.version == gone.trial.version for it in gone.tracks):
            gone = gone._replace(trial=gone.trial._replace(proved=0, promoted=0))  # what passed is gone
        yield gone, f"{track} is deleted"
        if live.pods:
            yield state.put(track, live._replace(pods=())), f"the pods of {track} fail"
    for pool in (None, *Pool):
        if pool is not state.service:
            yield state._replace(service=pool), f"the Service is pointed to {pool}"
    if state.recorded:
        yield state._replace(recorded=frozenset()), "the stack's state is lost"
    if state.ledger:
        yield state._replace(ledger=(), trial=None), "the ledger is lost"
