"""Environments (docs.gitlab.com/api/environments; lib/api/environments.rb, app/models/environment.rb)."""

import re
import secrets
import string

from sandbox.gitlab import clock
from sandbox.gitlab.access import DEVELOPER, REPORTER
from sandbox.gitlab.errors import bad_parameters, bad_request, forbidden, invalid_record, record_not_found
from sandbox.gitlab.params import Param
from sandbox.gitlab.routing import NO_CONTENT, Answer, Call, Routes
from sandbox.gitlab.store import Record

routes = Routes()

TIERS = ("production", "staging", "testing", "development", "other")
# lib/gitlab/regex.rb: environment_name_regex and its message.
NAME = re.compile(r"[a-zA-Z0-9_${}. -](?:[a-zA-Z0-9_/${}. -]*[a-zA-Z0-9_${}. -])?")
NAME_MESSAGE = (
    "can contain only letters, digits, '-', '_', '/', '$', '{', '}', '.', and spaces, "
    "but it cannot start or end with '/'"
)
NAME_MAX = 255
SEARCH_MIN = 3
# guess_tier in app/models/environment.rb; the first match counts.
_TIER_GUESSES = (
    ("development", r"dev|review|trunk"),
    ("testing", r"test|tst|int|ac(?:ce)?pt|qa|qc|control|quality"),
    ("staging", r"sta?g|mode?l|pre|demo|non"),
    ("production", r"pro?d|live"),
)


def guess_tier(name: str) -> str:
    """The tier that GitLab assumes when none is given."""
    for tier, pattern in _TIER_GUESSES:
        if re.search(pattern, name, re.IGNORECASE):
            return tier
    return "other"


def slug_of(name: str) -> str:
    """lib/gitlab/slug/environment.rb: at most 24 of a-z, 0-9 and '-'; a random end where the name had to change."""
    slug = re.sub(r"[^a-z0-9]", "-", name.lower())
    if slug[0] not in string.ascii_lowercase:
        slug = "env-" + slug
    slug = re.sub(r"-+", "-", slug)[:24].removesuffix("-")
    if slug == name:
        return slug
    ending = "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(6))
    return slug[:17].removesuffix("-") + "-" + ending


def _find(call: Call, project: Record) -> Record:
    wanted = call.number("environment_id")
    for environment in project["environments"]:
        if environment["id"] == wanted:
            found: Record = environment
            return found
    raise record_not_found()


def _refuse_rename(call: Call) -> None:
    if "slug" in call.given:
        raise bad_parameters("slug is automatically generated and cannot be changed")


_SETTINGS = (
    Param("external_url"),
    Param("tier", choices=TIERS),
    Param("description"),
    Param("kubernetes_namespace"),
    Param("flux_resource_path"),
    Param("auto_stop_setting", choices=("always", "with_action")),
)


@routes("GET", "/projects/:id/environments")
def listing(call: Call) -> Answer:
    """Filters: `name` (exact), `search` (3 characters or more), `states`."""
    project = call.project(REPORTER)
    given = call.declared(Param("name"), Param("search"), Param("states", choices=("available", "stopping", "stopped")))
    name, search, state = given.get("name"), given.get("search"), given.get("states")
    if name and search:
        raise bad_parameters("name, search cannot be used together")
    if search and len(search) < SEARCH_MIN:
        raise bad_request(f"Search query is less than {SEARCH_MIN} characters")
    return call.page(
        environment
        for environment in project["environments"]
        if name in (None, environment["name"])
        and (search or "").lower() in environment["name"].lower()
        and state in (None, environment["state"])
    )


@routes("GET", "/projects/:id/environments/:environment_id")
def single(call: Call) -> Answer:
    """One; `last_deployment` stays null since the stand-in runs no deployments."""
    return Answer(200, _find(call, call.project(REPORTER)) | {"last_deployment": None})


@routes("POST", "/projects/:id/environments")
def create(call: Call) -> Answer:
    """Creates one, available from the start."""
    project = call.project(DEVELOPER)
    _refuse_rename(call)
    given = call.declared(Param("name", required=True), *_SETTINGS)
    name = given["name"] or ""
    mistakes = ["can't be blank"] if not name else []
    if len(name) > NAME_MAX:
        mistakes.append(f"is too long (maximum is {NAME_MAX} characters)")
    if not NAME.fullmatch(name):
        mistakes.append(NAME_MESSAGE)
    if any(environment["name"] == name for environment in project["environments"]):
        mistakes.append("has already been taken")
    if mistakes:
        raise invalid_record({"name": mistakes})
    moment = clock.now()
    environment: Record = {
        "external_url": None, "description": None, "kubernetes_namespace": None, "flux_resource_path": None,
        "auto_stop_at": None, "auto_stop_setting": "always", "cluster_agent": None,
        **given,
        "id": call.store.next_id("environment"), "slug": slug_of(name), "state": "available",
        "tier": given.get("tier") or guess_tier(name), "created_at": moment, "updated_at": moment,
    }  # fmt: skip
    project["environments"].append(environment)
    return Answer(201, environment)


@routes("PUT", "/projects/:id/environments/:environment_id")
def update(call: Call) -> Answer:
    """Changes settings; the name stays (docs: `name` was removed from this endpoint in GitLab 16.0)."""
    environment = _find(call, call.project(DEVELOPER))
    _refuse_rename(call)
    environment.update(call.declared(*_SETTINGS), updated_at=clock.now())
    return Answer(200, environment)


@routes("POST", "/projects/:id/environments/:environment_id/stop")
def stop(call: Call) -> Answer:
    """Stops one, without a stop job."""
    environment = _find(call, call.project(DEVELOPER))
    environment.update(state="stopped", updated_at=clock.now())
    return Answer(200, environment)


@routes("DELETE", "/projects/:id/environments/:environment_id")
def delete(call: Call) -> Answer:
    """Docs: "The environment must be stopped first, otherwise the request returns 403"."""
    project = call.project(DEVELOPER)
    environment = _find(call, project)
    if environment["state"] != "stopped":
        raise forbidden()
    project["environments"].remove(environment)
    return NO_CONTENT
