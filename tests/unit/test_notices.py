"""Who is told of a release, of what, and that nobody who does not listen holds it up."""

import base64
import hashlib
import hmac
import json
import time

import gitlab
import pytest

from pulumi_slipway.core.model import Phase, Record, Release
from pulumi_slipway.pipeline import notices
from pulumi_slipway.report import notice
from pulumi_slipway.settings import Environment
from pulumi_slipway.settings.notices import FIELDS, Notice
from sandbox.gitlab.server import StandIn
from tests.receiver import Receiver

HEALTHY, DEGRADED, PAUSED, PROGRESSING = Phase.HEALTHY, Phase.DEGRADED, Phase.PAUSED, Phase.PROGRESSING
COMMIT = "a" * 40


def release(letter):
    image = f"registry.example.com/web@sha256:{letter * 64}"
    return Release.of({"metadata": {}, "spec": {"containers": [{"name": "web", "image": image}]}})


ONE, TWO = release("1"), release("2")


def record(sequence, one, outcome, **more):
    by = {"commit": COMMIT, "actor": "alice", "pipelineUrl": "https://gitlab.example.com/p/1"}
    return Record(sequence, one, outcome, "2026-12-01T10:00:00+00:00", "", 12.4, **{"provenance": by, **more})


LIVE = record(1, ONE, HEALTHY)


@pytest.mark.parametrize(
    ("before", "after", "event"),
    [
        ([], [LIVE], "healthy"),
        ([LIVE], [LIVE, record(2, TWO, HEALTHY)], "healthy"),
        ([LIVE], [LIVE, record(2, TWO, PAUSED, message="step 1 of 2")], "paused"),
        ([LIVE], [LIVE, record(2, TWO, DEGRADED, message="answers Failed")], "rolledBack"),
        ([], [record(1, ONE, DEGRADED)], "failed"),
        ([LIVE], [LIVE, record(2, TWO, PROGRESSING)], "failed"),
        ([LIVE, record(2, TWO, PAUSED)], [LIVE, record(2, TWO, HEALTHY)], "healthy"),
        ([LIVE, record(2, TWO, PAUSED, step=1)], [LIVE, record(2, TWO, PAUSED, step=2)], "paused"),
        ([LIVE, record(2, TWO, PAUSED)], [LIVE, record(2, TWO, PAUSED)], None),
        ([LIVE], [LIVE], None),
        ([], [], None),
    ],
)
def test_what_a_run_has_brought_about_is_told_and_nothing_else(before, after, event):
    found = notice.news("production", "web", before, after)
    assert (found and found.event) == event


def told(outcome, **more):
    return notice.text(notice.news("production", "web", [LIVE], [LIVE, record(2, TWO, outcome, **more)]), None)


def test_one_sentence_says_what_where_by_whom_and_where_users_are():
    end = f"of commit {COMMIT[:8]}, by alice, 12 s"
    where = "https://gitlab.example.com/p/1"
    assert told(HEALTHY) == f"production: web is Healthy: release {TWO.id} {end} {where}"
    assert told(HEALTHY, left="x") == f"production: web is Healthy: rolled back to release {TWO.id} {end} {where}"
    assert told(PAUSED) == f"production: web is Paused: release {TWO.id} waits to be promoted {end} {where}"
    failed = f"production: web: release {TWO.id} failed, users are on {ONE.id} again {end}: answers Failed {where}"
    assert told(DEGRADED, message="answers\nFailed") == failed


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(notices, "wait_fixed", lambda _: lambda _: 0)


NEWS = notice.news("production", "web", [LIVE], [LIVE, record(2, TWO, HEALTHY)])


def send(url, found=NEWS, **block):
    to = Notice.model_validate({"to": "webhook", "urlFrom": "HOOK", **block})
    notices.tell([found], [to], {"HOOK": url, "KEY": "whsec_" + base64.b64encode(b"key").decode(), "PLAIN": "a key"})


@pytest.mark.parametrize(("secret", "key"), [("KEY", b"key"), ("PLAIN", b"a key")])
def test_a_webhook_is_signed_over_identity_time_and_body(secret, key):
    with Receiver() as receiver:
        send(receiver.url, secretFrom=secret)
    [(headers, body)] = receiver.had
    content = b".".join((headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body))
    expected = base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    read = json.loads(body)
    assert read["type"] == "slipway.release.healthy"
    assert {*FIELDS, "text"} == {*read["data"]}


def test_it_is_not_sent_without_the_signature_that_was_asked_for(capsys):
    with Receiver() as receiver:
        send(receiver.url, secretFrom="NOT_SET")
    assert receiver.had == []
    assert "NOT_SET is not set" in capsys.readouterr().err


@pytest.mark.parametrize(("statuses", "tries"), [([500, 429, 200], 3), ([500], 3), ([404], 1), ([302], 1)])
def test_a_receiver_that_is_broken_is_tried_again_and_one_that_refuses_is_not(statuses, tries, capsys):
    with Receiver(statuses) as receiver:
        send(receiver.url)
    assert len(receiver.had) == tries
    assert len({headers["webhook-id"] for headers, _ in receiver.had}) == 1
    said = capsys.readouterr().err
    if statuses[-1] == 200:
        assert said == ""
    else:
        assert f"it answers {statuses[-1]}; the release stands" in said
        assert said.count("\n") == 1
    assert "secret-path" not in said


