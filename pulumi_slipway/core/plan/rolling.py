"""Rolling: the track that serves takes the release, pod by pod."""

from pulumi_slipway.core.model import TrackName
from pulumi_slipway.core.plan.case import CANARY, COLOURS, STABLE, Case
from pulumi_slipway.core.plan.model import Plan
from pulumi_slipway.core.steps import Apply, Ready, Scale, Step


class Rolling(Case):
    """Everything is on the stable track.

    | observed             | way      | target | ends    |
    |----------------------|----------|--------|---------|
    | blue or green serves | aside    | stable | Healthy |
    | otherwise            | in place | stable | Healthy |
    """

    own: tuple[TrackName, ...] = (STABLE,)
    keeps = (STABLE,)

    def decide(self) -> Plan:
        """A row of the table."""
        return self._to_stable() if self.home in COLOURS else self._in_place_or_hold()

    def _find_target(self) -> TrackName:
        return STABLE

    def _to_stable(self) -> Plan:
        """The strategy was blue-green: stable takes the release whole, then users are moved there."""
        begin = self._begin_aside()
        ready: list[Step] = [*self._sized(STABLE, self._whole()), Ready(STABLE, self.id)]
        if CANARY in self.seen.tracks:  # its pods are in the pool that users are switched to
            ready.insert(0, Scale(CANARY, 0))
        return self._switch(begin, ready)

    def _rolled_back(self) -> tuple[Step, ...]:
        return (*self._stable_back(), *self._canary_away())

    def _stable_back(self) -> tuple[Step, ...]:
        stable = self._fallback()
        return (Apply(STABLE, stable, self.rules.replicas), Ready(STABLE, stable.id)) if stable else ()
