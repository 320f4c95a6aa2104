"""What a plan is: the objects that a run declares, in their order, and the gates that stand before them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pulumi_slipway.core.model import HOME, Manifest, Phase, Pool, Release, TrackName
from pulumi_slipway.core.steps import Gate

SERVICE, PREVIEW, LEDGER = "service", "preview", "ledger"
"""What a run writes besides the tracks: the Service, blue-green's preview Service, the ledger's ConfigMap."""


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
