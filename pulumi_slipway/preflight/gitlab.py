"""Asks GitLab, before anything is written, whether the project can be managed with this token."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import quote, urlsplit

import httpx2

from pulumi_slipway.core.errors import UserError

MAINTAINER = 40
"""Least role that may write variables and protections (docs: user/permissions, project CI/CD)."""
MARK = "Managed by Slipway"
"""Description of the variables and environments that are ours."""
_TIMEOUT = httpx2.Timeout(10.0, connect=5.0)


class GitLabError(UserError):
    """GitLab can't be used as it is; nothing was written."""


@dataclass(frozen=True)
class Project:
    """What the access stack must know of a project."""

    id: int
    path: str
    default_branch: str | None
    variables: Mapping[tuple[str, str], bool]
    """By key and environment scope: whether it is ours. Never the values."""
    environments: Mapping[str, bool]
    """By name: whether it is ours."""


def api_url(environ: Mapping[str, str] = os.environ) -> str:
    """The API's base address, with a slash at its end: GITLAB_BASE_URL, else the one of the job, else GitLab.com's.

    /api/v4 may be left out, as it may for the provider.
    """
    given = environ.get("GITLAB_BASE_URL") or environ.get("CI_API_V4_URL") or "https://gitlab.com"
    return given.rstrip("/").removesuffix("/api/v4") + "/api/v4/"


def check(
    path: str,
    environ: Mapping[str, str] = os.environ,
    transport: httpx2.BaseTransport | None = None,
    *,
    premium: bool = False,
) -> Project:
    """The project, if this token may manage it; raises GitLabError with one line that says what is missing.

    `premium`: the paid tier's protected environments are wanted.
    """
    token, url = environ.get("GITLAB_TOKEN"), api_url(environ)
    if not token:
        raise GitLabError(
            "GITLAB_TOKEN is not set: the access stack writes variables and protections into GitLab; "
            f"set it to a project or personal access token with scope api and role Maintainer for {path}"
        )
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=url, headers=headers, timeout=_TIMEOUT, transport=transport) as client:
        try:
            project = _project(client, path)
            if premium:
                _check_tier(client, project)
            return project
        except httpx2.HTTPError as error:
            reason = str(error).strip().split("\n", 1)[0] or type(error).__name__
            raise GitLabError(
                f"GitLab at {urlsplit(url).netloc} does not answer ({reason}): "
                "check GITLAB_BASE_URL, its certificate (SSL_CERT_FILE) and the network"
            ) from None
        except ValueError:
            raise GitLabError(
                f"GitLab at {urlsplit(url).netloc} answers something that is no JSON: "
                "check that GITLAB_BASE_URL is the address of a GitLab"
            ) from None


def _project(client: httpx2.Client, path: str) -> Project:
    _check_token(client)
    answer = client.get(f"projects/{quote(path, safe='')}")
    if answer.status_code == httpx2.codes.NOT_FOUND:
        raise GitLabError(
            f"GitLab has no project {path} that this token can see (404): "
            "check slipway:access.gitlab.project, and that the token's user is a member"
        )
    found = _json(answer, f"read the project {path}")
    level = _access_level(found)
    if level < MAINTAINER and not _is_admin(client):
        raise GitLabError(
            f"the token's role in {path} is too low (access level {level}): variables and protections need Maintainer "
            f"({MAINTAINER}): raise the role of the token or its user"
        )
    base = f"projects/{found['id']}"
    return Project(
        id=found["id"],
        path=found.get("path_with_namespace", path),
        default_branch=found.get("default_branch"),
        variables={
            (item["key"], item.get("environment_scope", "*")): _ours(item)
            for item in _pages(client, f"{base}/variables")
        },
        environments={item["name"]: _ours(item) for item in _pages(client, f"{base}/environments")},
    )


def _check_token(client: httpx2.Client) -> None:
    """Refuses a token that is dead or too weak; what isn't an access token (OAuth) has no such page and passes."""
    answer = client.get("personal_access_tokens/self")
    if answer.status_code == httpx2.codes.UNAUTHORIZED:
        raise GitLabError("GitLab refuses GITLAB_TOKEN (401): it is wrong, expired or revoked: make one with scope api")
    if answer.status_code == httpx2.codes.OK:
        scopes = answer.json().get("scopes", [])
        if "api" not in scopes:
            raise GitLabError(
                f"GITLAB_TOKEN lacks the scope api (it has: {', '.join(scopes) or 'none'}): make one with scope api"
            )
    elif answer.status_code == httpx2.codes.FORBIDDEN:
        raise GitLabError("GITLAB_TOKEN lacks the scope api (403 insufficient_scope): make one with scope api")


def _check_tier(client: httpx2.Client, project: Project) -> None:
    """Below Premium the API has no such page (docs: api/protected_environments)."""
    if client.get(f"projects/{project.id}/protected_environments").status_code == httpx2.codes.NOT_FOUND:
        raise GitLabError(
            f"slipway:access.gitlab.protectedEnvironments: {project.path} has no protected environments, they need "
            "GitLab Premium: set it to false (protected branches and variables are there on every tier)"
        )


def _access_level(project: Mapping[str, Any]) -> int:
    permissions = project.get("permissions") or {}
    return max((grant["access_level"] for grant in permissions.values() if grant), default=0)


def _is_admin(client: httpx2.Client) -> bool:
    answer = client.get("user")
    return answer.status_code == httpx2.codes.OK and bool(answer.json().get("is_admin"))


def _pages(client: httpx2.Client, path: str) -> Iterable[dict[str, Any]]:
    page = "1"
    while page:
        answer = client.get(path, params={"per_page": "100", "page": page})
        yield from _json(answer, f"list {path}")
        page = answer.headers.get("x-next-page", "")


def _json(answer: httpx2.Response, what: str) -> Any:  # noqa: ANN401  JSON is what it is
    if answer.status_code == httpx2.codes.OK:
        return answer.json()
    _refuse(answer, what)


def _refuse(answer: httpx2.Response, what: str) -> NoReturn:
    """GitLab's own reason, shortened; its errors never carry a value that we sent, for we sent none."""
    reason = re.sub(r"\s+", " ", answer.text)[:200]
    raise GitLabError(f"GitLab does not let this token {what} ({answer.status_code}): {reason}")


def _ours(item: Mapping[str, Any]) -> bool:
    return str(item.get("description") or "").startswith(MARK)
