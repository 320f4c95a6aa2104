"""Builds the sandbox's own small Go programs (standard library only) into the cache, once per source."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import subprocess
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.paths import cache_dir

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class GoBuildError(SandboxError):
    """A program could not be built; the message says which and why."""


def architecture() -> str:
    """This machine's architecture by its Go and OCI name."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def go_binary(source: Path, name: str) -> Path:
    """The static binary of the Go main package in `source`, built only if its sources have changed.

    Needs neither a network nor a C compiler. The same sources give the same bytes with the same Go.
    """
    target = cache_dir() / "bin" / f"{name}-{_source_hash(source)}"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target.parent / f".{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs may start side by side
        if not target.exists():
            _build(source, name, target)
    return target


def _source_hash(source: Path) -> str:
    digest = hashlib.sha256(architecture().encode())
    files = sorted(path for path in source.iterdir() if _is_built(path))
    if not files:
        raise GoBuildError(f"no Go sources in {source}")
    for path in files:
        content = path.read_bytes()
        digest.update(f"\0{path.name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:12]


def _is_built(path: Path) -> bool:
    """Sources, and what they embed; not the README or Dockerfile beside them."""
    return path.suffix in {".go", ".mod", ".html"} and not path.name.endswith("_test.go")


def _build(source: Path, name: str, target: Path) -> None:
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    settings = {"CGO_ENABLED": "0", "GOFLAGS": "", "GOPROXY": "off", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    command = ["go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid=", "-o", str(unfinished), "."]
    try:
        run = subprocess.run(
            command, cwd=source, env=os.environ | settings, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise GoBuildError(f"{name}: `go` is not on PATH; install Go 1.22 or later") from None
    if run.returncode != 0:
        unfinished.unlink(missing_ok=True)
        raise GoBuildError(f"{name}: go build failed in {source}: {run.stderr.strip()}")
    unfinished.replace(target)
