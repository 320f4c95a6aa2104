"""Builds the commands of versions.toml from the Go module proxy into the cache, each once per version."""

import fcntl
import json
import os
import re
import shutil
import subprocess
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

# One build leaves a core idle while it links: two side by side don't. More only compete.
BUILDS_AT_ONCE = 2
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


def all_tools() -> list[Tool]:
    return [Tool(module, command) for module in go_modules() for command in module.commands]


def locate() -> dict[str, Path]:
    """Command to executable of everything that is built already, or installed and new enough."""
    found = {}
    for tool in all_tools():
        installed = _installed(tool)
        if installed is not None:
            found[tool.command] = installed
        elif tool.file.exists():
            found[tool.command] = tool.file
    return found


def prepare(report: Callable[[TimeLeft], None], say: Callable[[str], None]) -> dict[str, Path]:
    """Installs and builds what is missing, telling `report` of all progress; returns command to executable."""
    with _locked(say):  # a second `up` waits here, and then finds everything built
        absent = packages.missing()
        found = locate()
        to_build = [tool for tool in all_tools() if tool.command not in found]
        if absent or to_build:
            _make(absent, to_build, report)
            found = locate()
    return found


def _make(absent: list[str], to_build: list[Tool], report: Callable[[TimeLeft], None]) -> None:
    if to_build and shutil.which("go") is None:
        raise SandboxError("`go` is not on PATH: install Go 1.25 or later (it builds the cluster's parts)")
    modules = {tool.module.name: tool.module for tool in to_build}
    recorded = _recorded()
    expected = {f"build {tool.command}": tool.module.commands[tool.command] for tool in to_build}
    expected |= {f"download {name}": DOWNLOAD_SECONDS for name in modules}
    expected |= {"install Debian packages": APT_SECONDS} if absent else {}
    left = TimeLeft({task: recorded.get(task, seconds) for task, seconds in expected.items()}, BUILDS_AT_ONCE)

    def done(task: str, work: Callable[[], None]) -> None:
        left.start(task)
        report(left)
        work()
        _record(task, left.finish(task))
        report(left)

    with ThreadPoolExecutor(BUILDS_AT_ONCE) as builders, ThreadPoolExecutor(2) as loaders:
        jobs = []
        if absent:
            jobs.append(loaders.submit(done, "install Debian packages", lambda: packages.install(absent)))
        ready = {
            name: loaders.submit(done, f"download {name}", lambda module=module: _download(module))  # type: ignore[misc]
            for name, module in modules.items()
        }

        def build(tool: Tool) -> None:
            ready[tool.module.name].result()
            done(f"build {tool.command}", lambda: _build(tool))

        jobs += [builders.submit(build, tool) for tool in to_build]
        try:
            for job in as_completed([*ready.values(), *jobs]):
                job.result()
        except BaseException:  # also on SIGINT and SIGTERM: what is compiled stays in Go's cache
            builders.shutdown(wait=False, cancel_futures=True)
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
    # (`go mod tidy` from one requirement fetches for minutes). Replacements by directories count only upstream.
    lines = [f"module slipway.local/{module.name}", f"go {released['Go']}", f"require {module.module} {module.version}"]
    for required in released["Require"]:
        version = module.staging if required["Version"] == "v0.0.0" else required["Version"]
        lines.append(f"require {required['Path']} {version} // indirect")
    # The module itself still asks for v0.0.0 of its staging modules, which no proxy has.
    staged = [required["Path"] for required in released["Require"] if required["Version"] == "v0.0.0"]
    lines += [f"replace {path} => {path} {module.staging}" for path in staged]
    (work / "go.mod").write_text("\n".join(lines) + "\n")
    _go(work, "list", "-mod=mod", "-deps", *(_package(module, command) for command in module.commands))


def _build(tool: Tool) -> None:
    tool.file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = tool.file.with_name(f".{tool.file.name}.{os.getpid()}")
    flags = ["-mod=mod", "-trimpath", "-buildvcs=false", "-ldflags", tool.module.ldflags]
    try:
        _go(_workspace(tool.module), "build", *flags, "-o", str(unfinished), _package(tool.module, tool.command))
        unfinished.rename(tool.file)
    finally:
        unfinished.unlink(missing_ok=True)


def _package(module: GoModule, command: str) -> str:
    return f"{module.module}/{module.package.format(command=command)}"


def _workspace(module: GoModule) -> Path:
    return cache_dir() / "go" / f"{module.name}-{module.version}"


def _go(directory: Path, *arguments: str) -> str:
    # The caller's proxy, caches and toolchain are kept; what would change the result isn't.
    environment = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        ["go", *arguments], cwd=directory, env=environment, stdout=pipe, stderr=pipe, text=True
    ) as process:
        _running.add(process)
        output, errors = process.communicate()
        _running.discard(process)
    if process.returncode != 0:
        lines = [line for line in errors.splitlines() if line.strip() and not line.startswith("go: downloading")]
        raise SandboxError(f"go {arguments[0]} {arguments[-1]} failed: {'; '.join(lines[-3:]) or 'no reason given'}")
    return output


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


def _record(task: str, seconds: float) -> None:
    """Keeps how long a task took here, for the next estimate. A build that found all its parts compiled is no guide."""
    if seconds < 5:
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
