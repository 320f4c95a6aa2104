"""The GitLab project, as far as jobs talk to it: notes, issues, merge requests, branches, environments.

Needs a token of its own: the job token (CI_JOB_TOKEN) may write neither notes nor issues
(docs.gitlab.com/ci/jobs/ci_job_token).
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import gitlab
import requests
from gitlab.v4.objects import Project as Remote

from pulumi_slipway.core.errors import UserError
from pulumi_slipway.preflight.gitlab import api_url

NOTE_TOKEN, API_TOKEN = "SLIPWAY_NOTE_TOKEN", "SLIPWAY_API_TOKEN"
"""Reporter, for jobs of any branch; Developer, for jobs on protected branches only (docs/security.md)."""


class GitLabRefuses(UserError):
    """GitLab did not do what a job asked of it."""


def connect(variable: str, environ: Mapping[str, str] = os.environ) -> "Project | None":
    """The project of this job; None where the job has no such token: then what it has to say stays in its log."""
    token = environ.get(variable)
    if not token:
        return None
    url = (environ.get("CI_SERVER_URL") or api_url(environ).removesuffix("/").removesuffix("/api/v4")).rstrip("/")
    client = gitlab.Gitlab(url, private_token=token, timeout=20, retry_transient_errors=True)
    path = environ.get("CI_PROJECT_PATH") or environ.get("CI_PROJECT_ID")
    if not path:
        raise GitLabRefuses("CI_PROJECT_PATH is not set: this command runs in a GitLab job")
    with _told(f"find the project {path}", variable):
        return Project(client.projects.get(path, lazy=True), variable)


class Project:
    """A project, seen with one token."""

    def __init__(self, remote: Remote, variable: str) -> None:
        self._remote, self._variable = remote, variable

    def put_note(self, merge_request: int, mark: str, body: str) -> str:
        """Creates the note that begins with `mark`, or gives it the new text; says which: `created`, `updated`."""
        with _told(f"write a note on !{merge_request}", self._variable):
            request = self._remote.mergerequests.get(merge_request, lazy=True)
            for note in request.notes.list(iterator=True, per_page=100):
                if note.body.startswith(mark) and not note.system:
                    if note.body != body:
                        note.body = body
                        note.save()
                    return "updated"
            request.notes.create({"body": body})
            return "created"

    def put_issue(self, title: str, body: str, label: str) -> str:
        """Opens an issue with this label, or adds what is new to the open one; returns its URL."""
        with _told("open an issue", self._variable):
            for issue in self._remote.issues.list(state="opened", labels=[label], iterator=True):
                if issue.title == title:
                    if issue.description != body:
                        issue.description = body
                        issue.save()
                    return str(issue.web_url)
            made = self._remote.issues.create({"title": title, "description": body, "labels": label})
            return str(made.web_url)

    def close_issue(self, title: str, label: str) -> None:
        """Closes the open issue of that title, where there is one."""
        with _told("close an issue", self._variable):
            for issue in self._remote.issues.list(state="opened", labels=[label], iterator=True):
                if issue.title == title:
                    issue.state_event = "close"
                    issue.save()

    def review_work(self) -> list[tuple[str, int | None]]:
        """Branches that may have a review environment, each with the number of its open merge request."""
        with _told("list merge requests and branches", self._variable):
            found = [
                (request.source_branch, request.state, request.iid)
                for request in self._remote.mergerequests.list(state="all", iterator=True)
            ]
            branches = {branch.name for branch in self._remote.branches.list(iterator=True)}
        return at_work(branches, found)

    def stop_reviews_but(self, keep: set[str]) -> list[str]:
        """Marks the environments below `review/` as stopped but for these; returns which."""
        stopped = []
        with _told("stop environments", self._variable):
            for environment in self._remote.environments.list(search="review/", states="available", get_all=True):
                if environment.name.startswith("review/") and environment.name not in keep:
                    environment.stop()
                    stopped.append(str(environment.name))
        return stopped


def at_work(branches: set[str], merge_requests: list[tuple[str, str, int]]) -> list[tuple[str, int | None]]:
    """Branches with an open merge request, with its number, and those that exist and never had one.

    `merge_requests`: source branch, state and number of each.
    """
    opened = {branch: number for branch, state, number in merge_requests if state == "opened"}
    had_one = {branch for branch, _, _ in merge_requests}
    return sorted([*opened.items(), *((branch, None) for branch in branches - had_one)])


@contextmanager
def _told(what: str, variable: str) -> Iterator[None]:
    """Turns what python-gitlab raises into one line; its messages carry no token."""
    try:
        yield
    except gitlab.GitlabAuthenticationError:
        raise GitLabRefuses(f"GitLab refuses {variable} (401): it is wrong, expired or revoked") from None
    except gitlab.GitlabError as error:
        code = error.response_code or "no status"
        raise GitLabRefuses(f"GitLab does not let {variable} {what} ({code}): {_line(error.error_message)}") from None
    except requests.RequestException as error:
        raise GitLabRefuses(f"GitLab does not answer ({type(error).__name__}): could not {what}") from None


def _line(text: Any) -> str:  # noqa: ANN401  python-gitlab gives what GitLab sent
    return " ".join(str(text).split())[:200]
