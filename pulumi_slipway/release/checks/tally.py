"""Counts a check's measurements and says what follows from them: Argo Rollouts' rules, but never good by default.

Source: argoproj/argo-rollouts, analysis/analysis.go, `assessMetricStatus`. Different from it: a check without one
Successful measurement is not Successful, however much its limits put up with.
"""

from collections import Counter
from dataclasses import dataclass, field

from pulumi_slipway.release.checks.model import Reading, Status
from pulumi_slipway.settings.checks import Check

WORST_FIRST = (Status.FAILED, Status.ERROR, Status.INCONCLUSIVE)


@dataclass
class Tally:
    """The measurements of one check so far."""

    check: Check
    count: int | None
    """Measurements until it is complete; None: it goes on until its time is over."""
    counted: Counter[Status] = field(default_factory=Counter)
    errors_in_a_row: int = 0
    last: dict[Status, Reading] = field(default_factory=dict)
    """The newest reading of each status."""

    def add(self, reading: Reading) -> None:
        """Counts one."""
        self.counted[reading.status] += 1
        self.errors_in_a_row = self.errors_in_a_row + 1 if reading.status is Status.ERROR else 0
        self.last[reading.status] = reading

    @property
    def exceeded(self) -> Status | None:
        """Which of its limits is exceeded, if one is: the check has ended."""
        if self.counted[Status.FAILED] > self.check.failure_limit:
            return Status.FAILED
        if self.counted[Status.INCONCLUSIVE] > self.check.inconclusive_limit:
            return Status.INCONCLUSIVE
        if self.errors_in_a_row > self.check.consecutive_error_limit:
            return Status.ERROR
        return None

    @property
    def complete(self) -> bool:
        """Whether it has all its measurements; one that could not be made is none."""
        return self.count is not None and self.counted.total() - self.counted[Status.ERROR] >= self.count

    @property
    def ended(self) -> bool:
        """Whether no further measurement is to be made."""
        return self.exceeded is not None or self.complete

    @property
    def status(self) -> Status:
        """What follows from what was measured, if nothing more is."""
        if self.exceeded:
            return self.exceeded
        if self.counted[Status.SUCCESSFUL]:
            return Status.SUCCESSFUL
        return next((status for status in WORST_FIRST if self.counted[status]), Status.INCONCLUSIVE)

    def message(self, name: str) -> str:
        """The status in one line for people: what was measured, how often, against what limit."""
        status = self.status
        if not self.counted:
            return f"{name} {status}: it was not measured"
        times = f"{self.counted[status]} of {self.counted.total()} measurements"
        limits = {
            Status.FAILED: f", failureLimit {self.check.failure_limit}",
            Status.INCONCLUSIVE: f", inconclusiveLimit {self.check.inconclusive_limit}",
            Status.ERROR: f", {self.errors_in_a_row} in a row, consecutiveErrorLimit "
            f"{self.check.consecutive_error_limit}",
        }
        return f"{name} {status}: {self.last[status].reason} ({times}{limits.get(status, '')})"
