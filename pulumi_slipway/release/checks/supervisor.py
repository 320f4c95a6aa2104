"""Runs one command and leaves nothing of it behind: `supervisor.py <fd> <program> <argument>…`.

A process of its own, since only a process can adopt what a command's children leave behind (prctl, so Linux alone). It
uses the standard library alone, and is started by its path.

On the socket `fd` it says how the command came out: "exit 3", "signal 9", or "start No such file or directory". When
the other end of the socket is gone, whether it was closed or its process was killed, it kills the command, its children
and theirs, whatever sessions they made.
"""

import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

POLL_SECONDS = 0.02
GRACE_SECONDS = 1.0
"""From SIGTERM to SIGKILL: a script may take its temporary files away."""
GIVE_UP_SECONDS = 8.0
"""What can't be killed by then hangs in the kernel."""

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def main(fd: int, command: list[str]) -> None:
    """Runs the command to its end, or to that of the other side."""
    home = socket.socket(fileno=fd)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_die_with_the_supervisor,  # noqa: PLW1509 - there is one thread here
        )
    except (OSError, ValueError) as error:
        _say(home, f"start {getattr(error, 'strerror', None) or error}")
        return
    while child.poll() is None and not select.select([home], [], [], POLL_SECONDS)[0]:
        pass
    code = child.returncode
    _end_all()
    if code is not None:
        _say(home, f"exit {code}" if code >= 0 else f"signal {-code}")


def _die_with_the_supervisor() -> None:
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _say(home: socket.socket, text: str) -> None:
    with suppress(OSError):  # nobody is there any more
        home.sendall(text.encode())


def _end_all() -> None:
    """Ends every process that descends from this one: asked first, then killed."""
    begin = time.monotonic()
    asked: set[int] = set()
    while (waited := time.monotonic() - begin) < GIVE_UP_SECONDS:
        _reap()
        left = set(_descendants())
        if not left:
            return
        for pid in left if waited > GRACE_SECONDS else left - asked:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL if waited > GRACE_SECONDS else signal.SIGTERM)
        asked |= left
        time.sleep(POLL_SECONDS)


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _descendants() -> Iterator[int]:
    children: dict[int, list[int]] = {}
    for pid, parent in _processes():
        children.setdefault(parent, []).append(pid)
    below = children.get(os.getpid(), [])
    while below:
        pid = below.pop()
        yield pid
        below += children.get(pid, [])


def _processes() -> Iterator[tuple[int, int]]:
    """Every process and its parent."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                # The name before the last parenthesis may hold anything; the state and the parent follow it.
                yield int(name), int(file.read().rpartition(b")")[2].split()[1])


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
