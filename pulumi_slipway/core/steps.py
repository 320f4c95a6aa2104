"""What stands between two writes of the engine: a gate is a short list of steps, decided by the plan, done by a run.

Each step can be done twice: a run that was killed inside a gate leaves the next one to begin that gate anew.
"""

from dataclasses import dataclass

from pulumi_slipway.core.model import Phase, Pool, Release, TrackName


@dataclass(frozen=True)
class Begin:
    """Enters the release into the ledger as Progressing; another one under way ends there as superseded."""

    release: Release
    track: TrackName


@dataclass(frozen=True)
class Mark:
    """Writes down how many of the release's steps are passed: the next run goes on from there."""

    step: int


@dataclass(frozen=True)
class Finish:
    """Writes the outcome: Healthy, or Paused until somebody promotes or aborts."""

    outcome: Phase
    message: str = ""
    step: int = 0


@dataclass(frozen=True)
class Close:
    """Ends the release under way as Degraded, for another reason than a failure."""

    message: str


@dataclass(frozen=True)
class Scale:
    """Sets the number of a track's pods, which Pulumi does not declare at that moment."""

    track: TrackName
    pods: int


@dataclass(frozen=True)
class Emptied:
    """Waits until no pod of the track is left but those on their way out.

    A template that is written before would be rolled out pod by pod, each with its wait in `preStop`, though the track
    serves nobody.
    """

    track: TrackName


@dataclass(frozen=True)
class Apply:
    """Gives a track a release by the same server-side apply as the provider's: rolling back, or ahead of the engine."""

    track: TrackName
    release: Release
    pods: int | None
    """None: left to whom it belongs, an autoscaler."""


@dataclass(frozen=True)
class Ready:
    """Waits until every pod of the track runs the release and is available; fails at the progress deadline."""

    track: TrackName
    release: str


@dataclass(frozen=True)
class Reached:
    """Waits until the Services' endpoints are the ready pods of one track, on their ports, and none of another pool."""

    track: TrackName
    preview: bool = False


@dataclass(frozen=True)
class Check:
    """Runs the named checks against a track; `seconds` is how long they run, None until each has its count."""

    names: tuple[str, ...]
    track: TrackName
    release: str
    seconds: int | None = None
    title: str = ""
    """What the job log calls it: "step 1 of 3, weight 20 %"."""


@dataclass(frozen=True)
class Point:
    """Points the Service back to a pool, if a pod there is ready; else it stays where it is."""

    pool: Pool


@dataclass(frozen=True)
class Remove:
    """Deletes the Deployment of a track that the strategy doesn't have; it may be missing from the stack's state."""

    track: TrackName


@dataclass(frozen=True)
class Reject:
    """Marks the release's image: no environment is to take it from here."""

    release: str


Step = Begin | Mark | Finish | Close | Scale | Emptied | Apply | Ready | Reached | Check | Point | Remove | Reject


@dataclass(frozen=True)
class Gate:
    """Steps before the engine writes a resource; where one fails that resource stays as it is, and so do the next."""

    steps: tuple[Step, ...]
    failed: tuple[Step, ...] = ()
    """What rolls the release back; done to the end even where one of them fails."""
    release: Release | None = None
    """Whose record becomes Degraded by a failure; None where nothing is released: a scaling, a repair."""
