"""A hard limit on how long something may take, and word that nobody waits for it any more."""

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TypeVar

Answer = TypeVar("Answer")

POLL_SECONDS = 0.05
"""How soon it is noticed that nobody waits any more."""


class Stopped(Exception):
    """Nobody waits any more: what was asked is given up, and counts for nothing."""


class Overdue(Exception):
    """No answer in time."""


def within(seconds: float, stop: threading.Event, ask: Callable[[], Answer]) -> Answer:
    """What `ask` returns or raises; raises Overdue after so many seconds, and Stopped.

    In a thread of its own, which is left to its own timeouts: looking up a name knows none, one between two bytes is
    none for the whole answer, and nothing else can be given up half-way.
    """
    outcome: SimpleQueue[tuple[list[Answer], Exception | None]] = SimpleQueue()

    def work() -> None:
        try:
            outcome.put(([ask()], None))
        except Exception as error:  # raised again below
            outcome.put(([], error))

    threading.Thread(target=work, daemon=True).start()
    waited = 0.0
    while not stop.is_set():
        step = min(POLL_SECONDS, seconds - waited)
        if step <= 0:
            raise Overdue
        try:
            answers, error = outcome.get(timeout=step)
        except Empty:
            waited += step
            continue
        if error:
            raise error
        return answers[0]
    raise Stopped
