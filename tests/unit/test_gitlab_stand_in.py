"""The GitLab stand-in, driven by python-gitlab over loopback HTTP."""

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gitlab
import pytest
import requests

from sandbox.gitlab.server import StandIn
from sandbox.gitlab.store import Store

PROJECT = "demo/app"


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[StandIn]:
    with StandIn(tmp_path) as running:
        yield running


@pytest.fixture
def admin(stand_in: StandIn) -> Iterator[gitlab.Gitlab]:
    with gitlab.Gitlab(stand_in.url, private_token=stand_in.admin_token) as client:
        yield client


@pytest.fixture
def project(admin: gitlab.Gitlab) -> Any:
    return admin.projects.get(PROJECT)


def as_(stand_in: StandIn, token: str | None) -> gitlab.Gitlab:
    return gitlab.Gitlab(stand_in.url, private_token=token)


def project_token(project: Any, scopes: list[str], level: int) -> str:
    token: str = project.access_tokens.create({"name": "t", "scopes": scopes, "access_level": level}).token
    return token


def refusal(call: Callable[[], object]) -> tuple[int | None, Any]:
    """Status and message of the refusal that the call must meet."""
    with pytest.raises(gitlab.exceptions.GitlabError) as caught:
        call()
    return caught.value.response_code, caught.value.error_message


# Variables


def test_a_variable_is_created_read_changed_and_deleted(project: Any) -> None:
    project.variables.create({"key": "KUBE_URL", "value": "https://x", "environment_scope": "staging"})
    variable = project.variables.get("KUBE_URL")
    assert variable.attributes == {
        "variable_type": "env_var",
        "key": "KUBE_URL",
        "value": "https://x",
        "protected": False,
        "masked": False,
        "hidden": False,
        "raw": False,
        "environment_scope": "staging",
        "description": None,
        "project_id": "1",
    }  # fmt: skip - python-gitlab adds the project_id
    variable.value = "https://y"
    variable.save()
    assert project.variables.get("KUBE_URL").value == "https://y"
    variable.delete()
    assert refusal(lambda: project.variables.get("KUBE_URL")) == (404, "404 Variable Not Found")


@pytest.mark.parametrize(
    ("value", "raw"),
    [
        ("seven77", False),
        ("with blank", False),
        ("two\nlines", False),
        ("dollar$sign", False),
        ("umlaut-ä-umlaut", False),
        ("short&1", True),
        ("raw with blank", True),
        ("raw\nlines-two", True),
        ("", True),
    ],
)
def test_a_value_that_gitlab_cannot_mask_is_refused(project: Any, value: str, raw: bool) -> None:
    attributes = {"key": "K", "value": value, "masked": True, "raw": raw}
    assert refusal(lambda: project.variables.create(attributes)) == (400, {"value": ["is invalid"]})
    assert project.variables.list() == []


@pytest.mark.parametrize(("value", "raw"), [("aA0_+=/@:.~-", False), ("dollar$sign&{}", True), ("ääääääää", True)])
def test_a_value_that_gitlab_can_mask_is_taken(project: Any, value: str, raw: bool) -> None:
    created = project.variables.create({"key": "K", "value": value, "masked": True, "raw": raw})
    assert (created.masked, created.value) == (True, value)


def test_masking_is_checked_again_when_raw_is_taken_away(project: Any) -> None:
    variable = project.variables.create({"key": "K", "value": "dollar$sign", "masked": True, "raw": True})
    variable.raw = False
    assert refusal(variable.save) == (400, {"value": ["is invalid"]})
    assert project.variables.get("K").raw is True


def test_a_value_is_not_limited_in_length(project: Any) -> None:
    assert len(project.variables.create({"key": "K", "value": "x" * 60_000}).value) == 60_000


