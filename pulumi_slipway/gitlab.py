"""GitLab's REST API: the one client, and what it refuses as one line."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import gitlab
import requests
from gitlab import Gitlab

from pulumi_slipway.core.errors import UserError

SECONDS = 20.0
"""For one answer."""
TOO_MANY, BROKEN = 429, 500
"""Statuses that say nothing of what was asked for: GitLab limits the rate; from here on it is at fault itself."""


class GitLabError(UserError):
    """GitLab did not do what it was asked for."""


def api_url(environ: Mapping[str, str] = os.environ) -> str:
    """The API's base address, with a slash at its end: GITLAB_BASE_URL, else the job's GitLab, else GitLab.com's.

    /api/v4 may be left out, as it may for the provider.
    """
    given = environ.get("GITLAB_BASE_URL") or environ.get("CI_SERVER_URL") or "https://gitlab.com"
    return given.rstrip("/").removesuffix("/api/v4") + "/api/v4/"


def connect(token: str, environ: Mapping[str, str] = os.environ, *, retries: bool, **options: Any) -> Gitlab:  # noqa: ANN401
    """A client with an access token of any kind; `retries`: whether one that is away for a moment is waited for."""
    return Gitlab(
        api_url(environ).removesuffix("/api/v4/"),
        oauth_token=token,
        timeout=SECONDS,
        retry_transient_errors=retries,
        ssl_verify=_authorities(environ),
        **options,
    )


def _authorities(environ: Mapping[str, str]) -> str | bool:
    """The file with the CAs that GitLab's certificate may be of; True: those that the image knows.

    GitLab's runner says in CI_SERVER_TLS_CA_FILE what it trusts itself: for the GitLab that the job is of alone.
    """
    given = environ.get("REQUESTS_CA_BUNDLE") or environ.get("SSL_CERT_FILE")
    runners, own = environ.get("CI_SERVER_TLS_CA_FILE", ""), environ.get("CI_SERVER_URL", "")
    if not given and urlsplit(api_url(environ)).netloc == urlsplit(own).netloc and Path(runners).is_file():
        return runners
    return given or True


@contextmanager
def refusals(client: Gitlab, variable: str, what: str) -> Iterator[None]:
    """Turns what python-gitlab raises within the block into a GitLabError; its messages carry no token.

    `variable`: what holds the token. `what`: what is asked for, as in "list branches".
    """
    address = urlsplit(client.url).netloc
    try:
        yield
    except gitlab.GitlabAuthenticationError:
        raise GitLabError(f"GitLab refuses {variable} (401): it is wrong, expired or revoked: make a new one") from None
    except gitlab.GitlabParsingError:
        raise GitLabError(
            f"GitLab at {address} answers something that is no JSON: check that GITLAB_BASE_URL is the address "
            "of a GitLab; if it is, the answer was cut short: run this again"
        ) from None
    except gitlab.GitlabError as error:
        code, reason = error.response_code or "no status", " ".join(str(error.error_message).split())[:200]
        if code == TOO_MANY or (isinstance(code, int) and code >= BROKEN):
            raise GitLabError(
                f"GitLab at {address} could not {what} ({code}): {reason}: it is overloaded or away, not refusing: run "
                "this again later"
            ) from None
        raise GitLabError(f"GitLab does not let {variable} {what} ({code}): {reason}") from None
    except requests.RequestException as error:
        raise GitLabError(
            f"GitLab at {address} does not answer ({_cause(error)}): check GITLAB_BASE_URL, its certificate "
            "(SSL_CERT_FILE) and the network"
        ) from None


def _cause(error: BaseException) -> str:
    """What the layers of an HTTP library wrap: the first error of all."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return str(error).strip().split("\n", 1)[0] or type(error).__name__
