"""Protected environments: Premium and Ultimate (docs.gitlab.com/api/protected_environments).

On Free the stand-in answers 403 to every call. GitLab's Community Edition doesn't even have the route and answers
404; neither lets one protect an environment. The `premium` flag (control.py) opens it.
"""

from sandbox.gitlab.access import ADMIN, DEVELOPER, MAINTAINER
from sandbox.gitlab.errors import bad_parameters, conflict, forbidden, record_not_found, unprocessable
from sandbox.gitlab.params import Param
from sandbox.gitlab.protected_refs import LEVELS
from sandbox.gitlab.routing import NO_CONTENT, Answer, Call, Routes
from sandbox.gitlab.store import Record

routes = Routes()

# docs.gitlab.com/api/protected_environments, "Valid access levels".
_ALLOWED = (DEVELOPER, MAINTAINER, ADMIN)


def _project(call: Call) -> Record:
    project = call.project(MAINTAINER)
    if not call.store.state["premium"]:
        raise forbidden()
    return project


def _find(call: Call, project: Record) -> Record:
    for rule in project["protected_environments"]:
        if rule["name"] == call.path["name"]:
            found: Record = rule
            return found
    raise record_not_found()


def _levels(call: Call, entries: list[Record], present: list[Record]) -> list[Record]:
    """Access levels by role; an entry with an id changes one, with `_destroy` it drops it.

    Users and groups are Premium's finer grain that nothing here asks for: refused, not ignored.
    """
    levels = list(present)
    for entry in entries:
        levels = [level for level in levels if level["id"] != entry.get("id")]
        if entry.get("_destroy"):
            continue
        if entry.get("access_level") not in _ALLOWED:
            raise bad_parameters("deploy_access_levels[access_level] does not have a valid value")
        level = entry["access_level"]
        levels.append(
            {
                "id": call.store.next_id("access_level"),
                "access_level": level,
                "user_id": None,
                "group_id": None,
                "access_level_description": LEVELS[level],
                "group_inheritance_type": 0,
            }
        )
    return levels


def _approvals(call: Call, entries: list[Record], present: list[Record]) -> list[Record]:
    needed: dict[object, int] = {entry.get("access_level"): entry.get("required_approvals", 1) for entry in entries}
    levels = _levels(call, entries, present)
    return [level | {"required_approvals": needed.get(level["access_level"], 1)} for level in levels]


@routes("GET", "/projects/:id/protected_environments")
def listing(call: Call) -> Answer:
    """By name."""
    rules: list[Record] = _project(call)["protected_environments"]
    by_name = sorted(rules, key=lambda rule: str(rule["name"]))
    return call.page(by_name)


@routes("GET", "/projects/:id/protected_environments/:name")
def single(call: Call) -> Answer:
    """One."""
    return Answer(200, _find(call, _project(call)))


@routes("POST", "/projects/:id/protected_environments")
def create(call: Call) -> Answer:
    """Protects an environment; it need not exist yet."""
    project = _project(call)
    given = call.declared(
        Param("name", required=True),
        Param("deploy_access_levels", "array", required=True),
        Param("required_approval_count", "integer"),
        Param("approval_rules", "array"),
    )
    name = given["name"]
    if any(rule["name"] == name for rule in project["protected_environments"]):
        raise conflict(f"Environment '{name}' is already protected")
    if not given["deploy_access_levels"]:
        raise unprocessable(["Deploy access levels can't be blank"])
    rule: Record = {
        "name": name, "deploy_access_levels": _levels(call, given["deploy_access_levels"], []),
        "required_approval_count": 0, "approval_rules": _approvals(call, given.get("approval_rules") or [], []),
    }  # fmt: skip
    project["protected_environments"].append(rule)
    return Answer(201, rule)


@routes("PUT", "/projects/:id/protected_environments/:name")
def update(call: Call) -> Answer:
    """Changes one."""
    rule = _find(call, _project(call))
    given = call.declared(Param("deploy_access_levels", "array"), Param("approval_rules", "array"))
    levels = _levels(call, given.get("deploy_access_levels") or [], rule["deploy_access_levels"])
    approvals = _approvals(call, given.get("approval_rules") or [], rule["approval_rules"])
    rule.update(deploy_access_levels=levels, approval_rules=approvals)
    return Answer(200, rule)


@routes("DELETE", "/projects/:id/protected_environments/:name")
def delete(call: Call) -> Answer:
    """Lifts the protection."""
    project = _project(call)
    project["protected_environments"].remove(_find(call, project))
    return NO_CONTENT