def test_a_receiver_that_is_dead_is_one_warning_without_its_address(capsys):
    with Receiver() as receiver:
        pass
    send(receiver.url)
    said = capsys.readouterr().err
    assert "it does not answer (ConnectError)" in said
    assert "secret-path" not in said


def test_a_slow_receiver_does_not_hold_the_job(monkeypatch, capsys):
    monkeypatch.setattr(notices, "ALL_SECONDS", 0.5)
    with Receiver(delay=3) as receiver, Receiver() as other:
        began = time.monotonic()
        both = [Notice.model_validate({"to": "webhook", "urlFrom": name}) for name in ("SLOW", "QUICK")]
        notices.tell([NEWS], both, {"SLOW": receiver.url, "QUICK": other.url})
        assert time.monotonic() - began < 2
    assert len(other.had) == 1
    said = capsys.readouterr().err
    assert "notices[0] (webhook): has not taken the notice" in said
    assert "notices[1]" not in said


def test_only_the_events_that_were_asked_for_are_told():
    with Receiver() as receiver:
        send(receiver.url, events=["failed", "paused"])
        assert receiver.had == []
        send(receiver.url, events=["healthy"])
    assert len(receiver.had) == 1


HOSTILE = "<!channel> <https://evil|click> *bold* `x` \x1b[31m a-secret-value"


def hostile():
    found = notice.news("production", "web", [LIVE], [LIVE, record(2, TWO, DEGRADED, message=HOSTILE)])
    return notice.masked(found, ["a-secret-value"])


def test_what_others_wrote_is_no_markup_and_no_secret_gets_out():
    slack = notice.slack(hostile(), None)["text"]
    assert "&lt;!channel&gt;" in slack
    assert "<" not in slack.replace("https://gitlab.example.com/p/1", "")
    teams = json.dumps(notice.teams(hostile(), None))
    assert "\\\\*bold\\\\*" in teams
    for text in (slack, teams, json.dumps(notice.payload(hostile(), None, ""))):
        assert "a-secret-value" not in text
        assert "\x1b" not in text


def test_secrets_of_the_stack_file_are_known_by_the_variables_that_hold_them():
    file = {"config": {"slipway:workloads": {"web": {"secretEnv": {"KEY": {"fromEnv": "THE_KEY"}}}}}}
    found = notices.secrets(file, [Notice(to="slack", url_from="HOOK")], {
        "THE_KEY": "of the pods", "HOOK": "https://hook", "KUBE_TOKEN": "of the cluster", "SHORT": "x",
    })  # fmt: skip
    assert set(found) == {"of the pods", "https://hook", "of the cluster"}


def test_a_template_says_it_in_other_words():
    assert notice.text(NEWS, "{{ workload }}@{{ commit[:3] }}") == "web@aaa"


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ({"to": "slack"}, "needs urlFrom"),
        ({"to": "mergeRequest", "urlFrom": "X"}, "needs urlFrom"),
        ({"to": "slack", "urlFrom": "X", "secretFrom": "Y"}, "secretFrom signs"),
        ({"to": "slack", "urlFrom": "KUBE_TOKEN"}, "must be a variable of the application's"),
        ({"to": "slack", "urlFrom": "X", "events": ["done"]}, "events"),
        ({"to": "slack", "urlFrom": "X", "template": "{{ nonsense }}"}, "nonsense"),
        ({"to": "slack", "urlFrom": "X", "template": "{% for"}, "must be a Jinja2 template"),
        ({"to": "slack", "urlFrom": "X", "template": "{{ ''.__class__.__mro__ }}"}, "must be a Jinja2 template"),
    ],
)
def test_a_wrong_block_is_refused(block, said):
    with pytest.raises(ValueError, match=said):
        Environment.model_validate({"name": "production", "notices": [block]})


def test_the_merge_request_that_a_commit_came_from_gets_one_note(tmp_path):
    with StandIn(tmp_path) as running, gitlab.Gitlab(running.url, private_token=running.admin_token) as admin:
        project = admin.projects.get("demo/app")
        made = [
            project.mergerequests.create({"source_branch": name, "target_branch": "develop", "title": name})
            for name in ("mine", "open")
        ]
        admin.http_put(f"{running.url}/sandbox/projects/{project.id}/merge_requests/{made[0].iid}", sha=COMMIT)
        token = project.access_tokens.create({"name": "notes", "scopes": ["api"], "access_level": 20}).token
        environ = {"SLIPWAY_NOTE_TOKEN": token, "CI_PROJECT_PATH": "demo/app", "CI_SERVER_URL": running.url}
        for found in (NEWS, hostile()):
            notices.tell([found], [Notice(to="mergeRequest")], environ)
        [note] = made[0].notes.list()
        assert "failed, users are on" in note.body
        assert "<!channel>" not in note.body.partition("\n")[2]
        assert made[1].notes.list() == []


def test_without_a_token_a_note_is_a_warning(capsys):
    notices.tell([NEWS], [Notice(to="mergeRequest")], {})
    assert "SLIPWAY_NOTE_TOKEN is not set" in capsys.readouterr().err
