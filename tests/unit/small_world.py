"""A workload's cluster, ledger and engine state as a small value that can be hashed, and what each step does to it.

Times, uids, sequence numbers and everything else that the plan does not look at are left out. Versions are numbers,
given anew by their first appearance: two states that differ in their names only are one. `trial` and `bad` are not
observed by anybody: they are what really happened, which the plan's own record of it is held against.
"""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from pulumi_slipway.core.model import HOME, Observed, Phase, Pool, Record, Release, Track, TrackName
from pulumi_slipway.core.plan import TrackPlan
from pulumi_slipway.core.rules import Strategy

TRACKS = tuple(TrackName)
SLOT = {track: number for number, track in enumerate(TRACKS)}
UNDER_WAY = (Phase.PROGRESSING, Phase.PAUSED)


class Version(Release):
    """A release that is a number."""

    @property
    def id(self) -> str:
        return self.template

    @property
    def image(self) -> str:
        return self.template

    def pod_template(self, track: TrackName) -> dict[str, str]:
        return {"version": self.template}


VERSIONS = tuple(Version(f"v{number}") for number in range(3))
NUMBER = {version.id: number for number, version in enumerate(VERSIONS)}


class Live(NamedTuple):
    """A Deployment."""

    version: int
    wanted: int
    pods: tuple[tuple[int, int], ...] = ()
    """Ready ones, by version."""

    @property
    def ready(self) -> int:
        return sum(count for _, count in self.pods)

    @property
    def complete(self) -> bool:
        return self == self.grown()

    def grown(self) -> "Live":
        """Its controller has come to its end."""
        return self._replace(pods=((self.version, self.wanted),) if self.wanted else ())

    def at(self, wanted: int) -> "Live":
        """Another number is wanted: pods that are too many are gone at once, those of the template last."""
        kept, left = [], wanted
        for version, count in sorted(self.pods, key=lambda pods: pods[0] != self.version):
            if left and count:
                kept.append((version, min(count, left)))
                left -= min(count, left)
        return self._replace(wanted=wanted, pods=tuple(sorted(kept)))


class Entry(NamedTuple):
    """A record of the ledger, as far as anything is decided by it."""

    version: int
    outcome: Phase
    track: TrackName = TrackName.STABLE
    strategy: str = ""
    step: int = 0
    rejected: bool = False


class Trial(NamedTuple):
    """What the release under way has really passed."""

    version: int
    rules: str
    """The settings that it began under."""
    proved: int = 0
    """Checks that were Successful."""
    promoted: int = 0
    """The step at which somebody promoted it last."""


