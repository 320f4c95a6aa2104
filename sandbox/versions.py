"""Reads versions.toml."""

import tomllib
from dataclasses import dataclass, field
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
    own: dict[str, str] = field(default_factory=dict)
    """Commands of our own that are built against the module's packages, each with its folder in `sandbox/`."""
    files: list[str] = field(default_factory=list)
    """Scripts that are commands as they stand, by their path in the module `files_of`, a requirement of this one."""
    files_of: str = ""
    overlay: str | None = None
    """A folder in `sandbox/` whose files take the place of the module's."""
    embeds: list[str] = field(default_factory=list)
    """JSON files beside the command's main that it embeds in a generated form, as the module's own `generate.go`
    makes it."""
    within: str | None = None
    """Another module here, with whose requirements it is built: what they share is compiled once."""
    provider: str | None = None
    """The provider of Pulumi's that it is."""
    provider_version: str | None = None
    """As Pulumi counts it."""
    at_least: str | None = None
    """The oldest version of an own installation on PATH that is used instead of a build; None: always build."""
    tests: bool = False
    """Whether only tests need it: then `python -m sandbox.runner` builds it, and no sandbox waits for it."""

    @property
    def makes(self) -> list[str]:
        """All commands that its build leaves."""
        return [*self.commands, *self.own, *(Path(file).name for file in self.files)]


@dataclass(frozen=True)
class Wheel:
    """A package of PyPI that carries executables in an archive."""

    name: str
    package: str
    version: str
    sha256: str
    commands: list[str]
    architecture: str

    @property
    def makes(self) -> list[str]:
        return self.commands

    tests = False
    at_least = None


@cache
def _file() -> dict[str, Any]:
    return tomllib.loads(FILE.read_text())


@cache
def go_modules() -> tuple[GoModule, ...]:
    """In the order in which they are best built: the longest first."""
    return tuple(GoModule(name=name, **values) for name, values in _file()["go"].items())


@cache
def wheels() -> tuple[Wheel, ...]:
    return tuple(Wheel(name=name, **values) for name, values in _file()["wheel"].items())


def apt_packages(*, tests: bool = False) -> dict[str, list[str]]:
    """Debian package to the executables that stand for it, by name on PATH or by path.

    `tests`: what only tests need.
    """
    packages: dict[str, list[str]] = _file()["apt-tests" if tests else "apt"]
    return packages
