"""Protected branches and tags.

docs.gitlab.com/api/protected_branches, /api/protected_tags; lib/api/protected_branches.rb, protected_tags.rb.
"""

from sandbox.gitlab.access import ADMIN, DEVELOPER, MAINTAINER, NO_ACCESS, REPORTER
from sandbox.gitlab.errors import bad_parameters, conflict, record_not_found, unprocessable
from sandbox.gitlab.params import Param
from sandbox.gitlab.routing import NO_CONTENT, Answer, Call, Routes
from sandbox.gitlab.store import Record, Store
from sandbox.gitlab.tokens import find_user

routes = Routes()

# docs.gitlab.com/api/protected_branches, "Valid access levels", and how the API words them.
LEVELS = {
    NO_ACCESS: "No one",
    DEVELOPER: "Developers + Maintainers",
    MAINTAINER: "Maintainers",
    ADMIN: "Administrators",
}


def _role(store: Store, value: int) -> Record:
    return {
        "id": store.next_id("access_level"), "access_level": value, "access_level_description": LEVELS[value],
        "user_id": None, "group_id": None, "deploy_key_id": None,
    }  # fmt: skip


def _entry(call: Call, action: str, entry: Record) -> Record:
    """One access level of `allowed_to_push` and the like.

    Roles need no licence, users and groups do (EE::ProtectedRefAccess: "We don't need to validate the license if this
    access applies to a role"); there are no groups here.
    """
    prefix = f"{action.capitalize()} access levels"
    for subject in ("user", "group"):
        number = entry.get(f"{subject}_id")
        if number is None:
            continue
        if not call.store.state["premium"]:
            raise unprocessable([f"{prefix} {subject} must be blank"])
        if subject == "group":
            raise unprocessable([f"{prefix} group does not have access to the project"])
        if str(number) not in call.project(NO_ACCESS)["members"]:
            raise unprocessable([f"{prefix} user is not a member of the project"])
        person = find_user(call.store, int(number))
        return _role(call.store, MAINTAINER) | {"user_id": number, "access_level_description": person["name"]}
    if entry.get("access_level") not in LEVELS:
        raise bad_parameters(f"allowed_to_{action}[access_level] does not have a valid value")
    return _role(call.store, int(entry["access_level"]))


def _levels(call: Call, action: str, simple: int | None, entries: list[Record] | None) -> list[Record]:
    """The access levels of one action; Maintainers when none is given (app/services/protected_refs/…params.rb)."""
    levels = [_role(call.store, simple)] if simple is not None else []
    levels += [_entry(call, action, entry) for entry in entries or []]
    roles = [level["access_level"] for level in levels if level["user_id"] is None]
    if len(roles) != len(set(roles)):
        raise unprocessable([f"{action.capitalize()} access levels access level has already been taken"])
    return levels or [_role(call.store, MAINTAINER)]


