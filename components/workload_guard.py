"""What an environment's deploy account may put into its namespace: an admission policy, since roles know kinds only."""

from dataclasses import dataclass

import pulumi

from pulumi_slipway.access.admission import RESOURCES, VARIABLES, validations
from pulumi_slipway.access.names import DEPLOY, workload_guard_name
from pulumi_slipway.components.admission_policy import deny
from pulumi_slipway.settings import AccessEnvironment


@dataclass
class WorkloadGuardArgs:
    """Whom the guard is for."""

    environment: str
    settings: AccessEnvironment


class WorkloadGuard(pulumi.ComponentResource):
    """An admission policy and its binding: what `allow` and `hosts` of the environment don't name is refused."""

    def __init__(self, name: str, args: WorkloadGuardArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:index:WorkloadGuard", name, None, opts)
        user = f"system:serviceaccount:{args.settings.namespace}:{DEPLOY}"
        rules = [
            {
                "api_groups": [group],
                "api_versions": ["*"],
                "operations": ["CREATE", "UPDATE"],
                "resources": list(resources),
            }
            for group, resources in RESOURCES.items()
        ]
        spec = {
            "match_constraints": {"resource_rules": rules},
            "variables": [{"name": key, "expression": it} for key, it in VARIABLES.items()],
            "validations": validations(args.environment, args.settings),
        }
        deny(self, name, workload_guard_name(args.settings.namespace), args.environment, user, spec)
        self.register_outputs({})
