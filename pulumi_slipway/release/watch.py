"""Tells what stands in the way of an object that the engine waits for: it waits without a word."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx2
from lightkube import Client
from lightkube.resources.apps_v1 import Deployment

from pulumi_slipway.release.observe import read, track
from pulumi_slipway.release.why import Reason, why

POLL_SECONDS = 1.0
STALLED_SECONDS = 5.0
"""What stands in the way is told when it has lasted so long."""
WATCHED_SECONDS = 3600.0

Look = Callable[[], tuple[bool, Reason | None]]
"""Whether it has ended, and why it does not go on, or has failed."""


@dataclass(frozen=True)
class Watch:
    """One object that is waited for."""

    title: str
    look: Look
    tell: Callable[[str], None]
    _begun: list[float] = field(default_factory=list)
    _said: set[str] = field(default_factory=set)

    def begin(self) -> None:
        """Watches until it ends, in a thread that no one waits for."""
        self._begun.append(time.monotonic())
        threading.Thread(target=self._watch, name=f"slipway-watch-{self.title}", daemon=True).start()

    def why(self) -> str:
        """Why it has not ended well, for a run that has failed; empty where it has, or was not begun."""
        try:
            _, reason = self.look() if self._begun else (True, None)
        except (httpx2.HTTPError, OSError):
            return ""
        return f"{self.title}: {reason}" if reason else ""

    def _watch(self) -> None:
        while (since := time.monotonic() - self._begun[0]) < WATCHED_SECONDS:
            time.sleep(POLL_SECONDS)
            try:
                ended, reason = self.look()
            except (httpx2.HTTPError, OSError):  # the engine itself will say it
                continue
            if ended:
                return
            if reason and reason.text not in self._said and since > STALLED_SECONDS:
                self._said.add(reason.text)  # a failed pull alternates between two reasons
                self.tell(f"{self.title}: {reason}")


def deployment(client: Client, namespace: str, name: str) -> tuple[bool, Reason | None]:
    """Whether a Deployment beside the workload's own is all there, and what keeps its pods from it."""
    live = read(client, Deployment, name, namespace)
    if live is None or track(live).complete:
        return live is not None, None
    return False, next(why(client, live["spec"]["selector"]["matchLabels"], namespace, live), None)