def test_a_hidden_variable_is_masked_and_never_shown_again(project: Any) -> None:
    created = project.variables.create({"key": "K", "value": "s3cret-value", "masked_and_hidden": True})
    shown = project.variables.get("K")
    assert [(v.hidden, v.masked, v.value) for v in (created, shown)] == [(True, True, None)] * 2


def test_a_hidden_variable_must_be_maskable(project: Any) -> None:
    attributes = {"key": "K", "value": "two\nlines", "masked_and_hidden": True}
    assert refusal(lambda: project.variables.create(attributes)) == (400, {"value": ["is invalid"]})


def test_hidden_is_only_set_on_creation(project: Any) -> None:
    project.variables.create({"key": "K", "value": "s3cret-value"})
    assert project.variables.update("K", {"value": "s3cret-value", "masked_and_hidden": True})["hidden"] is False


def test_a_hidden_variable_cannot_be_unmasked(project: Any) -> None:
    project.variables.create({"key": "K", "value": "s3cret-value", "masked_and_hidden": True})
    message = {"base": ["The visibility setting cannot be changed for masked and hidden variables."]}
    assert refusal(lambda: project.variables.update("K", {"masked": False})) == (400, message)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"key": "a-b", "value": "v"}, {"key": ["can contain only letters, digits and '_'."]}),
        ({"key": "K" * 256, "value": "v"}, {"key": ["is too long (maximum is 255 characters)"]}),
        ({"key": " ", "value": "v"}, {"key": ["can't be blank", "can contain only letters, digits and '_'."]}),
        ({"value": "v"}, "key is missing"),
        ({"key": "K"}, "value is missing"),
        ({"key": "K", "value": "v", "variable_type": "dir"}, "variable_type does not have a valid value"),
        ({"key": "K", "value": "v", "masked": "perhaps"}, "masked is invalid"),
        ({"key": "K", "value": "v", "environment_scope": "a,b"}, {"environment_scope": [
            "can contain only letters, digits, '-', '_', '/', '$', '{', '}', '.', '*' and spaces"]}),
        ({"key": "K", "value": "v", "description": "d" * 256}, {
            "description": ["is too long (maximum is 255 characters)"]}),
    ],
)  # fmt: skip
def test_a_wrong_variable_is_refused_in_gitlabs_words(
    project: Any, attributes: dict[str, Any], message: object
) -> None:
    assert refusal(lambda: _post(project, attributes)) == (400, message)


def _post(project: Any, attributes: dict[str, Any]) -> object:
    """Past python-gitlab's own check of required attributes."""
    return project.manager.gitlab.http_post(f"/projects/{project.id}/variables", post_data=attributes)


def test_key_and_scope_are_unique_together(project: Any) -> None:
    project.variables.create({"key": "K", "value": "1", "environment_scope": "staging"})
    project.variables.create({"key": "K", "value": "2", "environment_scope": "production"})
    again = {"key": "K", "value": "3", "environment_scope": "staging"}
    assert refusal(lambda: project.variables.create(again)) == (400, {"key": ["(K) has already been taken"]})


def test_a_key_in_several_scopes_needs_the_filter(project: Any) -> None:
    for scope in ("staging", "review/*"):
        project.variables.create({"key": "K", "value": scope, "environment_scope": scope})
    message = "There are multiple variables with provided parameters. Please use 'filter[environment_scope]'"
    assert refusal(lambda: project.variables.get("K")) == (409, message)
    assert refusal(lambda: project.variables.delete("K")) == (409, message)
    chosen = {"environment_scope": "review/*"}
    assert project.variables.get("K", filter=chosen).value == "review/*"
    assert project.variables.update("K", {"value": "new"}, filter=chosen)["value"] == "new"
    project.variables.delete("K", filter=chosen)
    assert [variable.environment_scope for variable in project.variables.list()] == ["staging"]


# Tokens


def test_no_token_and_an_unknown_token_are_401(stand_in: StandIn) -> None:
    for token in (None, "glpat-unknown"):
        client = as_(stand_in, token)
        assert refusal(client.auth) == (401, "401 Unauthorized")


