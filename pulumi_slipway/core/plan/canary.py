"""Canary: a few pods take the release first, in growing numbers; then the stable track takes it."""

from pulumi_slipway.core.model import Phase, Pool, Release
from pulumi_slipway.core.plan.case import CANARY, COLOURS, STABLE
from pulumi_slipway.core.plan.model import LEDGER, Plan, TrackPlan, Way
from pulumi_slipway.core.plan.rolling import Rolling
from pulumi_slipway.core.steps import Apply, Check, Finish, Gate, Mark, Reached, Ready, Scale, Step

AWAY = (Scale(CANARY, 0),)


class Canary(Rolling):
    """What has no steps goes as in rolling. The canary's number of pods is never declared: its steps set it.

    | observed                                         | way      | target         | ends    |
    |--------------------------------------------------|----------|----------------|---------|
    | blue or green serves                             | aside    | stable         | Healthy |
    | nothing is Healthy, or stable has no pods        | in place | stable         | Healthy |
    | it goes back, was Healthy last, or stable has it | in place | stable         | Healthy |
    | otherwise, and a step left waits to be promoted  | steps    | canary         | Paused  |
    | otherwise                                        | steps    | canary, stable | Healthy |
    """

    own, idle = (CANARY, STABLE), CANARY

    def decide(self) -> Plan:
        """A row of the table."""
        live, committed = self.seen.tracks.get(STABLE), self.committed
        unserved = committed is None or live is None or not live.wanted
        straight = unserved or self.goal.rolls_back or self._is_committed() or self._carries(STABLE)
        if committed is None or straight or self.home in COLOURS:
            return super().decide()
        return self._steps(committed.release)

    def _steps(self, stable: Release) -> Plan:
        """The canary's steps that are left: to the next pause, or to the end and into the stable track."""
        count = len(self.rules.steps)
        paused_at = next((n for n in range(self.passed + 1, count + 1) if self.rules.steps[n - 1].pause is None), None)
        begin = self._begin_canary(stable, pauses=paused_at is not None)
        gates: dict[str, Gate] = {CANARY: Gate(tuple(begin), AWAY, self.release)} if begin else {}
        declared = TrackPlan(CANARY, self.release.pod_template(CANARY), self.id, None)
        if paused_at is not None:
            conduct = self._conduct(paused_at)
            others = self._others({STABLE, CANARY}, conduct)
            said = f"step {paused_at} of {count}: SLIPWAY_ACTION=promote goes on, abort rolls it back"
            conduct.append(Finish(Phase.PAUSED, said, paused_at))
            gates[LEDGER] = Gate(tuple(conduct), AWAY, self.release)
            first, phase = [self._track(STABLE, stable), declared], Phase.PAUSED
        else:
            conduct = [*self._conduct(count), Mark(count)]
            steps: list[Step] = [Ready(STABLE, self.id), Reached(STABLE), *self._healthy(), *AWAY]
            others = self._others({STABLE, CANARY}, steps)
            gates[STABLE] = Gate(tuple(conduct), AWAY, self.release)
            gates[LEDGER] = Gate(tuple(steps), (*self._stable_back(), *AWAY), self.release)
            first, phase = [declared, self._track(STABLE, self.release)], Phase.HEALTHY
        return self._made(Way.STEPS, phase, self._sentence(), first=first, pool=Pool.MAIN, last=others, gates=gates)

    def _begin_canary(self, stable: Release, *, pauses: bool) -> list[Step]:
        if self._carries(CANARY) and self.resumes:
            return []
        begin: list[Step] = []
        if self.seen.tracks[STABLE].release != stable.id and not pauses:  # an update that a newer release overtook
            begin.append(Apply(STABLE, stable, self.rules.replicas))  # else the engine does it
        begin += self._begin(CANARY)
        if CANARY in self.seen.tracks and not self._carries(CANARY):
            begin.append(Scale(CANARY, 0))  # else pods of its last release, a failed one maybe, would serve users
        return begin

    def _conduct(self, last: int) -> list[Step]:
        """The steps after those that are passed, up to this one: its pods, ready, checked for as long as it says."""
        made: list[Step] = []
        for number in range(self.passed, last):
            step, title = self.rules.steps[number], f"step {number + 1}/{len(self.rules.steps)}"
            made += [
                Mark(number),
                Scale(CANARY, step.pods(self._whole(), self.rules.most_canary)),
                Ready(CANARY, self.id),
                Check(self.rules.before, CANARY, self.id, step.pause, f"{title}, {step.title}"),
            ]
        return made

    def _idle_canary(self, others: list[TrackPlan]) -> list[Step]:
        if CANARY not in self.seen.tracks:
            return []
        others.append(self._as_it_is(CANARY))
        return [Scale(CANARY, 0)] if self.seen.tracks[CANARY].wanted else []
