"""What an identity may do: asked of the API server in one way."""

from collections.abc import Iterable
from dataclasses import dataclass

from lightkube import Client
from lightkube.models.authorization_v1 import (
    ResourceAttributes,
    SelfSubjectAccessReviewSpec,
    SelfSubjectRulesReviewSpec,
)
from lightkube.resources.authorization_v1 import SelfSubjectAccessReview, SelfSubjectRulesReview


@dataclass(frozen=True)
class Right:
    """One thing an identity may do, in a namespace or in the whole cluster."""

    verb: str
    group: str
    resource: str

    @property
    def kind(self) -> str:
        """The resource as `kubectl` names it: `deployments.apps`."""
        return self.resource + (f".{self.group}" if self.group else "")


READ = ("get", "list", "watch")
WRITE = ("create", "update", "patch", "delete")


def rights(verbs: Iterable[str], *resources: str) -> list[Right]:
    """Each verb on each resource, written `resource` or `resource.group`."""
    wanted = []
    for resource in resources:
        name, _, group = resource.partition(".")
        wanted += [Right(verb, group, name) for verb in verbs]
    return wanted


def missing(client: Client, namespace: str | None, needed: Iterable[Right]) -> list[Right]:
    """Those that this identity has not got in the namespace; None: in the whole cluster.

    In a namespace one question is for all of them; each that its answer leaves open is asked by itself (webhook
    authorizers).
    """
    left = list(needed)
    if namespace is None:
        return [right for right in left if not _may(client, None, right)]
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

    left = [right for right in left if not granted(right)]
    if not left or (answer.status and not answer.status.incomplete):
        return left
    return [right for right in left if not _may(client, namespace, right)]


def _may(client: Client, namespace: str | None, right: Right) -> bool:
    kind, _, sub = right.resource.partition("/")
    attributes = ResourceAttributes(
        namespace=namespace, verb=right.verb, group=right.group, resource=kind, subresource=sub or None
    )
    review = client.create(SelfSubjectAccessReview(spec=SelfSubjectAccessReviewSpec(resourceAttributes=attributes)))
    return bool(review.status and review.status.allowed)


def listed(missing: Iterable[Right]) -> str:
    """All of them, short enough to be read: the kinds that lack the same verbs stand together."""
    verbs: dict[str, list[str]] = {}
    for right in missing:
        verbs.setdefault(right.kind, []).append(right.verb)
    alike: dict[str, list[str]] = {}
    for kind, names in verbs.items():
        alike.setdefault(", ".join(names), []).append(kind)
    return "; ".join(f"{names} {', '.join(kinds)}" for names, kinds in alike.items())
