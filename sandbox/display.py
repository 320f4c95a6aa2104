"""Shows how `up` gets on: a live line on a terminal, a line now and then in a log."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from sandbox.timeleft import TimeLeft

LOG_INTERVAL = 30.0
"""Seconds between two lines while a build goes on, where there is no terminal."""


def minutes(seconds: float) -> str:
    """3:20, for people."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class Display:
    """All that `up` and `down` print."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)

    def say(self, text: str) -> None:
        self.console.print(text, markup=False)

    @contextmanager
    def building(self) -> Iterator[Callable[[TimeLeft], None]]:
        """Yields what takes the progress of builds; prints nothing when there is nothing to build."""
        latest: list[TimeLeft] = []
        ended = threading.Event()
        with Progress(
            SpinnerColumn(), BarColumn(), TextColumn("{task.description}"), console=self.console, transient=True,
            disable=not self.console.is_terminal,
        ) as progress:  # fmt: skip
            bar = progress.add_task("", total=1.0, visible=False)

            def show() -> None:
                since_line = 0.0
                while not ended.wait(0.5):
                    since_line += 0.5
                    if not latest:
                        continue
                    progress.update(bar, completed=latest[0].share_done(), description=_line(latest[0]), visible=True)
                    if since_line >= LOG_INTERVAL and not self.console.is_terminal:
                        since_line = 0.0
                        self.say(_line(latest[0]))

            said: set[str] = set()

            def report(left: TimeLeft) -> None:
                latest[:] = [left]
                for task in left.finished:
                    if task not in said:
                        said.add(task)
                        self.say(f"  done: {task} · {_state(left)}")

            thread = threading.Thread(target=show, daemon=True)
            thread.start()
            try:
                yield report
            finally:
                ended.set()
                thread.join()

    @contextmanager
    def starting(self) -> Iterator[Callable[[str], None]]:
        """Yields what takes the name of each part that has become ready."""
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        ready: list[str] = []
        with Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal) as progress:
            line = progress.add_task("starting the cluster")

            def report(part: str) -> None:
                ready.append(part)
                progress.update(line, description=f"ready: {', '.join(ready)}")

            yield report


def _line(left: TimeLeft) -> str:
    return f"{', '.join(left.running) or 'waiting'} · {_state(left)}"


def _state(left: TimeLeft) -> str:
    return f"{len(left.finished)} of {left.total} · about {minutes(left.seconds())} left"
