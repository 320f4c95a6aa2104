"""Ends a gate whose engine is gone or was told to stop: what goes on without it would meet the next run."""

import queue
import threading
import time
import weakref

from errors import UserError
from release.checks.clock import Item, RealClock

SLICE_SECONDS = 0.5


class Interrupted(UserError):
    """The run was ended from outside. Nothing is taken back: the next run goes on."""


class Interrupt:
    """Whether to stop; waits that look at it."""

    def __init__(self) -> None:
        self._event = threading.Event()
        _every.add(self)

    @staticmethod
    def end_all() -> None:
        """The whole run is to stop."""
        for each in list(_every):
            each.set()

    def set(self) -> None:
        """From now on every wait ends."""
        self._event.set()

    def check(self) -> None:
        """Raises Interrupted where it is time to stop."""
        self.sleep(0)

    def sleep(self, seconds: float) -> None:
        """Waits; raises Interrupted where it is, or becomes, time to stop."""
        if self._event.wait(seconds) if seconds else self._event.is_set():
            raise Interrupted("the run was ended from outside: run again, it goes on from here")


_every: "weakref.WeakSet[Interrupt]" = weakref.WeakSet()


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
