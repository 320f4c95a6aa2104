"""How long a set of tasks will still take, judged by what they were expected to take and how they got on so far."""

import threading
import time
from collections.abc import Callable, Collection

TELLING = 20.0
"""Expected seconds that must be done before their pace says more than the expectation itself."""


class TimeLeft:
    """Tasks with expected seconds each. Safe to use from several threads.

    `beside`: those that go on beside the others, each by itself; all others are done one after the other, and the pace
    of these says how fast this machine is (a download that took a moment says nothing of a build).
    """

    def __init__(
        self,
        expected: dict[str, float],
        clock: Callable[[], float] = time.monotonic,
        *,
        beside: Collection[str] = (),
    ) -> None:
        self._expected = expected
        self._beside = frozenset(beside)
        self._clock = clock
        self._started: dict[str, float] = {}
        self._share: dict[str, float] = {}
        self._lock = threading.Lock()

    def start(self, task: str) -> None:
        with self._lock:
            self._started[task] = self._clock()
            self._share[task] = 0.0

    def advance(self, task: str, share: float) -> None:
        """`share` of the task, 0 to 1, is done."""
        with self._lock:
            self._share[task] = min(share, 0.99)  # only its end makes it whole

    def finish(self, task: str) -> float:
        """Seconds that the task took."""
        with self._lock:
            self._share[task] = 1.0
            return self._clock() - self._started[task]

    @property
    def running(self) -> list[str]:
        with self._lock:
            return [task for task, share in self._share.items() if share < 1]

    @property
    def finished(self) -> list[str]:
        with self._lock:
            return [task for task, share in self._share.items() if share == 1]

    @property
    def total(self) -> int:
        return len(self._expected)

    def share_done(self) -> float:
        """0 to 1, over all tasks."""
        return self._done() / sum(self._expected.values())

    def seconds(self) -> float:
        """Expected seconds until all is done: the work left, at the pace of the work done, and what goes on beside."""
        with self._lock:
            left = {task: expected * (1 - self._share.get(task, 0.0)) for task, expected in self._expected.items()}
            begun = [self._started[task] for task in self._started if task not in self._beside]
        in_turn = {task: seconds for task, seconds in left.items() if task not in self._beside}
        done = sum(self._expected[task] for task in in_turn) - sum(in_turn.values())
        elapsed = self._clock() - min(begun) if begun else 0.0
        pace = done / elapsed if done >= TELLING and elapsed > 0 else 1.0
        return max([sum(in_turn.values()) / pace, *(left[task] for task in self._beside)])

    def _done(self) -> float:
        with self._lock:
            return sum(self._expected[task] * share for task, share in self._share.items())
