"""Names that the access stack gives, and that the other stacks and the pipeline rely on."""

DEPLOY, PREVIEW = "gitlab-deploy", "gitlab-preview"
"""The two accounts of an environment; role and binding are called `<account>-role` and `<account>-binding`."""
PULL_SECRET = "gitlab-registry"  # noqa: S105  a name, not a secret
LIMITS = "slipway"
"""Name of the ResourceQuota and of the LimitRange."""
CLUSTER_WIDE = "cluster"
"""Environment label of what belongs to no single environment."""


def workload_guard_name(namespace: str) -> str:
    """Name of the policy and binding of what may be put into a namespace."""
    return f"slipway-{namespace}-workloads"


def guard_name(namespace: str) -> str:
    """Name of a namespace's admission policy and binding; they are in no namespace, so it says whose they are."""
    return f"slipway-{namespace}-no-token-secrets"
