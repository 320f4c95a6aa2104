"""Closes the way around the token's expiry: a Secret that the cluster itself would fill with a token for ever."""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from pulumi_slipway.access.names import guard_name
from pulumi_slipway.components.metadata import metadata


@dataclass
class TokenGuardArgs:
    """Whom the guard is for."""

    account: str
    environment: str
    namespace: str


class TokenGuard(pulumi.ComponentResource):
    """An admission policy: the account may not create Secrets of type `kubernetes.io/service-account-token`.

    The article's role lets it create Secrets. For one of that type the token controller mints a token of any account of
    the namespace, the deploy account's own included, that never expires and that no renewal revokes.
    """

    def __init__(self, name: str, args: TokenGuardArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:index:TokenGuard", name, None, opts)
        called = guard_name(args.namespace)
        user = f"system:serviceaccount:{args.namespace}:{args.account}"
        policy = k8s.admissionregistration.v1.ValidatingAdmissionPolicy(
            f"{name}-policy",
            metadata=metadata(called, args.environment),
            spec={
                "failure_policy": "Fail",
                "match_constraints": {
                    "resource_rules": [
                        {"api_groups": [""], "api_versions": ["v1"], "operations": ["CREATE"], "resources": ["secrets"]}
                    ]
                },
                "match_conditions": [{"name": "account", "expression": f"request.userInfo.username == '{user}'"}],
                "validations": [
                    {
                        "expression": "object.type != 'kubernetes.io/service-account-token'",
                        "message": f"{args.account} may not mint tokens",
                        "reason": "Forbidden",
                    }
                ],
            },
            opts=pulumi.ResourceOptions(parent=self),
        )
        k8s.admissionregistration.v1.ValidatingAdmissionPolicyBinding(
            f"{name}-binding",
            metadata=metadata(called, args.environment),
            spec={"policy_name": called, "validation_actions": ["Deny"]},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )
        self.register_outputs({})
