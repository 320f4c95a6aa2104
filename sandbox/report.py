"""The table of `status`."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sandbox import network, supervision, tools
from sandbox.components import Component, components
from sandbox.paths import Paths

WIDTH = 120
"""Columns where no terminal says how many there are: then names and addresses stay in one piece, to be copied."""


def print_status(paths: Paths) -> bool:
    """Whether all components run and are healthy. Moves the process into the sandbox's network namespace."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH
    running = supervision.daemons(paths)
    executables = tools.locate()
    if not running or {command for source in tools.sources() for command in source.makes} - set(executables):
        console.print(f"sandbox {paths.name} is down", markup=False)
        return False
    parts = components(paths, executables)
    network.enter(paths)

    def healthy(part: Component) -> bool:
        daemon = running.get(part.name)
        return daemon is not None and daemon.pid is not None and part.healthy()

    with ThreadPoolExecutor(len(parts)) as pool:
        answers = list(pool.map(healthy, parts))
    table = Table(title=f"sandbox {paths.name}")
    for column in ("component", "pid", "healthy", "address", "memory"):
        table.add_column(column, overflow="fold", no_wrap=column == "component")
    for part, answer in zip(parts, answers, strict=True):
        daemon = running.get(part.name)
        pid = daemon.pid if daemon else None
        ended = f"ended with {daemon.exit}" if daemon and daemon.exit is not None else "no"
        table.add_row(part.name, str(pid or "-"), "yes" if answer else ended, part.address, _memory(pid))
    console.print(table)
    return all(answers)


def _memory(pid: int | None) -> str:
    """Resident memory in MiB."""
    try:
        match = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        match = None
    return f"{int(match.group(1)) // 1024} MiB" if match else "-"
