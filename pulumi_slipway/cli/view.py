"""What `status` says, as plain values."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TrackView:
    """One Deployment of a workload."""

    track: str
    release: str | None
    image: str
    available: int
    updated: int
    """Pods that run its template; fewer than wanted while it is rolling."""
    wanted: int
    serves: bool
    """Whether it has pods to which the Service sends users' requests."""
    preview: bool
    """Whether only the preview Service does."""
    share: float | None
    """Percent of the pods that serve users; None where it doesn't serve, or nothing does."""


@dataclass(frozen=True)
class ReleaseView:
    """One release, as the ledger has it."""

    release: str
    image: str
    commit: str
    actor: str
    strategy: str
    outcome: str
    started: str
    finished: str
    seconds: float
    """From its start to its outcome, or until now."""
    message: str


@dataclass(frozen=True)
class LiveView:
    """What users get."""

    release: str | None
    image: str
    commit: str
    since: str
    """When it became Healthy; empty where the ledger doesn't know it."""
    rejected: str = ""
    """Why no environment is to take its image from here; empty where nothing speaks against it."""


@dataclass(frozen=True)
class CanaryView:
    """How far a canary is."""

    step: int
    steps: int | None
    """How many there are; None where the ledger doesn't say."""
    weight: float
    """Percent of the pods that serve users."""


@dataclass(frozen=True)
class WindowView:
    """How long a rollback is a mere switch."""

    kept_until: str
    """UTC, ISO 8601, or "forever"."""
    seconds: int | None
    """That are left; None: for ever."""


@dataclass(frozen=True)
class PromotionView:
    """What the next run would take from the environment that this one promotes from."""

    source: str
    """That environment."""
    image: str
    """What it would bring; empty where nothing would move."""
    commit: str
    """Of that image, as far as the other ledger knows it."""
    why: str


@dataclass(frozen=True)
class WorkloadView:
    """Where a workload stands."""

    name: str
    environment: str
    namespace: str
    phase: str
    """The ledger's, or Degraded where the live track isn't what a Healthy record promises; `Unknown` without both."""
    reasons: tuple[str, ...]
    strategy: str
    live: LiveView | None
    under_way: ReleaseView | None
    canary: CanaryView | None
    window: WindowView | None
    tracks: tuple[TrackView, ...]
    history: tuple[ReleaseView, ...]
    """The last releases, newest first."""
    promotion: PromotionView | None = None
    """None where it promotes from nowhere, or its stack has not run since it does."""
