"""The pure parts of the jobs' commands: locks, previews, notes, stack files, snapshots, sweeps."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from pulumi_slipway.core.action import variable
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.model import Phase, Record, Release
from pulumi_slipway.pipeline import drift, engine, locks, note, snapshot, stack_files
from pulumi_slipway.pipeline.deploy import environ
from pulumi_slipway.pipeline.digest import Change, Digest, digest
from pulumi_slipway.pipeline.engine import Ended
from pulumi_slipway.pipeline.preview import of_run, put_note
from pulumi_slipway.pipeline.project import at_work
from pulumi_slipway.pipeline.rollback import left_behind
from pulumi_slipway.pipeline.up import Locking, StackLocked, past_locks, without_healed

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
REFUSED = (
    "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete the "
    "lock file with `pulumi cancel`.\n  file:///state/.pulumi/locks/organization/slipway/staging/5f.json: created by "
    "root@{host} (pid {pid}) at {at}\n"
)


def refused(host: str = "runner-1", pid: int = 7, age: timedelta = timedelta(minutes=5)) -> Ended:
    """A run that met a lock."""
    return Ended(255, REFUSED.format(host=host, pid=pid, at=(datetime.now(UTC) - age).isoformat(timespec="seconds")))


# --- locks


def test_a_lock_says_whose_it_is_and_how_old() -> None:
    [lock] = locks.held(refused().output)
    assert (lock.user, lock.host, lock.pid) == ("root", "runner-1", 7)
    assert lock.told(lock.since + timedelta(seconds=61)) == "root@runner-1 (pid 7), 61 s old"
    assert lock.told(lock.since + timedelta(hours=3)) == "root@runner-1 (pid 7), 3 h old"
    assert lock.told(lock.since + timedelta(minutes=30)).endswith("30 min old")


@pytest.mark.parametrize("output", ["", "error: something else", "the stack was locked by nobody"])
def test_another_failure_is_no_lock(output: str) -> None:
    assert locks.held(output) == []


class Runs:
    """`pulumi` as it goes from try to try, and what was done in between."""

    def __init__(self, *ended: Ended) -> None:
        self._ended: Iterator[Ended] = iter(ended)
        self.now, self.lifted = 0.0, 0

    def start(self) -> Ended:
        return next(self._ended)

    def lift(self) -> None:
        self.lifted += 1

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def go(self, locking: Locking) -> Ended:
        return past_locks("staging", locking, self.start, self.lift, sleep=self.sleep, clock=lambda: self.now)


def test_a_dead_jobs_lock_is_lifted_where_jobs_run_one_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    runs = Runs(refused(), Ended(0, ""))
    assert runs.go(Locking(serialised=True, wait=0)).status == 0
    assert runs.lifted == 1
    assert "locked by root@runner-1 (pid 7)" in capsys.readouterr().err


def test_a_lock_is_never_lifted_where_jobs_may_run_at_once() -> None:
    runs = Runs(*[refused()] * 4)
    with pytest.raises(StackLocked, match=r"locked by root@runner-1 \(pid 7\), \d+ (s|min) old, still after 12 s"):
        runs.go(Locking(serialised=False, wait=12))
    assert runs.lifted == 0
    assert runs.now >= 12


def test_a_lock_whose_maker_is_at_work_on_this_host_is_waited_for_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Path, "read_bytes", lambda self: b"/usr/bin/pulumi\0up\0")
    runs = Runs(refused(host=socket.gethostname(), pid=1), Ended(0, ""))
    runs.go(Locking(serialised=True, wait=60))
    assert (runs.lifted, runs.now) == (0, 5.0)


def test_a_lock_older_than_any_job_is_a_dead_jobs() -> None:
    runs = Runs(refused(age=timedelta(hours=2)), Ended(0, ""))
    runs.go(Locking(serialised=False, wait=0, dead_after=3600))
    assert runs.lifted == 1
    with pytest.raises(StackLocked):
        Runs(refused(age=timedelta(minutes=2))).go(Locking(serialised=False, wait=0, dead_after=3600))


def test_a_failure_that_is_no_lock_and_a_cancelled_run_are_not_tried_again() -> None:
    assert Runs(Ended(1, "error: no")).go(Locking(serialised=True, wait=60)).status == 1
    cancelled = Ended(255, refused().output, signal.SIGTERM)
    assert Runs(cancelled).go(Locking(serialised=True, wait=60)).exit_status == 143


# --- what a killed run left


def operation(kind: str, urn: str) -> dict[str, Any]:
    """A pending operation as the state has it."""
    return {"type": kind, "resource": {"urn": urn}}


def test_a_pending_create_is_forgotten_once_the_state_holds_its_resource_and_nothing_else_is() -> None:
    kept = [operation("creating", "urn:b"), operation("updating", "urn:a"), operation("deleting", "urn:a")]
    state = {
        "deployment": {"resources": [{"urn": "urn:a"}], "pending_operations": [operation("creating", "urn:a"), *kept]}
    }
    healed = without_healed(state)
    assert healed is not None
    assert healed["deployment"] == {"resources": [{"urn": "urn:a"}], "pending_operations": kept}
    assert without_healed(healed) is None
    assert without_healed({"deployment": {"resources": []}}) is None


def test_the_state_of_an_environment_is_written_once_and_that_of_an_access_stack_after_each_step() -> None:
    staging, access = ({"config": {key: {}}} for key in ("slipway:environment", "slipway:access"))
    assert environ(staging, {"A": "b"}) == {"A": "b", "PULUMI_SKIP_CHECKPOINTS": "true"}
    assert environ(staging, {"PULUMI_SKIP_CHECKPOINTS": "false"}) == {"PULUMI_SKIP_CHECKPOINTS": "false"}
    assert environ(access, {"A": "b"}) == {"A": "b"}


def test_the_reasons_are_taken_out_of_what_pulumi_said() -> None:
    assert engine.reason("a\n  error: one\nb\nerror: two\n error: one\n") == "one; two"
    assert engine.reason("first\nlast\n\n") == "last"
    assert engine.reason("") == "it said nothing"


# --- previews


def step(op: str, kind: str = "kubernetes:apps/v1:Deployment", name: str = "myapp", **more: Any) -> dict[str, Any]:
    """A step as `pulumi preview --json` has it."""
    return {"op": op, "urn": f"urn:pulumi:staging::slipway::slipway:index:Workload${kind}::{name}", **more}


def changed(old: dict[str, Any], new: dict[str, Any], *paths: str) -> dict[str, Any]:
    """An update of these paths."""
    diff = {path: {"kind": "update"} for path in paths}
    return step("update", detailedDiff=diff, oldState={"inputs": old}, newState={"inputs": new})


def test_the_counts_are_those_that_gitlab_shows_and_nothing_more() -> None:
    steps = [step("create"), step("update"), step("replace"), step("delete"), step("same"), step("create-replacement")]
    found = digest("staging", {"steps": [*steps, step("create", "slipway:index:Workload")]})
    assert found.counts == {"create": 1, "update": 2, "delete": 1}
    assert [change.kind for change in found.changes] == ["Deployment"] * 4


def test_values_are_shown_where_they_can_be_no_secret_and_nowhere_else() -> None:
    def template(image: str, value: str) -> dict[str, Any]:
        container = {"name": "a", "image": image, "env": [{"name": "A", "value": value}]}
        return {"spec": {"replicas": 1.0, "template": {"spec": {"containers": [container]}}}}

    old, new = template("r/a@sha256:" + "1" * 64, "old-secret"), template("r/a@sha256:" + "2" * 64, "new-secret")
    new["spec"]["replicas"] = 3.0
    paths = (
        "spec.replicas", "spec.template.spec.containers[0].image", "spec.template.spec.containers[0].env[0].value",
        'metadata.annotations["a/b"]', 'data["password"]', "stringData.x",
    )  # fmt: skip
    text = json.dumps(digest("s", {"steps": [changed(old, new, *paths)]}).as_data(), ensure_ascii=False)
    assert "spec.replicas: 1 → 3" in text
    assert f"image: r/a@{'1' * 12} → r/a@{'2' * 12}" in text
    assert "spec.template.spec.containers[0].env[0].value" in text
    assert "old-secret" not in text
    assert "new-secret" not in text


def test_a_digest_survives_the_way_between_two_jobs() -> None:
    found = Digest("s", (Change("update", "Service", "a", ("x", "y")),), ("told",), None)
    assert Digest.of_data(json.loads(json.dumps(found.as_data()))) == found


def test_why_a_preview_failed_is_what_the_program_said() -> None:
    said = [
        {"message": "warning: using pulumi-language-python from $PATH at /x\n", "severity": "warning"},
        {"message": "error: workload myapp: no\n\n", "severity": "info#err"},
    ]
    ended = subprocess.CompletedProcess([], 255, json.dumps({"steps": [], "diagnostics": said}), "warning: x\n")
    assert of_run("staging", ended).error == "workload myapp: no"
    crashed = subprocess.CompletedProcess([], 2, "", "goroutine 1\nerror: it broke\n")
    assert of_run("staging", crashed).error == "it broke"


# --- the note


def many(count: int) -> tuple[Change, ...]:
    """So many changes."""
    return tuple(Change("create", "ConfigMap", f"c{i}", ()) for i in range(count))


def test_a_short_table_is_open_and_a_long_one_folded() -> None:
    assert "<details>" not in note.body([Digest("staging", many(note.FOLD))], "https://g/p", "abc")
    long = note.body([Digest("staging", many(note.FOLD + 1))], "https://g/p", "abc")
    assert "<details><summary><b>staging</b>: 9 to create</summary>" in long
    assert long.count("\n| ➕") == note.FOLD + 1


def test_no_preview_however_large_is_more_than_gitlab_takes() -> None:
    fields = tuple("f" * 200 for _ in range(500))
    changes = tuple(Change("update", "ConfigMap", f"c{i}", fields) for i in range(5000))
    text = note.body([Digest(name, changes) for name in ("a", "b", "c")], "https://g/p", "abc")
    assert len(text) < 1_000_000
    assert "… and 4900 more" in text


@given(st.text(), st.text(), st.text())
@example(kind="`", name="", said="<")
@example(kind="", name="\\", said="<")
def test_nothing_in_a_name_or_a_message_becomes_markup(kind: str, name: str, said: str) -> None:
    text = note.body([Digest("s", (Change("update", kind, name, (said,)),), (said,), None)], "javascript:x", "abc")
    inside = text.replace("<sub>", "").replace("</sub>", "").replace("<br>", "").removeprefix(note.MARK)
    outside_code = re.sub(r"\\[\W_]|`[^`]*`", "", inside)  # Markdown takes an escaped sign for no sign
    assert "<" not in outside_code
    assert len([line for line in text.splitlines() if line.startswith("| ✏️")]) == 1
    assert "javascript:" not in text


def test_a_preview_that_failed_is_told() -> None:
    text = note.body([Digest("staging", error="no <way>"), Digest("production")], "https://g/p", "abc")
    assert "**staging**: no preview: no &lt;way&gt;" in text
    assert "**production**: no changes" in text


# --- the state that previews get

SECRET = {snapshot._SIGNATURE: snapshot._SECRET, "ciphertext": "v1:abc"}


def test_a_snapshot_has_neither_a_secret_nor_the_key() -> None:
    state = {
        "version": 3,
        "deployment": {
            "secrets_providers": {"type": "passphrase", "state": {"salt": "v1:salt"}},
            "pending_operations": [operation("creating", "urn:x")],
            "resources": [{"urn": "urn:a", "inputs": {"data": SECRET, "list": [{"deep": SECRET}], "plain": 1}}],
        },
    }
    text = json.dumps(snapshot.without_secrets(state))
    assert "ciphertext" not in text
    assert "salt" not in text
    assert text.count('"plaintext": "\\"withheld\\""') == 2
    assert '"plain": 1' in text
    assert state["deployment"]["secrets_providers"], "the state itself is left as it is"


# --- stack files

REVIEW = {
    "encryptionsalt": "v1:salt",
    "config": {
        "slipway:environment": {"name": "review", "imagePullSecret": "gitlab-registry"},
        "slipway:workloads": {
            "web": {"ingress": {"host": "$CI_ENVIRONMENT_SLUG.example.com"}, "env": {"API": "http://api-$SLIPWAY_REVIEW"}},
            "api": {"replicas": 1, "env": {"PRICE": "$5"}, "secretEnv": {"DB": {"secure": "v1:x"}}},
        },
    },
}  # fmt: skip


def test_a_review_environment_is_the_shared_settings_under_the_branchs_names() -> None:
    made = yaml.safe_load(stack_files.for_review(REVIEW, "feature/x", {"CI_ENVIRONMENT_SLUG": "review-x-abc123"}))
    slug = next(iter(made["config"]["slipway:workloads"])).removeprefix("web-")
    assert made["config"]["slipway:environment"] == {
        "name": f"review-{slug}", "namespace": "review", "imagePullSecret": "gitlab-registry"
    }  # fmt: skip
    web, api = (made["config"]["slipway:workloads"][f"{name}-{slug}"] for name in ("web", "api"))
    assert web == {"ingress": {"host": "review-x-abc123.example.com"}, "env": {"API": f"http://api-{slug}"}}
    assert api["env"] == {"PRICE": "$5"}
    assert made["encryptionsalt"] == "v1:salt"


def test_images_for_single_workloads_follow_their_names() -> None:
    environ = {variable("web"): "r/web:1", variable("api"): "r/api:1", "OTHER": "x"}
    moved = stack_files.images_for_review(["web", "api"], "feature/x", environ)
    slug = stack_files.names.slug("feature/x")
    assert moved == {variable(f"web-{slug}"): "r/web:1", variable(f"api-{slug}"): "r/api:1", "OTHER": "x"}
    assert stack_files.images_for_review(["web"], "b", {"SLIPWAY_IMAGE": "r/w:1"}) == {"SLIPWAY_IMAGE": "r/w:1"}


def test_a_workload_whose_name_is_too_long_for_a_review_is_told() -> None:
    block = {"config": {"slipway:environment": {"name": "review"}, "slipway:workloads": {"w" * 20: {}}}}
    with pytest.raises(stack_files.StackFileError, match="19 characters at most"):
        stack_files.for_review(block, "feature/a-long-one", {})


def test_a_preview_gets_nothing_encrypted_and_no_salt() -> None:
    text = stack_files.for_preview(REVIEW)
    assert "secure" not in text
    assert "salt" not in text
    secret = yaml.safe_load(text)["config"]["slipway:workloads"]["api"]["secretEnv"]
    assert secret == {"DB": {"fromEnv": stack_files.NOT_HERE}}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "there is no such file"),
        ("a: [", "is no YAML"),
        ("config: 3", "has no `config:` block"),
        ("", "has no `config:` block"),
    ],
)
def test_a_stack_file_that_can_not_be_used_is_told_in_one_line(tmp_path: Path, text: str | None, told: str) -> None:
    if text is not None:
        (tmp_path / "Pulumi.staging.yaml").write_text(text)
    with pytest.raises(stack_files.StackFileError, match=told) as raised:
        stack_files.load(tmp_path, "staging")
    assert "\n" not in str(raised.value)


def test_a_workspace_leaves_the_checkout_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "__main__.py").write_text("print()")
    (tmp_path / "Pulumi.staging.yaml").write_text("config: {}\n")
    with stack_files.workspace(tmp_path, "staging", "config: {a: b}\n") as directory:
        assert (directory / "__main__.py").read_text() == "print()"
        assert (directory / "Pulumi.staging.yaml").read_text() == "config: {a: b}\n"
        assert directory.stat().st_mode & 0o777 == 0o700
    assert not directory.exists()
    assert (tmp_path / "Pulumi.staging.yaml").read_text() == "config: {}\n"


# --- sweep and rollback


def test_a_branch_keeps_its_environment_while_its_merge_request_is_open_or_it_never_had_one() -> None:
    requests = [("open", "opened", 1), ("merged", "merged", 2), ("closed", "closed", 3), ("again", "closed", 4),
                ("again", "opened", 5), ("gone", "merged", 6), ("elsewhere", "opened", 7)]  # fmt: skip
    branches = {"open", "merged", "closed", "again", "never"}
    assert at_work(branches, requests) == [("again", 5), ("elsewhere", 7), ("never", None), ("open", 1)]


def record(name: str, outcome: Phase) -> Record:
    """A line of the ledger."""
    release = Release(json.dumps({"metadata": {"labels": {}}, "spec": {"containers": [{"image": name}]}}))
    return Record(sequence=1, release=release, outcome=outcome, started="", finished="", seconds=1)


@pytest.mark.parametrize(
    ("outcomes", "left"),
    [
        ((), False),
        ((Phase.HEALTHY,), False),
        ((Phase.HEALTHY, Phase.DEGRADED), True),
        ((Phase.DEGRADED, Phase.HEALTHY), False),
        ((Phase.HEALTHY, Phase.PAUSED), False),
        ((Phase.HEALTHY, Phase.PROGRESSING), True),
    ],
)
def test_only_a_release_that_did_not_come_up_is_rolled_back_by_itself(outcomes: tuple[Phase, ...], left: bool) -> None:
    assert left_behind(tuple(record("image", outcome) for outcome in outcomes)) is left


def test_the_engine_knows_every_jobs_kubeconfig_by_one_name(tmp_path: Path) -> None:
    for job in ("one", "two"):
        kubeconfig = tmp_path / f"kubeconfig-{job}"
        kubeconfig.write_text(job)
        environ = engine._environ(tmp_path, {"KUBECONFIG": str(kubeconfig), "A": "b"}, ["up", "--stack", "qa"])
        assert environ == {"KUBECONFIG": f"{engine.KUBECONFIG_LINK}qa", "A": "b"}
        other = engine._environ(tmp_path, {"KUBECONFIG": os.devnull}, ["preview", "--stack", "production"])
        assert (tmp_path / other["KUBECONFIG"]).resolve() == Path(os.devnull)
        assert (tmp_path / environ["KUBECONFIG"]).read_text() == job
    assert engine._environ(tmp_path, {"A": "b"}, ["up", "--stack", "qa"]) == {"A": "b"}


def test_an_engine_whose_job_nobody_listens_to_any_more_still_comes_to_its_end(tmp_path: Path) -> None:
    """A cancelled job's shell dies first; the engine died of the closed log, and its lock stayed (seen under load)."""
    pulumi = tmp_path / "pulumi"
    pulumi.write_text(
        "#!/bin/sh\n"
        "trap 'for n in 1 2 3; do sleep 0.1; echo unlocking $n || exit 9; done; touch ended; exit 1' INT\n"
        "echo begun\nwhile :; do sleep 0.05; done\n"
    )
    pulumi.chmod(0o755)
    environ = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(Path.cwd())}
    engine_run = f"from pulumi_slipway.pipeline import engine; engine.run(['up'], directory=Path({str(tmp_path)!r}))"
    program = f"from pathlib import Path; {engine_run}"
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as job:
        assert job.stdout
        assert job.stdout.readline() == "begun\n"
        job.stdout.close()
        job.send_signal(signal.SIGTERM)
        try:
            job.wait(20)
        finally:
            job.kill()
    assert (tmp_path / "ended").exists()


def test_no_pulumi_and_no_preview_are_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(engine.PulumiFailed, match="no `pulumi` on the PATH"):
        engine.run(["up", "--stack", "qa"], directory=tmp_path)
    with pytest.raises(UserError, match="there is no preview in"):
        put_note(tmp_path)


def test_drift_of_a_stack_that_is_none_and_has_no_file_is_a_name_misspelt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(arguments: list[str], **_: Any) -> str:
        raise engine.PulumiFailed("`pulumi stack export`: no stack named 'nosuch' found")

    monkeypatch.setattr(engine, "read", none)
    with pytest.raises(UserError, match=r"Pulumi\.nosuch\.yaml: there is no such file"):
        drift.drift(tmp_path, "nosuch")
