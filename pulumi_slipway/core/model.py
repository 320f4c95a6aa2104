"""The words of a release as frozen values; no I/O, no clock, no Pulumi."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pulumi_slipway.core.keys import CONFIGS, CONTAINER, POOL_LABEL, RELEASE_LABEL, TRACK_LABEL

Manifest = Mapping[str, Any]
"""A Kubernetes object, or a part of one, as plain data."""


class Phase(StrEnum):
    """Where a workload stands; the words are Argo Rollouts'."""

    PROGRESSING = "Progressing"
    PAUSED = "Paused"
    HEALTHY = "Healthy"
    DEGRADED = "Degraded"


class Pool(StrEnum):
    """The pods that a Service can point to."""

    MAIN = "main"
    BLUE = "blue"
    GREEN = "green"


class TrackName(StrEnum):
    """The Deployments that a workload can consist of."""

    STABLE = "stable"
    CANARY = "canary"
    BLUE = "blue"
    GREEN = "green"

    @property
    def pool(self) -> Pool:
        """The pool that its pods are in."""
        return Pool(self) if self in (TrackName.BLUE, TrackName.GREEN) else Pool.MAIN

    @property
    def suffix(self) -> str:
        """What its Deployment's name adds to the workload's; a rolling release and the stable track share one."""
        return "" if self is TrackName.STABLE else f"-{self}"


HOME: Mapping[Pool, TrackName] = {Pool.MAIN: TrackName.STABLE, Pool.BLUE: TrackName.BLUE, Pool.GREEN: TrackName.GREEN}
"""The track that carries a pool's release."""


@dataclass(frozen=True)
class Release:
    """One immutable version of a workload: a pod template.

    Two equal templates are the same release whoever made them, whenever, and on whichever track, so the id is a hash of
    the canonical template. Scaling, labels of the workload and the audit annotations are not in it.
    """

    template: str
    """The pod template as canonical JSON, without the labels that release and track add."""

    @classmethod
    def of(cls, template: Manifest) -> "Release":
        """The release of a pod template; the labels of release and track that are already on it do not count."""
        added = (RELEASE_LABEL, TRACK_LABEL, POOL_LABEL)
        labels = {k: v for k, v in template["metadata"].get("labels", {}).items() if k not in added}
        bare = {**template, "metadata": {**template["metadata"], "labels": labels}}
        return cls(json.dumps(bare, sort_keys=True, separators=(",", ":")))

    @property
    def id(self) -> str:
        """Ten hex digits: enough to tell a workload's releases apart, short enough for a label and a table."""
        return hashlib.sha256(self.template.encode()).hexdigest()[:10]

    @property
    def digest(self) -> str:
        """32 hex digits of the same hash: as many as nobody finds another template for."""
        return hashlib.sha256(self.template.encode()).hexdigest()[:32]

    @property
    def image(self) -> str:
        """The image of the workload's container."""
        return str(self._container["image"])

    @property
    def secret_env(self) -> str | None:
        """The Secret that the workload's container takes its environment from last: its `secretEnv`, if it has any."""
        return self._environment_secrets[-1] if self._environment_secrets else None

    @property
    def configs(self) -> frozenset[tuple[str, str]]:
        """Kinds and names of what the pods take their configuration from: kept as long as the release may run."""
        template = json.loads(self.template)
        named = (template["metadata"].get("annotations") or {}).get(CONFIGS)
        if named is not None:
            return frozenset((kind, name) for kind, _, name in (one.partition("/") for one in named.split(",")))
        if CONTAINER in (template["metadata"].get("annotations") or {}):
            return frozenset()
        return frozenset(("Secret", name) for name in self._environment_secrets)

    @property
    def _environment_secrets(self) -> list[str]:
        sources = self._container.get("envFrom") or []
        return [str(source["secretRef"]["name"]) for source in sources if "secretRef" in source]

    @property
    def _container(self) -> Manifest:
        template = json.loads(self.template)
        name = (template["metadata"].get("annotations") or {}).get(CONTAINER)
        containers: list[Manifest] = template["spec"]["containers"]
        return next((it for it in containers if it.get("name") == name), containers[0])

    def pod_template(self, track: TrackName) -> dict[str, Any]:
        """The template for the cluster: with the labels of release, track and pool on the pods."""
        template: dict[str, Any] = json.loads(self.template)
        added = {RELEASE_LABEL: self.id, TRACK_LABEL: str(track), POOL_LABEL: str(track.pool)}
        template["metadata"]["labels"] = (template["metadata"].get("labels") or {}) | added
        return template


