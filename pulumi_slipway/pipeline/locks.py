"""Whose lock stands in the way, and whether it may be lifted.

File and object-store backends keep a stack's lock as an object with the process id, user and host of its maker. The
engine tells all of that when it refuses to start, for every such backend alike, so it is read from there: of a run that
has not begun. What comes after the engine's heading may be an app's last words, and decides nothing.
"""

import re
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_REFUSAL = re.compile(r"^error: the stack is currently locked by", re.MULTILINE)
_BEGUN = re.compile(r"^ *(Updating|Destroying|Refreshing|Previewing)\b.*\(.*\)", re.MULTILINE)
"""The engine's heading of a run."""
_LOCK = re.compile(r"^ *\S+: created by (?P<user>\S+)@(?P<host>\S+) \(pid (?P<pid>\d+)\) at (?P<at>\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Lock:
    """One lock on a stack."""

    user: str
    host: str
    pid: int
    since: datetime

    @property
    def alive(self) -> bool:
        """Whether its maker is known to be at work still: a `pulumi` of this number runs on this very host."""
        if self.host != socket.gethostname():
            return False
        try:
            return b"pulumi" in Path(f"/proc/{self.pid}/cmdline").read_bytes().split(b"\0")[0]
        except OSError:
            return False

    def age(self, now: datetime) -> float:
        """Seconds since it was made."""
        return max(0.0, (now - self.since).total_seconds())

    def told(self, now: datetime) -> str:
        """Whose it is and how old, for people."""
        age = int(self.age(now))
        written = f"{age} s" if age < 120 else f"{age // 60} min" if age < 7200 else f"{age // 3600} h"
        return f"{self.user}@{self.host} (pid {self.pid}), {written} old"


def held(output: str) -> list[Lock]:
    """The locks that made a run of `pulumi` stop before it began; none where it did not stop for that."""
    begun, refusal = _BEGUN.search(output), _REFUSAL.search(output)
    if refusal is None or (begun and begun.start() < refusal.start()):
        return []
    return [
        Lock(found["user"], found["host"], int(found["pid"]), _moment(found["at"]))
        for found in _LOCK.finditer(output[refusal.start() :])
    ]


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text.rstrip(","))
    except ValueError:
        return datetime.now(UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
