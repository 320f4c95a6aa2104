"""How a workload's releases go: the settings as far as a plan needs them, with numbers instead of percents."""

from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from typing import Any

from settings import Workload


class Strategy(StrEnum):
    """How a release replaces the one before it."""

    ROLLING = "rolling"
    BLUE_GREEN = "blueGreen"
    CANARY = "canary"


@dataclass(frozen=True)
class CanaryStep:
    """One step of a canary."""

    weight: int | None
    """Percent of the replicas; else `replicas` counts."""
    replicas: int | None
    pause: int | None
    """Seconds; None: until somebody promotes."""

    def pods(self, whole: int, most: int | None) -> int:
        """The canary's pods in this step: rounded up, at least one, at most `most`."""
        wanted = self.replicas if self.replicas is not None else ceil(whole * (self.weight or 0) / 100)
        return max(1, wanted if most is None else min(wanted, most))

    @property
    def title(self) -> str:
        """The step in the job log."""
        if self.replicas is None:
            return f"{self.weight} %"
        return "1 pod" if self.replicas == 1 else f"{self.replicas} pods"


@dataclass(frozen=True)
class Rules:
    """What a plan goes by."""

    strategy: Strategy = Strategy.ROLLING
    replicas: int | None = 2
    """None: an autoscaler sets it, and a new track takes the number of the live one."""
    least: int = 2
    """Pods of a track where there is no live one to take the number from."""
    before: tuple[str, ...] = ()
    """Checks before users reach the release: blue-green's before the flip, a canary's while it runs."""
    after: tuple[str, ...] = ()
    """Checks once it serves: of a rolling release, of blue-green after the flip, of any first one."""
    check_rollback: bool = False
    """Whether a rollback runs the checks too."""
    steps: tuple[CanaryStep, ...] = ()
    most_canary: int | None = None
    """Canary pods at most: `maxSurge` less the one that stable's rolling update needs."""
    preview_replicas: int | None = None
    """Pods of blue-green's new track while its checks run; None: all."""
    auto_promote: bool = True
    keep: str = "none"
    """What becomes of blue-green's old track: `window`, `forever`, `none`."""

    @classmethod
    def of(cls, workload: Workload) -> "Rules":
        """The rules that these settings mean."""
        s, scaler, every = workload.strategy, workload.autoscaler, tuple(workload.release_checks)
        common: dict[str, Any] = {
            "replicas": None if scaler else workload.replicas,
            "least": scaler.min if scaler else workload.replicas,
            "check_rollback": s.check_rollback,
        }
        if s.blue_green:
            b = s.blue_green
            return cls(
                strategy=Strategy.BLUE_GREEN,
                before=_named(b.pre_promotion, tuple(name for name in every if name not in b.post_promotion)),
                after=b.post_promotion,
                preview_replicas=b.preview_replicas,
                auto_promote=b.auto_promote,
                keep=b.keep,
                **common,
            )
        if s.canary:
            c = s.canary
            steps = tuple(CanaryStep(step.weight, step.replicas, step.pause) for step in c.steps)
            return cls(
                strategy=Strategy.CANARY,
                before=_named(c.checks, every),
                after=_named(c.checks, every),
                steps=steps,
                most_canary=c.max_surge - 1 if c.max_surge else None,
                **common,
            )
        return cls(after=_named(s.rolling.checks, every), **common)


def _named(names: tuple[str, ...] | None, every: tuple[str, ...]) -> tuple[str, ...]:
    return every if names is None else names
