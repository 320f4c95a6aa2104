"""Protected branches and tags.

docs.gitlab.com/api/protected_branches, /api/protected_tags; lib/api/protected_branches.rb, protected_tags.rb.
"""

from sandbox.gitlab.access import ADMIN, DEVELOPER, MAINTAINER, NO_ACCESS
from sandbox.gitlab.errors import bad_parameters, conflict, record_not_found, unprocessable
from sandbox.gitlab.params import Param
from sandbox.gitlab.routing import NO_CONTENT, Answer, Call, Routes
from sandbox.gitlab.store import Record, Store

routes = Routes()

# docs.gitlab.com/api/protected_branches, "Valid access levels", and how the API words them.
LEVELS = {
    NO_ACCESS: "No one",
    DEVELOPER: "Developers + Maintainers",
    MAINTAINER: "Maintainers",
    ADMIN: "Administrators",
}


def _level(store: Store, value: int) -> Record:
    return {"id": store.next_id("access_level"), "access_level": value, "access_level_description": LEVELS[value]}


def _levels(call: Call, simple: int | None, detailed: list[Record] | None) -> list[Record]:
    """The access levels of one action.

    Lists (`allowed_to_push`) are Premium: on Free GitLab drops them silently and the default stands
    (docs.gitlab.com/api/protected_branches; ee/app/services/ee/protected_branches/…).
    """
    values = [simple if simple is not None else MAINTAINER]
    if detailed and call.store.state["premium"]:
        values = [int(entry["access_level"]) for entry in detailed if not entry.get("_destroy")]
    if any(value not in LEVELS for value in values):
        raise bad_parameters("access_level does not have a valid value")
    return [_level(call.store, value) for value in values]


def protect_branch(store: Store, project: Record, name: str) -> Record:
    """Protects a branch as GitLab does for the default branch of a new project: Maintainers push and merge."""
    rule: Record = {
        "id": store.next_id("protected_branch"), "name": name, "allow_force_push": False,
        "push_access_levels": [_level(store, MAINTAINER)], "merge_access_levels": [_level(store, MAINTAINER)],
        "unprotect_access_levels": [], "code_owner_approval_required": False,
    }  # fmt: skip
    project["protected_branches"].append(rule)
    return rule


def _find(project: Record, kind: str, name: str) -> Record:
    for rule in project[kind]:
        if rule["name"] == name:
            found: Record = rule
            return found
    raise record_not_found()


def _register(kind: str) -> None:
    """The parts that branches and tags share."""

    @routes("GET", f"/projects/:id/{kind}")
    def listing(call: Call) -> Answer:
        project, search = call.project(MAINTAINER), call.declared(Param("search")).get("search") or ""
        return call.page([rule for rule in project[kind] if search in rule["name"]])

    @routes("GET", f"/projects/:id/{kind}/:name")
    def single(call: Call) -> Answer:
        return Answer(200, _find(call.project(MAINTAINER), kind, call.path["name"]))

    @routes("DELETE", f"/projects/:id/{kind}/:name")
    def delete(call: Call) -> Answer:
        project = call.project(MAINTAINER)
        project[kind].remove(_find(project, kind, call.path["name"]))
        return NO_CONTENT


_register("protected_branches")
_register("protected_tags")

_LEVEL_CHOICES = tuple(LEVELS)


@routes("POST", "/projects/:id/protected_branches")
def create_branch(call: Call) -> Answer:
    """Protects a branch or a wildcard."""
    project = call.project(MAINTAINER)
    given = call.declared(
        Param("name", required=True),
        Param("push_access_level", "integer", choices=_LEVEL_CHOICES),
        Param("merge_access_level", "integer", choices=_LEVEL_CHOICES),
        Param("unprotect_access_level", "integer", choices=_LEVEL_CHOICES),
        Param("allow_force_push", "boolean"),
        Param("code_owner_approval_required", "boolean"),
        Param("allowed_to_push", "array"),
        Param("allowed_to_merge", "array"),
    )
    name = given["name"]
    if any(rule["name"] == name for rule in project["protected_branches"]):
        raise conflict(f"Protected branch '{name}' already exists")
    if not name:
        raise unprocessable(["Name can't be blank"])
    push = _levels(call, given.get("push_access_level"), given.get("allowed_to_push"))
    merge = _levels(call, given.get("merge_access_level"), given.get("allowed_to_merge"))
    rule = protect_branch(call.store, project, name)
    rule.update(push_access_levels=push, merge_access_levels=merge)
    rule["allow_force_push"] = bool(given.get("allow_force_push"))
    premium = call.store.state["premium"]
    rule["code_owner_approval_required"] = premium and bool(given.get("code_owner_approval_required"))
    return Answer(201, rule)


@routes("PATCH", "/projects/:id/protected_branches/:name")
def update_branch(call: Call) -> Answer:
    """Changes a protection; on Free only `allow_force_push`."""
    rule = _find(call.project(MAINTAINER), "protected_branches", call.path["name"])
    given = call.declared(
        Param("allow_force_push", "boolean"),
        Param("code_owner_approval_required", "boolean"),
        Param("allowed_to_push", "array"),
        Param("allowed_to_merge", "array"),
    )
    if "allow_force_push" in given:
        rule["allow_force_push"] = given["allow_force_push"]
    if call.store.state["premium"]:
        if "code_owner_approval_required" in given:
            rule["code_owner_approval_required"] = given["code_owner_approval_required"]
        for action in ("push", "merge"):
            rule[f"{action}_access_levels"] = _patched(call, rule, action, given.get(f"allowed_to_{action}") or [])
    return Answer(200, rule)


def _patched(call: Call, rule: Record, action: str, entries: list[Record]) -> list[Record]:
    """Entries with an id change (or with `_destroy` drop) a level, the others add one (docs, "Update …")."""
    levels: list[Record] = list(rule[f"{action}_access_levels"])
    for entry in entries:
        levels = [level for level in levels if level["id"] != entry.get("id")]
        if not entry.get("_destroy"):
            levels += _levels(call, int(entry["access_level"]), None)
    return levels


@routes("POST", "/projects/:id/protected_tags")
def create_tag(call: Call) -> Answer:
    """Protects a tag or a wildcard."""
    project = call.project(MAINTAINER)
    given = call.declared(
        Param("name", required=True),
        Param("create_access_level", "integer", choices=_LEVEL_CHOICES),
        Param("allowed_to_create", "array"),
    )
    if any(rule["name"] == given["name"] for rule in project["protected_tags"]):
        # app/models/protected_tag.rb: uniqueness; the endpoint answers 422 (lib/api/protected_tags.rb).
        raise unprocessable(["Name has already been taken"])
    levels = _levels(call, given.get("create_access_level"), given.get("allowed_to_create"))
    rule: Record = {"name": given["name"], "create_access_levels": levels}
    project["protected_tags"].append(rule)
    return Answer(201, rule)
