"""The kubeconfig that a job gets: JSON on one line, which every YAML reader takes and GitLab can mask."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass

_CLUSTER = "kubernetes"


@dataclass(frozen=True)
class Cluster:
    """How a job reaches the API server."""

    server: str
    ca_pem: str | None
    """None: a CA that the system knows."""


@dataclass(frozen=True)
class Context:
    """One environment in a kubeconfig."""

    environment: str
    namespace: str
    token: str


def kubeconfig(cluster: Cluster, contexts: Sequence[Context]) -> str:
    """A kubeconfig with a context called after each environment; the first is the current one. TLS is verified."""
    authority = {"certificate-authority-data": _base64(cluster.ca_pem)} if cluster.ca_pem else {}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": _CLUSTER, "cluster": {"server": cluster.server, **authority}}],
        "users": [{"name": context.environment, "user": {"token": context.token}} for context in contexts],
        "contexts": [
            {
                "name": context.environment,
                "context": {"cluster": _CLUSTER, "user": context.environment, "namespace": context.namespace},
            }
            for context in contexts
        ],
        "current-context": contexts[0].environment,
    }
    return json.dumps(config, separators=(",", ":"))


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
