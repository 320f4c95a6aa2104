"""The environment in which commands run inside a sandbox: tools, credentials, addresses."""

import os
import sys
from pathlib import Path

from sandbox import network, plugins
from sandbox.errors import SandboxError
from sandbox.paths import CHECKOUT, GITLAB, PROMETHEUS, REGISTRY, Paths

PLUGINS = (
    "pulumi-language-python",
    "pulumi-resource-pulumi-python",
    "pulumi-resource-kubernetes",
    "pulumi-resource-gitlab",
)
STAND_INS = Path(plugins.__file__).parent / "bin"


def install_tools(paths: Paths, tools: dict[str, Path]) -> None:
    """Puts links to the built tools, and starters of the plugin stand-ins, into the sandbox's bin directory."""
    paths.bin.mkdir(exist_ok=True)
    for command, file in tools.items():
        (paths.bin / command).symlink_to(file)
    for plugin in PLUGINS:
        # They need this Python's packages, whatever the PATH.
        starter = paths.bin / plugin
        starter.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_INS / plugin}" "$@"\n')
        starter.chmod(0o755)


def environment(paths: Paths, caller: dict[str, str]) -> dict[str, str]:
    """The caller's environment with the sandbox's over it; official plugins of the caller's win over the stand-ins."""
    token = paths.gitlab_token.read_text().strip()
    venv = str(CHECKOUT / ".venv" / "bin")
    path = [*_official(paths, caller), str(paths.bin), venv, caller.get("PATH", os.defpath)]
    return caller | {
        "PATH": os.pathsep.join(path),
        "KUBECONFIG": str(paths.kubeconfig),
        "PULUMI_HOME": str(paths.pulumi_home),
        "PULUMI_BACKEND_URL": f"file://{paths.pulumi_state}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(paths.pulumi_passphrase),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "GITLAB_BASE_URL": f"{GITLAB}/api/v4/",
        "GITLAB_TOKEN": token,
        "SSL_CERT_FILE": str(paths.ca_bundle),
        "REQUESTS_CA_BUNDLE": str(paths.ca_bundle),
        "DOCKER_CONFIG": str(paths.docker_config),
        "SLIPWAY_SANDBOX": paths.name,
        "SLIPWAY_SANDBOX_REGISTRY": REGISTRY,
        "SLIPWAY_SANDBOX_PROMETHEUS": PROMETHEUS,
    }


def execute(paths: Paths, command: list[str]) -> None:
    """Becomes `command` inside the sandbox's network: the same process, so signals and the exit status are its own."""
    if not paths.netns.exists() or not paths.kubeconfig.exists():
        raise SandboxError(f"sandbox {paths.name} isn't up: run `python -m sandbox up --name {paths.name}`")
    variables = environment(paths, dict(os.environ))
    network.enter(paths)
    try:
        os.execvpe(command[0], command, variables)  # noqa: S606
    except FileNotFoundError:
        raise SandboxError(f"{command[0]}: no such command on the sandbox's PATH") from None


def _official(paths: Paths, caller: dict[str, str]) -> list[str]:
    """Directories to put first: links to those official plugins that the caller has."""
    search = [caller.get("SLIPWAY_PLUGIN_DIR", ""), *caller.get("PATH", "").split(os.pathsep)]
    chosen = paths.run / "official"
    found = False
    for plugin in PLUGINS:
        for directory in filter(None, search):
            file = Path(directory) / plugin
            if file.exists() and os.access(file, os.X_OK) and file.parent not in (STAND_INS, paths.bin, chosen):
                chosen.mkdir(exist_ok=True)
                link = chosen / f".{plugin}.{os.getpid()}"
                link.symlink_to(file)
                link.rename(chosen / plugin)
                found = True
                break
    return [str(chosen)] if found else []
