"""How long a set of tasks will still take, judged by how long they were expected to take and what they took so far."""

import threading
import time
from collections.abc import Callable


class TimeLeft:
    """Tasks with expected seconds each, of which `lanes` run at once. Safe to use from several threads."""

    def __init__(self, expected: dict[str, float], lanes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._expected = expected
        self._lanes = lanes
        self._clock = clock
        self._began = clock()
        self._started: dict[str, float] = {}
        self._took: dict[str, float] = {}
        self._lock = threading.Lock()

    def start(self, task: str) -> None:
        with self._lock:
            self._started[task] = self._clock()

    def finish(self, task: str) -> float:
        """Seconds that the task took."""
        with self._lock:
            self._took[task] = self._clock() - self._started[task]
            return self._took[task]

    @property
    def running(self) -> list[str]:
        with self._lock:
            return [task for task in self._started if task not in self._took]

    @property
    def finished(self) -> list[str]:
        with self._lock:
            return list(self._took)

    @property
    def total(self) -> int:
        return len(self._expected)

    def share_done(self) -> float:
        """0 to 1. A running task counts as its time goes by, up to 95 %: only its end makes it whole."""
        return self._work_done() / (sum(self._expected.values()) or 1.0)

    def seconds(self) -> float:
        """Expected seconds until all is done: the work left at the pace of the work done."""
        work_left = sum(self._expected.values()) - self._work_done()
        return work_left / self._pace()

    def _work_done(self) -> float:
        with self._lock:
            now = self._clock()
            done = sum(self._expected[task] for task in self._took)
            for task, began in self._started.items():
                if task not in self._took:
                    done += min((now - began) * self._assumed_pace(), 0.95 * self._expected[task])
            return done

    def _assumed_pace(self) -> float:
        """Expected seconds that one running task gets done in one: less than 1 when it shares the machine."""
        return 1 / max(1, len([task for task in self._started if task not in self._took]))

    def _pace(self) -> float:
        """Expected seconds done per second, over all that is finished; 1 until something tells."""
        with self._lock:
            finished = sum(self._expected[task] for task in self._took)
            elapsed = self._clock() - self._began
        return min(4.0, max(0.25, finished / elapsed)) if finished and elapsed else 1.0
