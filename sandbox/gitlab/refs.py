"""Branches and tags, as names with a made-up commit: the stand-in holds no Git repository.

docs.gitlab.com/api/branches, /api/tags; lib/api/branches.rb, lib/api/tags.rb.
"""

import hashlib
import re

from sandbox.gitlab import clock
from sandbox.gitlab.access import DEVELOPER, MAINTAINER, REPORTER
from sandbox.gitlab.errors import Refusal, not_found
from sandbox.gitlab.job_variables import ref_is_protected
from sandbox.gitlab.params import Param
from sandbox.gitlab.routing import NO_CONTENT, Answer, Call, Routes
from sandbox.gitlab.store import Record

routes = Routes()

# The core of git-check-ref-format(1).
_FORBIDDEN_IN_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[-/.]|[/.]$|\.lock$")


def commit_of(name: str) -> Record:
    """A commit that stands for a ref's head."""
    sha = hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()
    return {"id": sha, "short_id": sha[:8], "title": f"Head of {name}", "created_at": "2026-01-01T00:00:00.000Z"}


def add(project: Record, kind: str, name: str, sha_of: str) -> Record:
    """Puts a branch or tag (`kind` "branches" or "tags") into the project."""
    ref: Record = {"name": name, "commit": commit_of(sha_of), "created_at": clock.now()}
    project[kind].append(ref)
    return ref


def _may_write(project: Record, kind: str, name: str, level: int) -> bool:
    """Whether the role may create the ref, where protections cover it; the most generous one counts."""
    key = "push_access_levels" if kind == "branches" else "create_access_levels"
    rules = [rule for rule in project[f"protected_{kind}"] if ref_is_protected([rule["name"]], name)]
    return not rules or any(0 < item["access_level"] <= level for rule in rules for item in rule[key])


def is_protected(project: Record, kind: str, name: str) -> bool:
    """Whether a branch or tag is covered by a protection."""
    return ref_is_protected((rule["name"] for rule in project[f"protected_{kind}"]), name)


def present(call: Call, project: Record, kind: str, ref: Record) -> Record:
    """lib/api/entities/branch.rb and tag.rb, without what only a repository knows."""
    protected = is_protected(project, kind, ref["name"])
    shown = {"name": ref["name"], "commit": ref["commit"], "protected": protected}
    if kind == "tags":
        return shown | {"target": ref["commit"]["id"], "message": None, "release": None}
    default = ref["name"] == project["default_branch"]
    allowed = call.level >= (MAINTAINER if protected else DEVELOPER)
    return shown | {"default": default, "merged": False, "can_push": allowed}


def _find(project: Record, kind: str, name: str) -> Record:
    for ref in project[kind]:
        if ref["name"] == name:
            found: Record = ref
            return found
    raise not_found("Branch" if kind == "branches" else "Tag")


def _register(kind: str, name_parameter: str, singular: str) -> None:
    @routes("GET", f"/projects/:id/repository/{kind}")
    def listing(call: Call) -> Answer:
        project, search = call.project(REPORTER), call.declared(Param("search")).get("search") or ""
        return call.page([present(call, project, kind, ref) for ref in project[kind] if search in ref["name"]])

    @routes("GET", f"/projects/:id/repository/{kind}/:name")
    def single(call: Call) -> Answer:
        project = call.project(REPORTER)
        return Answer(200, present(call, project, kind, _find(project, kind, call.path["name"])))

    @routes("POST", f"/projects/:id/repository/{kind}")
    def create(call: Call) -> Answer:
        project = call.project(DEVELOPER)
        given = call.declared(Param(name_parameter, required=True), Param("ref", required=True))
        name = given[name_parameter] or ""
        if not name or _FORBIDDEN_IN_REF.search(name):
            raise Refusal(400, {"message": f"{singular} name is invalid"})
        if any(ref["name"] == name for ref in project[kind]):
            already = f"Tag {name} already exists" if kind == "tags" else "Branch already exists"
            raise Refusal(400, {"message": already})
        sources = [ref for ref in [*project["branches"], *project["tags"]] if ref["name"] == given["ref"]]
        if not sources:
            invalid = (
                f"Target {given['ref']} is invalid" if kind == "tags" else f"Invalid reference name: {given['ref']}"
            )
            raise Refusal(400, {"message": invalid})
        if not _may_write(project, kind, name, call.level):
            # lib/gitlab/checks/branch_check.rb and tag_check.rb.
            this = "protected branches on this project" if kind == "branches" else "this tag as it is protected"
            raise Refusal(400, {"message": f"You are not allowed to create {this}."})
        ref = add(project, kind, name, sources[0]["name"])
        return Answer(201, present(call, project, kind, ref))

    @routes("DELETE", f"/projects/:id/repository/{kind}/:name")
    def delete(call: Call) -> Answer:
        project = call.project(DEVELOPER)
        ref = _find(project, kind, call.path["name"])
        # The pre-receive hook's refusals (lib/gitlab/checks/branch_check.rb, tag_check.rb), passed on as 400.
        if kind == "branches" and ref["name"] == project["default_branch"]:
            raise Refusal(400, {"message": "The default branch of a project cannot be deleted."})
        if is_protected(project, kind, ref["name"]) and call.level < MAINTAINER:
            raise Refusal(
                400,
                {
                    "message": f"You are not allowed to delete protected {kind} from this project. "
                    f"Only a project maintainer or owner can delete a protected {singular.lower()}."
                },
            )
        project[kind].remove(ref)
        return NO_CONTENT


_register("branches", "branch", "Branch")
_register("tags", "tag_name", "Tag")
