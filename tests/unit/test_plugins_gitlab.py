"""The gitlab double against the GitLab stand-in: ids, replacements, refusals in one line, no secret in any of them."""

import json
import re

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2

from sandbox.gitlab.server import StandIn
from sandbox.plugins.gitlab.provider import GitlabProvider
from sandbox.plugins.gitlab.resources import RESOURCES
from sandbox.plugins.properties import UNKNOWN, Secret, from_struct, to_struct

VARIABLE = {"project": "demo/app", "key": "API_KEY", "value": Secret("correct-horse"), "masked": True, "raw": True}


class Aborted(Exception):
    """What gRPC does with a refusal."""


class Context:
    def abort(self, code, message):
        assert code is grpc.StatusCode.UNKNOWN
        raise Aborted(message)


@pytest.fixture
def gitlab(tmp_path):
    with StandIn(tmp_path) as running:
        yield running


def configured(stand_in, **settings):
    provider = GitlabProvider()
    given = {"baseUrl": f"{stand_in.url}/api/v4/", "token": stand_in.admin_token} | settings
    variables = {f"gitlab:config:{key}": value for key, value in given.items()}
    provider.Configure(provider_pb2.ConfigureRequest(variables=variables), Context())
    return provider


def urn(kind):
    token = next(each for each in RESOURCES if each.endswith(f":{kind}"))
    return f"urn:pulumi:s::p::slipway:index:GitLabProject${token}::name"


def checked(provider, kind, inputs):
    return provider.Check(provider_pb2.CheckRequest(urn=urn(kind), news=to_struct(inputs)), Context())


def created(provider, kind, inputs, *, preview=False):
    given = checked(provider, kind, inputs)
    assert not given.failures
    request = provider_pb2.CreateRequest(urn=urn(kind), properties=given.inputs, preview=preview)
    answer = provider.Create(request, Context())
    return answer.id, from_struct(answer.properties)


def compared(provider, kind, state, old, new):
    old_inputs, news = checked(provider, kind, old).inputs, checked(provider, kind, new).inputs
    request = provider_pb2.DiffRequest(urn=urn(kind), olds=to_struct(state), old_inputs=old_inputs, news=news)
    return provider.Diff(request, Context())


def updated(provider, kind, identity, state, new):
    request = provider_pb2.UpdateRequest(
        urn=urn(kind), id=identity, olds=to_struct(state), news=checked(provider, kind, new).inputs
    )
    return from_struct(provider.Update(request, Context()).properties)


def read(provider, kind, identity, state=None, inputs=None):
    request = provider_pb2.ReadRequest(
        urn=urn(kind), id=identity, properties=to_struct(state or {}), inputs=to_struct(inputs or {})
    )
    return provider.Read(request, Context())


def deleted(provider, kind, identity, state):
    request = provider_pb2.DeleteRequest(urn=urn(kind), id=identity, properties=to_struct(state))
    provider.Delete(request, Context())


CASES = [
    ("ProjectVariable", VARIABLE, r"demo/app:API_KEY:\*", {"protected": True}),
    ("BranchProtection", {"project": "demo/app", "branch": "develop"}, "demo/app:develop", {"allowForcePush": True}),
    ("BranchProtection", {"project": "1", "branch": "release/*"}, r"1:release/\*", {"allowForcePush": True}),
    ("TagProtection", {"project": "1", "tag": "v*"}, r"1:v\*", None),
    ("ProjectEnvironment", {"project": "1", "name": "staging", "stopBeforeDestroy": True}, r"1:\d+",
     {"externalUrl": "https://x.example"}),
    ("PipelineSchedule", {"project": "1", "description": "d", "ref": "refs/heads/main", "cron": "0 1 * * *"}, r"1:\d+",
     {"cron": "0 2 * * *"}),
    ("ProjectDeployToken", {"project": "1", "name": "t", "scopes": ["read_registry"]}, r"1:\d+", None),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "inputs", "identity", "change"), CASES)
def test_a_resource_is_created_changed_in_place_read_back_and_deleted(gitlab, kind, inputs, identity, change):
    provider = configured(gitlab)
    made, state = created(provider, kind, inputs)
    assert re.fullmatch(identity, made)
    assert compared(provider, kind, state, inputs, inputs).changes == provider_pb2.DiffResponse.DIFF_NONE
    if change:
        diff = compared(provider, kind, state, inputs, inputs | change)
        assert (list(diff.detailedDiff), list(diff.replaces)) == (list(change), [])
        state = updated(provider, kind, made, state, inputs | change)
        assert state | change == state
    live = from_struct(read(provider, kind, made, state, inputs).properties)
    assert live | (change or {}) == live
    deleted(provider, kind, made, state)
    assert read(provider, kind, made, state, inputs).id == ""
    deleted(provider, kind, made, state)  # gone already: fine


