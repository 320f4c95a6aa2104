"""The few system calls on namespaces and mounts that Python 3.11 lacks."""

import ctypes
import os
from pathlib import Path

CLONE_NEWNS = 0x0002_0000
CLONE_NEWUTS = 0x0400_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWPID = 0x2000_0000
CLONE_NEWNET = 0x4000_0000
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x4_0000

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Gives the calling process namespaces of its own; a new PID namespace counts for its children only."""
    _checked(_libc.unshare(flags), "unshare")


def enter_network(netns: Path) -> None:
    """Moves the calling thread, and those that it starts, into a named network namespace."""
    with netns.open("rb") as file:
        _checked(_libc.setns(file.fileno(), CLONE_NEWNET), f"entering {netns}")


def mount(source: str, target: Path, kind: str = "none", flags: int = 0, options: str = "") -> None:
    """mount(2); `kind` is the type of file system, "none" for bind mounts and propagation changes."""
    arguments = (source.encode(), str(target).encode(), kind.encode(), ctypes.c_ulong(flags), options.encode())
    _checked(_libc.mount(*arguments), f"mounting {source} on {target}")


def set_hostname(name: str) -> None:
    """Hostname of the calling process's UTS namespace."""
    _checked(_libc.sethostname(name.encode(), len(name)), "sethostname")
