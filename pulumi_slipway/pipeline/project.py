"""The GitLab project, as far as jobs talk to it: notes, issues, merge requests, branches, environments.

Needs a token of its own: the job token (CI_JOB_TOKEN) may write neither notes nor issues
(docs.gitlab.com/ci/jobs/ci_job_token).
"""

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from gitlab import Gitlab
from gitlab.exceptions import GitlabGetError
from gitlab.v4.objects import Project as Remote

from pulumi_slipway import gitlab
from pulumi_slipway.gitlab import GitLabError, refusals

NOTE_TOKEN, API_TOKEN = "SLIPWAY_NOTE_TOKEN", "SLIPWAY_API_TOKEN"
"""Reporter, for jobs of any branch; Developer, for jobs on protected branches only (docs/security.md)."""


def connect(variable: str, environ: Mapping[str, str] = os.environ) -> "Project | None":
    """The project of this job; None where the job has no such token: then what it has to say stays in its log."""
    token = environ.get(variable)
    if not token:
        return None
    if token.startswith("/") and Path(token).is_file():  # a variable of type File
        token = Path(token).read_text().strip()
    path = environ.get("CI_PROJECT_PATH") or environ.get("CI_PROJECT_ID")
    if not path:
        raise GitLabError("CI_PROJECT_PATH is not set: this command runs in a GitLab job")
    return Project(gitlab.connect(token, environ, retries=True), path, variable)


DELETED = "deleted"
"""The state of a job that GitLab does not know any more."""


@dataclass(frozen=True)
class JobState:
    """How GitLab knows a job."""

    status: str
    finished: datetime | None = None
    reason: str = ""
    """Why it failed, in GitLab's words."""


class Project:
    """A project, seen with one token."""

    def __init__(self, client: Gitlab, path: str, variable: str) -> None:
        self._client, self._variable = client, variable
        self._remote: Remote = client.projects.get(path, lazy=True)

    def _refusals(self, what: str) -> AbstractContextManager[None]:
        return refusals(self._client, self._variable, what)

    def put_note(self, merge_request: int, mark: str, body: str) -> str:
        """Creates the note that begins with `mark`, or gives it the new text; says which: `created`, `updated`.

        Only a note of this token's own user: a person may have quoted it, and one whose token was made anew is another
        bot, which may not write the old one's.
        """
        with self._refusals(f"write a note on !{merge_request}"):
            self._client.auth()
            own = self._client.user.id if self._client.user else None
            request = self._remote.mergerequests.get(merge_request, lazy=True)
            for note in request.notes.list(iterator=True, per_page=100):
                if note.body.startswith(mark) and not note.system and note.author["id"] == own:
                    if note.body != body:
                        note.body = body
                        note.save()
                    return "updated"
            request.notes.create({"body": body})
            return "created"

    def merged_by(self, commit: str) -> list[int]:
        """The merge requests that brought a commit to where it is."""
        with self._refusals(f"list the merge requests of {commit[:8]}"):
            listed: Any = self._remote.commits.get(commit, lazy=True).merge_requests(get_all=True)
            return [int(it["iid"]) for it in listed if it["state"] == "merged"]

    def put_issue(self, title: str, body: str, label: str) -> str:
        """Opens an issue with this label, or adds what is new to the open one; returns its URL."""
        with self._refusals("open an issue"):
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
        with self._refusals("close an issue"):
            for issue in self._remote.issues.list(state="opened", labels=[label], iterator=True):
                if issue.title == title:
                    issue.state_event = "close"
                    issue.save()

    def job(self, number: int) -> JobState:
        """The state of a job of this project; DELETED where its pipeline is no more."""
        with self._refusals(f"read job {number}"):
            try:
                found = self._remote.jobs.get(number)
            except GitlabGetError as error:
                if error.response_code == 404 and "Project" not in str(error.error_message):
                    return JobState(DELETED)
                raise
        finished = getattr(found, "finished_at", None)
        reason = getattr(found, "failure_reason", None)  # GitLab leaves it out where a job has not failed
        return JobState(found.status, datetime.fromisoformat(finished) if finished else None, reason or "")

    def review_work(self) -> list[tuple[str, int | None]]:
        """Branches that may have a review environment, each with the number of its open merge request."""
        with self._refusals("list merge requests and branches"):
            requests = _whole("merge requests", self._remote.mergerequests.list(state="all", iterator=True))
            branches = {it.name for it in _whole("branches", self._remote.branches.list(iterator=True))}
        # A fork's branch may be called as one of this project: its merge request says nothing of that.
        own = [it for it in requests if it.source_project_id == it.target_project_id]
        return at_work(branches, [(it.source_branch, it.state, it.iid) for it in own])

    def stop_reviews_but(self, keep: set[str], *, dry_run: bool = False) -> list[str]:
        """Marks the environments below `review/` as stopped but for these; returns which."""
        stopped = []
        with self._refusals("stop environments"):
            for environment in self._remote.environments.list(search="review/", states="available", get_all=True):
                if environment.name.startswith("review/") and environment.name not in keep:
                    if not dry_run:
                        environment.stop()
                    stopped.append(str(environment.name))
        return stopped


def _whole(what: str, listed: Any) -> list[Any]:  # noqa: ANN401  the client's pages have no type of their own
    """All of a list that GitLab gives in pages; raises GitLabError where it ended early.

    A branch that is missing from a list cut short would be taken for one that is done with.
    """
    found = list(listed)
    if listed.total is not None and len(found) < listed.total:
        raise GitLabError(f"GitLab gave {len(found)} of {listed.total} {what}: its list ended early: run again")
    return found


def at_work(branches: set[str], merge_requests: list[tuple[str, str, int]]) -> list[tuple[str, int | None]]:
    """Branches with an open merge request, with its number, and those that exist and never had one.

    `merge_requests`: source branch, state and number of each.
    """
    opened = {branch: number for branch, state, number in merge_requests if state == "opened"}
    had_one = {branch for branch, _, _ in merge_requests}
    return sorted([*opened.items(), *((branch, None) for branch in branches - had_one)])