def test_a_revoked_token_is_401(stand_in: StandIn, project: Any) -> None:
    token = project.access_tokens.create({"name": "t", "scopes": ["api"]})
    client = as_(stand_in, token.token)
    client.auth()
    project.access_tokens.delete(token.id)
    assert refusal(client.auth)[0] == 401


def test_a_read_only_token_reads_and_is_refused_writing(stand_in: StandIn, project: Any) -> None:
    client = as_(stand_in, project_token(project, ["read_api"], 40))
    seen = client.projects.get(PROJECT)
    assert seen.variables.list() == []
    assert refusal(lambda: seen.variables.create({"key": "K", "value": "v"})) == (403, "insufficient_scope")


def test_a_developer_is_refused_the_variables(stand_in: StandIn, project: Any) -> None:
    seen = as_(stand_in, project_token(project, ["api"], 30)).projects.get(PROJECT)
    assert refusal(seen.variables.list) == (403, "403 Forbidden")
    assert seen.permissions["project_access"]["access_level"] == 30


def test_a_stranger_does_not_see_the_project(stand_in: StandIn, admin: gitlab.Gitlab) -> None:
    user = admin.users.create({"username": "eve", "name": "Eve", "email": "e@x", "password": "unused"})
    token = user.personal_access_tokens.create({"name": "t", "scopes": ["api"]}).token
    assert refusal(lambda: as_(stand_in, token).projects.get(PROJECT)) == (404, "404 Project Not Found")


def test_a_scope_that_gitlab_does_not_know_is_refused(project: Any) -> None:
    wanted = {"name": "t", "scopes": ["api", "everything"]}
    assert refusal(lambda: project.access_tokens.create(wanted)) == (400, "scopes does not have a valid value")


# Branches, environments, lists


def test_the_seeded_project_has_a_protected_default_branch(project: Any) -> None:
    assert {b.name: (b.default, b.protected) for b in project.branches.list()} == {
        "main": (True, True), "develop": (False, False),
    }  # fmt: skip
    main = project.protectedbranches.get("main")
    assert [level["access_level"] for level in main.push_access_levels + main.merge_access_levels] == [40, 40]


def test_a_branch_is_protected_once(project: Any) -> None:
    project.protectedbranches.create({"name": "release/*", "push_access_level": 0})
    assert project.protectedbranches.get("release/*").push_access_levels[0]["access_level_description"] == "No one"
    message = "Protected branch 'release/*' already exists"
    assert refusal(lambda: project.protectedbranches.create({"name": "release/*"})) == (409, message)
    project.protectedbranches.delete("release/*")
    assert refusal(lambda: project.protectedbranches.get("release/*")) == (404, "404 Not found")


def test_an_environment_is_deleted_only_once_stopped(project: Any) -> None:
    environment = project.environments.create({"name": "production", "external_url": "https://x"})
    assert (environment.slug, environment.tier, environment.state) == ("production", "production", "available")
    assert refusal(environment.delete) == (403, "403 Forbidden")
    environment.stop()
    environment.delete()
    assert project.environments.list() == []


def test_lists_come_in_pages(project: Any) -> None:
    for number in range(25):
        project.variables.create({"key": f"K{number}", "value": "v"})
    first = project.variables.list(iterator=True)
    assert (first.total, first.total_pages, first.per_page, first.next_page) == (25, 2, 20, 2)
    assert len(project.variables.list(get_all=True)) == 25


def test_a_restart_keeps_what_was_stored(tmp_path: Path) -> None:
    with StandIn(tmp_path) as first:
        as_(first, first.admin_token).projects.get(1).variables.create({"key": "K", "value": "planted-secret"})
    with StandIn(tmp_path) as second:
        assert second.admin_token == first.admin_token
        assert as_(second, second.admin_token).projects.get(1).variables.get("K").value == "planted-secret"
    for file in tmp_path.iterdir():
        assert file.stat().st_mode & 0o077 == 0
        assert b"planted-secret" not in file.read_bytes()


