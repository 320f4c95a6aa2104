"""Closes the way around the token's expiry: a Secret that the cluster itself would fill with a token for ever."""

from dataclasses import dataclass

import pulumi

from pulumi_slipway.access.names import guard_name
from pulumi_slipway.components.admission_policy import deny


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
        user = f"system:serviceaccount:{args.namespace}:{args.account}"
        rule = {"api_groups": [""], "api_versions": ["v1"], "operations": ["CREATE"], "resources": ["secrets"]}
        spec = {
            "match_constraints": {"resource_rules": [rule]},
            "validations": [
                {
                    "expression": "object.type != 'kubernetes.io/service-account-token'",
                    "message": f"{args.account} may not mint tokens",
                    "reason": "Forbidden",
                }
            ],
        }
        deny(self, name, guard_name(args.namespace), args.environment, user, spec)
        self.register_outputs({})
