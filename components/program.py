"""How the program begins and ends: mistakes of the user are one line each, an interruption is no traceback."""

import atexit
import gc
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Event
from types import FrameType

import pulumi

from pulumi_slipway.components.log import Log, leave_out_debug, leave_out_the_monitor
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.release.interrupt import Interrupt

ALREADY_SAID = 32
"""Exit status by which Pulumi's language host knows that the user has been told what is wrong (its exec script)."""


_last: dict[str, str] = {}
_at_once: list[Log] = []
_moving: dict[str, Callable[[], str]] = {}
_waiting: list[Callable[[], str]] = []
_outputs: list[Callable[[], object]] = []
_interruption = Event()
_interrupts: SimpleQueue[int] = SimpleQueue()
_begun = Event()
_hosted = Event()


def at_end(workload: str, line: str) -> None:
    """Says how a workload stands as the run's last line; from any thread, the latest of each workload counts."""
    if _at_once:
        _at_once[0].error(f"{workload}: {line}")
    else:
        _last[workload] = line


def moving(workload: str, standing: Callable[[], str]) -> None:
    """A workload whose release this run is to bring about: where no gate tells how it ended, `standing` is asked.

    It gives an empty line where there is nothing to tell.
    """
    _moving[workload] = standing


def waiting(reason: Callable[[], str]) -> None:
    """Something that the engine waits for and that may be why the run failed: the reason is asked as it ends.

    It gives an empty line where there is nothing to tell.
    """
    _waiting.append(reason)


def outputs_wait(settle: Callable[[], object]) -> None:
    """Outputs that are known once their release is done. Where one fails, `settle` is to say how the others stand.

    A program that ends without its stack's outputs looks as if all of them had been removed.
    """
    _outputs.append(settle)


def outputs_settled() -> None:
    """Says what the outputs are, for a run that is about to fail; from any thread."""
    for settle in _outputs:
        settle()


def interrupted() -> bool:
    """Whether the run was told to end."""
    return _interruption.is_set()


def interrupt() -> None:
    """Ends the gates that are at work; each says how things stand."""
    _interruption.set()
    Interrupt.end_all()


def hosted() -> None:
    """This process is a plugin: the engine kills it, so that what would be last words is said at once."""
    _hosted.set()


def run(build: Callable[[], None]) -> None:
    """Declares what `build` declares.

    The engine interrupts a program whose run is cancelled. While it is still being declared nothing is written yet, and
    it ends at once. After that it lets the gates that are at work end by themselves, and say how things stand.
    """
    _collect_little()
    begin()
    signal.signal(signal.SIGINT, _interrupted)
    leave_out_debug()
    leave_out_the_monitor()
    try:
        build()
    except (UserError, pulumi.RunError, KeyboardInterrupt) as error:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the engine ends the others with it, and us who end already
        Log().error(str(error) or "interrupted before anything was written: run again")
        sys.exit(ALREADY_SAID)
    signal.signal(signal.SIGINT, _interrupt_gates)


def begin() -> None:
    """What any program with releases needs, somebody's own too; may be called more than once.

    The engine interrupts a program whose run is cancelled: then the gates end, and say how things stand.
    """
    if _begun.is_set():
        return
    _begun.set()
    if _hosted.is_set():
        _at_once.append(Log())
        return
    atexit.register(_say_last, Log())
    threading.Thread(target=_end_gates, daemon=True).start()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, _interrupt_gates)


@contextmanager
def one_line() -> Iterator[None]:
    """What is wrong is told without a traceback in somebody's own program, too: around a component's constructor."""
    try:
        yield
    except UserError as error:
        raise pulumi.RunError(str(error)) from None


def _collect_little() -> None:
    """A run is short, and most of what it makes stays to its end: looking for garbage took an eighth of its time."""
    gc.set_threshold(100_000, 20, 20)  # a hundred workloads are some hundred MiB
    atexit.register(gc.freeze)  # else the interpreter looks through everything when it ends


def _say_last(log: Log) -> None:
    for reason in _waiting:
        if line := reason():
            log.error(line)
    for workload, standing in _moving.items():
        if workload not in _last and (line := standing()):
            # The engine has told of the failure; and a run of some targets has none.
            (log.error if interrupted() else log.warn)(f"{workload}: {line}")
    for workload, line in _last.items():
        log.error(f"{workload}: {line}")


def _interrupted(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _interrupt_gates(number: int, frame: FrameType | None) -> None:
    """Does not take a lock: another interrupt may come while it is at work, in the same thread."""
    _interrupts.put(number)


def _end_gates() -> None:
    while True:
        _interrupts.get()
        interrupt()
