"""Knows a process again: its pid with its start time, since pids are reused."""

import contextlib
import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path


def start_time(pid: int) -> int | None:
    """Clock ticks after boot at which `pid` started (field 22 of proc(5) stat); None when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    if fields[0] in "ZX":  # a zombie runs nothing any more
        return None
    return int(fields[19])


def boot_id() -> str:
    """Differs after each boot, so that a record left by an earlier one is never believed."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@dataclass(frozen=True)
class ProcessRecord:
    """One process of this boot."""

    pid: int
    started: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> "ProcessRecord":
        return cls(pid, start_time(pid) or 0, boot_id())

    @classmethod
    def read(cls, file: Path) -> "ProcessRecord | None":
        """None when there is no record, or only a torn one."""
        try:
            return cls(**json.loads(file.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, file: Path) -> None:
        """Whole or not at all."""
        draft = file.with_suffix(".tmp")
        draft.write_text(json.dumps(self.__dict__))
        draft.rename(file)

    def alive(self) -> bool:
        return self.boot == boot_id() and start_time(self.pid) == self.started

    def kill(self, timeout: float = 10) -> bool:
        """SIGKILL, then waits until it is gone, at most `timeout` seconds. For a PID 1 that means all below it too."""
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        deadline = time.monotonic() + timeout
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True
