"""Slipway as its users have it: the wheel, and a program's environment with the wheel installed.

Both are in the cache by what is in the package, so that demo and tests need no network, and no time where nothing has
changed.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.paths import cache_dir

CHECKOUT = Path(__file__).resolve().parent.parent
PROGRAM_VENV = CHECKOUT / ".venv-program"
"""What a program needs beside Slipway; `make` installs it."""
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "components", "pulumi_slipway")
KEPT_DAYS = 7


def wheel() -> Path:
    """The wheel of this checkout."""
    with _place() as place:
        found = sorted((place / "dist").glob("*.whl"))
        if not found:
            build("wheel", place / "dist")
            found = sorted((place / "dist").glob("*.whl"))
        return found[0]


def environment() -> Path:
    """A virtual environment with the wheel, and all that it needs (which is looked up in PROGRAM_VENV)."""
    built = wheel()
    with _place() as place:
        venv = place / "venv"
        if not (venv / ".done").exists():
            shutil.rmtree(venv, ignore_errors=True)
            program = PROGRAM_VENV.resolve()
            _run([program / "bin" / "python", "-m", "venv", "--without-pip", venv])
            [packages] = venv.glob("lib/python*/site-packages")
            (packages / "program.pth").write_text(f"{program / packages.relative_to(venv)}\n")
            pip: list[str | Path] = [program / "bin" / "python", "-m", "pip", "--python", venv / "bin" / "python"]
            _run([*pip, "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", built])
            (venv / ".done").touch()  # as a job leaves it in its cache (ci/job.yml)
        return venv


def build(kind: str, target: Path) -> None:
    """A `wheel` or an `sdist` into `target`, by the setuptools that is here: setuptools builds beside what it reads."""
    folder = target / "source"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in SOURCES:
        source, copy = CHECKOUT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, copy, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy)
    _run([sys.executable, "-c", f"from setuptools import build_meta as b; b.build_{kind}({str(target)!r})"], folder)
    shutil.rmtree(folder)


@contextmanager
def _place() -> Iterator[Path]:
    """The folder in the cache for what the package holds now; to one process at a time."""
    text = hashlib.sha256(f"{PROGRAM_VENV.resolve()} {sys.version}".encode())
    for name in SOURCES:
        source = CHECKOUT / name
        for file in sorted(source.rglob("*")) if source.is_dir() else [source]:
            if file.is_file() and "__pycache__" not in file.parts:
                text.update(f"{file.relative_to(CHECKOUT)}\0".encode() + file.read_bytes())
    place = cache_dir() / f"installed-{text.hexdigest()[:12]}"
    if not place.exists():
        for old in cache_dir().glob("installed-*"):
            if time.time() - old.stat().st_mtime > KEPT_DAYS * 86400:
                shutil.rmtree(old, ignore_errors=True)
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield place


def _run(command: list[str | Path], directory: Path | None = None) -> None:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
