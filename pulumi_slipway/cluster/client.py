"""Asks the API server, before anything is written, whether it answers and what this identity may do.

Without it the provider hangs with no message where a right is missing (docs/adr, measured).
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import yaml
from lightkube import Client, KubeConfig
from lightkube.config.kubeconfig import SERVICE_ACCOUNT
from lightkube.core.exceptions import ConfigError
from lightkube.models.authorization_v1 import (
    ResourceAttributes,
    SelfSubjectAccessReviewSpec,
    SelfSubjectRulesReviewSpec,
)
from lightkube.resources.authorization_v1 import SelfSubjectAccessReview, SelfSubjectRulesReview
from lightkube.resources.core_v1 import Namespace
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from pulumi_slipway.cluster import decoders
from pulumi_slipway.core.errors import UserError

CONNECT_SECONDS = 3.0
READ_SECONDS = 10.0
CHECK_SECONDS = 6.0
"""For the whole check: with the engine's own start a run against a silent cluster ends within 10 s."""

Answer = TypeVar("Answer")


class PreflightError(UserError):
    """The cluster can't be used as it is; nothing was written."""


@dataclass(frozen=True)
class Right:
    """One thing an identity may do in a namespace."""

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


def connect(variable: str = "KUBECONFIG", *, given: str | None = None) -> Client:
    """A client from the kubeconfig in use; raises PreflightError. `variable` names another one's path.

    `given`: the content of a kubeconfig, or the path of one, that counts instead.

    In the order of kubectl and of the provider: KUBECONFIG, ~/.kube/config, the account of the pod we run in.
    Lightkube's own order begins with the pod's: a GitLab job on Kubernetes would ask the runner's cluster, and deploy
    to another.
    """
    content = _content(given)
    named = os.environ.get(variable) if given is None else given
    if named is None and variable != "KUBECONFIG":
        raise PreflightError(f"{variable} is not in the job's environment: it must be the path of a kubeconfig")
    path = Path(named or "~/.kube/config").expanduser()
    try:
        in_pod = not named and not path.is_file() and Path(SERVICE_ACCOUNT).is_dir()
        with decoders.lock:
            decoders.make()
            if content is not None:
                config = KubeConfig.from_dict(content)
            else:
                config = KubeConfig.from_service_account(SERVICE_ACCOUNT) if in_pod else KubeConfig.from_file(path)
        return Client(config.get(), timeout=httpx2.Timeout(READ_SECONDS, connect=CONNECT_SECONDS))
    except Exception as error:  # whatever the parsers make of somebody's file
        reason = "its content is no kubeconfig" if isinstance(error, AttributeError | TypeError) else _reason(error)
        if content is not None:
            raise PreflightError(f"the given kubeconfig can't be used: {reason}") from None
        raise PreflightError(
            f"no usable kubeconfig ({f'{variable}=' if named else ''}{path}: {reason}): set {variable} to one "
            "file with a current context, in a GitLab job to $KUBECONFIG_FILE"
        ) from None


def _content(given: str | None) -> dict[str, Any] | None:
    """A kubeconfig that is given as it is; None for a path."""
    if given is None or "\n" not in given.strip():
        return None
    found = yaml.safe_load(given)
    return found if isinstance(found, dict) else {}


def check(client: Client, namespace: str, needed: Iterable[Right]) -> bool:
    """Whether the namespace exists; raises PreflightError with every right that is missing, or why nobody answers."""
    wanted = list(needed)

    def ask() -> tuple[list[Right], bool | None]:
        return _missing(client, namespace, wanted), _exists(client, namespace)

    with telling(client):
        try:
            missing, exists = _within(CHECK_SECONDS, lambda: again(ask))
        except (ConfigError, OSError) as error:  # of a credential plugin
            raise PreflightError(f"the kubeconfig's way to sign in fails: {_reason(error)}") from None
        except (KeyError, ValueError):
            raise PreflightError(
                f"what answers at {_server(client)} is no Kubernetes API server: check the server in the kubeconfig"
            ) from None
    if missing and exists is not False:
        if exists is None and len(missing) == len(wanted):
            raise PreflightError(
                f"namespace {namespace}: it does not exist, or this identity has no rights in it: check "
                "slipway:environment.namespace and whose kubeconfig is used, or run `pulumi up` on the access stack"
            )
        raise PreflightError(
            f"namespace {namespace}: this identity may not {_listed(missing)}: its role is too narrow: run `pulumi up` "
            "on the access stack as an administrator (kinds that only a source has: name them in `kinds` there first)"
        )
    return exists is not False


