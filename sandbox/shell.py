"""The environment in which commands run inside a sandbox: tools, credentials, addresses."""

import os
import sys
from pathlib import Path

from sandbox import network, official, plugins
from sandbox.errors import SandboxError
from sandbox.paths import GITLAB, PROMETHEUS, REGISTRY, Paths

PROXIES = {"http_proxy", "https_proxy", "all_proxy"}
GITLAB_DOUBLE = Path(plugins.__file__).parent / "bin" / "pulumi-resource-gitlab"


def install_tools(paths: Paths, tools: dict[str, Path]) -> None:
    """Puts links to the tools into the sandbox's bin directory, and the plugins where the engine looks for them."""
    paths.bin.mkdir(exist_ok=True)
    providers = [official.executable(provider) for provider in official.PROVIDERS]
    for command in tools.keys() - providers:  # the engine warns of providers that it finds on the PATH
        (paths.bin / command).symlink_to(tools[command])
    # The double needs this Python's packages, whatever the PATH.
    starter = paths.state / "plugins" / GITLAB_DOUBLE.name
    starter.parent.mkdir(exist_ok=True)
    starter.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{GITLAB_DOUBLE}" "$@"\n')
    starter.chmod(0o755)
    built = {"kubernetes": tools[official.executable("kubernetes")], "gitlab": starter}
    for provider, file in built.items():
        official.link(provider, official.find(provider, os.environ) or file, paths.pulumi_home)


def environment(paths: Paths, caller: dict[str, str]) -> dict[str, str]:
    """The caller's environment with the sandbox's over it."""
    token = paths.gitlab_token.read_text().strip()
    own_python = str(Path(sys.executable).parent)
    path = [str(paths.bin), own_python, caller.get("PATH", os.defpath)]
    # There is no way out, so a proxy cannot be reached, and one that is set would be asked for the node's addresses.
    kept = {name: value for name, value in caller.items() if name.lower() not in PROXIES}
    return kept | {
        "PATH": os.pathsep.join(path),
        "KUBECONFIG": str(paths.kubeconfig),
        "PULUMI_HOME": str(paths.pulumi_home),
        "PULUMI_BACKEND_URL": f"file://{paths.pulumi_state}?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(paths.pulumi_passphrase),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "GITLAB_BASE_URL": f"{GITLAB}/api/v4/",
        "GITLAB_TOKEN": token,
        "SSL_CERT_FILE": str(paths.ca_bundle),
        "REQUESTS_CA_BUNDLE": str(paths.ca_bundle),
        "CURL_CA_BUNDLE": str(paths.ca_bundle),  # curl takes the caller's, where one is set, before SSL_CERT_FILE
        "DOCKER_CONFIG": str(paths.docker_config),
        "SLIPWAY_SANDBOX": paths.name,
        "SLIPWAY_SANDBOX_REGISTRY": REGISTRY,
        "SLIPWAY_SANDBOX_PROMETHEUS": PROMETHEUS,
    }


def execute(paths: Paths, command: list[str]) -> None:
    """Becomes `command` inside the sandbox's network: the same process, so signals and the exit status are its own."""
    if not paths.netns.exists() or not paths.kubeconfig.exists():
        raise SandboxError(f"sandbox {paths.name} isn't up: run `make up NAME={paths.name}`")
    variables = environment(paths, dict(os.environ))
    network.enter(paths)
    try:
        os.execvpe(command[0], command, variables)  # noqa: S606
    except FileNotFoundError:
        raise SandboxError(f"{command[0]}: no such command on the sandbox's PATH") from None
