"""Pipeline schedules and their variables (docs.gitlab.com/api/pipeline_schedules; lib/api/ci/pipeline_schedules.rb)."""

import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sandbox.gitlab import clock
from sandbox.gitlab.access import DEVELOPER, MAINTAINER, REPORTER
from sandbox.gitlab.cron import next_run
from sandbox.gitlab.errors import forbidden, invalid_record, not_found
from sandbox.gitlab.params import Param
from sandbox.gitlab.people import brief
from sandbox.gitlab.routing import NO_CONTENT, Answer, Call, Routes
from sandbox.gitlab.store import Record
from sandbox.gitlab.tokens import find_user
from sandbox.gitlab.variables import TYPES, key_mistakes

routes = Routes()

# app/validators/cron_validator.rb and cron_timezone_validator.rb; the blank is GitLab's.
_WRONG_SYNTAX = " is invalid syntax"


def _owned(call: Call, schedule: Record) -> bool:
    return bool(schedule["owner_id"] == call.user["id"])


def present(call: Call, schedule: Record, *, details: bool) -> Record:
    """Lists leave out the variables; others than owner and Maintainers don't see them in details either."""
    shown = {key: value for key, value in schedule.items() if key not in ("owner_id", "variables")}
    shown["owner"] = brief(find_user(call.store, schedule["owner_id"]))
    if not details:
        return shown
    readable = _owned(call, schedule) or call.level >= MAINTAINER
    return shown | {"last_pipeline": None} | ({"variables": schedule["variables"]} if readable else {})


def _find(call: Call, level: int) -> Record:
    project, wanted = call.project(level), call.number("schedule")
    for schedule in project["pipeline_schedules"]:
        if schedule["id"] == wanted:
            found: Record = schedule
            return found
    raise not_found("Pipeline Schedule")


def _to_change(call: Call) -> Record:
    """Only the owner or an administrator changes one (app/policies/ci/pipeline_schedule_policy.rb)."""
    schedule = _find(call, DEVELOPER)
    if not (_owned(call, schedule) or call.user["is_admin"]):
        raise forbidden()
    return schedule


def _to_administer(call: Call) -> Record:
    """The owner or a Maintainer deletes one or takes it over."""
    schedule = _find(call, DEVELOPER)
    if not (_owned(call, schedule) or call.level >= MAINTAINER):
        raise forbidden()
    return schedule


def _full_ref(project: Record, ref: str) -> str:
    """`main` becomes `refs/heads/main` unless it may also be a tag or is unknown (expand_short_ref)."""
    if ref.startswith("refs/"):
        return ref
    kinds = [
        prefix
        for prefix, kind in (("refs/heads/", "branches"), ("refs/tags/", "tags"))
        if any(item["name"] == ref for item in project[kind])
    ]
    return kinds[0] + ref if len(kinds) == 1 else ref


