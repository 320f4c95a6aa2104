"""The cgroup below which kubelet puts all pods of a sandbox, on cgroup v1 and v2."""

import contextlib
import time
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.paths import Paths

ROOT = Path("/sys/fs/cgroup")


def _unified() -> bool:
    return (ROOT / "cgroup.controllers").exists()


def _hierarchies() -> list[Path]:
    return [ROOT] if _unified() else sorted(path for path in ROOT.iterdir() if path.is_dir() and not path.is_symlink())


def directories(paths: Paths) -> list[Path]:
    """The sandbox's directory in each hierarchy, whether it is there or not."""
    return [hierarchy / paths.cgroup.lstrip("/") for hierarchy in _hierarchies()]


def create(paths: Paths) -> None:
    """kubelet refuses to start when one is missing."""
    for directory in directories(paths):
        directory.mkdir(exist_ok=True)
        # A new cpuset (v1) allows nothing until it is told.
        for name in ("cpuset.cpus", "cpuset.mems"):
            file = directory / name
            if not _unified() and file.exists():
                file.write_text((directory.parent / name).read_text())
    if _unified():
        controllers = (ROOT / "cgroup.controllers").read_text().split()
        for directory in (ROOT, *directories(paths)):
            (directory / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in controllers))


def processes(paths: Paths) -> set[int]:
    """Everything that runs in a pod of the sandbox."""
    pids: set[int] = set()
    for directory in directories(paths):
        for file in directory.rglob("cgroup.procs"):
            with contextlib.suppress(OSError):
                pids.update(int(line) for line in file.read_text().split())
    return pids


def remove(paths: Paths, timeout: float = 5) -> None:
    """Removes the tree, leaves first, once its processes are gone (the kernel takes a moment to see that)."""
    deadline = time.monotonic() + timeout
    for directory in directories(paths):
        while directory.exists():
            for child in sorted((path for path in directory.rglob("*") if path.is_dir()), reverse=True):
                with contextlib.suppress(OSError):
                    child.rmdir()
            with contextlib.suppress(OSError):
                directory.rmdir()
            if directory.exists():
                if time.monotonic() > deadline:
                    raise SandboxError(f"{directory} stays busy: see its cgroup.procs, end those, run `down` again")
                time.sleep(0.05)