def test_of_many_at_once_one_gets_the_key(stand_in: StandIn, project: Any) -> None:
    def attempt(number: int) -> int:
        answer = requests.post(
            f"{stand_in.url}/api/v4/projects/1/variables",
            headers={"PRIVATE-TOKEN": stand_in.admin_token},
            json={"key": "K", "value": str(number)},
            timeout=10,
        )
        return answer.status_code

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(attempt, range(24))) == [201] + [400] * 23


def start(directory: Path, *options: str) -> tuple[subprocess.Popen[str], str]:
    """The command on a free port, and the address of its API."""
    command = [sys.executable, "-m", "sandbox.gitlab", "--listen", "127.0.0.1:0", "--data", str(directory), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().split()[-1].removesuffix("/api/v4/")


def test_a_killed_stand_in_comes_back_with_all_that_it_acknowledged(tmp_path: Path) -> None:
    process, url = start(tmp_path)
    token = (tmp_path / "admin-token").read_text()
    acknowledged: list[str] = []

    def write() -> None:
        variables = gitlab.Gitlab(url, private_token=token).projects.get(1, lazy=True).variables
        with contextlib.suppress(requests.exceptions.ConnectionError):
            while True:
                acknowledged.append(variables.create({"key": f"K{len(acknowledged)}", "value": "v"}).key)

    writer = threading.Thread(target=write)
    writer.start()
    while len(acknowledged) < 10:
        time.sleep(0.005)
    process.kill()
    writer.join()
    process.wait()
    with StandIn(tmp_path) as again:
        kept = {v.key for v in as_(again, token).projects.get(1).variables.list(get_all=True)}
    assert set(acknowledged) <= kept


def test_the_command_ends_cleanly_when_told_to(tmp_path: Path) -> None:
    process, url = start(tmp_path)
    gitlab.Gitlab(url, private_token=(tmp_path / "admin-token").read_text()).auth()
    process.terminate()
    assert process.wait(5) == 0


def test_a_store_that_does_not_fit_its_key_is_one_line(tmp_path: Path) -> None:
    Store(tmp_path).save()
    (tmp_path / "secrets-key").unlink()
    command = [sys.executable, "-m", "sandbox.gitlab", "--listen", "127.0.0.1:0", "--data", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert f"delete {tmp_path} to start anew" in ended.stderr


def test_an_unknown_endpoint_is_404(admin: gitlab.Gitlab) -> None:
    assert refusal(lambda: admin.http_get("/groups/1")) == (404, "404 Not Found")


# Tags, deploy tokens, protected environments


def test_a_tag_is_protected_once_and_then_only_made_by_those_allowed(stand_in: StandIn, project: Any) -> None:
    project.protectedtags.create({"name": "v*", "create_access_level": 40})
    message = ["Name has already been taken"]
    assert refusal(lambda: project.protectedtags.create({"name": "v*"})) == (422, message)
    developer = as_(stand_in, project_token(project, ["api"], 30)).projects.get(PROJECT)
    tag = {"tag_name": "v1", "ref": "main"}
    refused = (400, "You are not allowed to create this tag as it is protected.")
    assert refusal(lambda: developer.tags.create(tag)) == refused
    assert project.tags.create(tag).protected is True
    project.protectedtags.delete("v*")
    assert developer.tags.create({"tag_name": "v2", "ref": "main"}).protected is False


def test_a_branch_protection_can_be_changed(project: Any) -> None:
    protection = project.protectedbranches.create({"name": "develop", "merge_access_level": 30})
    protection.allow_force_push = True
    protection.save()
    assert project.protectedbranches.get("develop").allow_force_push is True
    assert project.branches.get("develop").protected is True


def test_roles_are_given_in_either_form_but_people_only_in_the_paid_tier(
    admin: gitlab.Gitlab, stand_in: StandIn, project: Any
) -> None:
    roles = {"allowed_to_push": [{"access_level": 0}], "allowed_to_merge": [{"access_level": 30}]}
    made = project.protectedbranches.create({"name": "a", **roles})
    assert [level["access_level"] for level in made.push_access_levels + made.merge_access_levels] == [0, 30]
    person = {"name": "b", "allowed_to_push": [{"user_id": 1}]}
    message = ["Push access levels user must be blank"]
    assert refusal(lambda: project.protectedbranches.create(person)) == (422, message)
    steer(admin, stand_in, "put", "flags", {"premium": True})
    assert project.protectedbranches.create(person).push_access_levels[0]["user_id"] == 1


def test_an_access_level_that_gitlab_does_not_know_is_refused(project: Any) -> None:
    wrong = {"name": "x", "push_access_level": 35}
    message = "push_access_level does not have a valid value"
    assert refusal(lambda: project.protectedbranches.create(wrong)) == (400, message)


def test_a_deploy_token_shows_its_secret_once(project: Any) -> None:
    created = project.deploytokens.create({"name": "pull", "scopes": ["read_registry"], "expires_at": "2030-01-01"})
    assert created.token.startswith("gldt-")
    assert created.username == f"gitlab+deploy-token-{created.id}"
    shown = project.deploytokens.get(created.id)
    assert "token" not in shown.attributes
    assert (shown.expires_at, shown.expired, shown.scopes) == ("2030-01-01T00:00:00.000Z", False, ["read_registry"])
    shown.delete()
    assert project.deploytokens.list() == []


def test_protected_environments_need_the_paid_tier(admin: gitlab.Gitlab, stand_in: StandIn, project: Any) -> None:
    wanted = {"name": "production", "deploy_access_levels": [{"access_level": 40}]}
    assert refusal(lambda: project.protected_environments.create(wanted)) == (403, "403 Forbidden")
    steer(admin, stand_in, "put", "flags", {"premium": True})
    made = project.protected_environments.create(wanted)
    assert made.deploy_access_levels[0]["access_level_description"] == "Maintainers"
    message = "Environment 'production' is already protected"
    assert refusal(lambda: project.protected_environments.create(wanted)) == (409, message)
    project.protected_environments.delete("production")
    assert project.protected_environments.list() == []


# Environments


@pytest.mark.parametrize(
    ("name", "tier"),
    [("Live", "production"), ("demo", "staging"), ("qa-2", "testing"), ("review/x", "development"), ("eu", "other")],
)
def test_the_tier_is_guessed_from_the_name(project: Any, name: str, tier: str) -> None:
    assert project.environments.create({"name": name}).tier == tier


@pytest.mark.parametrize("name", ["/x", "x/", "a&b", "n" * 256])
def test_a_name_that_no_environment_may_have_is_refused(project: Any, name: str) -> None:
    status, message = refusal(lambda: project.environments.create({"name": name}))
    assert status == 400
    assert list(message) == ["name"]


def test_an_environment_name_is_taken_once_and_found_by_name(project: Any) -> None:
    project.environments.create({"name": "review/a b"})
    slug = project.environments.list(name="review/a b")[0].slug
    assert len(slug) <= 24
    assert slug.startswith("review-a-b-")
    message = {"name": ["has already been taken"]}
    assert refusal(lambda: project.environments.create({"name": "review/a b"})) == (400, message)
    assert project.environments.list(search="zzz") == []


# Schedules


SCHEDULE = {"description": "renew", "ref": "main", "cron": "0 3 * * *"}


def test_a_schedule_is_made_with_its_variables(project: Any) -> None:
    schedule = project.pipelineschedules.create({**SCHEDULE, "cron_timezone": "Europe/Berlin"})
    assert (schedule.ref, schedule.active) == ("refs/heads/main", True)
    assert schedule.next_run_at.endswith(":00:00.000Z")
    schedule.variables.create({"key": "SLIPWAY_ACTION", "value": "deploy"})
    again = refusal(lambda: schedule.variables.create({"key": "SLIPWAY_ACTION", "value": "x"}))
    assert again == (400, {"key": ["has already been taken"]})
    shown = project.pipelineschedules.get(schedule.id)
    assert [(v["key"], v["value"]) for v in shown.attributes["variables"]] == [("SLIPWAY_ACTION", "deploy")]
    schedule.variables.delete("SLIPWAY_ACTION")
    assert project.pipelineschedules.get(schedule.id).attributes["variables"] == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cron": "every day"}, {"cron": [" is invalid syntax"]}),
        ({"cron_timezone": "Mars/Olympus"}, {"cron_timezone": [" is invalid syntax"]}),
        ({"ref": ""}, {"ref": ["can't be blank"]}),
    ],
)
def test_a_wrong_schedule_is_refused(project: Any, change: dict[str, str], message: object) -> None:
    assert refusal(lambda: project.pipelineschedules.create(SCHEDULE | change)) == (400, message)