def _completed(call: Call, schedule: Record) -> Record:
    """Checked as in app/models/ci/pipeline_schedule.rb, with full ref and next run."""
    mistakes: dict[str, list[str]] = {}
    for attribute in ("description", "ref", "cron", "cron_timezone"):
        if not schedule[attribute]:
            mistakes[attribute] = ["can't be blank"]
    zone = ZoneInfo("UTC")
    try:
        # Only names of the IANA database: ActiveSupport's own ("Pacific Time (US & Canada)") are refused here.
        zone = ZoneInfo(schedule["cron_timezone"] or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        mistakes.setdefault("cron_timezone", []).append(_WRONG_SYNTAX)
    due = None
    try:
        due = next_run(schedule["cron"] or "", zone, datetime.datetime.now(datetime.UTC))
    except ValueError:
        mistakes.setdefault("cron", []).append(_WRONG_SYNTAX)
    if mistakes:
        raise invalid_record(mistakes)
    ref = _full_ref(call.project(DEVELOPER), schedule["ref"])
    return schedule | {"ref": ref, "next_run_at": clock.stamp(due) if due else None, "updated_at": clock.now()}


_OPTIONAL = (Param("cron_timezone"), Param("active", "boolean"))
_NAMES = ("description", "ref", "cron")


@routes("GET", "/projects/:id/pipeline_schedules")
def listing(call: Call) -> Answer:
    """All, or those `active` or `inactive`."""
    project = call.project(REPORTER)
    scope = call.declared(Param("scope", choices=("active", "inactive"))).get("scope")
    return call.page(
        present(call, schedule, details=False)
        for schedule in project["pipeline_schedules"]
        if scope is None or schedule["active"] == (scope == "active")
    )


@routes("GET", "/projects/:id/pipeline_schedules/:schedule")
def single(call: Call) -> Answer:
    """One, with its variables."""
    return Answer(200, present(call, _find(call, REPORTER), details=True))


@routes("POST", "/projects/:id/pipeline_schedules")
def create(call: Call) -> Answer:
    """Creates one, owned by the caller."""
    project = call.project(DEVELOPER)
    given = call.declared(*(Param(name, required=True) for name in _NAMES), *_OPTIONAL)
    schedule: Record = {"cron_timezone": "UTC", "active": True, **given, "created_at": clock.now()}
    schedule = _completed(call, schedule)
    schedule |= {"id": call.store.next_id("pipeline_schedule"), "owner_id": call.user["id"], "variables": []}
    project["pipeline_schedules"].append(schedule)
    return Answer(201, present(call, schedule, details=True))


@routes("PUT", "/projects/:id/pipeline_schedules/:schedule")
def update(call: Call) -> Answer:
    """Changes one; it is due anew."""
    schedule = _to_change(call)
    given = call.declared(*(Param(name) for name in _NAMES), *_OPTIONAL)
    schedule.update(_completed(call, schedule | given))
    return Answer(200, present(call, schedule, details=True))


@routes("POST", "/projects/:id/pipeline_schedules/:schedule/take_ownership")
def take_ownership(call: Call) -> Answer:
    """201, or 200 when the caller owns it already."""
    schedule = _to_administer(call)
    status = 200 if _owned(call, schedule) else 201
    schedule["owner_id"] = call.user["id"]
    return Answer(status, present(call, schedule, details=True))


@routes("DELETE", "/projects/:id/pipeline_schedules/:schedule")
def delete(call: Call) -> Answer:
    """Deletes one with its variables."""
    schedule = _to_administer(call)
    call.project(DEVELOPER)["pipeline_schedules"].remove(schedule)
    return NO_CONTENT


def _variable(call: Call, schedule: Record) -> Record:
    for variable in schedule["variables"]:
        if variable["key"] == call.path["key"]:
            found: Record = variable
            return found
    raise not_found("Pipeline Schedule Variable")


_VARIABLE = (Param("variable_type", choices=TYPES), Param("raw", "boolean"))


@routes("POST", "/projects/:id/pipeline_schedules/:schedule/variables")
def create_variable(call: Call) -> Answer:
    """A variable of the schedule: neither masked nor protected."""
    schedule = _to_change(call)
    given = call.declared(Param("key", required=True), Param("value", required=True), *_VARIABLE)
    key = (given["key"] or "").strip()
    mistakes = key_mistakes(key)
    if any(variable["key"] == key for variable in schedule["variables"]):
        mistakes.append("has already been taken")
    if mistakes:
        raise invalid_record({"key": mistakes})
    variable: Record = {"variable_type": "env_var", "raw": False, **given, "key": key}
    schedule["variables"].append(variable)
    return Answer(201, variable)


@routes("GET", "/projects/:id/pipeline_schedules/:schedule/variables/:key")
def single_variable(call: Call) -> Answer:
    """One variable, for the owner and for Maintainers."""
    return Answer(200, _variable(call, _to_administer(call)))


@routes("PUT", "/projects/:id/pipeline_schedules/:schedule/variables/:key")
def update_variable(call: Call) -> Answer:
    """Changes a variable."""
    variable = _variable(call, _to_change(call))
    variable.update(call.declared(Param("value"), *_VARIABLE))
    return Answer(200, variable)


@routes("DELETE", "/projects/:id/pipeline_schedules/:schedule/variables/:key")
def delete_variable(call: Call) -> Answer:
    """Deletes a variable; 202 with the variable, not 204."""
    schedule = _to_administer(call)
    variable = _variable(call, schedule)
    schedule["variables"].remove(variable)
    return Answer(202, variable)
