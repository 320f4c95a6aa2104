"""The dynamic provider that mints a token. It runs in a host of its own: this module imports no more than it needs."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import httpx2
from lightkube import Client
from lightkube.models.authentication_v1 import BoundObjectReference, TokenRequestSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ServiceAccount
from pulumi.dynamic import CreateResult, DiffResult, ResourceProvider

from pulumi_slipway.cluster.client import connect
from pulumi_slipway.core.errors import UserError

REQUESTED = ("namespace", "account", "secret", "uid", "lifetime")
"""What a token is asked for by; each is fixed at its issue."""
_GRACE_SECONDS = 60
"""Clocks and rounding; a cap of the API server is hours."""


class TokenRequestProvider(ResourceProvider):
    """Mints the token with the host's KUBECONFIG; it captures nothing.

    `create` does not raise for what the API server says: a provider's exception reaches people as a traceback. It is
    handed on as `problem`, which a hook in the program turns into one line.
    """

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Requests the token; outputs `token` and `problem`, one of them empty."""
        token, problem = "", ""
        lifetime = int(props["lifetime"])  # numbers arrive as floats, and the API server refuses 3600.0
        try:
            token, granted = request(connect(), props, lifetime)
            problem = capped(lifetime, granted)
        except (httpx2.HTTPError, UserError) as error:
            problem = f"the API server does not give it: {str(error).splitlines()[0]}"
        return CreateResult(
            f"{props['namespace']}/{props['secret']}",
            # A token that is too short is not handed on: nothing would renew it in time.
            {**{key: props[key] for key in REQUESTED}, "token": "" if problem else token, "problem": problem},
        )

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Another wish is another token; a failed one is asked for again."""
        changed = [key for key in REQUESTED if olds.get(key) != news.get(key)]
        if olds.get("problem"):
            changed.append("problem")
        return DiffResult(changes=bool(changed), replaces=changed, delete_before_replace=False)


def request(client: Client, props: Mapping[str, Any], lifetime: int) -> tuple[str, float]:
    """A token for the account, bound to the Secret; and the seconds that it was granted for."""
    bound = BoundObjectReference(apiVersion="v1", kind="Secret", name=props["secret"], uid=props["uid"])
    answer = client.create(
        ServiceAccount.Token(
            metadata=ObjectMeta(),  # lightkube looks into it
            spec=TokenRequestSpec(audiences=[], expirationSeconds=lifetime, boundObjectRef=bound),
        ),
        props["account"],
        namespace=props["namespace"],
    )
    assert answer.status is not None  # noqa: S101  the API server fills it
    expires = datetime.fromisoformat(str(answer.status.expirationTimestamp))
    return str(answer.status.token), (expires - datetime.now(expires.tzinfo)).total_seconds()


def capped(asked: int, granted: float) -> str:
    """What to say where the API server gives less than was asked for (some clouds: 24 h); empty where it doesn't."""
    if granted >= asked - _GRACE_SECONDS:
        return ""
    hours = max(1, int((granted + _GRACE_SECONDS) // 3600))
    return (
        f"this cluster grants tokens for {hours}h at most (asked for: {asked // 3600}h): "
        f"set slipway:access:token.expiration to {hours}h or less, and renewBefore below it"
    )
