"""A service account's token, bound to a Secret: when the Secret goes, the token is refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
from pulumi.dynamic import Resource

from pulumi_slipway.access.generation import Generation
from pulumi_slipway.components.metadata import metadata
from pulumi_slipway.components.token_request import TokenRequestProvider
from pulumi_slipway.core.keys import ACCOUNT_LABEL


class _Token(Resource, module="slipway", name="Token"):
    token: pulumi.Output[str]
    problem: pulumi.Output[str]

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(TokenRequestProvider(), name, {**props, "token": None, "problem": None}, opts)


@dataclass
class BoundTokenArgs:
    """What a token is made for."""

    account: k8s.core.v1.ServiceAccount
    environment: str
    namespace: pulumi.Input[str]
    generation: Generation
    rights: Sequence[pulumi.Resource]
    """What must be there first: no job is to get a token that may nothing yet."""


class BoundToken(pulumi.ComponentResource):
    """The Secret of one generation and the token bound to it.

    A new generation replaces both: the new ones are made first, and the old Secret is deleted at the end of the same
    update, after the variables have taken the new token.
    """

    token: pulumi.Output[str]
    """The token itself, a secret."""

    def __init__(self, name: str, args: BoundTokenArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:index:BoundToken", name, None, opts)
        generation = args.generation
        secret = k8s.core.v1.Secret(
            f"{name}-anchor",
            metadata=metadata(
                generation.name,
                args.environment,
                args.namespace,
                labels={ACCOUNT_LABEL: generation.account},
                annotations=generation.annotations,
            ),
            type="Opaque",
            immutable=True,
            opts=pulumi.ResourceOptions(parent=self, depends_on=args.rights),
        )
        minted = _Token(
            f"{name}-request",
            {
                "namespace": args.namespace,
                "account": args.account.metadata.name,
                "secret": secret.metadata.name,
                "uid": secret.metadata.uid,
                "lifetime": generation.lifetime,
            },
            pulumi.ResourceOptions(
                parent=self,
                additional_secret_outputs=["token"],
                hooks=pulumi.ResourceHookBinding(
                    after_create=[pulumi.ResourceHook(f"{name}-granted", _report_problem)]
                ),
            ),
        )
        self.token = pulumi.Output.secret(minted.token)
        self.register_outputs({"secret": generation.name})


def _report_problem(args: pulumi.ResourceHookArgs) -> None:
    problem = (args.new_outputs or {}).get("problem")
    if problem:
        raise RuntimeError(problem)
