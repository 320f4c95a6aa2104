"""Asks the API server, before anything is written, whether it answers and what this identity may do.

Without it the provider hangs with no message where a right is missing (docs/adr, measured).
"""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import yaml
from lightkube import Client, KubeConfig
from lightkube.config.kubeconfig import SERVICE_ACCOUNT
from lightkube.core.exceptions import ConfigError
from lightkube.resources.core_v1 import Namespace

from pulumi_slipway.cluster import decoders, exec_plugin
from pulumi_slipway.cluster.retry import briefly
from pulumi_slipway.cluster.rights import Right, listed, missing
from pulumi_slipway.cluster.time_limit import Overdue, within
from pulumi_slipway.core.errors import UserError

CONNECT_SECONDS = 3.0
READ_SECONDS = 10.0
CHECK_SECONDS = 6.0
"""For the whole check: with the engine's own start a run against a silent cluster ends within 10 s."""


class PreflightError(UserError):
    """The cluster can't be used as it is; nothing was written."""


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
        return Client(exec_plugin.taken(config).get(), timeout=httpx2.Timeout(READ_SECONDS, connect=CONNECT_SECONDS))
    except Exception as error:  # whatever the parsers make of somebody's file
        reason = "its content is no kubeconfig" if isinstance(error, AttributeError | TypeError) else _reason(error)
        if content is not None:
            raise PreflightError(f"the given kubeconfig can't be used: {reason}") from None
        if named and os.pathsep in named and not os.path.exists(path):  # kubectl would merge them
            reason = "a list of files, where one is taken"
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


def refuse_another(client: Client, server: str | None) -> None:
    """Raises PreflightError where the kubeconfig is of another API server than this one; None: any will do."""
    if server and server_of(client).rstrip("/") != server.rstrip("/"):
        raise PreflightError(
            f"the kubeconfig is of {server_of(client)}, and slipway:environment.server is {server}: use that cluster's "
            "kubeconfig; in a GitLab job see who has set KUBECONFIG_FILE"
        )


def web(client: Client) -> httpx2.Client:
    """Signed in at the API server, for what lightkube knows no call for: a kind without a class, the proxy to a pod.

    Its own name for it is private: this is the one place that knows it.
    """
    found: httpx2.Client = client._client._client
    return found


def check(client: Client, namespace: str, needed: Iterable[Right]) -> bool:
    """Whether the namespace exists; raises PreflightError with every right that is missing, or why nobody answers."""
    wanted = list(needed)

    def ask() -> tuple[list[Right], bool | None]:
        return missing(client, namespace, wanted), _exists(client, namespace)

    with as_preflight_error(client):
        try:
            lacking, exists = within(CHECK_SECONDS, threading.Event(), lambda: briefly(ask))
        except Overdue:  # looking up a name knows no timeout, and each of its addresses has its own
            raise httpx2.ConnectTimeout(f"nothing within {CHECK_SECONDS:g} s") from None
        except (ConfigError, OSError) as error:  # of a credential plugin
            raise PreflightError(f"the kubeconfig's way to sign in fails: {_reason(error)}") from None
        except (KeyError, ValueError):
            raise PreflightError(
                f"what answers at {server_of(client)} is no Kubernetes API server: check the server in the kubeconfig"
            ) from None
    if lacking and exists is not False:
        if exists is None and len(lacking) == len(wanted):
            raise PreflightError(
                f"namespace {namespace}: it does not exist, or this identity has no rights in it: check "
                "slipway:environment.namespace and whose kubeconfig is used, or run `pulumi up` on the access stack"
            )
        raise PreflightError(
            f"namespace {namespace}: this identity may not {listed(lacking)}: its role is too narrow: run `pulumi up` "
            "on the access stack as an administrator (kinds that only a source has: name them in `kinds` there first)"
        )
    return exists is not False


@contextmanager
def as_preflight_error(client: Client) -> Iterator[None]:
    """Turns what the API server refuses or does not answer within the block into a PreflightError."""
    server = server_of(client)
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


def server_of(client: Client) -> str:
    """The address of its API server, for people and for comparing; "?" where it has none."""
    return client.config.cluster.server if client.config.cluster else "?"


def _reason(error: BaseException) -> str:
    """One line, never empty; a parser's further lines may show what is in the file."""
    text = f"{error} is missing" if isinstance(error, KeyError) else str(error).strip().split("\n", 1)[0]
    return text or type(error).__name__
