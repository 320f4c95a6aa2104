"""Asks the API server, before anything is written, whether it answers and what this identity may do.

Without it the provider hangs with no message where a right is missing (docs/adr, measured).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import httpx2
from lightkube import ApiError, Client, KubeConfig
from lightkube.core.exceptions import ConfigError
from lightkube.models.authorization_v1 import (
    ResourceAttributes,
    SelfSubjectAccessReviewSpec,
    SelfSubjectRulesReviewSpec,
)
from lightkube.resources.authorization_v1 import SelfSubjectAccessReview, SelfSubjectRulesReview
from lightkube.resources.core_v1 import Namespace

from errors import UserError

CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0


class PreflightError(UserError):
    """The cluster can't be used as it is; nothing was written."""


@dataclass(frozen=True)
class Right:
    """One thing an identity may do in a namespace."""

    verb: str
    group: str
    resource: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}" + (f".{self.group}" if self.group else "")


READ = ("get", "list", "watch")
WRITE = ("create", "update", "patch", "delete")


def rights(verbs: Iterable[str], *resources: str) -> list[Right]:
    """Each verb on each resource, written `resource` or `resource.group`."""
    wanted = []
    for resource in resources:
        name, _, group = resource.partition(".")
        wanted += [Right(verb, group, name) for verb in verbs]
    return wanted


def connect() -> Client:
    """A client from the kubeconfig in use (KUBECONFIG, else ~/.kube/config); raises PreflightError."""
    try:
        config = KubeConfig.from_env().get()
        return Client(config, timeout=httpx2.Timeout(READ_SECONDS, connect=CONNECT_SECONDS))
    except (ConfigError, OSError, ValueError, KeyError, AttributeError) as error:
        raise PreflightError(
            f"no usable kubeconfig ({_first_line(error)}): set KUBECONFIG to a file with a current context, "
            "in a GitLab job to $KUBECONFIG_FILE"
        ) from None


def check(client: Client, namespace: str, needed: Iterable[Right]) -> bool:
    """Whether the namespace exists; raises PreflightError with every right that is missing, or why nobody answers."""
    server = client.config.cluster.server if client.config.cluster else "?"
    try:
        missing = _missing(client, namespace, list(needed))
        exists = _exists(client, namespace)
    except ApiError as error:
        if error.status.code == 401:
            raise PreflightError(
                f"the cluster {server} does not accept this identity (401 Unauthorized): its token is expired or "
                "revoked: run `pulumi up` on the access stack, which renews it"
            ) from None
        raise PreflightError(f"the cluster {server} refuses to say what this identity may do: {error}") from None
    except httpx2.HTTPError as error:
        raise PreflightError(
            f"the cluster {server} does not answer ({_first_line(error) or type(error).__name__}): check the server "
            "in the kubeconfig, its CA, and the network of the job"
        ) from None
    if missing and exists is not False:
        raise PreflightError(
            f"namespace {namespace}: this identity may not: {', '.join(map(str, missing))}: "
            + ("the namespace may not exist yet, or " if exists is None else "")
            + "the role is too narrow: run `pulumi up` on the access stack as an administrator"
        )
    return exists is not False


def _missing(client: Client, namespace: str, needed: list[Right]) -> list[Right]:
    """One question for all rights; each that the answer leaves open is asked by itself (webhook authorizers)."""
    answer = client.create(SelfSubjectRulesReview(spec=SelfSubjectRulesReviewSpec(namespace=namespace)))
    rules = answer.status.resourceRules if answer.status else []
    allowed = [
        (set(rule.verbs), set(rule.apiGroups or []), set(rule.resources or []))
        for rule in rules
        if not rule.resourceNames
    ]

    def granted(right: Right) -> bool:
        return any(
            {right.verb, "*"} & verbs and {right.group, "*"} & groups and {right.resource, "*"} & resources
            for verbs, groups, resources in allowed
        )

    open_ = [right for right in needed if not granted(right)]
    if not open_ or (answer.status and not answer.status.incomplete):
        return open_
    return [right for right in open_ if not _may(client, namespace, right)]


def _may(client: Client, namespace: str, right: Right) -> bool:
    attributes = ResourceAttributes(
        namespace=namespace,
        verb=right.verb,
        group=right.group,
        resource=right.resource.partition("/")[0],
        subresource=right.resource.partition("/")[2] or None,
    )
    review = client.create(SelfSubjectAccessReview(spec=SelfSubjectAccessReviewSpec(resourceAttributes=attributes)))
    return bool(review.status and review.status.allowed)


def _exists(client: Client, namespace: str) -> bool | None:
    """Whether the namespace is there; None where this identity may not know."""
    try:
        client.get(Namespace, namespace)
    except ApiError as error:
        if error.status.code == 404:
            return False
        if error.status.code == 403:
            return None
        raise
    return True


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0]
