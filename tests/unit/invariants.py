"""What must hold at each step of a run on the small world, and at its end."""

from pulumi_slipway.core.action import Action
from pulumi_slipway.core.model import HOME, Phase, Pool, TrackName
from pulumi_slipway.core.plan import Plan, Way
from pulumi_slipway.core.rules import Rules, Strategy
from tests.unit.small_run import RULES, End, Run, Unsafe
from tests.unit.small_world import VERSIONS, Live, State, Trial


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


def made_home(state: State) -> Live | None:
    """The track that serves, as a plan sees it."""
    home = state.observed(windows=False).home
    return state.live(home) if home else None
