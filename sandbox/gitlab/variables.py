"""Project CI/CD variables (docs.gitlab.com/api/project_level_variables; lib/api/ci/variables.rb)."""

import re

from sandbox.gitlab.access import MAINTAINER
from sandbox.gitlab.errors import conflict, invalid_record, not_found
from sandbox.gitlab.params import Param
from sandbox.gitlab.routing import NO_CONTENT, Answer, Call, Routes
from sandbox.gitlab.store import Record

routes = Routes()

# app/models/concerns/ci/maskable.rb: REGEX for expanded values, MASK_AND_RAW_REGEX for raw ones.
# ASCII, since Ruby's \S only knows ASCII blanks.
MASKABLE_EXPANDED = re.compile(r"[a-zA-Z0-9_+=/@:.~-]{8,}")
MASKABLE_RAW = re.compile(r"\S{8,}", re.ASCII)
# app/models/concerns/ci/has_variable.rb: characters and length of a key.
KEY = re.compile(r"[a-zA-Z0-9_]+")
KEY_MAX = 255
# app/models/ci/variable.rb: `validates :description, length: { maximum: 255 }`.
DESCRIPTION_MAX = 255
# lib/gitlab/regex.rb: environment_scope_regex and its message.
SCOPE = re.compile(r"[a-zA-Z0-9_/${}. *-]+")
SCOPE_MESSAGE = "can contain only letters, digits, '-', '_', '/', '$', '{', '}', '.', '*' and spaces"
# docs.gitlab.com/ci/variables: "Projects can have a maximum of 8000 CI/CD variables."
# A value has no limit there ("Value: No limitations"); the 10,000 characters are for instance variables only
# (app/models/ci/instance_variable.rb).
COUNT_MAX = 8000
TYPES = ("env_var", "file")

ATTRIBUTES = (
    Param("value"),
    Param("protected", "boolean"),
    Param("masked", "boolean"),
    Param("raw", "boolean"),
    Param("variable_type", choices=TYPES),
    Param("environment_scope"),
    Param("description"),
)


def present(variable: Record) -> Record:
    """As the API shows it; the value of a hidden variable is null (spec/requests/api/ci/variables_spec.rb)."""
    shown = {key: value for key, value in variable.items() if key != "id"}
    return shown | {"value": None} if variable["hidden"] else shown


def key_mistakes(key: str) -> list[str]:
    """What has_variable.rb finds wrong with a key."""
    mistakes = ["can't be blank"] if not key else []
    if len(key) > KEY_MAX:
        mistakes.append(f"is too long (maximum is {KEY_MAX} characters)")
    if not KEY.fullmatch(key):
        mistakes.append("can contain only letters, digits and '_'.")
    return mistakes


def mistakes_in(variable: Record, others: list[Record]) -> dict[str, list[str]]:
    """What the model refuses; `others` are the project's other variables."""
    found: dict[str, list[str]] = {}

    def add(attribute: str, *messages: str) -> None:
        if messages:
            found.setdefault(attribute, []).extend(messages)

    add("key", *key_mistakes(variable["key"]))
    for flag in ("protected", "masked", "raw"):
        if variable[flag] is None:
            add(flag, "is not included in the list")
    if variable["masked"]:
        maskable = MASKABLE_RAW if variable["raw"] else MASKABLE_EXPANDED
        if not maskable.fullmatch(variable["value"] or ""):
            add("value", "is invalid")
    if not variable["environment_scope"]:
        add("environment_scope", "can't be blank")
    if not SCOPE.fullmatch(variable["environment_scope"]):
        add("environment_scope", SCOPE_MESSAGE)
    if len(variable["description"] or "") > DESCRIPTION_MAX:
        add("description", f"is too long (maximum is {DESCRIPTION_MAX} characters)")
    same = (variable["key"], variable["environment_scope"])
    if any((other["key"], other["environment_scope"]) == same for other in others):
        # app/models/ci/variable.rb: uniqueness of the key within project and environment scope.
        add("key", f"({variable['key']}) has already been taken")
    return found


def _find(call: Call, project: Record) -> Record:
    """`find_variable` in lib/api/helpers/variables_helpers.rb: several scopes need a filter."""
    scope = (call.given.get("filter") or {}).get("environment_scope")
    matching: list[Record] = [
        variable
        for variable in project["variables"]
        if variable["key"] == call.path["key"] and (not scope or variable["environment_scope"] == scope)
    ]
    if len(matching) > 1:
        raise conflict("There are multiple variables with provided parameters. Please use 'filter[environment_scope]'")
    if not matching:
        raise not_found("Variable")
    return matching[0]


@routes("GET", "/projects/:id/variables")
def listing(call: Call) -> Answer:
    """Maintainers and above: `authorize! :admin_cicd_variables`."""
    return call.page(map(present, call.project(MAINTAINER)["variables"]))


@routes("GET", "/projects/:id/variables/:key")
def single(call: Call) -> Answer:
    """One variable."""
    return Answer(200, present(_find(call, call.project(MAINTAINER))))


@routes("POST", "/projects/:id/variables")
def create(call: Call) -> Answer:
    """Creates one. `masked_and_hidden` sets both (app/services/ci/change_variable_service.rb)."""
    project = call.project(MAINTAINER)
    required = (Param("key", required=True), Param("value", required=True), Param("masked_and_hidden", "boolean"))
    given = call.declared(*required, *ATTRIBUTES[1:])
    hidden = bool(given.pop("masked_and_hidden", False))
    variable: Record = {
        "variable_type": "env_var", "protected": False, "masked": False, "raw": False,
        "environment_scope": "*", "description": None,
    } | given  # fmt: skip
    variable["key"] = (given["key"] or "").strip()
    variable["environment_scope"] = (variable["environment_scope"] or "").strip()
    variable["hidden"] = hidden
    variable["masked"] = variable["masked"] or hidden
    mistakes = mistakes_in(variable, project["variables"])
    if len(project["variables"]) >= COUNT_MAX:
        mistakes["base"] = [f"Maximum number of project ci variables ({COUNT_MAX}) exceeded"]
    if mistakes:
        raise invalid_record(mistakes)
    variable["id"] = call.store.next_id("variable")
    project["variables"].append(variable)
    return Answer(201, present(variable))


@routes("PUT", "/projects/:id/variables/:key")
def update(call: Call) -> Answer:
    """Changes one. The key stays: the endpoint ignores it; so it does `masked_and_hidden`, which it doesn't declare."""
    project = call.project(MAINTAINER)
    variable = _find(call, project)
    changed = variable | call.declared(*ATTRIBUTES)
    changed["environment_scope"] = (changed["environment_scope"] or "").strip()
    mistakes = mistakes_in(changed, [other for other in project["variables"] if other is not variable])
    if variable["hidden"] and changed["masked"] != variable["masked"]:
        # app/models/concerns/ci/hidable_variable.rb.
        mistakes["base"] = ["The visibility setting cannot be changed for masked and hidden variables."]
    if mistakes:
        raise invalid_record(mistakes)
    variable.update(changed)
    return Answer(200, present(variable))


@routes("DELETE", "/projects/:id/variables/:key")
def delete(call: Call) -> Answer:
    """Deletes one."""
    project = call.project(MAINTAINER)
    project["variables"].remove(_find(call, project))
    return NO_CONTENT
