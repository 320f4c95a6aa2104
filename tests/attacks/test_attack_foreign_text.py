"""What an app, a pod, a registry or a ledger says decides nothing, and no terminal, log, table or browser obeys it."""

import io
import re
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from rich.console import Console

from pulumi_slipway.cli import __main__ as command
from pulumi_slipway.cli import render
from pulumi_slipway.cli.workloads import workloads
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.foreign import is_plain, shown
from pulumi_slipway.core.model import CheckResult, Event, Moment, Phase, Record, Release
from pulumi_slipway.pipeline import engine, locks, note
from pulumi_slipway.pipeline.digest import Change, Digest
from pulumi_slipway.release import ledger
from pulumi_slipway.release.why import Looked, Reason, why_pod
from pulumi_slipway.report.page import page

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AT = NOW.isoformat()
SECTION = "\x1b[0Ksection_start:1560896352:evil[collapsed=true]\r\x1b[0KEverything is fine"
"""GitLab folds the lines of a job's log by this."""
LOCKED = (
    "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete the "
    "lock file with `pulumi cancel`.\n  file:///state/.pulumi/locks/x.json: created by root@runner (pid 7) at "
    "2026-01-01T00:00:00+00:00\n"
)


# Nothing is decided by it


@pytest.mark.parametrize("heading", ["Updating (staging):", "Destroying (staging):", "Updating (organization/a/b):"])
@pytest.mark.parametrize("before", ["", "     slipway:index:Workload web  error: web: exits with 1 (Error), "])
def test_an_apps_last_words_are_no_lock(heading, before):
    assert locks.held(LOCKED), "the engine's own refusal is one"
    assert locks.held(f"warning: a new version is there\n{LOCKED}")
    assert locks.held(f"{heading}\n\n{before}{LOCKED}") == []


def test_nor_are_they_where_they_only_quote_it():
    assert locks.held(f"error: it exits with 1: {LOCKED}") == []


# Nothing is obeyed


def pod(message):
    status = {"name": "web", "state": {"terminated": {"exitCode": 1, "reason": "Error", "message": message}}}
    return {"metadata": {"name": "web-1"}, "status": {"containerStatuses": [status]}}


@pytest.mark.parametrize("message", [SECTION, LOCKED, "\x9b2J", "\u202eevil"], ids=["section", "lock", "csi", "bidi"])
def test_a_termination_message_is_one_plain_line(message):
    client = SimpleNamespace(list=lambda *_, **__: [])
    found = why_pod(Looked(client, "apps", pod(message)))
    assert is_plain(str(found))
    assert shown(message.strip()) in str(found)


def test_so_are_the_last_lines_of_a_log():
    assert is_plain(str(Reason("exits with 1", SECTION)))


def test_the_job_log_shows_the_engines_lines_with_their_escapes(capsys):
    engine.say(f"a line\n\tand {SECTION}\n", end="")
    assert capsys.readouterr().err == "a line\n\tand " + shown(SECTION) + "\n"


def test_so_does_a_commands_error(capsys, monkeypatch):
    def fails(_):
        raise UserError(f"it said {SECTION}")

    monkeypatch.setattr(command, "_schema", fails)
    assert command.main(["schema"]) == 1
    assert "\x1b" not in capsys.readouterr().err


MARKUP = ["[/]", "[red]", "[/red]", "[link=file:///etc/passwd]x[/link]", "\\[", "[@click=app.quit]x[/]", SECTION]


def everywhere(text):
    """A namespace whose every foreign text is this one."""
    label = "evil" + text
    template = {
        "metadata": {"labels": {"slipway.dev/release": label, "slipway.dev/track": "stable"}},
        "spec": {"containers": [{"name": "web", "image": label}]},
    }
    metadata = {
        "name": "web",
        "generation": 1,
        "labels": {"app.kubernetes.io/instance": "web", "slipway.dev/environment": label},
        "annotations": {"slipway.dev/promotes-from": f"{text}/{text}/²"},
    }
    record = Record(
        1, Release.of({**template, "spec": {"containers": [{"name": "web", "image": "r.example.com/web:1"}]}}),
        Phase.DEGRADED, AT, AT, 1.0, label, {"commit": label, "actor": label, "pipelineUrl": f"javascript:{label}"},
        strategy=label, rejected=label,
    )  # fmt: skip
    book = {"metadata": {**metadata, "name": "web-releases"}, "data": ledger.encode([record])}
    deployment = {"metadata": metadata, "spec": {"template": template}, "status": {}}
    return {"Deployment": {"web": deployment}, "Service": {}, "ConfigMap": {"web-releases": book}}


@pytest.mark.parametrize("text", MARKUP)
def test_status_shows_what_is_markup_as_it_is_written(text):
    namespaces = {"apps": everywhere(text), "other": everywhere(text)}
    out = io.StringIO()
    views = workloads(namespaces, NOW)
    Console(file=out, width=300, highlight=False).print(render.page(views, tuple(namespaces), text))
    assert shown(f"evil{text}") in out.getvalue()
    assert not set(out.getvalue()) & {"\x1b", "\r", "\x9b"}


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "\x1b[2J\u202e"])
def test_a_report_holds_no_markup_of_others(text):
    moment = Moment(Event.STEP, AT, {text: 1}, text=text)
    check = CheckResult(text, "Failed", text, {"min": 1.0, "max": 2.0}, ((AT, 1.0, text), (AT, None, text)))
    container = {"name": "web", "image": "r.example.com/web:1"}
    record = Record(
        1, Release.of({"metadata": {}, "spec": {"containers": [container]}}), Phase.DEGRADED, AT, AT, 1.0, text,
        dict.fromkeys(("commit", "ref", "project", "pipeline", "pipelineUrl", "job", "actor", "promoted"), text),
        strategy=text, kept_until=text, checks=(check,), timeline=(moment,), rejected=text, left=text,
    )  # fmt: skip
    html = page(text, text, (record,), NOW)
    assert "<script>" not in html
    assert "<img" not in html
    assert not set(html) & {"\x1b", "\u202e"}


def test_a_time_that_is_none_is_no_record():
    """`keptUntil` was shown as it stood."""
    release = Release.of({"metadata": {}, "spec": {"containers": [{"name": "w", "image": "w"}]}})
    record = Record(1, release, Phase.HEALTHY, AT, AT, 1.0)
    ((key, text),) = ledger.encode([record]).items()
    assert ledger.decode({key: text}) == (record,)
    for forged in ("<b>", "2026-01-01<00:00:00+00:00", "2026-01-01T00:00:00"):
        assert ledger.decode({key: text.replace('"keptUntil": ""', f'"keptUntil": "{forged}"')}) == ()


@pytest.mark.parametrize("text", [SECTION, "@all", "/merge", "<img src=x>", "[x](javascript:1)", "a | b", "`x`"])
def test_a_note_mentions_nobody_and_runs_no_quick_action(text):
    change = Change("update", text, text, (text,))
    said = note.body([Digest(text, (change,), (text,)), Digest(text, error=text)], text, text)
    assert is_plain(said.replace("\n", ""))
    assert "<img" not in re.sub("`[^`]*`", "", said)
    assert not any(line.startswith("/") for line in said.split("\n"))
    assert " @all" not in said.replace("`@all`", "")