def test_another_owns_a_schedule_only_after_taking_it(stand_in: StandIn, project: Any) -> None:
    schedule_id = project.pipelineschedules.create(SCHEDULE).id
    maintainer = as_(stand_in, project_token(project, ["api"], 40)).projects.get(PROJECT)
    schedule = maintainer.pipelineschedules.get(schedule_id)
    schedule.active = False
    assert refusal(schedule.save) == (403, "403 Forbidden")
    schedule.take_ownership()
    schedule.active = False
    schedule.save()
    assert project.pipelineschedules.get(schedule_id).active is False


# Merge requests and notes


def test_a_merge_request_gets_a_note_that_is_changed_in_place(stand_in: StandIn, project: Any) -> None:
    merge_request = project.mergerequests.create({"source_branch": "develop", "target_branch": "main", "title": "T"})
    bot = as_(stand_in, project_token(project, ["api"], 30)).projects.get(PROJECT).mergerequests.get(merge_request.iid)
    note = bot.notes.create({"body": "<!-- slipway --> 1 create"})
    note.body = "<!-- slipway --> none"
    note.save()
    assert [found.body for found in merge_request.notes.list(sort="asc")] == ["<!-- slipway --> none"]
    mine = merge_request.notes.create({"body": "mine"})
    assert refusal(bot.notes.get(mine.id).delete) == (403, "403 Forbidden")
    assert refusal(lambda: bot.notes.create({"body": ""}))[0] == 400


