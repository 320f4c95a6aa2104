"""Personal and project access tokens: sign-in, creation, rotation, revocation.

docs.gitlab.com/api/personal_access_tokens, /api/project_access_tokens; lib/gitlab/auth/auth_finders.rb.
"""

import datetime
import hashlib
import secrets

from sandbox.gitlab import clock
from sandbox.gitlab.access import MAINTAINER, NO_ACCESS, PROJECT_SCOPES, ROLES, SCOPES, level_in
from sandbox.gitlab.errors import bad_request, dead_token, forbidden, insufficient_scope, not_found, unauthorized
from sandbox.gitlab.params import Param
from sandbox.gitlab.routing import NO_CONTENT, Answer, Call, Route, Routes
from sandbox.gitlab.store import Record, Store

routes = Routes()

# docs.gitlab.com/user/profile/personal_access_tokens, "Access token expiration": 365 days when none is given.
LIFETIME_DAYS = 365
# The keyword for the calling token in place of an id.
OWN = "self"


def digest(secret: str) -> str:
    """Only this is kept of a token, as in GitLab (app/models/concerns/token_authenticatable.rb)."""
    return hashlib.sha256(secret.encode()).hexdigest()


def issue(
    store: Store, user: Record, name: str, scopes: list[str], *, expires_at: str | None = None,
    description: str | None = None, project_id: int | None = None, secret: str | None = None,
) -> tuple[Record, str]:  # fmt: skip
    """A new token and its secret, which can't be had again. `project_id` marks a project access token."""
    secret = secret or "glpat-" + secrets.token_urlsafe(15)
    lifetime = clock.today() + datetime.timedelta(days=LIFETIME_DAYS)
    token: Record = {
        "id": store.next_id("token"), "digest": digest(secret), "name": name, "scopes": scopes, "revoked": False,
        "user_id": user["id"], "created_at": clock.now(), "description": description, "last_used_at": None,
        "expires_at": expires_at or lifetime.isoformat(), "project_id": project_id,
    }  # fmt: skip
    store.state["tokens"].append(token)
    return token, secret


def _expired(token: Record) -> bool:
    return bool(token["expires_at"]) and datetime.date.fromisoformat(token["expires_at"]) <= clock.today()


def authenticate(store: Store, secret: str | None) -> tuple[Record, Record]:
    """User and token of a secret; refuses as lib/gitlab/auth/auth_finders.rb and lib/api/api_guard.rb do."""
    if not secret:
        raise unauthorized()
    wanted = digest(secret)
    token = next((token for token in store.state["tokens"] if token["digest"] == wanted), None)
    if token is None:
        raise unauthorized()
    if token["revoked"]:
        raise dead_token("Token was revoked. You have to re-authorize from the user.")
    if _expired(token):
        raise dead_token("Token is expired. You can either do re-authorization or token refresh.")
    # Not saved at once: the next write keeps it, and GitLab too updates it only every few minutes.
    token["last_used_at"] = clock.now()
    return find_user(store, token["user_id"]), token


def check_scope(token: Record, route: Route) -> None:
    """`api` suffices for everything, `read_api` for reading (lib/api/api.rb, allow_access_with_scope)."""
    if route.scopes is not None:
        enough = route.scopes
    else:
        enough = ("api", "read_api") if route.method in ("GET", "HEAD") else ("api",)
    if not set(enough) & set(token["scopes"]):
        raise insufficient_scope(" ".join(enough))


def find_user(store: Store, user_id: int) -> Record:
    """The user of that id."""
    for user in store.state["users"]:
        if user["id"] == user_id:
            found: Record = user
            return found
    raise not_found("User")


def present(call: Call, token: Record, secret: str | None = None) -> Record:
    """lib/api/entities/personal_access_token.rb and resource_access_token.rb; the secret only at its creation."""
    shown = {
        key: token[key]
        for key in ("id", "name", "revoked", "created_at", "description", "scopes", "user_id", "last_used_at",
                    "expires_at")
    }  # fmt: skip
    shown["active"] = not token["revoked"] and not _expired(token)
    if token["project_id"] is not None:
        shown["resource_type"], shown["resource_id"] = "project", token["project_id"]
        project = next((item for item in call.store.state["projects"] if item["id"] == token["project_id"]), None)
        if project:
            shown["access_level"] = level_in(project, find_user(call.store, token["user_id"]))
    return shown | ({"token": secret} if secret else {})


_CREATION = (Param("name", required=True), Param("description"), Param("expires_at", "date"))


@routes("GET", "/personal_access_tokens/self", scopes=SCOPES)
def own(call: Call) -> Answer:
    """Any token may look at itself (lib/api/personal_access_tokens/self_information.rb)."""
    return Answer(200, present(call, call.token))


@routes("DELETE", "/personal_access_tokens/self", scopes=SCOPES)
def revoke_own(call: Call) -> Answer:
    """Any token may revoke itself."""
    call.token["revoked"] = True
    return NO_CONTENT


def _reachable(call: Call) -> Record:
    """The token of `:token_id`: one's own, or any for an administrator."""
    if call.path["token_id"] == OWN:
        return call.token
    wanted = call.number("token_id")
    for token in call.store.state["tokens"]:
        if token["id"] == wanted and (call.user["is_admin"] or token["user_id"] == call.user["id"]):
            found: Record = token
            return found
    # Only administrators are told that a token doesn't exist (lib/api/personal_access_tokens.rb).
    raise not_found("Personal Access Token") if call.user["is_admin"] else unauthorized()


