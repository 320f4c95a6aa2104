"""Pulumi's provider plugins: the ones that a user has, and where they are put for the engine."""

import importlib.metadata
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from sandbox.paths import cache_dir

PROVIDERS = ("kubernetes", "gitlab")


def executable(provider: str) -> str:
    return f"pulumi-resource-{provider}"


def wanted_version(provider: str) -> str:
    """The plugin's version is that of the Python package which the program uses."""
    return importlib.metadata.version(f"pulumi-{provider}")


def find(provider: str, caller: Mapping[str, str]) -> Path | None:
    """The plugin in a cache of Pulumi's: the caller's own, or that of `try_to_install`.

    One on the caller's PATH needs no looking for: the engine itself prefers it.
    """
    for home in (Path(caller.get("PULUMI_HOME") or Path.home() / ".pulumi"), _home()):
        file = _place(home, provider) / executable(provider)
        if os.access(file, os.X_OK) and not str(home).startswith("/var/lib/slipway/"):  # a sandbox's own, within `exec`
            return file
    return None


def try_to_install(provider: str, pulumi: Path) -> bool:
    """Whether `pulumi plugin install` got it. Tried once per version: without a way to the internet it never will."""
    if _refusal(provider).exists():
        return False
    command = [str(pulumi), "plugin", "install", "resource", provider, f"v{wanted_version(provider)}"]
    environment = os.environ | {"PULUMI_HOME": str(_home()), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        reason = run.stderr.strip() if run.returncode else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = str(error)
    if reason:
        _refusal(provider).parent.mkdir(parents=True, exist_ok=True)
        _refusal(provider).write_text(f"{reason}\nRemove this file to have it tried again.\n")
    return not reason


def missing(caller: Mapping[str, str]) -> Iterator[str]:
    """Providers that the caller has nowhere and that could be tried to install."""
    for provider in PROVIDERS:
        if find(provider, caller) is None and not _refusal(provider).exists():
            yield provider


def link(provider: str, file: Path, home: Path) -> None:
    """Puts the plugin where the engine looks for one of the wanted version, in a Pulumi home of the sandbox's own."""
    place = _place(home, provider)
    place.mkdir(parents=True, exist_ok=True)
    (place / executable(provider)).unlink(missing_ok=True)
    (place / executable(provider)).symlink_to(file)


def _place(home: Path, provider: str) -> Path:
    return home / "plugins" / f"resource-{provider}-v{wanted_version(provider)}"


def _home() -> Path:
    return cache_dir() / "pulumi-home"


def _refusal(provider: str) -> Path:
    return _home() / f"not-installable-{provider}-v{wanted_version(provider)}"
