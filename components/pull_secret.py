"""The Secret that lets an environment's pods pull from a private registry."""

import base64
import json

import pulumi
import pulumi_kubernetes as k8s

from pulumi_slipway.access.names import PULL_SECRET
from pulumi_slipway.components.metadata import metadata
from pulumi_slipway.settings import Registry


def pull_secret(
    name: str, registry: Registry, environment: str, namespace: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> k8s.core.v1.Secret:
    """A `kubernetes.io/dockerconfigjson` Secret; its content is a secret in the state too."""
    return k8s.core.v1.Secret(
        name,
        metadata=metadata(PULL_SECRET, environment, namespace),
        type="kubernetes.io/dockerconfigjson",
        data=pulumi.Output.secret({".dockerconfigjson": _base64(docker_config(registry))}),
        opts=opts,
    )


def docker_config(registry: Registry) -> str:
    """What `docker login` would write for this registry."""
    password = registry.password.get_secret_value()
    entry = {
        "username": registry.username,
        "password": password,
        "auth": _base64(f"{registry.username}:{password}"),
        **({"email": registry.email} if registry.email else {}),
    }
    return json.dumps({"auths": {registry.server: entry}}, sort_keys=True)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
