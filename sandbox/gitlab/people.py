"""Users and project members (docs.gitlab.com/api/users, /api/project_members)."""

from sandbox.gitlab.access import GUEST, MAINTAINER, NO_ACCESS, ROLES, level_in
from sandbox.gitlab.errors import conflict, forbidden, not_found
from sandbox.gitlab.params import Param
from sandbox.gitlab.routing import NO_CONTENT, Answer, Call, Routes
from sandbox.gitlab.store import Record
from sandbox.gitlab.tokens import find_user

routes = Routes()

# lib/api/users.rb: `allow_access_with_scope [:read_user, :read_api], if: GET`.
READ_USER = ("api", "read_api", "read_user")


def brief(user: Record) -> Record:
    """lib/api/entities/user_basic.rb."""
    return {key: user[key] for key in ("id", "username", "name")} | {"state": "active", "locked": False}


@routes("GET", "/user", scopes=READ_USER)
def current(call: Call) -> Answer:
    """Who the token belongs to."""
    shown = brief(call.user) | {"email": f"{call.user['username']}@gitlab.invalid", "bot": call.user["bot"]}
    return Answer(200, shown | ({"is_admin": True} if call.user["is_admin"] else {}))


@routes("GET", "/users", scopes=READ_USER)
def listing(call: Call) -> Answer:
    """All users, or the one with that `username`."""
    username = call.declared(Param("username")).get("username")
    return call.page([brief(user) for user in call.store.state["users"] if username in (None, user["username"])])


@routes("GET", "/users/:user_id", scopes=READ_USER)
def single(call: Call) -> Answer:
    """One user."""
    return Answer(200, brief(find_user(call.store, call.number("user_id"))))


@routes("POST", "/users")
def create(call: Call) -> Answer:
    """An administrator makes a user; e-mail and password are accepted and not kept."""
    if not call.user["is_admin"]:
        raise forbidden()
    given = call.declared(Param("username", required=True), Param("name", required=True))
    if any(user["username"] == given["username"] for user in call.store.state["users"]):
        raise conflict("Username has already been taken")
    user: Record = {"id": call.store.next_id("user"), **given, "is_admin": False, "bot": False}
    call.store.state["users"].append(user)
    return Answer(201, brief(user))


def _member(user: Record, level: int) -> Record:
    return brief(user) | {"access_level": level, "expires_at": None, "membership_state": "active"}


def _listing(call: Call) -> Answer:
    members = call.project(GUEST)["members"]
    return call.page([_member(find_user(call.store, int(user_id)), level) for user_id, level in members.items()])


def _single(call: Call) -> Answer:
    project, user = call.project(GUEST), find_user(call.store, call.number("user_id"))
    level = project["members"].get(str(user["id"]))
    if level is None:
        raise not_found("Member")
    return Answer(200, _member(user, level))


# Without groups the inherited members (`/all`) are the direct ones.
routes("GET", "/projects/:id/members")(_listing)
routes("GET", "/projects/:id/members/all")(_listing)
routes("GET", "/projects/:id/members/:user_id")(_single)
routes("GET", "/projects/:id/members/all/:user_id")(_single)


@routes("POST", "/projects/:id/members")
def add_member(call: Call) -> Answer:
    """Adds a member; nobody can give a higher role than their own."""
    project = call.project(MAINTAINER)
    given = call.declared(
        Param("user_id", "integer", required=True), Param("access_level", "integer", required=True, choices=ROLES)
    )
    user = find_user(call.store, given["user_id"])
    if level_in(project, user) > NO_ACCESS:
        raise conflict("Member already exists")
    if given["access_level"] > call.level:
        raise forbidden()
    project["members"][str(user["id"])] = given["access_level"]
    return Answer(201, _member(user, given["access_level"]))


@routes("DELETE", "/projects/:id/members/:user_id")
def remove_member(call: Call) -> Answer:
    """Removes a member."""
    project = call.project(MAINTAINER)
    if project["members"].pop(str(call.number("user_id")), None) is None:
        raise not_found("Member")
    return NO_CONTENT
