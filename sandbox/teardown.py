"""Removes a sandbox, or whatever a crash or a reboot has left of one."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from sandbox import cgroups, network
from sandbox.errors import SandboxError
from sandbox.paths import Paths
from sandbox.records import ProcessRecord, start_time

KEPT = {"registry", "logs"}
"""What outlives a cluster in its state directory: images, and what the daemons said last."""


def remove(paths: Paths, *, purge: bool = False) -> None:
    """After it there are no processes, namespaces, mounts, interfaces or cgroups of the sandbox. Safe to repeat.

    With `purge` no file of it either.
    """
    init = ProcessRecord.read(paths.init_record)
    if init is not None and not init.kill():
        raise SandboxError(f"process {init.pid} of sandbox {paths.name} doesn't end: see /proc/{init.pid}/stack")
    _end(_inhabitants(paths))
    network.remove(paths)
    cgroups.remove(paths)
    _unmount_below(paths.state, paths.run)
    shutil.rmtree(paths.run, ignore_errors=True)
    if paths.state.exists():
        for entry in paths.state.iterdir():
            if entry.name in KEPT and not purge:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        if purge:
            paths.state.rmdir()


def _inhabitants(paths: Paths) -> set[int]:
    """Processes in the sandbox's network namespace or cgroup: what `exec` has started, and a crash's orphans.

    Not the calling process and its ancestors: `down` may be called through `exec`.
    """
    pids = cgroups.processes(paths)
    try:
        namespace = paths.netns.stat()
    except FileNotFoundError:
        return pids - _ancestors()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                own = (entry / "ns/net").stat()
                if (own.st_dev, own.st_ino) == (namespace.st_dev, namespace.st_ino):
                    pids.add(int(entry.name))
    return pids - _ancestors()


def _ancestors() -> set[int]:
    found, pid = set(), os.getpid()
    while pid > 0:
        found.add(pid)
        stat = Path(f"/proc/{pid}/stat").read_text()
        pid = int(stat.rpartition(")")[2].split()[1])
    return found


def _end(pids: set[int], patience: float = 1) -> None:
    """SIGTERM, and SIGKILL to what is left after `patience` seconds."""
    for sent, wait in ((signal.SIGTERM, patience), (signal.SIGKILL, 5.0)):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sent)
        deadline = time.monotonic() + wait
        while pids and time.monotonic() < deadline:
            pids = {pid for pid in pids if start_time(pid) is not None}
            time.sleep(0.02)
    if pids:
        raise SandboxError(f"processes {sorted(pids)} don't end: see /proc/<pid>/stack")


def _unmount_below(*directories: Path) -> None:
    """Mounts are the init's own; one here is someone's mistake, and must not be removed through."""
    mounts = [
        line.split()[1].encode().decode("unicode_escape") for line in Path("/proc/mounts").read_text().splitlines()
    ]
    for mount in sorted(mounts, reverse=True):
        if any(Path(mount).is_relative_to(directory) for directory in directories):
            subprocess.run(["umount", "--lazy", mount], check=True, capture_output=True)
