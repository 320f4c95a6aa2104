"""Blue-green: the idle colour takes the release whole; once it has proved itself, the Service is switched."""

from pulumi_slipway.core.model import Phase, Pool, TrackName
from pulumi_slipway.core.plan.case import COLOURS, Case
from pulumi_slipway.core.plan.model import LEDGER, Plan, Way
from pulumi_slipway.core.steps import Apply, Finish, Gate, Mark, Reached, Ready, Scale, Step

BLUE, GREEN = COLOURS


class BlueGreen(Case):
    """Two tracks, each with a pool of its own, and a second Service that reaches the one about to go live.

    | observed                                             | way      | target       | ends    |
    |------------------------------------------------------|----------|--------------|---------|
    | the release serves, or did until it was deleted      | in place | where it is  | Healthy |
    | no autoPromote, not promoted, another release serves | aside    | the idle one | Paused  |
    | otherwise                                            | aside    | the idle one | Healthy |
    """

    own = keeps = COLOURS
    previews = True

    def decide(self) -> Plan:
        """A row of the table."""
        here = self.home is self.target and self.seen.pool is self.target.pool
        return self._in_place_or_hold() if here else self._aside()

    def _find_target(self) -> TrackName:
        if self.home in COLOURS and self._carries(self.home):
            return self.home
        if carrier := self.seen.carrier(self.id, tuple(c for c in COLOURS if c is not self.home)):
            return carrier
        if self.home in COLOURS and self.home not in self.seen.tracks and self._is_committed():
            return self.home  # deleted by hand: made anew where it was
        return GREEN if self.home is BLUE else BLUE

    def _aside(self) -> Plan:
        target, whole = self.target, self._whole()
        to_prove = not self.proven and (self.passed == 0 or self.goal.rolls_back)
        pauses = to_prove and self._pauses()
        begin = self._begin_aside()
        shown: list[Step] = [Ready(target, self.id), Reached(target, preview=True)]
        proof = self._checks(self.rules.before, target) if to_prove else []
        full_already = self._carries(target) and self.seen.tracks[target].wanted >= whole
        few = min(self.rules.preview_replicas or whole, whole) if (proof or pauses) and not full_already else whole
        if proof and not pauses:  # what must wait for a person is not passed before that is written down
            proof.append(Mark(1))
        full = self._sized(target, few if pauses else whole)
        ready = [*full, *shown, *proof]
        if few < whole:
            begin += [*self._applied(few), *shown, *proof]
            ready = [*full, *shown]
        return self._wait(begin, ready, few) if pauses else self._switch(begin, ready)

    def _pauses(self) -> bool:
        """Whether a person decides; not while nobody is served."""
        serving = self.seen.tracks.get(self.home) if self.home and self.committed else None
        goes_on = self.rules.auto_promote or self.goal.rolls_back or self.goal.promotes
        return not goes_on and serving is not None and serving.wanted > 0

    def _wait(self, begin: list[Step], ready: list[Step], pods: int) -> Plan:
        """Everything up to the switch, which waits for a person."""
        home, target, back = self.home, self.target, self._not_switched()
        assert home is not None  # noqa: S101  `_pauses` says so
        others = self._others({home, target}, ready)
        said = "before the switch: SLIPWAY_ACTION=promote goes on, abort rolls it back"
        gates: dict[str, Gate] = {target: Gate(tuple(begin), back, self.release)} if begin else {}
        gates[LEDGER] = Gate((*ready, Finish(Phase.PAUSED, said, 1)), back, self.release)
        return self._made(
            Way.ASIDE,
            Phase.PAUSED,
            self._sentence(),
            first=[self._track(home), self._track(target, self.release, pods)],
            pool=home.pool,
            preview=target,
            last=others,
            gates=gates,
        )

    def _held_pool(self, live: TrackName, *, unproven: bool) -> Pool:
        return (GREEN if live is BLUE else BLUE).pool if unproven else live.pool  # where there are no pods

    def _applied(self, pods: int) -> list[Step]:
        """Gives the track the release with fewer pods than will be declared."""
        if self.rules.replicas is not None:
            return [Apply(self.target, self.release, pods)]
        return [Apply(self.target, self.release, None), Scale(self.target, pods)]

    def _rolled_back(self) -> tuple[Step, ...]:
        return self._switched_back()
