"""One Go module of versions.toml, from the module proxy to its commands in the cache."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox.errors import SandboxError
from sandbox.paths import CHECKOUT, cache_dir
from sandbox.versions import GoModule, go_modules

running: "set[subprocess.Popen[str]]" = set()
"""Go at work, for whoever has to end it."""

ROOMY = 12 << 30
"""Bytes of memory from which a build may use more of it to be faster."""


def directory(module: GoModule) -> Path:
    """Where its commands are, once they are built: a folder of its own, as an installation has them."""
    sources = [file for folder in module.own.values() for file in sorted((CHECKOUT / "sandbox" / folder).glob("*.go"))]
    content = hashlib.sha256(b"".join(file.read_bytes() for file in sources)).hexdigest()[:8]
    return cache_dir() / "bin" / f"{module.name}-{module.version}{'-' + content if sources else ''}"


def download(module: GoModule) -> None:
    """Writes a module that requires `module` at the versions that it was released with, and fetches its sources."""
    work = _workspace(module)
    work.mkdir(parents=True, exist_ok=True)
    fetched, released = _released(module)
    # All requirements, as upstream tidied them: with them Go prunes the graph and loads nothing that isn't compiled
    # (`go mod tidy` from one requirement fetches for minutes). Replacements by directories count only upstream, so its
    # v0.0.0 of staging modules, which no proxy has, are replaced.
    for other in [it for it in go_modules() if it.name == module.within]:
        released = _released(other)[1]
        released["Require"].append({"Path": other.module, "Version": other.version})
    required = {entry["Path"]: entry["Version"] for entry in released["Require"]}
    staged = {path: module.staging for path, version in required.items() if version == "v0.0.0"}
    lines = [f"module slipway.local/{module.name}", f"go {released['Go']}", f"require {module.module} {module.version}"]
    lines += [f"require {path} {version} // indirect" for path, version in (required | staged).items()]
    lines += [f"replace {path} => {path} {version}" for path, version in staged.items()]
    if module.overlay:
        lines += [f"replace {module.module} => ./source"]
        _overlaid(module, Path(fetched["Dir"]), work / "source")
    (work / "go.mod").write_text("\n".join(lines) + "\n")
    for command, folder in module.own.items():
        shutil.copytree(CHECKOUT / "sandbox" / folder, work / command, dirs_exist_ok=True)
    _go(work, "list", "-mod=mod", "-deps", *_packages(module))


def build(module: GoModule, advance: Callable[[float], None]) -> None:
    """Builds the commands together, so that what they share is compiled once; the folder appears whole or not at all.

    `advance` is told the share, 0 to 1, that is done.
    """
    work = _workspace(module)
    total = len(_go(work, "list", "-mod=mod", "-deps", *_packages(module)).split())
    compiled = 0

    def count(line: str) -> None:  # -v names each package when its compilation starts
        nonlocal compiled
        compiled += not line.startswith("go: ")
        advance(compiled / total)

    output = work / "bin"
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir()
    flags = ["-v", "-mod=mod", "-trimpath", "-buildvcs=false", "-ldflags", module.ldflags]
    _go(work, "build", *flags, "-o", f"{output}/", *_packages(module), on_line=count)
    if module.files:
        home = Path(_go(work, "list", "-mod=mod", "-m", "-f", "{{.Dir}}", module.files_of).strip())
        for file in module.files:
            shutil.copy(home / file, output)
            (output / Path(file).name).chmod(0o755)
    target = directory(module)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    output.rename(target)


def _released(module: GoModule) -> tuple[dict[str, Any], dict[str, Any]]:
    """Where its sources are, and its go.mod."""
    fetched = json.loads(_go(cache_dir(), "mod", "download", "-json", f"{module.module}@{module.version}"))
    return fetched, json.loads(_go(cache_dir(), "mod", "edit", "-json", fetched["GoMod"]))


def _overlaid(module: GoModule, released: Path, copy: Path) -> None:
    """The module's own sources with our files over them."""
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(released, copy, copy_function=shutil.copyfile)
    for folder in (copy, *copy.rglob("*/")):
        folder.chmod(0o755)
    shutil.copytree(CHECKOUT / "sandbox" / str(module.overlay), copy, dirs_exist_ok=True)
    for command in module.commands:
        for name in module.embeds:
            content = json.loads((copy / _package(module, command) / f"{name}.json").read_text())
            if name == "schema":
                content["version"] = module.provider_version
            (copy / _package(module, command) / f"{name}-embed.json").write_text(json.dumps(content))


def _package(module: GoModule, command: str) -> str:
    return module.package.format(command=command)


def _packages(module: GoModule) -> list[str]:
    theirs = [f"{module.module}/{_package(module, command)}" for command in module.commands]
    return theirs + [f"./{command}" for command in module.own]


def _workspace(module: GoModule) -> Path:
    return cache_dir() / "go" / f"{module.name}-{module.version}"


def _go(folder: Path, *arguments: str, on_line: Callable[[str], None] = lambda _: None) -> str:
    """Runs Go and returns its output; `on_line` is told each line of stderr."""
    # The caller's proxy, caches and toolchain are kept; what would change the result isn't.
    environment = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
    if os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >= ROOMY:
        environment.setdefault("GOGC", "400")  # a fifth less time, for twice the memory
    errors: list[str] = []
    with (
        tempfile.TemporaryFile("w+") as output,
        subprocess.Popen(
            ["go", *arguments], cwd=folder, env=environment, stdout=output, stderr=subprocess.PIPE, text=True
        ) as process,
    ):
        running.add(process)
        for line in process.stderr or ():
            errors.append(line.strip())
            on_line(line)
        status = process.wait()
        running.discard(process)
        if status != 0:
            reasons = [line for line in errors if line and not line.startswith("go: downloading")]
            raise SandboxError(f"go {arguments[0]} in {folder} failed: {'; '.join(reasons[-3:]) or status}")
        output.seek(0)
        return output.read()
