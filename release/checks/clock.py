"""Time as the analysis sees it: the one place that waits. Tests put in a clock of their own."""

import queue
import time
from datetime import UTC, datetime
from typing import Protocol, TypeVar

Item = TypeVar("Item")


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
