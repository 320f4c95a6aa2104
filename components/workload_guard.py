"""What an environment's deploy account may put into its namespace: an admission policy, since roles know kinds only."""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from pulumi_slipway.access.admission import RESOURCES, VARIABLES, validations
from pulumi_slipway.access.names import DEPLOY, workload_guard_name
from pulumi_slipway.components.metadata import metadata
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
        called = workload_guard_name(args.settings.namespace)
        user = f"system:serviceaccount:{args.settings.namespace}:{DEPLOY}"
        policy = k8s.admissionregistration.v1.ValidatingAdmissionPolicy(
            f"{name}-policy",
            metadata=metadata(called, args.environment),
            spec={
                "failure_policy": "Fail",
                "match_constraints": {
                    "resource_rules": [
                        {
                            "api_groups": [group],
                            "api_versions": ["*"],
                            "operations": ["CREATE", "UPDATE"],
                            "resources": list(resources),
                        }
                        for group, resources in RESOURCES.items()
                    ]
                },
                "match_conditions": [{"name": "account", "expression": f"request.userInfo.username == '{user}'"}],
                "variables": [{"name": key, "expression": it} for key, it in VARIABLES.items()],
                "validations": validations(args.environment, args.settings),
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
