"""Puts the commands of versions.toml into the cache, each once per version."""

import fcntl
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from sandbox import modules, official, packages, wheels
from sandbox.errors import SandboxError
from sandbox.paths import cache_dir
from sandbox.timeleft import TimeLeft
from sandbox.versions import GoModule, Wheel, go_modules
from sandbox.versions import wheels as all_wheels

APT_SECONDS = 60.0
DOWNLOAD_SECONDS = 30.0

Source = GoModule | Wheel


def sources(*, tests: bool = False) -> list[Source]:
    """What a sandbox is made of; `tests`: what only tests need."""
    every: list[Source] = [*all_wheels(), *go_modules()]
    return [source for source in every if source.tests is tests]


def locate(*, tests: bool = False) -> dict[str, Path]:
    """Command to executable of everything that is in the cache already, or installed and new enough."""
    return {command: file for source in sources(tests=tests) for command, file in _located(source).items()}


def prepare(report: Callable[[TimeLeft], None], say: Callable[[str], None], *, tests: bool = False) -> dict[str, Path]:
    """Installs and builds what is missing, telling `report` of all progress; returns command to executable."""
    with _locked(say):  # a second `up` waits here, and then finds everything built
        absent = packages.missing(tests=tests)
        to_make = [source for source in sources(tests=tests) if not _located(source)]
        if absent or to_make:
            _make(absent, to_make, report)
    return locate(tests=tests)


def _located(source: Source) -> dict[str, Path]:
    """All its commands, or none."""
    if isinstance(source, GoModule) and source.provider:
        installed = official.find(source.provider, os.environ)
        if installed:
            return {official.executable(source.provider): installed}
    found = _installed(source)
    if not found:
        folder = modules.directory(source) if isinstance(source, GoModule) else wheels.directory(source)
        found = {command: folder / command for command in source.makes if (folder / command).exists()}
    return found if len(found) == len(source.makes) else {}


def _make(absent: list[str], to_make: list[Source], report: Callable[[TimeLeft], None]) -> None:
    go = [source for source in to_make if isinstance(source, GoModule)]
    if go and shutil.which("go") is None:
        raise SandboxError("`go` is not on PATH: install Go 1.26 or later (it builds the cluster's parts)")
    expected = {f"build {module.name}": module.seconds for module in go}
    expected |= {f"download {source.name}": DOWNLOAD_SECONDS for source in to_make}
    expected |= {"install Debian packages": APT_SECONDS} if absent else {}
    beside = [task for task in expected if not task.startswith("build ")]
    left = TimeLeft({task: _recorded().get(task, seconds) for task, seconds in expected.items()}, beside=beside)

    def do(task: str, work: Callable[[], None]) -> None:
        left.start(task)
        report(left)
        work()
        _record(task, left.finish(task), expected[task])
        report(left)

    def build(module: GoModule) -> None:
        downloads[module.name].result()
        task = f"build {module.name}"
        if module.provider and official.try_to_install(module.provider, locate()["pulumi"]):
            left.finish(task)  # where there is a way to it, the released one is better
        else:
            do(task, lambda: modules.build(module, lambda share: left.advance(task, share)))

    # What waits for the network goes on beside what computes. One build at a time: it keeps all cores busy by itself,
    # and two would compile the packages that they share twice.
    with ThreadPoolExecutor(1) as builder, ThreadPoolExecutor(3) as loaders:
        jobs = [loaders.submit(do, "install Debian packages", lambda: packages.install(absent))] if absent else []
        fetch: dict[str, Callable[[], None]] = {
            it.name: partial(modules.download, it) if isinstance(it, GoModule) else partial(wheels.install, it)
            for it in to_make
        }
        downloads = {name: loaders.submit(do, f"download {name}", work) for name, work in fetch.items()}
        jobs += [*downloads.values(), *(builder.submit(build, module) for module in go)]
        try:
            for job in as_completed(jobs):
                job.result()
        except BaseException:  # also on SIGINT and SIGTERM: what is compiled stays in Go's cache
            builder.shutdown(wait=False, cancel_futures=True)
            loaders.shutdown(wait=False, cancel_futures=True)
            for process in list(modules.running):
                process.terminate()
            raise


def _installed(source: Source) -> dict[str, Path]:
    """An own installation on PATH, whole and new enough to be used instead."""
    found = {command: file for command in source.makes if (file := shutil.which(command))} if source.at_least else {}
    if source.at_least is None or len(found) < len(source.makes):
        return {}
    try:
        asked = [found[source.makes[0]], "version"]
        said = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return {}
    match = re.search(r"v?(\d+)\.(\d+)\.(\d+)", said)
    wanted = tuple(int(part) for part in source.at_least.split("."))
    new_enough = match is not None and tuple(int(part) for part in match.groups()) >= wanted
    return {command: Path(file) for command, file in found.items()} if new_enough else {}


def _recorded() -> dict[str, float]:
    try:
        seconds: dict[str, float] = json.loads((cache_dir() / "durations.json").read_text())
    except (OSError, ValueError):
        return {}
    return seconds


def _record(task: str, seconds: float, expected: float) -> None:
    """Keeps how long a task took here, for the next estimate; not when it found much of its work done before."""
    if seconds < expected / 3:
        return
    file = cache_dir() / "durations.json"
    draft = file.with_suffix(".tmp")
    draft.write_text(json.dumps(_recorded() | {task: round(seconds, 1)}, indent=1))
    draft.rename(file)


@contextmanager
def _locked(say: Callable[[str], None]) -> Iterator[None]:
    cache_dir().mkdir(parents=True, exist_ok=True)
    with (cache_dir() / "build.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another `up` is building: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
