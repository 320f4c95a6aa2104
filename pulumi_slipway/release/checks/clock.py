"""Time as the analysis sees it: the one place that waits. Tests put in a clock of their own."""

import queue
import time
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from pulumi_slipway.release.interrupt import Interrupt

Item = TypeVar("Item")
SLICE_SECONDS = 0.5


class Clock(Protocol):
    """What the analysis needs of time."""

    def now(self) -> float:
        """Seconds that only ever grow."""

    def today(self) -> datetime:
        """The time of the day, UTC."""

    def take(self, inbox: "queue.Queue[Item]", seconds: float | None, *, busy: bool) -> Item | None:
        """What comes in within so many seconds (None: however long it takes), or None. `busy`: something will come."""


class RealClock:
    """The system's."""

    def now(self) -> float:
        """Seconds since some moment; a change of the system's time doesn't move it."""
        return time.monotonic()

    def today(self) -> datetime:
        """The time of the day, UTC."""
        return datetime.now(UTC)

    def take(self, inbox: "queue.Queue[Item]", seconds: float | None, *, busy: bool) -> Item | None:
        """Waits for the next item."""
        try:
            return inbox.get(timeout=seconds)
        except queue.Empty:
            return None


class InterruptibleClock(RealClock):
    """The checks' clock: their processes and Jobs are ended, too."""

    def __init__(self, interrupt: Interrupt) -> None:
        self._interrupt = interrupt

    def take(self, inbox: "queue.Queue[Item]", seconds: float | None, *, busy: bool) -> Item | None:
        """What comes in within the time, or None; raises Interrupted."""
        until = None if seconds is None else time.monotonic() + seconds
        while True:
            self._interrupt.check()
            left = SLICE_SECONDS if until is None else min(SLICE_SECONDS, max(0.0, until - time.monotonic()))
            found = super().take(inbox, left, busy=busy)
            if found is not None or (until is not None and time.monotonic() >= until):
                return found
