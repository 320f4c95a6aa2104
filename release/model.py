"""The words of a release as frozen values; no I/O, no clock, no Pulumi."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Manifest = Mapping[str, Any]
"""A Kubernetes object, or a part of one, as plain data."""

RELEASE_LABEL = "slipway.dev/release"
"""Pod label that says which release a pod runs; its value is the release id."""


class Phase(StrEnum):
    """Where a workload stands; the words are Argo Rollouts'."""

    PROGRESSING = "Progressing"
    PAUSED = "Paused"
    HEALTHY = "Healthy"
    DEGRADED = "Degraded"


@dataclass(frozen=True)
class Release:
    """One immutable version of a workload: a pod template.

    Two equal templates are the same release whoever made them and whenever, so the id is a hash of the canonical
    template. Scaling, labels of the workload and the audit annotations are not in it.
    """

    template: str
    """The pod template as canonical JSON, without the release label that is derived from it."""

    @classmethod
    def of(cls, template: Manifest) -> "Release":
        """The release of a pod template; a release label already on it does not count."""
        labels = {k: v for k, v in template["metadata"].get("labels", {}).items() if k != RELEASE_LABEL}
        bare = {**template, "metadata": {**template["metadata"], "labels": labels}}
        return cls(json.dumps(bare, sort_keys=True, separators=(",", ":")))

    @property
    def id(self) -> str:
        """Ten hex digits: enough to tell a workload's releases apart, short enough for a label and a table."""
        return hashlib.sha256(self.template.encode()).hexdigest()[:10]

    @property
    def image(self) -> str:
        """The image of the workload's container."""
        return str(json.loads(self.template)["spec"]["containers"][0]["image"])

    @property
    def secrets(self) -> frozenset[str]:
        """Names of the Secrets that the pods take their environment from: kept as long as the release may run."""
        sources = json.loads(self.template)["spec"]["containers"][0].get("envFrom", [])
        return frozenset(source["secretRef"]["name"] for source in sources if "secretRef" in source)

    def pod_template(self) -> dict[str, Any]:
        """The template for the cluster: with the release label on the pods."""
        template: dict[str, Any] = json.loads(self.template)
        template["metadata"]["labels"][RELEASE_LABEL] = self.id
        return template


@dataclass(frozen=True)
class Record:
    """One line of the ledger: a release that came to an end, and how."""

    sequence: int
    release: Release
    outcome: Phase
    """`Healthy` or `Degraded`."""
    finished: str
    """When, UTC, ISO 8601."""
    seconds: float
    """How long the rollout was waited for."""
    message: str = ""
    """Why it is Degraded; empty when it is Healthy."""
    provenance: Mapping[str, str] = field(default_factory=dict)
    """Commit, pipeline, job, actor of the run, as far as GitLab's job told them."""


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

    track: Track | None
    ledger: tuple[Record, ...] = ()
    """Oldest first."""

    def live_image(self) -> str | None:
        """The image that the live release stands for.

        Where the release is on the ledger its record counts: an image that somebody set by kubectl leaves the label as
        it was, and is drift. Where it isn't, the release is still under way, and the template is all there is. Where
        the Deployment is gone, the last release that was Healthy is what should be there.
        """
        if self.track is None:
            return next((record.release.image for record in self.healthy()), None)
        recorded = {record.release.id: record.release for record in self.ledger}
        return recorded.get(self.track.release or "", Release.of(self.track.template)).image

    def healthy(self) -> tuple[Record, ...]:
        """The ledger's Healthy records, newest first, one per release."""
        seen: dict[str, Record] = {}
        for record in reversed(self.ledger):
            if record.outcome is Phase.HEALTHY:
                seen.setdefault(record.release.id, record)
        return tuple(seen.values())


@dataclass(frozen=True)
class Plan:
    """What this run does with a workload."""

    phase: Phase
    """`Progressing` where a rollout is waited for in this run, `Healthy` where the world is as wanted already."""
    release: Release
    """The release that the track carries at the end."""
    why: str
    """One sentence for the job log."""

    @property
    def moves(self) -> bool:
        """Whether this run has a rollout to wait for and to record."""
        return self.phase is Phase.PROGRESSING
