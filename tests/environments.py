"""Environments for other Pythons than the one in use, and for the lowest versions that the package says it takes.

    python -m tests.environments

makes those that can be made, in the cache, before the tests enter a sandbox, from which nothing can be fetched;

    python -m tests.environments pytest tests/unit

runs that in each of them, too.
"""

import fcntl
import hashlib
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from sandbox.paths import cache_dir

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ("3.11", "3.12", "3.13")
"""Those that the package is for."""
LOWEST = "lowest"
"""The environment with the lower ends of the package's ranges, on the Python in use."""
NAMES = (*PYTHONS, LOWEST)


class Missing(Exception):
    """There is no such environment; the text is why."""


def find(name: str) -> Path:
    """The Python of a prepared environment, or the one in use; raises Missing."""
    if _in_use(name):
        return Path(sys.executable)
    place = _place(name, _python(name))
    if not (place / ".done").exists():
        why = place / "failed"
        raise Missing(why.read_text() if why.exists() else "not made yet: python -m tests.environments")
    return place / "bin" / "python"


def lower_ends() -> list[str]:
    """The package's requirements at their lowest, as `name==version`."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    found = [re.fullmatch(r"([\w-]+)>=([\d.]+)(,<\d+)?", requirement) for requirement in declared]
    assert all(found), f"each of these must be a range with a lower end: {declared}"
    return [f"{it[1]}=={it[2]}" for it in found if it]


def prepare(name: str) -> None:
    """Makes an environment that isn't there; raises Missing, and keeps the reason for `find`."""
    if _in_use(name):
        return
    python = _python(name)
    place = _place(name, python)
    place.parent.mkdir(parents=True, exist_ok=True)
    with (place.parent / f"{place.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (place / ".done").exists():
            return
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run([python, "-m", "venv", place], check=True, capture_output=True)
        for arguments in _requirements(name, place):
            command = [place / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
            if done.returncode:
                why = f"pip install {' '.join(arguments)[:200]}: {' '.join(done.stderr.split())[-300:]}"
                (place / "failed").write_text(why)
                raise Missing(why)
        (place / ".done").touch()


def _requirements(name: str, place: Path) -> list[list[str]]:
    """What pip is told, call by call."""
    if name != LOWEST:
        return [["--require-hashes", "--no-deps", "-r", str(ROOT / "requirements-dev.txt")]]
    tools = [
        line for line in (ROOT / "requirements-dev.in").read_text().splitlines() if not line.startswith(("#", "-r"))
    ]
    ends = place / "lowest.txt"
    ends.write_text("\n".join(lower_ends()))
    return [["--upgrade", "-c", str(ends), *lower_ends(), *tools]]


def _in_use(name: str) -> bool:
    return name == f"{sys.version_info.major}.{sys.version_info.minor}"


def _python(name: str) -> str:
    if name == LOWEST:
        return str(Path(sys.executable).resolve())  # not by the checkout that it is used from
    for found in (shutil.which(f"python{name}"), *sorted(Path.home().glob(f".pyenv/versions/{name}.*/bin/python"))):
        if found and not subprocess.run([found, "--version"], capture_output=True, check=False).returncode:
            return str(found)
    raise Missing(f"Python {name} is not installed here")


def _place(name: str, python: str) -> Path:
    needs = lower_ends() if name == LOWEST else []
    text = "\n".join([python, *needs, (ROOT / "requirements-dev.txt").read_text()])
    return cache_dir() / f"python-{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def main(command: list[str]) -> int:
    """Prepares all, and runs the command (of a package that is in them) in each."""
    status = 0
    for name in NAMES:
        try:
            prepare(name)
        except Missing as reason:
            print(f"tests on {name} are skipped: {reason}", file=sys.stderr)
            continue
        if command:
            print(f"--- {name}", flush=True)
            status |= subprocess.run([find(name), "-m", *command], cwd=ROOT, check=False).returncode
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