class State(NamedTuple):
    """Everything."""

    tracks: tuple[Live | None, ...] = (None, None, None, None)
    service: Pool | None = None
    ledger: tuple[Entry, ...] = ()
    """One per Healthy version, oldest first; then the last one, where it is not Healthy."""
    window: bool = False
    recorded: frozenset[TrackName] = frozenset()
    """The tracks that are in the engine's state."""
    trial: Trial | None = None
    bad: frozenset[int] = frozenset()
    """Versions of which the last try failed, or was aborted."""

    def __str__(self) -> str:
        tracks = [
            f"{track} v{live.version} {'+'.join(f'{n}·v{v}' for v, n in live.pods) or 0}/{live.wanted}"
            for track, live in zip(TRACKS, self.tracks, strict=True)
            if live
        ]
        records = [f"v{it.version} {it.outcome} {it.strategy} {it.step} on {it.track}" for it in self.ledger]
        truth = f"; {self.trial}, bad {set(self.bad)}, recorded {set(self.recorded)}, window {self.window}"
        return f"{', '.join(tracks)}; Service {self.service}; ledger {', '.join(records)}{truth}"

    def live(self, track: TrackName) -> Live | None:
        return self.tracks[SLOT[track]]

    def put(self, track: TrackName, live: Live | None) -> "State":
        tracks = list(self.tracks)
        tracks[SLOT[track]] = live
        return self._replace(tracks=tuple(tracks))

    @property
    def last(self) -> Entry | None:
        return self.ledger[-1] if self.ledger else None

    @property
    def flying(self) -> Entry | None:
        return self.last if self.last and self.last.outcome in UNDER_WAY else None

    @property
    def committed(self) -> int | None:
        return next((entry.version for entry in reversed(self.ledger) if entry.outcome is Phase.HEALTHY), None)

    @property
    def users(self) -> frozenset[int]:
        """The versions that answer users."""
        return frozenset(version for live in self._behind() for version, count in live.pods if count)

    @property
    def serving(self) -> int:
        """Ready pods behind the Service, a canary's not among them."""
        live = self.live(HOME[self.service]) if self.service else None
        return live.ready if live else 0

    def _behind(self) -> Iterator[Live]:
        return (it for track, it in zip(TRACKS, self.tracks, strict=True) if it and track.pool is self.service)

    def grown(self) -> "State":
        """All controllers have come to their end."""
        return self._replace(tracks=tuple(live and live.grown() for live in self.tracks))

    def ended(self, outcome: Phase, **changes: object) -> "State":
        """The last record comes to an outcome."""
        if self.last is None:
            return self
        entry = self.last._replace(outcome=outcome, **changes)
        bad = {Phase.HEALTHY: self.bad - {entry.version}, Phase.DEGRADED: self.bad | {entry.version}}
        return self._replace(ledger=(*self.ledger[:-1], entry), bad=bad.get(outcome, self.bad))

    def observed(self, *, windows: bool) -> Observed:
        """What a run sees."""
        tracks = {track: _track(live) for track, live in zip(TRACKS, self.tracks, strict=True) if live}
        records = tuple(_record(number, entry) for number, entry in enumerate(self.ledger, 1))
        return Observed(tracks, self.service, records, windows and self.window)

    def canonical(self) -> "State":
        """Without what nothing is decided by, its versions named by their first appearance."""
        healthy: dict[int, Entry] = {}
        for entry in reversed(self.ledger):
            if entry.outcome is Phase.HEALTHY and entry.version not in healthy:
                track = entry.track if not healthy else TrackName.STABLE
                healthy[entry.version] = Entry(entry.version, Phase.HEALTHY, track, rejected=entry.rejected)
        ledger = tuple(reversed(healthy.values()))
        if self.last and self.last.outcome is Phase.DEGRADED:
            ledger += (Entry(self.last.version, Phase.DEGRADED),)
        elif self.last and self.last.outcome in UNDER_WAY:
            ledger += (self.last,)
        there = {version for live in self.tracks if live for version in (live.version, *(it for it, _ in live.pods))}
        known = {entry.version for entry in self.ledger} - {entry.version for entry in ledger}
        ledger = (*(Entry(version, Phase.DEGRADED) for version in sorted(known & there)), *ledger)
        names: dict[int, int] = {}
        for entry in reversed(ledger):
            names.setdefault(entry.version, len(names))
        for live in self.tracks:
            for version in (live.version, *(one for one, _ in live.pods)) if live else ():
                names.setdefault(version, len(names))
        trial = self.trial if self.flying else None
        return State(
            tuple(
                live and Live(names[live.version], live.wanted, tuple(sorted((names[v], n) for v, n in live.pods)))
                for live in self.tracks
            ),
            self.service,
            tuple(entry._replace(version=names[entry.version]) for entry in ledger),
            self.window and sum(live is not None for live in self.tracks) > 1,  # else nothing is kept warm
            self.recorded,
            trial._replace(version=names[trial.version]) if trial and trial.version in names else None,
            frozenset(names[version] for version in self.bad & there),
        )


@cache
def _track(live: Live) -> Track:
    ready = dict(live.pods).get(live.version, 0)
    updated = ready if ready < live.ready else live.wanted
    release = VERSIONS[live.version]
    return Track(release.id, live.wanted, updated, live.ready, live.complete, release.pod_template(TrackName.STABLE))


@cache
def _record(number: int, entry: Entry) -> Record:
    return Record(
        number,
        VERSIONS[entry.version],
        entry.outcome,
        started="",
        finished="",
        seconds=0.0,
        track=entry.track,
        strategy=entry.strategy or str(Strategy.ROLLING),
        step=entry.step,
        rejected="rejected" if entry.rejected else "",
    )


def written(state: State, planned: TrackPlan) -> State:
    """The engine has written a Deployment."""
    live, version = state.live(planned.track), NUMBER[planned.release or ""]
    return placed(state, planned.track, version, planned.replicas, live)


def placed(state: State, track: TrackName, version: int, pods: int | None, live: Live | None) -> State:
    """A Deployment is given a template and, unless None, a number."""
    was = live or Live(version, 1)
    now = was._replace(version=version).at(was.wanted if pods is None else pods)
    return state.put(track, now)