def protect_branch(store: Store, project: Record, name: str) -> Record:
    """Protects a branch as GitLab does for the default branch of a new project: Maintainers push and merge."""
    rule: Record = {
        "id": store.next_id("protected_branch"), "name": name, "allow_force_push": False,
        "push_access_levels": [_role(store, MAINTAINER)], "merge_access_levels": [_role(store, MAINTAINER)],
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


def _register(kind: str, reader: int) -> None:
    """The parts that branches and tags share; `reader` is the role that may read them."""

    @routes("GET", f"/projects/:id/{kind}")
    def listing(call: Call) -> Answer:
        project, search = call.project(reader), call.declared(Param("search")).get("search") or ""
        return call.page([rule for rule in project[kind] if search in rule["name"]])

    @routes("GET", f"/projects/:id/{kind}/:name")
    def single(call: Call) -> Answer:
        return Answer(200, _find(call.project(reader), kind, call.path["name"]))

    @routes("DELETE", f"/projects/:id/{kind}/:name")
    def delete(call: Call) -> Answer:
        project = call.project(MAINTAINER)
        project[kind].remove(_find(project, kind, call.path["name"]))
        return NO_CONTENT


# `authorize_read_code!` against `authorize_admin_project` in the two files named above.
_register("protected_branches", REPORTER)
_register("protected_tags", MAINTAINER)

_CHOICES = tuple(LEVELS)
_ACTIONS = ("push", "merge", "unprotect")
_SWITCHES = (Param("allow_force_push", "boolean"), Param("code_owner_approval_required", "boolean"))


@routes("POST", "/projects/:id/protected_branches")
def create_branch(call: Call) -> Answer:
    """Protects a branch or a wildcard."""
    project = call.project(MAINTAINER)
    given = call.declared(
        Param("name", required=True),
        *(Param(f"{action}_access_level", "integer", choices=_CHOICES) for action in _ACTIONS),
        *(Param(f"allowed_to_{action}", "array") for action in _ACTIONS),
        *_SWITCHES,
    )
    name = given["name"]
    if any(rule["name"] == name for rule in project["protected_branches"]):
        raise conflict(f"Protected branch '{name}' already exists")
    if not name:
        raise unprocessable(["Name can't be blank"])
    asked = {action: (given.get(f"{action}_access_level"), given.get(f"allowed_to_{action}")) for action in _ACTIONS}
    levels = {
        f"{action}_access_levels": _levels(call, action, *how)
        for action, how in asked.items()
        if action != "unprotect" or any(how)
    }
    rule = protect_branch(call.store, project, name) | levels
    rule["allow_force_push"] = bool(given.get("allow_force_push"))
    rule["code_owner_approval_required"] = _owners(call, given)
    project["protected_branches"][-1] = rule
    return Answer(201, rule)


def _owners(call: Call, given: Record) -> bool:
    """Code owners' approval is Premium: on Free it is dropped (docs.gitlab.com/api/protected_branches)."""
    return call.store.state["premium"] and bool(given.get("code_owner_approval_required"))


@routes("PATCH", "/projects/:id/protected_branches/:name")
def update_branch(call: Call) -> Answer:
    """Changes a protection. Entries with an id change a level, or with `_destroy` drop it; the others add one."""
    rule = _find(call.project(MAINTAINER), "protected_branches", call.path["name"])
    given = call.declared(*_SWITCHES, *(Param(f"allowed_to_{action}", "array") for action in _ACTIONS))
    changed: Record = {}
    for action in _ACTIONS:
        entries = given.get(f"allowed_to_{action}") or []
        named = {entry.get("id") for entry in entries}
        kept = [level for level in rule[f"{action}_access_levels"] if level["id"] not in named]
        added = [
            _entry(call, action, entry) | ({"id": entry["id"]} if entry.get("id") else {})
            for entry in entries
            if not entry.get("_destroy")
        ]
        changed[f"{action}_access_levels"] = kept + added
    if "allow_force_push" in given:
        changed["allow_force_push"] = given["allow_force_push"]
    if "code_owner_approval_required" in given:
        changed["code_owner_approval_required"] = _owners(call, given)
    rule.update(changed)
    return Answer(200, rule)


@routes("POST", "/projects/:id/protected_tags")
def create_tag(call: Call) -> Answer:
    """Protects a tag or a wildcard."""
    project = call.project(MAINTAINER)
    given = call.declared(
        Param("name", required=True),
        Param("create_access_level", "integer", choices=_CHOICES),
        Param("allowed_to_create", "array"),
    )
    if any(rule["name"] == given["name"] for rule in project["protected_tags"]):
        # app/models/protected_tag.rb: uniqueness; the endpoint answers 422 (lib/api/protected_tags.rb).
        raise unprocessable(["Name has already been taken"])
    levels = _levels(call, "create", given.get("create_access_level"), given.get("allowed_to_create"))
    rule: Record = {"name": given["name"], "create_access_levels": levels}
    project["protected_tags"].append(rule)
    return Answer(201, rule)
