"""Kubeconfigs whose login is made by a command, as kubelogin, glab and the clouds' tools write them.

Lightkube runs such a command, but refuses the protocol's stable version, whose answers are the same.
Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

import json
from pathlib import Path

from lightkube import KubeConfig
from lightkube.config.models import NameValue

STABLE, KNOWN = "client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"
INFO = "KUBERNETES_EXEC_INFO"


def taken(config: KubeConfig) -> KubeConfig:
    """The same kubeconfig with each command as lightkube takes it: told its version, found where kubectl finds it."""
    for user in config.users.values():
        plugin = user.exec
        if plugin is None:
            continue
        asked = {"apiVersion": plugin.apiVersion, "kind": "ExecCredential", "spec": {"interactive": False}}
        plugin.env = [*(plugin.env or []), NameValue(INFO, json.dumps(asked))]
        if plugin.apiVersion == STABLE:
            plugin.apiVersion = KNOWN
        if config.fname and "/" in plugin.command and not Path(plugin.command).is_absolute():
            plugin.command = str((config.fname.parent / plugin.command).resolve())  # beside the kubeconfig
    return config