@routes("GET", "/personal_access_tokens")
def listing(call: Call) -> Answer:
    """One's own tokens; an administrator sees everyone's."""
    tokens = call.store.state["tokens"]
    return call.page(
        present(call, token) for token in tokens if call.user["is_admin"] or token["user_id"] == call.user["id"]
    )


@routes("GET", "/personal_access_tokens/:token_id")
def single(call: Call) -> Answer:
    """One token."""
    return Answer(200, present(call, _reachable(call)))


@routes("DELETE", "/personal_access_tokens/:token_id")
def revoke(call: Call) -> Answer:
    """Revokes a token: it answers 401 from then on."""
    _reachable(call)["revoked"] = True
    return NO_CONTENT


def _rotated(call: Call, token: Record) -> Answer:
    """Revokes a token and issues its successor, which lives a week unless told otherwise."""
    expires_at = call.declared(Param("expires_at", "date")).get("expires_at")
    if token["revoked"]:
        raise bad_request("token already revoked")
    token["revoked"] = True
    week = (clock.today() + datetime.timedelta(days=7)).isoformat()
    successor, secret = issue(
        call.store, find_user(call.store, token["user_id"]), token["name"], token["scopes"],
        expires_at=expires_at or week, description=token["description"], project_id=token["project_id"],
    )  # fmt: skip
    return Answer(200, present(call, successor, secret))


@routes("POST", "/personal_access_tokens/:token_id/rotate", scopes=("api", "self_rotate"))
def rotate(call: Call) -> Answer:
    """Rotates a personal access token, or with `self` the calling one."""
    if "api" not in call.token["scopes"] and call.path["token_id"] != OWN:
        raise insufficient_scope("api")
    return _rotated(call, _reachable(call))


@routes("POST", "/users/:user_id/personal_access_tokens")
def create_personal(call: Call) -> Answer:
    """An administrator makes a token for a user (docs.gitlab.com/api/user_tokens)."""
    if not call.user["is_admin"]:
        raise forbidden()
    user = find_user(call.store, call.number("user_id"))
    given = call.declared(*_CREATION, Param("scopes", "strings", required=True, choices=SCOPES))
    token, secret = issue(
        call.store, user, given["name"], given["scopes"], expires_at=given.get("expires_at"),
        description=given.get("description"),
    )  # fmt: skip
    return Answer(201, present(call, token, secret))


def _project_tokens(call: Call) -> list[Record]:
    """The project's access tokens; below Maintainer GitLab answers 401 here (lib/api/resource_access_tokens.rb)."""
    project = call.project(NO_ACCESS)
    if call.level < MAINTAINER:
        raise unauthorized()
    return [token for token in call.store.state["tokens"] if token["project_id"] == project["id"]]


def _project_token(call: Call) -> Record:
    wanted = call.number("token_id")
    for token in _project_tokens(call):
        if token["id"] == wanted:
            return token
    raise not_found("project Access Token")


@routes("GET", "/projects/:id/access_tokens")
def project_listing(call: Call) -> Answer:
    """All project access tokens, revoked ones included."""
    return call.page([present(call, token) for token in _project_tokens(call)])


@routes("GET", "/projects/:id/access_tokens/:token_id")
def project_single(call: Call) -> Answer:
    """One project access token."""
    return Answer(200, present(call, _project_token(call)))


@routes("POST", "/projects/:id/access_tokens")
def project_create(call: Call) -> Answer:
    """A bot user with the role asked for, and its token (app/services/resource_access_tokens/create_service.rb)."""
    project = call.project(NO_ACCESS)
    given = call.declared(
        *_CREATION,
        Param("scopes", "strings", required=True, choices=PROJECT_SCOPES),
        Param("access_level", "integer", choices=ROLES),
    )
    level = given.get("access_level") or MAINTAINER
    if call.level < MAINTAINER or call.user["bot"]:
        # docs.gitlab.com/api/project_access_tokens: "You cannot authenticate with a project access token."
        raise bad_request("User does not have permission to create project access token")
    if level > call.level:
        raise bad_request("Could not provision access level above your own to project access token")
    bot: Record = {
        "id": call.store.next_id("user"), "name": given["name"], "is_admin": False, "bot": True,
        "username": f"project_{project['id']}_bot_{secrets.token_hex(8)}",
    }  # fmt: skip
    call.store.state["users"].append(bot)
    project["members"][str(bot["id"])] = level
    token, secret = issue(
        call.store, bot, given["name"], given["scopes"], expires_at=given.get("expires_at"),
        description=given.get("description"), project_id=project["id"],
    )  # fmt: skip
    return Answer(201, present(call, token, secret))


@routes("POST", "/projects/:id/access_tokens/:token_id/rotate", scopes=("api", "self_rotate"))
def project_rotate(call: Call) -> Answer:
    """Rotates a project access token; with `self` the calling one."""
    if call.path["token_id"] == OWN and call.token["project_id"] is not None:
        return _rotated(call, call.token)
    if "api" not in call.token["scopes"]:
        raise insufficient_scope("api")
    return _rotated(call, _project_token(call))


@routes("DELETE", "/projects/:id/access_tokens/:token_id")
def project_revoke(call: Call) -> Answer:
    """Revokes a project access token."""
    _project_token(call)["revoked"] = True
    return NO_CONTENT
