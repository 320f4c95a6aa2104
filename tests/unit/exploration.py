"""The whole bounded state space of the plan: every state that runs, kills, failures and people lead to, each looked at.

A run is done write by write. Each state between two writes is where a kill leaves the workload, so it is a state to go
on from like any other; every check and every wait for pods comes out both ways.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pulumi_slipway.core.action import Action
from pulumi_slipway.core.goal import NothingToDo
from pulumi_slipway.core.model import Pool
from pulumi_slipway.core.plan import Plan, plan
from pulumi_slipway.core.rules import Strategy
from tests.unit.invariants import Invariants, NoWayOut
from tests.unit.small_run import RULES, Conduct, Run, Unsafe
from tests.unit.small_world import SLOT, TRACKS, VERSIONS, State


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