def test_two_branches_have_one_open_merge_request(project: Any) -> None:
    wanted = {"source_branch": "develop", "target_branch": "main", "title": "T"}
    first = project.mergerequests.create(wanted)
    message = ["Another open merge request already exists for this source branch: !1"]
    assert refusal(lambda: project.mergerequests.create(wanted)) == (409, message)
    first.state_event = "close"
    first.save()
    assert project.mergerequests.create(wanted).iid == 2
    assert [found.iid for found in project.mergerequests.list(state="opened", source_branch="develop")] == [2]


def test_an_issue_is_opened_and_closed(project: Any) -> None:
    issue = project.issues.create({"title": "Drift", "labels": ["slipway", "drift"]})
    assert [found.iid for found in project.issues.list(labels=["drift"], state="opened")] == [issue.iid]
    issue.state_event = "close"
    issue.save()
    assert project.issues.list(state="opened") == []


# What only the stand-in has


def steer(admin: gitlab.Gitlab, stand_in: StandIn, verb: str, path: str, content: dict[str, Any] | None = None) -> Any:
    """A call below /sandbox/; python-gitlab takes a whole URL as well as a path."""
    url = f"{stand_in.url}/sandbox/{path}"
    arguments = {"post_data": content} if content else {}
    return getattr(admin, f"http_{verb}")(url, **arguments)