@pytest.mark.parametrize(
    ("kind", "inputs", "change"),
    [
        ("ProjectVariable", VARIABLE, {"key": "OTHER"}),
        ("ProjectVariable", VARIABLE, {"environmentScope": "staging"}),
        ("ProjectVariable", VARIABLE, {"project": "1"}),
        ("BranchProtection", {"project": "1", "branch": "develop"}, {"branch": "x"}),
        ("TagProtection", {"project": "1", "tag": "v*"}, {"createAccessLevel": "developer"}),
        ("ProjectEnvironment", {"project": "1", "name": "a"}, {"name": "b"}),
        ("ProjectDeployToken", {"project": "1", "name": "t", "scopes": ["read_registry"]}, {"name": "u"}),
    ],
)
def test_what_gitlab_cannot_change_is_replaced(gitlab, kind, inputs, change):
    provider = configured(gitlab)
    _, state = created(provider, kind, inputs)
    diff = compared(provider, kind, state, inputs, inputs | change)
    assert list(diff.replaces) == list(change)


def test_a_variable_of_a_schedule_is_found_in_its_schedule(gitlab):
    provider = configured(gitlab)
    schedule = {"project": "1", "description": "d", "ref": "refs/heads/main", "cron": "0 1 * * *"}
    _, made = created(provider, "PipelineSchedule", schedule)
    inputs = {"project": "1", "pipelineScheduleId": made["pipelineScheduleId"], "key": "K", "value": "v"}
    identity, state = created(provider, "PipelineScheduleVariable", inputs)
    assert identity == f"1:{made['pipelineScheduleId']}:K"
    state = updated(provider, "PipelineScheduleVariable", identity, state, inputs | {"value": "w"})
    assert from_struct(read(provider, "PipelineScheduleVariable", identity, state).properties)["value"] == "w"
    deleted(provider, "PipelineScheduleVariable", identity, state)
    assert read(provider, "PipelineScheduleVariable", identity, state).id == ""


def test_the_default_branch_that_gitlab_protects_by_itself_is_taken_over(gitlab):
    provider = configured(gitlab)
    identity, _ = created(provider, "BranchProtection", {"project": "1", "branch": "main", "allowForcePush": True})
    assert from_struct(read(provider, "BranchProtection", identity).properties)["allowForcePush"] is True


def test_another_branch_that_is_protected_already_is_refused_in_one_line(gitlab):
    provider = configured(gitlab)
    created(provider, "BranchProtection", {"project": "1", "branch": "develop"})
    with pytest.raises(Aborted, match=r"^POST .*: 409 \{message: Protected branch 'develop' already exists\}$"):
        created(provider, "BranchProtection", {"project": "1", "branch": "develop"})


def test_a_preview_writes_nothing_and_knows_what_only_gitlab_will_say(gitlab):
    provider = configured(gitlab)
    identity, state = created(provider, "ProjectEnvironment", {"project": "1", "name": "a"}, preview=True)
    assert (identity, state["slug"], state["name"]) == ("", UNKNOWN, "a")
    assert read(provider, "ProjectEnvironment", "1:1").id == ""


def test_a_secret_stays_one_in_the_state_and_is_in_no_refusal(gitlab):
    provider = configured(gitlab)
    identity, state = created(provider, "ProjectVariable", VARIABLE)
    assert state["value"] == Secret("correct-horse")
    bad = VARIABLE | {"value": Secret("wrong horse with blanks")}
    with pytest.raises(Aborted) as refused:
        updated(provider, "ProjectVariable", identity, state, bad)
    message = str(refused.value)
    assert message.startswith("Invalid value for a masked variable.")
    assert "horse" not in message
    assert "\n" not in message
    _, token = created(provider, "ProjectDeployToken", {"project": "1", "name": "t", "scopes": ["read_registry"]})
    assert isinstance(token["token"], Secret)


def test_a_deploy_token_is_kept_though_gitlab_shows_it_once(gitlab):
    provider = configured(gitlab)
    identity, state = created(
        provider, "ProjectDeployToken", {"project": "1", "name": "t", "scopes": ["read_registry"]}
    )
    assert from_struct(read(provider, "ProjectDeployToken", identity, state).properties)["token"] == state["token"]


def test_drift_in_gitlab_is_a_difference_after_a_refresh(gitlab):
    provider = configured(gitlab)
    identity, state = created(provider, "ProjectVariable", VARIABLE)
    updated(provider, "ProjectVariable", identity, state, VARIABLE | {"protected": True})
    seen = from_struct(read(provider, "ProjectVariable", identity, state, VARIABLE).properties)
    assert list(compared(provider, "ProjectVariable", seen, VARIABLE, VARIABLE).detailedDiff) == ["protected"]


def test_a_wrong_word_and_an_unknown_property_are_named_before_anything_is_sent(gitlab):
    provider = configured(gitlab)
    failures = checked(provider, "TagProtection", {"project": "1", "tag": "v", "createAccessLevel": "boss"}).failures
    assert [each.property for each in failures] == ["createAccessLevel"]
    assert "maintainer" in failures[0].reason
    failures = checked(provider, "TagProtection", {"project": "1", "tag": "v", "oops": 1}).failures
    assert [each.property for each in failures] == ["oops"]


def test_without_a_token_or_with_a_wrong_one_configuring_is_refused(gitlab, monkeypatch):
    monkeypatch.delenv("GITLAB_TOKEN", raising=False)
    with pytest.raises(Aborted, match="No token configured"):
        configured(gitlab, token="")
    with pytest.raises(Aborted, match="401"):
        configured(gitlab, token="wrong")


def test_the_token_is_in_no_message(gitlab):
    with pytest.raises(Aborted) as refused:
        configured(gitlab, token="glpat-very-secret")
    assert "very-secret" not in json.dumps(str(refused.value))
