"""The one way in which the program says something: from whichever thread, to the resource that it is about.

Pulumi's own `log` looks a resource's URN up in the event loop of the thread that calls it. The gates of a release run
in threads of their own, which have none.
"""

import asyncio
import contextvars
import os
import threading
from collections.abc import Callable
from functools import partial

import grpc  # type: ignore[import-untyped]
import pulumi

from pulumi_slipway.core.foreign import shown

MONITOR_GONE = "Resource monitor has terminated, shutting down"


def leave_out_debug() -> None:
    """Keeps the SDK from telling the engine each step of each registration, unless SLIPWAY_DEBUG is set.

    Each line is a request that the program waits for, shown or not: a seventh of all its work with sixty workloads.
    """
    if not os.environ.get("SLIPWAY_DEBUG"):
        pulumi.log.debug = lambda *_, **__: None


def leave_out_the_monitor() -> None:
    """Keeps Pulumi's exec script from its last line after a run that failed: by then the user has been told why."""
    error = pulumi.log.error

    def say(text: str, resource: pulumi.Resource | None = None) -> None:
        if text != MONITOR_GONE:
            error(text, resource)

    pulumi.log.error = say  # type: ignore[assignment]  # as that script calls it


class Log:
    """Says lines about one resource. Made in the program's own thread; used from any."""

    def __init__(self, about: pulumi.Resource | None = None) -> None:
        self._about = about
        self._thread, self._context = threading.get_ident(), contextvars.copy_context()
        self._loop = asyncio.get_event_loop()

    def info(self, line: str) -> None:
        """A step of a release."""
        self._say(pulumi.log.info, line)

    def warn(self, line: str) -> None:
        """What people should look at."""
        self._say(pulumi.log.warn, line)

    def error(self, line: str) -> None:
        """What went wrong. The run ends with an error, whatever else it does."""
        self._say(pulumi.log.error, line)

    def _say(self, how: Callable[..., None], text: str) -> None:
        line = shown(text, keep="\n\t")  # it may hold a pod's last words
        try:
            if threading.get_ident() == self._thread and not self._loop.is_closed():
                how(line, self._about)
                return
            self._loop.call_soon_threadsafe(partial(how, line, self._about), context=self._context)
        except RuntimeError:  # the program's loop has ended before this thread: without the resource no loop is needed
            try:
                how(line)
            except grpc.RpcError:  # and the engine, too
                return