def test_an_expired_token_is_401_with_the_reason(admin: gitlab.Gitlab, stand_in: StandIn, project: Any) -> None:
    token = project.access_tokens.create({"name": "t", "scopes": ["api"]})
    steer(admin, stand_in, "post", f"tokens/{token.id}/expire")
    with pytest.raises(gitlab.exceptions.GitlabAuthenticationError) as caught:
        as_(stand_in, token.token).auth()
    assert b"Token is expired" in (caught.value.response_body or b"")


def test_a_rotated_token_replaces_the_old_one(stand_in: StandIn, project: Any) -> None:
    old = project.access_tokens.create({"name": "t", "scopes": ["api"], "access_level": 30})
    old_secret = old.token
    fresh = project.access_tokens.rotate(old.id)
    assert refusal(as_(stand_in, old_secret).auth)[0] == 401
    assert as_(stand_in, fresh["token"]).projects.get(PROJECT).permissions["project_access"]["access_level"] == 30


def test_a_project_token_cannot_make_another(stand_in: StandIn, project: Any) -> None:
    seen = as_(stand_in, project_token(project, ["api"], 40)).projects.get(PROJECT)
    message = "400 Bad request - User does not have permission to create project access token"
    assert refusal(lambda: seen.access_tokens.create({"name": "t", "scopes": ["api"]})) == (400, message)


def test_the_rate_limit_can_be_played_and_is_obeyed(admin: gitlab.Gitlab, stand_in: StandIn, project: Any) -> None:
    fault = {"status": 429, "count": 1, "path": "/variables", "retry_after": 1}
    steer(admin, stand_in, "post", "faults", fault)
    assert refusal(lambda: project.variables.list(obey_rate_limit=False))[0] == 429
    steer(admin, stand_in, "post", "faults", fault)
    assert project.variables.list() == []  # python-gitlab waits for the Retry-After and goes on


def test_an_answer_can_be_lost_after_the_work_was_done(admin: gitlab.Gitlab, stand_in: StandIn, project: Any) -> None:
    steer(admin, stand_in, "post", "faults", {"status": 502, "method": "POST", "after": True})
    assert refusal(lambda: project.variables.create({"key": "K", "value": "v"}))[0] == 502
    assert project.variables.get("K").value == "v"


def test_the_record_of_requests_holds_no_value(admin: gitlab.Gitlab, stand_in: StandIn, project: Any) -> None:
    project.variables.create({"key": "K", "value": "planted-secret"})
    seen = steer(admin, stand_in, "get", "requests")
    assert {
        "method": "POST", "path": "/api/v4/projects/1/variables", "status": 201, "user": "root",
        "given": ["key", "value"],
    } in seen  # fmt: skip
    assert "planted-secret" not in str(seen)
    assert stand_in.admin_token not in str(seen)


def test_a_runner_gets_the_variables_of_its_job(admin: gitlab.Gitlab, stand_in: StandIn, project: Any) -> None:
    secret = {"value": "s3cret-value", "masked_and_hidden": True, "protected": True, "environment_scope": "production"}
    project.variables.create({"key": "KUBE_TOKEN", **secret})
    for ref, expected in (("main", ["s3cret-value"]), ("develop", [])):
        got = steer(admin, stand_in, "get", f"projects/1/job_variables?environment=production&ref={ref}")
        assert [variable["value"] for variable in got["variables"]] == expected


def test_only_the_administrator_steers(stand_in: StandIn, project: Any) -> None:
    other = as_(stand_in, project_token(project, ["api"], 50))
    assert refusal(lambda: steer(other, stand_in, "get", "requests"))[0] == 403
    assert refusal(lambda: steer(as_(stand_in, None), stand_in, "get", "requests"))[0] == 401