@contextmanager
def telling(client: Client) -> Iterator[None]:
    """Turns what the API server refuses or does not answer within the block into a PreflightError."""
    server = _server(client)
    try:
        yield
    except httpx2.HTTPStatusError as error:
        code = error.response.status_code
        if code == 401:
            raise PreflightError(
                f"the cluster {server} does not accept this identity (401 Unauthorized): its token is expired or "
                "revoked: run `pulumi up` on the access stack as an administrator, which renews a job's token"
            ) from None
        if code == 404:
            raise PreflightError(
                f"what answers at {server} is no Kubernetes API server (404): check the server in the kubeconfig"
            ) from None
        what = "refuses" if code == 403 else "answers with an error"
        raise PreflightError(f"the cluster {server} {what} ({code}): {_reason(error)}") from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise PreflightError(
                f"the cluster {server} shows a certificate that the kubeconfig does not trust ({_reason(error)}): "
                "check its server and its certificate-authority-data"
            ) from None
        raise PreflightError(
            f"the cluster {server} does not answer ({_reason(error)}): check the server in the kubeconfig and the "
            "network of the job"
        ) from None


def again(ask: Callable[[], Answer]) -> Answer:
    """The answer to something that only reads; where the connection breaks, it is asked at most twice more.

    A load balancer that reloads, or an API server under load, breaks one off now and then (seen: a TLS alert in one of
    some thousand runs); nobody should have to start a job again for that.
    """
    for attempt in Retrying(
        retry=retry_if_exception_type((httpx2.NetworkError, httpx2.RemoteProtocolError)),
        stop=stop_after_attempt(3),
        wait=wait_fixed(0.3),
        reraise=True,
    ):
        with attempt:
            return ask()
    raise AssertionError  # Retrying with reraise never ends here


def _within(seconds: float, ask: Callable[[], Answer]) -> Answer:
    """The answer, or ConnectTimeout: looking up a name knows no timeout, and each of its addresses has its own."""
    answers: list[Answer] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            answers.append(ask())
        except BaseException as error:  # raised again below
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not answers:
        raise httpx2.ConnectTimeout(f"nothing within {seconds:g} s")
    return answers[0]


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
        namespace=namespace, verb=right.verb, group=right.group, resource=right.resource.partition("/")[0],
        subresource=right.resource.partition("/")[2] or None,
    )  # fmt: skip
    review = client.create(SelfSubjectAccessReview(spec=SelfSubjectAccessReviewSpec(resourceAttributes=attributes)))
    return bool(review.status and review.status.allowed)


def _exists(client: Client, namespace: str) -> bool | None:
    """Whether the namespace is there; None where this identity may not know; one that is on its way out is refused."""
    try:
        found = client.get(Namespace, namespace)
    except httpx2.HTTPStatusError as error:
        if error.response.status_code == 404:
            return False
        if error.response.status_code == 403:
            return None
        raise
    if found.metadata and found.metadata.deletionTimestamp:
        raise PreflightError(
            f"namespace {namespace} is being deleted: wait until it is gone, then run `pulumi up` on the access stack, "
            "which makes it anew"
        )
    return True


def _listed(missing: Iterable[Right]) -> str:
    verbs: dict[str, list[str]] = {}
    for right in missing:
        verbs.setdefault(right.kind, []).append(right.verb)
    return "; ".join(f"{', '.join(names)} {kind}" for kind, names in verbs.items())


def _server(client: Client) -> str:
    return client.config.cluster.server if client.config.cluster else "?"


def _reason(error: BaseException) -> str:
    """One line, never empty; a parser's further lines may show what is in the file."""
    text = f"{error} is missing" if isinstance(error, KeyError) else str(error).strip().split("\n", 1)[0]
    return text or type(error).__name__
