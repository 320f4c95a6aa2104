"""An environment's namespace: what its pods may be (Pod Security) and how much they may take (quota)."""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from pulumi_slipway.access.names import LIMITS
from pulumi_slipway.components.metadata import metadata
from pulumi_slipway.settings import AccessEnvironment


@dataclass
class NamespaceArgs:
    """What a namespace is built from."""

    environment: str
    """Key of the environment in the settings."""
    settings: AccessEnvironment


class EnvironmentNamespace(pulumi.ComponentResource):
    """Namespace with Pod Security labels, a ResourceQuota, and defaults for containers that name no resources."""

    name: pulumi.Output[str]
    """The namespace's name, known to exist."""

    def __init__(self, name: str, args: NamespaceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:index:EnvironmentNamespace", name, None, opts)
        level, quota = args.settings.pod_security, args.settings.quota
        namespace = k8s.core.v1.Namespace(
            f"{name}-namespace",
            metadata=metadata(
                args.settings.namespace,
                args.environment,
                labels={
                    # What enforce refuses, warn shows to the one who applies, and audit to the one who watches.
                    **{f"pod-security.kubernetes.io/{mode}": level for mode in ("enforce", "warn", "audit")},
                    **{f"pod-security.kubernetes.io/{mode}-version": "latest" for mode in ("enforce", "warn", "audit")},
                },
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.name = namespace.metadata.apply(lambda metadata: str(metadata.name))
        k8s.core.v1.ResourceQuota(
            f"{name}-quota",
            metadata=metadata(LIMITS, args.environment, self.name),
            spec={"hard": {"limits.cpu": quota.cpu, "limits.memory": quota.memory, "pods": str(quota.pods)}},
            opts=pulumi.ResourceOptions(parent=self),
        )
        # A quota on limits refuses every pod that names none, and a Deployment then stands still with no pod and no
        # error of its own: so a container without limits gets the article's.
        k8s.core.v1.LimitRange(
            f"{name}-limits",
            metadata=metadata(LIMITS, args.environment, self.name),
            spec={
                "limits": [
                    {
                        "type": "Container",
                        "default_request": {"cpu": "100m", "memory": "128Mi"},
                        "default": {"cpu": "500m", "memory": "512Mi"},
                    }
                ]
            },
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({"namespace": args.settings.namespace})
