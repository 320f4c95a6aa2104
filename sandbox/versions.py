"""Reads versions.toml."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("versions.toml")


@dataclass(frozen=True)
class GoModule:
    """A module from the Go module proxy, and the commands that are built from it."""

    name: str
    module: str
    version: str
    package: str
    """Path of a command's package below the module; `{command}` stands for its name."""
    ldflags: str
    commands: list[str]
    seconds: float
    """Of a cold build of all commands on two cores."""
    staging: str | None = None
    """Version that stands for the requirements that the module makes at v0.0.0."""
    at_least: str | None = None
    """The oldest version of an own installation on PATH that is used instead of a build; None: always build."""
    tests: bool = False
    """Whether only tests need it: then `python -m sandbox.runner` builds it, and no sandbox waits for it."""


@cache
def _file() -> dict[str, Any]:
    return tomllib.loads(FILE.read_text())


@cache
def go_modules() -> tuple[GoModule, ...]:
    """In the order in which they are best built: the longest first."""
    return tuple(GoModule(name=name, **values) for name, values in _file()["go"].items())


def apt_packages(*, tests: bool = False) -> dict[str, list[str]]:
    """Debian package to the executables that stand for it, by name on PATH or by path.

    `tests`: what only tests need.
    """
    packages: dict[str, list[str]] = _file()["apt-tests" if tests else "apt"]
    return packages
