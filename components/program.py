"""How the program begins and ends: mistakes of the user are one line each, an interruption is no traceback."""

import atexit
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pulumi

from components.log import Log
from errors import UserError
from release.interrupt import Interrupt

ALREADY_SAID = 32
"""Exit status by which Pulumi's language host knows that the user has been told what is wrong (its exec script)."""


MONITOR_GONE = "Resource monitor has terminated, shutting down"
"""What the SDK says where the engine has ended a run that failed: it has been told why, and at the end by us."""

_last: dict[str, str] = {}


def at_end(workload: str, line: str) -> None:
    """Says how a workload stands as the run's last line; from any thread, the latest of each workload counts."""
    _last[workload] = line


def run(build: Callable[[], None]) -> None:
    """Declares what `build` declares.

    The engine interrupts a program whose run is cancelled. While it is still being declared nothing is written yet, and
    it ends at once. After that it lets the gates that are at work end by themselves, and say how things stand.
    """
    signal.signal(signal.SIGINT, _interrupted)
    atexit.register(_say_last, Log())
    pulumi.log.error = _without_monitor(pulumi.log.error)
    try:
        build()
    except UserError as error:
        Log().error(str(error))
        sys.exit(ALREADY_SAID)
    except KeyboardInterrupt:
        Log().error("interrupted before anything was written: run again")
        sys.exit(ALREADY_SAID)
    signal.signal(signal.SIGINT, _interrupt_gates)


def _say_last(log: Log) -> None:
    for workload, line in _last.items():
        log.error(f"{workload}: {line}")


def _without_monitor(error: Callable[..., None]) -> Callable[..., None]:
    def say(text: str, *args: Any, **options: Any) -> None:
        if text != MONITOR_GONE:
            error(text, *args, **options)

    return say


def _interrupted(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _interrupt_gates(number: int, frame: FrameType | None) -> None:
    Interrupt.end_all()
