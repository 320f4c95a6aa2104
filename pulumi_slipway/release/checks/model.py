"""The words of a check: what it is of, what was measured, and what follows from that."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Status(StrEnum):
    """How a measurement, or a check as a whole, came out; the words are those of an analysis of Argo Rollouts."""

    SUCCESSFUL = "Successful"
    FAILED = "Failed"
    """Measured, and bad."""
    ERROR = "Error"
    """It could not be measured."""
    INCONCLUSIVE = "Inconclusive"
    """Measured, and neither good nor bad: no data, or not enough."""


@dataclass(frozen=True)
class Target:
    """What is checked: one track of a workload and the release on it."""

    workload: str
    environment: str
    namespace: str
    strategy: str
    track: str
    """`stable`, `canary`, `blue` or `green`; empty where the pods have no such label."""
    release: str
    image: str
    service: str | None
    """A Service that reaches only this track, by `service_port`; None: each ready pod is asked itself."""
    port: int | str
    """The container's, by number or name."""
    pull_secret: str | None
    labels: Mapping[str, str]
    """What selects the track's pods."""
    service_port: str = "http"
    """The Service's port, by name or number."""
    ports: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    """The Service's ports by name and by number: what the Service and the pods have for each."""

    def placeholders(self) -> dict[str, str]:
        """What is filled in for `{{…}}`; the names are those of `settings.checks.PLACEHOLDERS`."""
        return {
            "workload": self.workload,
            "environment": self.environment,
            "namespace": self.namespace,
            "track": self.track,
            "release": self.release,
        }

    def variables(self) -> dict[str, str]:
        """What a command or a Job finds in its environment."""
        known = {**self.placeholders(), "image": self.image, "service": self.service or ""}
        return {f"SLIPWAY_{name.upper()}": value for name, value in known.items()}


@dataclass(frozen=True)
class Reading:
    """What one look found, before it has a name and a time."""

    status: Status
    reason: str
    """A few words: what was found, and against what limit."""
    value: float | None = None
    output: str = ""
    """What a program wrote last, on one line. For the job log alone: it may hold what not everyone may read."""


@dataclass(frozen=True)
class Measurement:
    """One look, as it is recorded."""

    check: str
    at: str
    """When it was finished: UTC, ISO 8601, to the millisecond."""
    status: Status
    value: float | None
    message: str
    """For the job log: the reason, and what a program wrote last."""


@dataclass(frozen=True)
class Verdict:
    """What follows from a check's measurements."""

    check: str
    status: Status
    message: str
    """One line for people: what was measured against what limit. Without any program's output: fit for the ledger."""
    measurements: tuple[Measurement, ...]
    threshold: Mapping[str, float] = field(default_factory=dict)
    """`min`, `max` or both, of a check that measures a number."""
