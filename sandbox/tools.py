"""Builds the commands of versions.toml from the Go module proxy into the cache, each once per version."""

import fcntl
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox import packages
from sandbox.errors import SandboxError
from sandbox.paths import cache_dir
from sandbox.timeleft import TimeLeft
from sandbox.versions import GoModule, go_modules

APT_SECONDS = 60.0
DOWNLOAD_SECONDS = 30.0

_running: "set[subprocess.Popen[str]]" = set()


@dataclass(frozen=True)
class Tool:
    """One command of a Go module, as it stands in the cache."""

    module: GoModule
    command: str

    @property
    def file(self) -> Path:
        return cache_dir() / "bin" / f"{self.command}-{self.module.version}"


def all_tools(*, tests: bool = False) -> list[Tool]:
    """What a sandbox is made of; `tests`: what only tests need."""
    return [Tool(module, command) for module in go_modules() if module.tests is tests for command in module.commands]


def locate(*, tests: bool = False) -> dict[str, Path]:
    """Command to executable of everything that is built already, or installed and new enough."""
    found = {}
    for tool in all_tools(tests=tests):
        installed = _installed(tool)
        if installed is not None:
            found[tool.command] = installed
        elif tool.file.exists():
            found[tool.command] = tool.file
    return found


def prepare(report: Callable[[TimeLeft], None], say: Callable[[str], None], *, tests: bool = False) -> dict[str, Path]:
    """Installs and builds what is missing, telling `report` of all progress; returns command to executable."""
    with _locked(say):  # a second `up` waits here, and then finds everything built
        absent = packages.missing(tests=tests)
        found = locate(tests=tests)
        to_build = [tool for tool in all_tools(tests=tests) if tool.command not in found]
        if absent or to_build:
            _make(absent, to_build, report)
            found = locate(tests=tests)
    return found


def _make(absent: list[str], to_build: list[Tool], report: Callable[[TimeLeft], None]) -> None:
    if to_build and shutil.which("go") is None:
        raise SandboxError("`go` is not on PATH: install Go 1.25 or later (it builds the cluster's parts)")
    modules = {tool.module.name: tool.module for tool in to_build}
    recorded = _recorded()
    expected = {f"build {name}": module.seconds for name, module in modules.items()}
    expected |= {f"download {name}": DOWNLOAD_SECONDS for name in modules}
    expected |= {"install Debian packages": APT_SECONDS} if absent else {}
    left = TimeLeft({task: recorded.get(task, seconds) for task, seconds in expected.items()})

    def do(task: str, work: Callable[[], None]) -> None:
        left.start(task)
        report(left)
        work()
        _record(task, left.finish(task), expected[task])
        report(left)

    def download(module: GoModule) -> None:
        do(f"download {module.name}", lambda: _download(module))

    def build(module: GoModule) -> None:
        downloads[module.name].result()
        task = f"build {module.name}"
        commands = [tool for tool in to_build if tool.module is module]
        do(task, lambda: _build(module, commands, lambda share: left.advance(task, share)))

    # What waits for the network goes on beside what computes. One build at a time: it keeps all cores busy by itself,
    # and two would compile the packages that they share twice.
    with ThreadPoolExecutor(1) as builder, ThreadPoolExecutor(3) as loaders:
        jobs = [loaders.submit(do, "install Debian packages", lambda: packages.install(absent))] if absent else []
        downloads = {name: loaders.submit(download, module) for name, module in modules.items()}
        jobs += [*downloads.values(), *(builder.submit(build, module) for module in modules.values())]
        try:
            for job in as_completed(jobs):
                job.result()
        except BaseException:  # also on SIGINT and SIGTERM: what is compiled stays in Go's cache
            builder.shutdown(wait=False, cancel_futures=True)
            loaders.shutdown(wait=False, cancel_futures=True)
            for process in list(_running):
                process.terminate()
            raise


