"""Ends a gate whose engine is gone or was told to stop: what goes on without it would meet the next run."""

import threading
import weakref

from pulumi_slipway.core.errors import UserError


class Interrupted(UserError):
    """The run was ended from outside. Nothing is rolled back: the next run goes on."""


class Interrupt:
    """Whether to stop; waits that look at it."""

    def __init__(self) -> None:
        self._event = threading.Event()
        with _changing:
            _every.add(self)

    @staticmethod
    def end_all() -> None:
        """The whole run is to stop. Takes locks: not for a signal's handler, which the next signal may interrupt."""
        with _changing:
            every = list(_every)
        for each in every:
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
_changing = threading.Lock()
