"""Projects (docs.gitlab.com/api/projects)."""

import re

from sandbox.gitlab import clock
from sandbox.gitlab.access import GUEST, MAINTAINER, OWNER, level_in
from sandbox.gitlab.errors import forbidden, invalid_record
from sandbox.gitlab.params import Param
from sandbox.gitlab.protected_refs import protect_branch
from sandbox.gitlab.refs import add
from sandbox.gitlab.routing import Answer, Call, Routes
from sandbox.gitlab.store import Record, Store

routes = Routes()

# lib/gitlab/path_regex.rb, shortened to what a project's path may look like.
_PATH = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]*(?:/[a-zA-Z0-9_][a-zA-Z0-9_.-]*)+")


def create_project(store: Store, path: str, owner: Record) -> Record:
    """A private project with its default branch `main`, protected as GitLab protects it by default.

    docs.gitlab.com/user/project/repository/branches/default: the default branch of a new project is protected,
    Maintainers may push and merge.
    """
    project: Record = {
        "id": store.next_id("project"), "path_with_namespace": path, "default_branch": "main",
        "created_at": clock.now(), "description": None, "members": {str(owner["id"]): OWNER},
        "branches": [], "tags": [], "protected_branches": [], "protected_tags": [], "variables": [],
        "environments": [], "protected_environments": [], "deploy_tokens": [], "pipeline_schedules": [],
        "merge_requests": [], "issues": [],
    }  # fmt: skip
    store.state["projects"].append(project)
    add(project, "branches", "main", "main")
    protect_branch(store, project, "main")
    return project


def present(call: Call, project: Record) -> Record:
    """lib/api/entities/project.rb, the part that is asked for."""
    namespace, _, path = project["path_with_namespace"].rpartition("/")
    root = call.url.split("/api/v4")[0]
    level = level_in(project, call.user)
    return {
        "id": project["id"], "name": path, "path": path, "path_with_namespace": project["path_with_namespace"],
        "name_with_namespace": f"{namespace} / {path}", "description": project["description"],
        "default_branch": project["default_branch"], "visibility": "private", "archived": False,
        "created_at": project["created_at"], "last_activity_at": project["created_at"],
        "web_url": f"{root}/{project['path_with_namespace']}",
        "http_url_to_repo": f"{root}/{project['path_with_namespace']}.git",
        "namespace": {"id": 1, "name": namespace, "path": namespace, "kind": "group", "full_path": namespace},
        "permissions": {"project_access": {"access_level": level, "notification_level": 3}, "group_access": None},
    }  # fmt: skip


@routes("GET", "/projects")
def listing(call: Call) -> Answer:
    """Those the caller can see."""
    search = call.declared(Param("search")).get("search") or ""
    return call.page(
        present(call, project)
        for project in call.store.state["projects"]
        if level_in(project, call.user) >= GUEST and search in project["path_with_namespace"]
    )


@routes("GET", "/projects/:id")
def single(call: Call) -> Answer:
    """One, with `permissions` telling the caller's role."""
    return Answer(200, present(call, call.project(GUEST)))


@routes("POST", "/projects")
def create(call: Call) -> Answer:
    """A new project in the namespace `demo`, or in another with the path `group/name`."""
    if call.user["bot"]:
        raise forbidden()
    given = call.declared(Param("name", required=True), Param("path"))
    path = given.get("path") or given["name"]
    full = path if "/" in path else f"demo/{path}"
    if not _PATH.fullmatch(full):
        raise invalid_record({"path": ["can contain only letters, digits, '_', '-' and '.'"]})
    if any(project["path_with_namespace"] == full for project in call.store.state["projects"]):
        raise invalid_record({"name": ["has already been taken"], "path": ["has already been taken"]})
    return Answer(201, present(call, create_project(call.store, full, call.user)))


@routes("PUT", "/projects/:id")
def update(call: Call) -> Answer:
    """Changes description or default branch; other settings have no meaning here and are dropped."""
    project = call.project(MAINTAINER)
    project.update(call.declared(Param("description"), Param("default_branch")))
    return Answer(200, present(call, project))
