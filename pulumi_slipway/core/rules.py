"""How a workload's releases go: the settings as far as a plan needs them, with numbers instead of percents."""

from dataclasses import dataclass
from enum import StrEnum
from math import ceil


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
