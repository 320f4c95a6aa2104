"""Who acts in an environment: a service account, and the role that it is bound to."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from pulumi_slipway.access.names import CLUSTER_WIDE
from pulumi_slipway.access.rights import Rule, ledgers
from pulumi_slipway.components.metadata import metadata


@dataclass
class IdentityArgs:
    """What an account is built from."""

    account: str
    """Name of the service account; role and binding are called after it."""
    environment: str
    namespace: pulumi.Input[str]
    rules: Sequence[Rule] | None
    """None: the account is bound elsewhere, by the cluster-wide binding."""


class Identity(pulumi.ComponentResource):
    """A service account with a namespaced role and its binding."""

    account: k8s.core.v1.ServiceAccount

    def __init__(self, name: str, args: IdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:index:Identity", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        def called(of: str) -> k8s.meta.v1.ObjectMetaArgs:
            return metadata(of, args.environment, args.namespace)

        self.account = k8s.core.v1.ServiceAccount(
            f"{name}-account",
            metadata=called(args.account),
            automount_service_account_token=False,  # it is for the pipeline, no pod is to get it by accident
            opts=child,
        )
        if args.rules is not None:
            role = k8s.rbac.v1.Role(
                f"{name}-role", metadata=called(f"{args.account}-role"), rules=rbac_rules(args.rules), opts=child
            )
            k8s.rbac.v1.RoleBinding(
                f"{name}-binding",
                metadata=called(f"{args.account}-binding"),
                subjects=[subject(args.account, args.namespace)],
                role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "Role", "name": f"{args.account}-role"},
                opts=pulumi.ResourceOptions(parent=self, depends_on=[role, self.account]),
            )
        self.register_outputs({"account": args.account})


@dataclass
class LedgerReaderArgs:
    """What the rights of promotion are built from."""

    environment: str
    """The one that promotes."""
    namespace: str
    """Its namespace."""
    promotes_from: str
    """The environment that it promotes from."""
    source: str
    """That one's namespace."""
    accounts: Sequence[str]
    workloads: Sequence[str]
    """Those whose ledgers they are; none: all."""


class LedgerReader(pulumi.ComponentResource):
    """A role in the namespace that is promoted from, for the accounts of the one that promotes: ledgers only."""

    def __init__(self, name: str, args: LedgerReaderArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:index:LedgerReader", name, None, opts)
        called = f"slipway-promotion-to-{args.environment}"
        role = k8s.rbac.v1.Role(
            f"{name}-role",
            metadata=metadata(called, args.environment, args.source),
            rules=rbac_rules(ledgers(args.promotes_from, args.workloads)),
            opts=pulumi.ResourceOptions(parent=self),
        )
        k8s.rbac.v1.RoleBinding(
            f"{name}-binding",
            metadata=metadata(called, args.environment, args.source),
            subjects=[subject(account, args.namespace) for account in args.accounts],
            role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "Role", "name": called},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[role]),
        )
        self.register_outputs({})


@dataclass
class ClusterBindingArgs:
    """What the cluster-wide role and binding are built from."""

    account: str
    namespaces: Sequence[pulumi.Input[str]]
    rules: Sequence[Rule]


class ClusterBinding(pulumi.ComponentResource):
    """The article's ClusterRole and ClusterRoleBinding, for the account of this name in each namespace."""

    def __init__(self, name: str, args: ClusterBindingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:index:ClusterBinding", name, None, opts)
        role = k8s.rbac.v1.ClusterRole(
            f"{name}-role",
            metadata=metadata(f"{args.account}-role", CLUSTER_WIDE),
            rules=rbac_rules(args.rules),
            opts=pulumi.ResourceOptions(parent=self),
        )
        k8s.rbac.v1.ClusterRoleBinding(
            f"{name}-binding",
            metadata=metadata(f"{args.account}-binding", CLUSTER_WIDE),
            subjects=[subject(args.account, namespace) for namespace in args.namespaces],
            role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": f"{args.account}-role"},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[role]),
        )
        self.register_outputs({})


def rbac_rules(rules: Sequence[Rule]) -> list[k8s.rbac.v1.PolicyRuleArgs]:
    """The rules as Kubernetes writes them."""
    return [
        k8s.rbac.v1.PolicyRuleArgs(
            api_groups=list(rule.groups),
            resources=list(rule.resources),
            verbs=list(rule.verbs),
            resource_names=list(rule.names) or None,
        )
        for rule in rules
    ]


def subject(account: str, namespace: pulumi.Input[str]) -> k8s.rbac.v1.SubjectArgs:
    """A service account as the subject of a binding."""
    return k8s.rbac.v1.SubjectArgs(kind="ServiceAccount", name=account, namespace=namespace)
