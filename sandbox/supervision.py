"""Talks to a sandbox's first process."""

import json
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.components import Component
from sandbox.errors import SandboxError
from sandbox.paths import CHECKOUT, Paths
from sandbox.records import ProcessRecord


@dataclass(frozen=True)
class Daemon:
    """What became of a component's process."""

    pid: int | None
    """As the host sees it; None once it has ended."""
    executable: Path | None
    """What it runs; None once it has ended."""
    exit: int | None
    """Exit status, negative for a signal; None while it runs."""


def start_init(paths: Paths) -> None:
    """Starts the first process and returns when it takes requests."""
    log = paths.logs / "init.log"
    with log.open("wb") as file:
        command = [sys.executable, "-m", "sandbox.init", paths.name]
        run = subprocess.run(command, cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=file, stderr=file, check=False)
    deadline = time.monotonic() + 10
    while run.returncode == 0 and time.monotonic() < deadline:
        with suppress(OSError):
            _ask(paths, {"list": True})
            return
        time.sleep(0.01)
    reason = (log.read_text().strip().splitlines() or ["no reason given"])[-1]
    raise SandboxError(f"the sandbox's first process did not start: {reason} (see {log})")


def start(paths: Paths, component: Component) -> None:
    """Starts a daemon; its log is `logs/<name>.log`."""
    request = {
        "name": component.name,
        "argv": component.argv,
        "env": component.environment(paths),
        "log": f"{paths.logs}/{component.name}.log",
    }
    answer = _ask(paths, {"start": request})
    if "error" in answer:
        raise SandboxError(f"{component.name} cannot be started: {answer['error']}")


def daemons(paths: Paths) -> dict[str, Daemon]:
    """Component to its process; empty when the sandbox isn't there."""
    init = ProcessRecord.read(paths.init_record)
    if init is None or not init.alive():
        return {}
    try:
        listed = _ask(paths, {"list": True})["processes"]
    except (OSError, ValueError):
        return {}
    seen_outside = _outside_pids(init.pid)
    found = {}
    for entry in listed:
        pid = seen_outside.get(entry["pid"]) if entry["exit"] is None else None
        found[entry["name"]] = Daemon(pid, _executable(pid), entry["exit"])
    return found


def _outside_pids(init: int) -> dict[int, int]:
    """Pid inside the sandbox to pid on the host, of the first process's children."""
    found = {}
    for child in Path(f"/proc/{init}/task/{init}/children").read_text().split():
        with suppress(OSError):
            for line in Path(f"/proc/{child}/status").read_text().splitlines():
                if line.startswith("NSpid:"):
                    found[int(line.split()[-1])] = int(child)
    return found


def _executable(pid: int | None) -> Path | None:
    try:
        return Path(f"/proc/{pid}/exe").readlink()
    except OSError:
        return None


def _ask(paths: Paths, request: dict[str, Any]) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(str(paths.init_socket))
        with client.makefile("rw") as stream:
            stream.write(json.dumps(request) + "\n")
            stream.flush()
            answer: dict[str, Any] = json.loads(stream.readline())
            return answer