def _download(module: GoModule) -> None:
    """Writes a module that requires `module` at the versions that it was released with, and fetches its sources."""
    work = _workspace(module)
    work.mkdir(parents=True, exist_ok=True)
    at = f"{module.module}@{module.version}"
    upstream = json.loads(_go(cache_dir(), "mod", "download", "-json", at))["GoMod"]
    released = json.loads(_go(cache_dir(), "mod", "edit", "-json", upstream))
    # All requirements, as upstream tidied them: with them Go prunes the graph and loads nothing that isn't compiled
    # (`go mod tidy` from one requirement fetches for minutes). Replacements by directories count only upstream, so its
    # v0.0.0 of staging modules, which no proxy has, are replaced.
    required = {entry["Path"]: entry["Version"] for entry in released["Require"]}
    staged = {path: module.staging for path, version in required.items() if version == "v0.0.0"}
    lines = [f"module slipway.local/{module.name}", f"go {released['Go']}", f"require {module.module} {module.version}"]
    lines += [f"require {path} {version} // indirect" for path, version in (required | staged).items()]
    lines += [f"replace {path} => {path} {version}" for path, version in staged.items()]
    (work / "go.mod").write_text("\n".join(lines) + "\n")
    _go(work, "list", "-mod=mod", "-deps", *(_package(module, command) for command in module.commands))


def _build(module: GoModule, tools: list[Tool], advance: Callable[[float], None]) -> None:
    """Builds the commands together, so that what they share is compiled once; each appears whole or not at all."""
    work = _workspace(module)
    wanted = [_package(module, tool.command) for tool in tools]
    total = len(_go(work, "list", "-mod=mod", "-deps", *wanted).split())
    compiled = 0

    def count(line: str) -> None:  # -v names each package when its compilation starts
        nonlocal compiled
        compiled += not line.startswith("go: ")
        advance(compiled / total)

    output = work / "bin"
    output.mkdir(exist_ok=True)
    flags = ["-v", "-mod=mod", "-trimpath", "-buildvcs=false", "-ldflags", module.ldflags]
    _go(work, "build", *flags, "-o", f"{output}/", *wanted, on_line=count)
    for tool in tools:
        tool.file.parent.mkdir(parents=True, exist_ok=True)
        (output / tool.command).rename(tool.file)


def _package(module: GoModule, command: str) -> str:
    return f"{module.module}/{module.package.format(command=command)}"


def _workspace(module: GoModule) -> Path:
    return cache_dir() / "go" / f"{module.name}-{module.version}"


def _go(directory: Path, *arguments: str, on_line: Callable[[str], None] = lambda _: None) -> str:
    """Runs Go and returns its output; `on_line` is told each line of stderr."""
    # The caller's proxy, caches and toolchain are kept; what would change the result isn't.
    environment = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
    errors: list[str] = []
    with (
        tempfile.TemporaryFile("w+") as output,
        subprocess.Popen(
            ["go", *arguments], cwd=directory, env=environment, stdout=output, stderr=subprocess.PIPE, text=True
        ) as process,
    ):
        _running.add(process)
        for line in process.stderr or ():
            errors.append(line.strip())
            on_line(line)
        status = process.wait()
        _running.discard(process)
        if status != 0:
            reasons = [line for line in errors if line and not line.startswith("go: downloading")]
            raise SandboxError(f"go {arguments[0]} in {directory} failed: {'; '.join(reasons[-3:]) or status}")
        output.seek(0)
        return output.read()


def _installed(tool: Tool) -> Path | None:
    """An own installation of the command that is new enough to be used instead of a build."""
    found = shutil.which(tool.command) if tool.module.at_least else None
    if found is None or tool.module.at_least is None:
        return None
    try:
        said = subprocess.run([found, "version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"v?(\d+)\.(\d+)\.(\d+)", said)
    wanted = tuple(int(part) for part in tool.module.at_least.split("."))
    return Path(found) if match and tuple(int(part) for part in match.groups()) >= wanted else None


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
