"""An admission policy that denies, and the binding that puts it in force, under one name."""

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from pulumi_slipway.components.metadata import metadata


def deny(  # noqa: PLR0917
    parent: pulumi.Resource, name: str, called: str, environment: str, user: str, spec: Mapping[str, Any]
) -> None:
    """The two objects, `called` so in the cluster. They hold for `user` alone; `spec` says for what, and which rules.

    A request that the API server can't judge is refused.
    """
    policy = k8s.admissionregistration.v1.ValidatingAdmissionPolicy(
        f"{name}-policy",
        metadata=metadata(called, environment),
        spec={
            "failure_policy": "Fail",
            "match_conditions": [{"name": "account", "expression": f"request.userInfo.username == '{user}'"}],
            **spec,
        },
        opts=pulumi.ResourceOptions(parent=parent),
    )
    k8s.admissionregistration.v1.ValidatingAdmissionPolicyBinding(
        f"{name}-binding",
        metadata=metadata(called, environment),
        spec={"policy_name": called, "validation_actions": ["Deny"]},
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[policy]),
    )
