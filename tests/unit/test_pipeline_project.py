"""What jobs say to GitLab, against the stand-in: whose notes are theirs, on which merge requests, who is at fault."""

import contextlib
from types import SimpleNamespace

import gitlab
import pytest
import requests

from pulumi_slipway.gitlab import GitLabError, connect, refusals
from pulumi_slipway.pipeline import project
from pulumi_slipway.pipeline.preview import merge_requests
from pulumi_slipway.pipeline.project import NOTE_TOKEN
from sandbox.gitlab.server import StandIn

MARK = "<!-- mark -->"


@pytest.fixture
def remote(tmp_path):
    """A project on the stand-in, and what makes a bot's variables for a job of it."""
    with StandIn(tmp_path) as running, gitlab.Gitlab(running.url, private_token=running.admin_token) as admin:
        found = admin.projects.get("demo/app")

        def bot(level=20):
            made = found.access_tokens.create({"name": "notes", "scopes": ["api"], "access_level": level})
            return {NOTE_TOKEN: made.token, "CI_PROJECT_PATH": "demo/app", "CI_SERVER_URL": running.url}

        yield found, bot


@pytest.fixture
def request_(remote):
    """An open merge request."""
    about = {"source_branch": "feature/x", "target_branch": "develop", "title": "x"}
    return remote[0].mergerequests.create(about)


def put(environ, number, text):
    """One run of the job `preview_note`."""
    return project.connect(NOTE_TOKEN, environ).put_note(number, MARK, f"{MARK}\n{text}")


def bodies(request):
    """The merge request's notes, oldest first."""
    return [note.body.removeprefix(f"{MARK}\n") for note in request.notes.list(sort="asc")]


def test_a_bot_that_was_made_anew_writes_a_note_of_its_own(remote, request_):
    old, new = remote[1](), remote[1]()
    assert put(old, request_.iid, "1") == "created"
    assert put(new, request_.iid, "2") == "created"
    assert put(new, request_.iid, "3") == "updated"
    assert bodies(request_) == ["1", "3"]


def test_a_person_who_quotes_the_note_is_left_alone(remote, request_):
    bot = remote[1]()
    put(bot, request_.iid, "1")
    request_.notes.create({"body": f"{MARK}\nquoted"})
    assert put(bot, request_.iid, "2") == "updated"
    assert bodies(request_) == ["2", "quoted"]
    assert put(remote[1](40), request_.iid, "3") == "created", "also by one that might change theirs"
    assert bodies(request_) == ["2", "quoted", "3"]


def test_a_token_in_a_variable_of_type_file_is_taken(remote, request_, tmp_path):
    environ = remote[1]()
    (tmp_path / "token").write_text(environ[NOTE_TOKEN] + "\n")
    assert put(environ | {NOTE_TOKEN: str(tmp_path / "token")}, request_.iid, "1") == "created"


@pytest.mark.parametrize(
    ("environ", "numbers"),
    [
        ({"CI_MERGE_REQUEST_IID": "7", "CI_OPEN_MERGE_REQUESTS": "demo/app!8"}, [7]),
        ({"CI_OPEN_MERGE_REQUESTS": "demo/app!8"}, [8]),
        ({"CI_OPEN_MERGE_REQUESTS": "Demo/App!8,demo/app!9,demo/app/other!10,parent/app!11"}, [8, 9]),
        ({"CI_OPEN_MERGE_REQUESTS": ""}, []),
        ({}, []),
    ],
)
def test_a_pipeline_is_about_its_merge_request_or_the_open_ones_of_its_branch(environ, numbers):
    assert merge_requests(environ | {"CI_PROJECT_PATH": "demo/app"}) == numbers


@pytest.mark.parametrize(
    ("code", "told"), [(502, "could not"), (500, "could not"), (429, "could not"), (403, "not let")]
)
def test_a_gitlab_that_is_away_is_not_told_as_one_that_refuses(code, told):
    client = connect("token", {"CI_SERVER_URL": "https://gitlab.example.com"}, retries=False)
    with pytest.raises(GitLabError, match=rf"{told}.*\({code}\)") as error, refusals(client, NOTE_TOKEN, "list notes"):
        raise gitlab.GitlabHttpError("said", response_code=code)
    assert ("not let" in str(error.value)) == (code == 403)
    assert "\n" not in str(error.value)


def test_a_gitlab_that_is_away_for_a_moment_is_asked_again(remote, request_):
    environ = remote[1]()
    url = environ["CI_SERVER_URL"] + "/sandbox/faults"
    admin = {"PRIVATE-TOKEN": remote[0].manager.gitlab.private_token}
    for status in (502, 429, 500):
        requests.post(url, json={"status": status, "count": 1, "path": "notes"}, headers=admin, timeout=5)
    assert put(environ, request_.iid, "1") == "created"
    assert bodies(request_) == ["1"]


GITLAB = {"CI_SERVER_URL": "https://gitlab.example.com"}


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ({}, True),
        ({"GITLAB_BASE_URL": "https://gitlab.example.com/api/v4/"}, True),
        ({"GITLAB_BASE_URL": "https://elsewhere.example.com/api/v4/"}, False),
        ({"REQUESTS_CA_BUNDLE": "/etc/own.pem"}, False),
    ],
)
def test_the_authority_that_the_runner_trusts_is_trusted_for_its_gitlab_alone(tmp_path, given, taken):
    file = tmp_path / "ca.pem"
    environ = GITLAB | given | ({"CI_SERVER_TLS_CA_FILE": str(file)})
    expected = given.get("REQUESTS_CA_BUNDLE") or True
    assert connect("t", environ, retries=False).ssl_verify == expected, "the file is not there"
    file.touch()
    assert connect("t", environ, retries=False).ssl_verify == (str(file) if taken else expected)


