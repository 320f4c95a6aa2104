"""The `gitlab` provider's double: the engine's calls, answered from the table in `resources`."""

import os
import time
from typing import TYPE_CHECKING

from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import provider_pb2

from sandbox.plugins.gitlab.resources import ACCESS_LEVELS, RESOURCES, Field, ResourceType
from sandbox.plugins.lifecycle import Rpc
from sandbox.plugins.properties import UNKNOWN, Json, Properties, Secret, from_struct, has_secret, plain, to_struct
from sandbox.plugins.provider_base import ProviderDouble, ProviderError, reported, serve_provider

if TYPE_CHECKING:
    from sandbox.plugins.gitlab.api import Api

_STOP_SECONDS = 60
_MASKING_RULES = "https://docs.gitlab.com/ci/variables/#mask-a-cicd-variable"
Values = dict[str, Json]


class GitlabProvider(ProviderDouble):
    """One configured provider: one GitLab, one token."""

    package = "pulumi-gitlab"

    def __init__(self) -> None:
        super().__init__()
        self._api: Api | None = None

    @reported
    def DiffConfig(self, request: provider_pb2.DiffRequest, context: Rpc) -> provider_pb2.DiffResponse:
        old, new = plain(from_struct(request.olds)), plain(from_struct(request.news))
        changed = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key) and key != "version")
        some = provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=some, diffs=changed)

    @reported
    def Configure(self, request: provider_pb2.ConfigureRequest, context: Rpc) -> provider_pb2.ConfigureResponse:
        def setting(key: str, variable: str = "", default: str = "") -> str:
            given = request.variables.get(f"gitlab:config:{key}", "")
            return given or (os.environ.get(variable, "") if variable else "") or default

        token = setting("token", "GITLAB_TOKEN")
        if not token:
            raise ProviderError(
                "No token configured, either use the `token` provider argument or set it as `GITLAB_TOKEN` "
                "environment variable"
            )
        from sandbox.plugins.gitlab.api import Api  # noqa: PLC0415  # costs 0.3 s: only once it is needed

        verify: bool | str = setting("insecure") != "true" and (setting("cacertFile") or True)
        self._api = Api(setting("baseUrl", "GITLAB_BASE_URL", "https://gitlab.com/api/v4/"), token, verify=verify)
        if setting("earlyAuthCheck") != "false":
            self._api.call("get", "/user")
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, supports_autonaming_configuration=True
        )

    @reported
    def Check(self, request: provider_pb2.CheckRequest, context: Rpc) -> provider_pb2.CheckResponse:
        type_ = _type(request.urn)
        inputs = {key: value for key, value in from_struct(request.news).items() if value is not None}
        failures = []
        for key, value in inputs.items():
            known = type_.fields.get(key)
            if known is None:
                failures.append((key, f"the gitlab provider's double does not know {key!r}: see plugins/gitlab"))
                continue
            allowed = tuple(ACCESS_LEVELS) if known.level else known.allowed
            if allowed and plain(value) is not UNKNOWN and plain(value) not in allowed:
                failures.append((key, f"expected {key} to be one of {list(allowed)}, got {value!r}"))
        for key, known in type_.fields.items():
            if key not in inputs and known.default is not None:
                inputs[key] = known.default
        return provider_pb2.CheckResponse(
            inputs=to_struct(inputs),
            failures=[provider_pb2.CheckFailure(property=key, reason=reason) for key, reason in failures],
        )

    @reported
    def Diff(self, request: provider_pb2.DiffRequest, context: Rpc) -> provider_pb2.DiffResponse:
        type_, new, old = _type(request.urn), plain(from_struct(request.news)), plain(from_struct(request.olds))
        old_inputs, ignored = plain(from_struct(request.old_inputs)), set(request.ignoreChanges)
        kinds, found = provider_pb2.PropertyDiff.Kind, {}
        for key, known in type_.fields.items():
            # what neither run says is GitLab's own: no difference
            if key in ignored or (key not in new and key not in old_inputs) or old.get(key) == new.get(key):
                continue
            if _empty(old.get(key)) and _empty(new.get(key)):
                continue
            kind = "DELETE" if key not in new else "ADD" if _empty(old.get(key)) else "UPDATE"
            found[key] = kinds.Value(f"{kind}_REPLACE" if known.immutable else kind)
        replaces = [key for key in found if type_.fields[key].immutable]
        same_name = bool(replaces) and all(old.get(key) == new.get(key) for key in type_.identity if key[0] != "#")
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if found else provider_pb2.DiffResponse.DIFF_NONE,
            replaces=replaces,
            deleteBeforeReplace=same_name,  # GitLab holds one of a name
            detailedDiff={key: provider_pb2.PropertyDiff(kind=kind) for key, kind in found.items()},
            hasDetailedDiff=True,
        )

    @reported
    def Create(self, request: provider_pb2.CreateRequest, context: Rpc) -> provider_pb2.CreateResponse:
        type_, given = _type(request.urn), from_struct(request.properties)
        if request.preview:
            planned = given | dict.fromkeys(type_.computed, UNKNOWN)
            return provider_pb2.CreateResponse(properties=to_struct(planned))
        inputs = plain(given)
        answer = self._create(type_, inputs)
        state = _state(type_, given, inputs, answer)
        return provider_pb2.CreateResponse(id=_identity(type_, inputs, answer), properties=to_struct(state))

    def _create(self, type_: ResourceType, inputs: Values) -> Values:
        from sandbox.plugins.gitlab.api import Refused, path  # noqa: PLC0415  # loaded by Configure

        body = _body(type_, inputs)
        collection = path(type_.collection, inputs)
        try:
            return dict(self._call("post", collection, inputs, body))
        except Refused as error:
            if error.code != 409 or not self._is_default_branch(inputs):
                raise
        # GitLab protects a project's default branch by itself: that protection is taken over
        self._call("delete", path(type_.item, inputs), inputs)
        return dict(self._call("post", collection, inputs, body))

    def _is_default_branch(self, inputs: Values) -> bool:
        from sandbox.plugins.gitlab.api import path  # noqa: PLC0415

        if "branch" not in inputs:
            return False
        project = self._call("get", path("/projects/{project}", inputs), inputs)
        return bool(project.get("default_branch") == inputs["branch"])

    @reported
    def Update(self, request: provider_pb2.UpdateRequest, context: Rpc) -> provider_pb2.UpdateResponse:
        from sandbox.plugins.gitlab.api import path  # noqa: PLC0415

        type_, given, old = _type(request.urn), from_struct(request.news), from_struct(request.olds)
        if request.preview:
            kept = {key: value for key, value in old.items() if key in type_.computed}
            return provider_pb2.UpdateResponse(properties=to_struct(kept | given))
        inputs, place = plain(given), _place(type_, request.id, plain(old))
        removed = [key for key in plain(from_struct(request.old_inputs)) if key not in inputs]
        if inputs.get("takeOwnership"):
            self._call("post", path(type_.item, place) + "/take_ownership", inputs)
        body = _body(type_, inputs, updating=True)
        body |= {type_.fields[key].api: "" for key in removed if key in type_.fields and type_.fields[key].api}
        if "deploy_access_levels" in body:
            self._retire_levels(type_, place, inputs, body)
        answer = self._call(type_.update.lower(), path(type_.item, place), inputs, body, **_filters(type_, place))
        state = _state(type_, given, inputs, answer, old)
        return provider_pb2.UpdateResponse(properties=to_struct(state))

    def _retire_levels(self, type_: ResourceType, place: Values, inputs: Values, body: Values) -> None:
        """The API adds the levels that it is given: the ones that are there must be named to go."""
        from sandbox.plugins.gitlab.api import path  # noqa: PLC0415

        live = self._call("get", path(type_.item, place), inputs)
        for key in ("deploy_access_levels", "approval_rules"):
            gone = [{"id": each["id"], "_destroy": True} for each in live.get(key) or []]
            if gone or key in body:
                body[key] = gone + (body.get(key) or [])

    @reported
    def Delete(self, request: provider_pb2.DeleteRequest, context: Rpc) -> empty_pb2.Empty:
        from sandbox.plugins.gitlab.api import Refused, path  # noqa: PLC0415

        type_, old = _type(request.urn), plain(from_struct(request.properties))
        place = _place(type_, request.id, old)
        try:
            if old.get("stopBeforeDestroy"):
                self._stop(path(type_.item, place), old)
            self._call("delete", path(type_.item, place), old, **_filters(type_, place))
        except Refused as error:
            if error.code != 404:
                raise
        return empty_pb2.Empty()

    def _stop(self, item: str, old: Values) -> None:
        """GitLab deletes only an environment that has stopped."""
        self._call("post", f"{item}/stop", old, {"force": old.get("autoStopSetting") == "with_action"})
        deadline = time.monotonic() + _STOP_SECONDS
        while self._call("get", item, old).get("state") != "stopped":
            if time.monotonic() > deadline or self.cancelled.wait(0.5):
                raise ProviderError(f"the environment {old.get('name')} did not stop within {_STOP_SECONDS} s")

    @reported
    def Read(self, request: provider_pb2.ReadRequest, context: Rpc) -> provider_pb2.ReadResponse:
        from sandbox.plugins.gitlab.api import Refused  # noqa: PLC0415

        type_, old, given = _type(request.urn), from_struct(request.properties), from_struct(request.inputs)
        place = _place(type_, request.id, plain(old))
        try:
            answer = self._read(type_, place)
        except Refused as error:
            if error.code != 404:
                raise
            answer = None
        if answer is None:
            return provider_pb2.ReadResponse()
        state = _state(type_, given or old, {**plain(old), **place}, answer, old)
        wanted = given or {key: value for key, value in state.items() if key in type_.fields}
        inputs = {key: state.get(key, value) for key, value in wanted.items()}
        return provider_pb2.ReadResponse(id=request.id, properties=to_struct(state), inputs=to_struct(inputs))

    def _read(self, type_: ResourceType, place: Values) -> Values | None:
        from sandbox.plugins.gitlab.api import path  # noqa: PLC0415

        container, key = type_.listed_in
        if not container:
            found: Values = self._call("get", path(type_.item, place), place, **_filters(type_, place))
            return found
        listed = self._call("get", path(container, place), place).get(key) or []
        return next((each for each in listed if each["key"] == place["key"]), None)

    def _call(self, verb: str, where: str, inputs: Values, body: Values | None = None, **query: Json) -> Json:
        if self._api is None:
            raise ProviderError("the gitlab provider is not configured")
        from sandbox.plugins.gitlab.api import Refused  # noqa: PLC0415

        try:
            return self._api.call(verb, where, body, **query)
        except Refused as error:
            if error.code == 400 and inputs.get("masked") and "value" in str(error) and "invalid" in str(error):
                message = (
                    f"Invalid value for a masked variable. Check the masked variable requirements: {_MASKING_RULES}"
                )
                raise Refused(400, f"{message} ({error})") from None
            raise


