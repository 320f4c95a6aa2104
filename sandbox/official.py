"""Finds, and where the internet is open installs, the official Pulumi plugins: they are always to be preferred."""

import hashlib
import importlib.metadata
import os
import re
import subprocess
from pathlib import Path

from sandbox.paths import Paths, cache_dir

PLUGINS = (
    "pulumi-language-python",
    "pulumi-resource-pulumi-python",
    "pulumi-resource-kubernetes",
    "pulumi-resource-gitlab",
)
PROVIDERS = ("kubernetes", "gitlab")


def wanted_version(provider: str) -> str:
    """The plugin's version is that of the Python package which the program uses."""
    return importlib.metadata.version(f"pulumi-{provider}")


def find(caller: dict[str, str]) -> dict[str, Path]:
    """Plugin to executable: from $SLIPWAY_PLUGIN_DIR, the caller's PATH, or where `pulumi plugin install` puts them."""
    search = [caller.get("SLIPWAY_PLUGIN_DIR", ""), *caller.get("PATH", "").split(os.pathsep)]
    homes = [Path(caller.get("PULUMI_HOME") or Path.home() / ".pulumi"), _home()]
    found = {}
    for plugin in PLUGINS:
        places = [Path(directory) for directory in search if directory]
        provider = plugin.removeprefix("pulumi-resource-")
        if provider in PROVIDERS:
            places += [home / "plugins" / f"resource-{provider}-v{wanted_version(provider)}" for home in homes]
        for place in places:
            # Within `exec` the PATH has the sandbox's own directories, of this sandbox or another.
            if os.access(place / plugin, os.X_OK) and not re.match(r"/(run|var/lib)/slipway/", str(place)):
                found[plugin] = (place / plugin).resolve()
                break
    return found


def directory(paths: Paths, caller: dict[str, str]) -> list[str]:
    """A directory with links to the caller's official plugins, to stand first on the PATH; none when there are none."""
    chosen = find(caller)
    if not chosen:
        return []
    # Named by its content: two callers with different plugins may run side by side.
    name = hashlib.sha256(repr(sorted(chosen.items())).encode()).hexdigest()[:12]
    links = paths.run / "official" / name
    links.mkdir(parents=True, exist_ok=True)
    for plugin, file in chosen.items():
        draft = links / f".{plugin}.{os.getpid()}"
        draft.symlink_to(file)
        draft.rename(links / plugin)
    return [str(links)]


def not_installed() -> list[str]:
    """Providers without an official plugin whose installation hasn't been tried yet."""
    found = find(dict(os.environ))
    return [
        provider
        for provider in PROVIDERS
        if f"pulumi-resource-{provider}" not in found and not _refusal(provider).exists()
    ]


def try_to_install(provider: str, pulumi: Path) -> bool:
    """Whether `pulumi plugin install` got it. Tried once per version: without a way to the internet it never will."""
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


def _home() -> Path:
    return cache_dir() / "pulumi-home"


def _refusal(provider: str) -> Path:
    return _home() / f"not-installable-{provider}-v{wanted_version(provider)}"
