"""The provider's own arguments (`pulumi_kubernetes.Provider`), as the engine hands them over: strings, some of JSON."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ProviderSettings:
    """Unset switches fall back to the provider's environment variables, then to off."""

    kubeconfig: str | None = None
    context: str | None = None
    cluster: str | None = None
    namespace: str | None = None
    upsert: bool = False
    patch_force: bool = False
    secrets_mutable: bool = False
    config_maps_mutable: bool = False
    delete_unreachable: bool = False
    skip_update_unreachable: bool = False
    timeout: float | None = None
    """Seconds for one HTTP request."""
    burst: int = 120
    """Connections kept to the API server are bounded by it; the double knows no rate limit."""

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> "ProviderSettings":
        def text(key: str) -> str | None:
            return variables.get(f"kubernetes:config:{key}") or None

        def switch(key: str, variable: str) -> bool:
            given = variables.get(f"kubernetes:config:{key}")
            return (os.environ.get(variable) if given is None else given) == "true"

        client = json.loads(text("kubeClientSettings") or "{}")
        timeout = client.get("timeout") or os.environ.get("PULUMI_K8S_CLIENT_TIMEOUT")
        burst = client.get("burst") or os.environ.get("PULUMI_K8S_CLIENT_BURST") or 120
        return cls(
            kubeconfig=text("kubeconfig"),
            context=text("context"),
            cluster=text("cluster"),
            namespace=text("namespace"),
            upsert=switch("upsertExistingObjects", "PULUMI_K8S_UPSERT_EXISTING_OBJECTS"),
            patch_force=switch("enablePatchForce", "PULUMI_K8S_ENABLE_PATCH_FORCE"),
            secrets_mutable=switch("enableSecretMutable", "PULUMI_K8S_ENABLE_SECRET_MUTABLE"),
            config_maps_mutable=switch("enableConfigMapMutable", "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE"),
            delete_unreachable=switch("deleteUnreachable", "PULUMI_K8S_DELETE_UNREACHABLE"),
            skip_update_unreachable=switch("skipUpdateUnreachable", "PULUMI_K8S_SKIP_UPDATE_UNREACHABLE"),
            timeout=float(timeout) if timeout else None,
            burst=int(burst),
        )