def _type(urn: str) -> ResourceType:
    token = urn.split("::")[2].rpartition("$")[2]
    if token not in RESOURCES:
        raise ProviderError(f"the gitlab provider's double has no {token}: it knows {', '.join(sorted(RESOURCES))}")
    return RESOURCES[token]


def _empty(value: object) -> bool:
    return value is None or value in ("", [], {})


def _body(type_: ResourceType, inputs: Values, *, updating: bool = False) -> Values:
    body = {}
    for key, value in inputs.items():
        known = type_.fields[key]
        if not known.api or (updating and known.immutable and key not in {"key", "environmentScope"}):
            continue
        body[known.api] = ACCESS_LEVELS[value] if known.level else _to_api(value)
    if updating and "environment_scope" in body:
        body.pop("key")  # it is in the path
    return body


def _to_api(value: Json) -> Json:
    """Lists of blocks: their keys as the API spells them, their access levels as numbers."""
    if isinstance(value, list):
        return [_to_api(each) for each in value]
    if isinstance(value, dict):
        named = {_snake(key): inner for key, inner in value.items() if not _empty(inner)}
        level = named.get("access_level")
        return named | ({"access_level": ACCESS_LEVELS[level]} if isinstance(level, str) else {})
    return value


def _snake(key: str) -> str:
    return "".join(f"_{each.lower()}" if each.isupper() else each for each in key)


