"""Asks GitLab, before anything is written, whether the project can be managed with this token."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gitlab
from gitlab import Gitlab
from gitlab.v4.objects import Project as Remote

from pulumi_slipway.gitlab import GitLabError, connect, refusals

TOKEN = "GITLAB_TOKEN"  # noqa: S105  a name, not a token
MAINTAINER = 40
"""Least role that may write variables and protections (docs: user/permissions, project CI/CD)."""
MARK = "Managed by Slipway"
"""Description of the variables and environments that are ours."""


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


def check(path: str, environ: Mapping[str, str] = os.environ, *, premium: bool = False, **options: Any) -> Project:  # noqa: ANN401
    """The project, if this token may manage it; raises GitLabError with one line that says what is missing.

    `premium`: the paid tier's protected environments are wanted. `options`: of the client.
    """
    token = environ.get(TOKEN)
    if not token:
        raise GitLabError(
            "GITLAB_TOKEN is not set: the access stack writes variables and protections into GitLab; "
            f"set it to a project or personal access token with scope api and role Maintainer for {path}"
        )
    client = connect(token, environ, retries=False, **options)
    _check_token(client)
    project = _managed(client, path)
    if premium:
        _check_tier(client, project)
    with refusals(client, TOKEN, f"list the variables and environments of {path}"):
        variables = project.variables.list(iterator=True, per_page=100)
        environments = project.environments.list(iterator=True, per_page=100)
        return Project(
            id=project.id,
            path=project.path_with_namespace,
            default_branch=project.default_branch,
            variables={(it.key, it.environment_scope): _ours(it.attributes) for it in variables},
            environments={it.name: _ours(it.attributes) for it in environments},
        )


def _check_token(client: Gitlab) -> None:
    """Refuses a token that is dead or too weak; what isn't an access token (OAuth) has no such page and passes."""
    with refusals(client, TOKEN, "look at itself"):
        try:
            scopes = client.personal_access_tokens.get("self").scopes
        except gitlab.GitlabGetError as error:
            if error.response_code == 403:
                raise GitLabError(
                    "GITLAB_TOKEN lacks the scope api (403 insufficient_scope): make one with scope api"
                ) from None
            return
    if "api" not in scopes:
        raise GitLabError(
            f"GITLAB_TOKEN lacks the scope api (it has: {', '.join(scopes) or 'none'}): make one with scope api"
        )


def _managed(client: Gitlab, path: str) -> Remote:
    with refusals(client, TOKEN, f"read the project {path}"):
        try:
            project = client.projects.get(path)
        except gitlab.GitlabGetError as error:
            if error.response_code != 404:
                raise
            raise GitLabError(
                f"GitLab has no project {path} that this token can see (404): "
                "check slipway:access.gitlab.project, and that the token's user is a member"
            ) from None
    grants = (project.attributes.get("permissions") or {}).values()
    level = max((grant["access_level"] for grant in grants if grant), default=0)
    if level < MAINTAINER and not _is_admin(client):
        raise GitLabError(
            f"the token's role in {path} is too low (access level {level}): variables and protections need Maintainer "
            f"({MAINTAINER}): raise the role of the token or its user"
        )
    return project


def _check_tier(client: Gitlab, project: Remote) -> None:
    """Below Premium the API has no such page (docs: api/protected_environments)."""
    with refusals(client, TOKEN, "list protected environments"):
        try:
            project.protected_environments.list(get_all=False)
        except gitlab.GitlabListError as error:
            if error.response_code == 404:  # a role that may not list them may still make them
                raise GitLabError(
                    f"slipway:access.gitlab.protectedEnvironments: {project.path_with_namespace} has no protected "
                    "environments, they need GitLab Premium: set it to false (protected branches and variables are "
                    "there on every tier)"
                ) from None


def _is_admin(client: Gitlab) -> bool:
    with refusals(client, TOKEN, "look at its user"):
        try:
            user = client.http_get("/user")
        except gitlab.GitlabHttpError:
            return False
    return isinstance(user, dict) and bool(user.get("is_admin"))


def _ours(item: Mapping[str, Any]) -> bool:
    return str(item.get("description") or "").startswith(MARK)
