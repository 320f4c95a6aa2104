"""Project deploy tokens (docs.gitlab.com/api/deploy_tokens; lib/api/deploy_tokens.rb)."""

import datetime
import secrets

from sandbox.gitlab import clock
from sandbox.gitlab.access import MAINTAINER
from sandbox.gitlab.errors import record_not_found
from sandbox.gitlab.params import Param
from sandbox.gitlab.routing import NO_CONTENT, Answer, Call, Routes
from sandbox.gitlab.store import Record
from sandbox.gitlab.tokens import digest

routes = Routes()

SCOPES = (
    "read_repository", "read_registry", "write_registry", "read_package_registry", "write_package_registry",
    "read_virtual_registry", "write_virtual_registry",
)  # fmt: skip


def present(token: Record, secret: str | None = None) -> Record:
    """lib/api/entities/deploy_token.rb; the secret only at its creation."""
    shown = {key: value for key, value in token.items() if key != "digest"}
    due = token["expires_at"]
    shown["expired"] = bool(due) and datetime.date.fromisoformat(due[:10]) <= clock.today()
    return shown | ({"token": secret} if secret else {})


def _find(call: Call, project: Record) -> Record:
    wanted = call.number("token_id")
    for token in project["deploy_tokens"]:
        if token["id"] == wanted:
            found: Record = token
            return found
    raise record_not_found()


@routes("GET", "/projects/:id/deploy_tokens")
def listing(call: Call) -> Answer:
    """All, or with `active` those that are neither revoked nor expired."""
    project, active = call.project(MAINTAINER), call.declared(Param("active", "boolean")).get("active")
    shown = [present(token) for token in project["deploy_tokens"]]
    return call.page([token for token in shown if not active or not (token["revoked"] or token["expired"])])


@routes("GET", "/projects/:id/deploy_tokens/:token_id")
def single(call: Call) -> Answer:
    """One."""
    return Answer(200, present(_find(call, call.project(MAINTAINER))))


@routes("POST", "/projects/:id/deploy_tokens")
def create(call: Call) -> Answer:
    """Creates one; without `expires_at` it never expires."""
    project = call.project(MAINTAINER)
    given = call.declared(
        Param("name", required=True),
        Param("scopes", "strings", required=True, choices=SCOPES),
        Param("expires_at", "date"),
        Param("username"),
    )
    number, secret = call.store.next_id("deploy_token"), "gldt-" + secrets.token_urlsafe(15)
    expires_at = given.get("expires_at")
    token: Record = {
        "id": number, "name": given["name"], "scopes": given["scopes"], "revoked": False,
        "username": given.get("username") or f"gitlab+deploy-token-{number}",
        "expires_at": f"{expires_at}T00:00:00.000Z" if expires_at else None, "digest": digest(secret),
    }  # fmt: skip
    project["deploy_tokens"].append(token)
    return Answer(201, present(token, secret))


@routes("DELETE", "/projects/:id/deploy_tokens/:token_id")
def delete(call: Call) -> Answer:
    """Deletes one."""
    project = call.project(MAINTAINER)
    project["deploy_tokens"].remove(_find(call, project))
    return NO_CONTENT