class Event(StrEnum):
    """What a moment of a release is about; the ledger holds these words."""

    BEGUN = "begun"
    """On `track`."""
    STEP = "step"
    """A canary's `step`, of `weight` percent or `replicas` pods, begins."""
    SCALED = "scaled"
    """`track` is to have `replicas` pods."""
    APPLIED = "applied"
    """`track` takes `release`."""
    READY = "ready"
    """All pods of `track` are available."""
    REACHED = "reached"
    """The Service sends to the pods of `track`, and to those of no other pool."""
    SWITCHED_BACK = "switchedBack"
    """The Service is pointed back to `track`."""
    ROLLED_BACK = "rolledBack"
    """It failed, and what was before is there again."""
    OUTCOME = "outcome"
    """It came to `outcome`."""


@dataclass(frozen=True)
class Moment:
    """One point of a release's timeline, as the run saw it."""

    event: Event | None = None
    """None: only the pods are others than before."""
    at: str = ""
    """UTC, ISO 8601."""
    pods: Mapping[str, int] = field(default_factory=dict)
    """Release id to its ready pods that the Service could reach."""
    track: TrackName | None = None
    release: str | None = None
    replicas: int | None = None
    step: int | None = None
    """Which one, from 1."""
    weight: int | None = None
    """Percent of the replicas."""
    outcome: Phase | None = None
    text: str | None = None
    """What a ledger of an earlier version says, where it is none of these events."""


@dataclass(frozen=True)
class CheckResult:
    """What a check of the release came to: the last run of it counts."""

    name: str
    status: str
    """Successful, Failed, Error or Inconclusive."""
    message: str
    threshold: Mapping[str, float]
    """`min` and `max`, where it has them."""
    values: tuple[tuple[str, float | None, str], ...]
    """Its last measurements: when (UTC, ISO 8601), the value, the status."""


@dataclass(frozen=True)
class Record:
    """One entry of the ledger: a release under way, or one that came to an end, and how."""

    sequence: int
    release: Release
    outcome: Phase
    started: str
    """When its first run began, UTC, ISO 8601."""
    finished: str
    """When it came to this outcome, UTC, ISO 8601; empty while it is Progressing."""
    seconds: float
    """From its start to its outcome, pauses included."""
    message: str = ""
    """Why it is Degraded or Paused, without whose release it is; empty when it is Healthy."""
    provenance: Mapping[str, str] = field(default_factory=dict)
    """Commit, pipeline, job, actor of the run that began it, as far as GitLab's job told them."""
    track: TrackName = TrackName.STABLE
    """The track that it was released on."""
    strategy: str = "rolling"
    step: int = 0
    """How many of its steps are passed: those of a canary; 1 for blue-green whose checks before the flip are passed."""
    steps: int = 0
    """How many steps a canary has; 0 for another strategy, and where an earlier version did not write it down."""
    kept_until: str = ""
    """Until when the track before it stays warm, UTC, ISO 8601; "forever", or empty where it doesn't."""
    checks: tuple[CheckResult, ...] = ()
    timeline: tuple[Moment, ...] = ()
    rejected: str = ""
    """Why its image must not be promoted: its checks failed, or somebody said so. Empty where it may be."""
    left: str = ""
    """The image that this release took users away from, where it was a rollback; empty else."""
    bound: bool = True
    """Whether a Deployment knows the release; not written down. Of the others none becomes a pod template."""