@pytest.mark.parametrize("path", ["Group/Sub/App", "demo/UPPER.x"])
@pytest.mark.parametrize("relative", [False, True])
def test_a_project_in_a_subgroup_with_upper_case_is_found_also_by_an_address_with_a_slash(remote, path, relative):
    admin = remote[0].manager.gitlab
    made = admin.projects.create({"name": "x", "path": path})
    made.issues.create({"title": "drift", "labels": "l"})
    url = admin.url + ("/" if relative else "")
    environ = {"T": admin.private_token, "CI_PROJECT_PATH": path, "CI_SERVER_URL": url}
    project.connect("T", environ).close_issue("drift", "l")
    assert made.issues.list()[0].state == "closed"


def test_the_api_of_a_gitlab_below_a_path_is_there(monkeypatch):
    environ = {"CI_SERVER_URL": "https://example.com/tools/gitlab"}
    assert connect("t", environ, retries=False).api_url == "https://example.com/tools/gitlab/api/v4"
    environ["GITLAB_BASE_URL"] = "https://example.com/tools/gitlab/api/v4/"
    assert connect("t", environ, retries=False).url == "https://example.com/tools/gitlab"


FAULTS = [{"status": 502}, {"status": 429, "retry_after": 0}, {"status": 200, "cut": True}]
COMMANDS = {
    "note": lambda it, number: it.put_note(number, MARK, f"{MARK}\nnew"),
    "drift": lambda it, _: it.put_issue("drift", "new", "l"),
    "no drift": lambda it, _: it.close_issue("drift", "l"),
    "sweep": lambda it, _: it.review_work(),
    "environments": lambda it, _: it.stop_reviews_but(set()),
    "lock": lambda it, _: it.job(5),
}


@pytest.mark.parametrize("fault", FAULTS, ids=["502", "429", "cut short"])
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("since", [0, 1, 2], ids=["first", "second", "third"])
def test_a_gitlab_that_goes_away_in_the_middle_of_a_command_is_told_in_one_line(
    remote, request_, monkeypatch, fault, command, since
):
    monkeypatch.setattr("time.sleep", lambda _: None)
    found, bot = remote
    environ, admin = bot(40), {"PRIVATE-TOKEN": found.manager.gitlab.private_token}
    found.issues.create({"title": "drift", "labels": "l", "description": "old"})
    found.environments.create({"name": "review/x"})
    control = environ["CI_SERVER_URL"] + "/sandbox/"
    requests.put(f"{control}projects/{found.id}/jobs/5", json={"status": "failed"}, headers=admin, timeout=5)
    it, asked, send = project.connect(NOTE_TOKEN, environ), [], requests.Session.send

    def counted(self, request, **options):
        if "/api/v4/" in request.url:
            asked.append(request)
            if len(asked) == since + 1:
                requests.post(f"{control}faults", json={"count": 99, **fault}, headers=admin, timeout=5)
        return send(self, request, **options)

    monkeypatch.setattr(requests.Session, "send", counted)
    told = ""
    try:
        COMMANDS[command](it, request_.iid)
    except GitLabError as error:
        told = str(error)
    assert told or len(asked) <= since, "it ended well before, and in no other way"
    assert not [it for it in ("\n", environ[NOTE_TOKEN], "not let") if it in told]


def test_a_job_whose_pipeline_was_deleted_has_ended_and_one_that_the_token_may_not_see_has_not(remote):
    environ = remote[1]()
    assert project.connect(NOTE_TOKEN, environ).job(77).status == "deleted"
    with pytest.raises(GitLabError, match="404"):
        project.connect(NOTE_TOKEN, environ | {"CI_PROJECT_PATH": "demo/other"}).job(77)


class Pages(list):
    """A list as the client gives it: with the total that GitLab tells beside it."""

    def __init__(self, items, total):
        super().__init__(items)
        self.total = total


@pytest.fixture
def listed(monkeypatch):
    """A project whose merge requests and branches are these."""

    def make(requests_, branches, total=None):
        found = project.Project.__new__(project.Project)
        whole = Pages([SimpleNamespace(name=it) for it in branches], total or len(branches))
        found._remote = SimpleNamespace(
            mergerequests=SimpleNamespace(list=lambda **_: Pages(requests_, len(requests_))),
            branches=SimpleNamespace(list=lambda **_: whole),
        )
        monkeypatch.setattr(found, "_refusals", lambda what: contextlib.nullcontext())
        return found

    return make


def of_fork(branch, state, fork):
    return SimpleNamespace(source_branch=branch, state=state, iid=1, source_project_id=fork, target_project_id=1)


def test_a_branch_is_not_done_with_because_a_forks_of_the_same_name_is(listed):
    assert listed([of_fork("patch-1", "closed", 2)], ["patch-1"]).review_work() == [("patch-1", None)]
    assert listed([of_fork("patch-1", "closed", None)], ["patch-1"]).review_work() == [("patch-1", None)]
    assert listed([of_fork("patch-1", "closed", 1)], ["patch-1"]).review_work() == []


def test_a_list_that_ended_early_decides_nothing(listed):
    with pytest.raises(GitLabError, match="GitLab gave 1 of 2 branches: its list ended early"):
        listed([], ["a"], total=2).review_work()