def _identity(type_: ResourceType, inputs: Values, answer: Values) -> str:
    return ":".join(str(answer["id"] if part == "#id" else inputs[part]) for part in type_.identity)


def _place(type_: ResourceType, identity: str, state: Values) -> Values:
    """The properties that a path needs, from the id: all that an import has."""
    parts = dict(zip(type_.identity, identity.split(":"), strict=False))
    if type_.identity[-1] == "environmentScope":  # a scope may hold a colon
        parts = dict(zip(type_.identity, identity.split(":", len(type_.identity) - 1), strict=False))
    return {key: state.get(key, value) if key != "#id" else value for key, value in parts.items()}


def _filters(type_: ResourceType, place: Values) -> Values:
    return {name: place[key] for name, key in type_.filters.items()}


def _state(
    type_: ResourceType, given: Properties, inputs: Values, answer: Values, old: Properties | None = None
) -> Properties:
    """What the engine keeps: what was asked, as GitLab holds it now, and what only GitLab knows."""
    state: Properties = {}
    for key, known in type_.fields.items():
        value = _from_api(known, answer, inputs.get(key))
        if value is not None:
            state[key] = Secret(value) if has_secret(given.get(key)) else value
    for key, name in type_.computed.items():
        value = answer.get(name)
        if value is None and old is not None:
            value = plain(old.get(key))  # a token is shown once
        if name == "owner" and isinstance(value, dict):
            value = value.get("id")
        if value is not None:
            state[key] = Secret(value) if key in type_.secret else value
    return state


def _from_api(known: Field, answer: Values, asked: Json) -> Json:
    name = known.reads_as or known.api
    if not name or name not in answer or isinstance(asked, list):
        return asked
    value = answer[name]
    if known.level:
        numbers = [each.get("access_level") for each in value or []]
        return next((word for word, number in ACCESS_LEVELS.items() if numbers and number == numbers[0]), asked)
    if name == "value" and value is None:
        return asked  # hidden: GitLab never shows it again
    return value


def main() -> None:
    """Serves the engine."""
    serve_provider(GitlabProvider())