@dataclass(frozen=True)
class Track:
    """One Deployment as it was observed."""

    release: str | None
    """Id of the release in its template; None where the label is missing."""
    wanted: int
    updated: int
    available: int
    complete: bool
    """Every wanted pod runs this template and is available, and no other pod of it is left."""
    template: Manifest


@dataclass(frozen=True)
class Observed:
    """What the cluster says of a workload."""

    tracks: Mapping[TrackName, Track] = field(default_factory=dict)
    pool: Pool | None = None
    """Where the Service points; None where there is none, or where somebody made it select something else."""
    ledger: tuple[Record, ...] = ()
    """Oldest first."""
    window_open: bool = False
    """Whether the track before the live one is to stay warm still."""

    @property
    def in_flight(self) -> Record | None:
        """The release that is under way: begun, and neither Healthy nor Degraded yet."""
        last = self.ledger[-1] if self.ledger else None
        return last if last and last.outcome in (Phase.PROGRESSING, Phase.PAUSED) else None

    @property
    def committed(self) -> Record | None:
        """The newest release that became Healthy: what is live, or should be."""
        return next(iter(self.healthy()), None)

    def healthy(self) -> tuple[Record, ...]:
        """The ledger's Healthy records, newest first, one per release."""
        seen: dict[str, Record] = {}
        for record in reversed(self.ledger):
            if record.outcome is Phase.HEALTHY:
                seen.setdefault(record.release.id, record)
        return tuple(seen.values())

    def carries(self, track: TrackName, release: str) -> bool:
        """Whether the track's template is this release."""
        return track in self.tracks and self.tracks[track].release == release

    def carrier(self, release: str, among: tuple[TrackName, ...] = tuple(TrackName)) -> TrackName | None:
        """The track whose template is this release."""
        return next((name for name in among if self.carries(name, release)), None)

    @property
    def home(self) -> TrackName | None:
        """The track that users are, or were last, served by.

        The Service says it, unless it points to pods that aren't there while the committed release has some: then
        somebody else moved it. Where it says nothing, users are best served by the committed release, else by any that
        was not begun in vain.
        """
        serving, last = HOME[self.pool] if self.pool else None, self._committed_track()
        some = next((name for name in HOME.values() if self.available(name) and not self._unproven(name)), None)
        if serving is None:
            return last if self.available(last) else some or last
        last = last or some
        if serving is not last and not self.available(serving) and self.available(last):
            return last
        return serving if serving in self.tracks else last or serving

    def _committed_track(self) -> TrackName | None:
        committed = self.committed
        if committed is None:
            return None
        own = self.carrier(committed.release.id, (committed.track,))
        return own or self.carrier(committed.release.id, tuple(HOME.values()))

    def _unproven(self, name: TrackName) -> bool:
        """Whether the track's release was begun, and never was Healthy."""
        known = self.known(self.tracks[name].release)
        return known is not None and known.id not in {record.release.id for record in self.healthy()}

    def available(self, name: TrackName | None) -> int:
        """Available pods of a track."""
        track = self.tracks.get(name) if name else None
        return track.available if track else 0

    def known(self, release: str | None) -> Release | None:
        """The release of this id, as far as the ledger knows it."""
        return next((record.release for record in reversed(self.ledger) if record.release.id == release), None)

    def live_image(self) -> str | None:
        """The image that is kept where no other is asked for.

        That of the release under way, else of the one that is live. Where the ledger knows it, its record counts: an
        image that somebody set by kubectl is drift. Where nothing is recorded, the template is all there is.
        """
        flying = self.in_flight
        record = flying if flying and flying.bound else self.committed
        if record:
            return record.release.image
        track = self.tracks.get(self.home) if self.home else None
        return Release.of(track.template).image if track else None
