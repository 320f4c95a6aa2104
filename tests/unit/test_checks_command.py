"""Check kind `command`, with real processes: what they say, what they are told, and that none is left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pulumi_slipway.cluster.time_limit import Stopped
from pulumi_slipway.release.checks.command import CommandCheck, inherited
from pulumi_slipway.release.checks.model import Status, Target
from pulumi_slipway.release.checks.supervisor import GRACE_SECONDS

TARGET = Target(
    "myapp", "production", "shop", "blueGreen", "green", "abc123", "registry/app@sha256:1", "myapp-preview", 3000,
    None, {},
)  # fmt: skip
PATH = {"PATH": os.environ["PATH"]}


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def measure(*command, timeout=20.0, environment=PATH, stop=None, target=TARGET):
    return CommandCheck(command, target, timeout, environment)(1, stop or threading.Event())


def shell(script, **settings):
    return measure("sh", "-c", script, **settings)


def script(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def alive(pid):
    """Whether a process runs; what has died and is not yet buried doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def pids(*files):
    """What processes wrote of themselves, once they have."""
    until = time.monotonic() + 20
    while not all(file.exists() and file.read_text().strip() for file in files):
        assert time.monotonic() < until, "it never began"
        time.sleep(0.01)
    return [int(file.read_text()) for file in files]


# What it says


@pytest.mark.parametrize(
    ("code", "status"), [(0, Status.SUCCESSFUL), (1, Status.FAILED), (75, Status.INCONCLUSIVE), (255, Status.FAILED)]
)
def test_its_exit_status_decides(code, status):
    reading = shell(f"exit {code}")
    assert (reading.status, reading.reason, reading.value) == (status, f"exit status {code}", None)


def test_its_last_line_is_the_value_if_it_is_a_number():
    reading = shell("echo error rate; echo 0.062; exit 1")
    assert (reading.value, reading.reason) == (0.062, "exit status 1, value 0.062")
    assert shell("echo 0.062; echo that was it").value is None
    assert shell("echo nan").value is None


def test_what_it_wrote_on_both_streams_comes_along_in_order_and_its_end_if_it_is_long():
    assert shell("echo one; echo two >&2; echo three").output == "one\ntwo\nthree\n"
    reading = shell("yes abcdefg | head -n 200000; echo the end")
    assert len(reading.output) <= 8192
    assert reading.output.endswith("the end\n")


def test_what_is_no_text_does_no_harm():
    assert shell(r"printf '\377\n'; exit 0").status is Status.SUCCESSFUL


def test_a_crash_is_bad():
    reading = shell("kill -SEGV $$")
    assert (reading.status, reading.reason) == (Status.FAILED, "was ended by SIGSEGV")


def test_what_can_not_be_started_is_an_error():
    assert measure("./no-such-thing").status is Status.ERROR
    assert measure("./no-such-thing").reason == "./no-such-thing can not be started: No such file or directory"
    Path("plain").write_text("text")
    assert measure("./plain").reason == "./plain can not be started: Permission denied"


def test_one_that_takes_too_long_is_an_error():
    begin = time.monotonic()
    reading = shell("echo half-way; sleep 60", timeout=0.5)
    assert (reading.status, reading.output) == (Status.ERROR, "half-way\n")
    assert reading.reason == "did not end within 0.5 s and was killed"
    assert time.monotonic() - begin < 10


# The article's scripts


def test_the_articles_smoke_test_works_unchanged(project):
    script(project / "scripts/smoke-test.sh", 'test "$1" = green.internal.example.com && echo "$1 is fine"')
    reading = measure("./scripts/smoke-test.sh", "green.internal.example.com")
    assert (reading.status, reading.output) == (Status.SUCCESSFUL, "green.internal.example.com is fine\n")


def test_the_articles_error_rate_check_works_unchanged(project):
    script(project / "scripts/check-error-rate.sh", "echo 0.07; exit 1")
    reading = measure("./scripts/check-error-rate.sh")
    assert (reading.status, reading.value) == (Status.FAILED, 0.07)


# What it is told


def test_placeholders_are_filled_in_and_other_braces_left():
    reading = measure("echo", "{{track}}.{{ namespace }}/{{workload}}", "{{.items}}", "{{release}}@{{environment}}")
    assert reading.output == "green.shop/myapp {{.items}} abc123@production\n"


def test_it_finds_what_it_is_of_in_its_environment():
    names = ["WORKLOAD", "ENVIRONMENT", "NAMESPACE", "TRACK", "RELEASE", "IMAGE", "SERVICE"]
    told = shell("; ".join(f"echo $SLIPWAY_{name}" for name in names)).output.split("\n")
    assert told[:-1] == ["myapp", "production", "shop", "green", "abc123", "registry/app@sha256:1", "myapp-preview"]


def test_it_gets_the_jobs_environment_without_what_opens_the_stack():
    job = {
        **PATH, "KUBECONFIG": "/k", "CI_JOB_TOKEN": "j", "SLIPWAY_IMAGE": "another", "PYTHONPATH": "/x",
        "PULUMI_CONFIG_PASSPHRASE": "planted", "PULUMI_ACCESS_TOKEN": "planted", "PULUMI_CONFIG": "planted",
        "GITLAB_TOKEN": "planted",
    }  # fmt: skip
    output = shell("env", environment=job).output
    assert "planted" not in output
    assert "another" not in output
    for line in ("KUBECONFIG=/k", "CI_JOB_TOKEN=j", "PYTHONPATH=/x"):
        assert line in output.splitlines()
    assert set(inherited(job)) == {"PATH", "KUBECONFIG", "CI_JOB_TOKEN", "SLIPWAY_IMAGE", "PYTHONPATH"}


def test_it_has_nothing_to_read():
    assert shell("cat; echo end").output == "end\n"


# Nothing is left behind


STUBBORN = """
echo $$ > parent
(trap '' TERM; sh -c 'trap "" TERM; echo $$ > ignores; while :; do sleep 1; done') &
setsid sh -c 'echo $$ > own-session; while :; do sleep 1; done' &
setsid setsid sh -c 'trap "" TERM; (echo $(exec sh -c "echo \\$PPID") > orphan; while :; do sleep 1; done) & exit' &
"""


def stubborn(project):
    return [project / name for name in ("parent", "ignores", "own-session", "orphan")]


def test_on_a_timeout_every_descendant_goes_also_those_that_ignore_sigterm_or_made_a_session(project):
    reading = shell(STUBBORN + "wait", timeout=3.0)
    assert reading.status is Status.ERROR
    assert not [pid for pid in pids(*stubborn(project)) if alive(pid)]


def test_when_it_is_stopped_too(project):
    stop, outcome = threading.Event(), []

    def work():
        try:
            shell(STUBBORN + "wait", timeout=60.0, stop=stop)
        except Stopped:
            outcome.append("stopped")

    thread = threading.Thread(target=work)
    thread.start()
    began = pids(*stubborn(project))
    assert all(map(alive, began))
    stop.set()
    thread.join(20)
    assert outcome == ["stopped"]
    assert not [pid for pid in began if alive(pid)]


def test_when_it_ends_by_itself_what_it_left_in_the_background_goes_too(project):
    begin = time.monotonic()
    reading = shell(
        "setsid sh -c 'echo $$ > background; exec sleep 60' & while ! test -s background; do :; done; exit 3"
    )
    assert reading.reason == "exit status 3"
    assert not alive(*pids(project / "background"))
    assert time.monotonic() - begin < 10  # the output's pipe was held open by it


def test_what_ends_on_sigterm_may_clean_up_first(project):
    reading = shell("trap 'rm lock; exit' TERM; touch lock; while :; do sleep 0.05; done", timeout=0.6)
    assert reading.status is Status.ERROR
    assert not (project / "lock").exists()


def test_when_the_run_itself_is_killed_hard_all_of_it_dies(project):
    root = Path(__file__).resolve().parents[2]
    code = (
        "import threading\n"
        "from tests.unit.test_checks_command import STUBBORN, shell\n"
        "shell(STUBBORN + 'wait', timeout=60.0, stop=threading.Event())\n"
    )
    run = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(root)})
    try:
        began = pids(*stubborn(project))
        assert all(map(alive, began))
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait(10)
    until = time.monotonic() + GRACE_SECONDS + 8
    while left := [pid for pid in began if alive(pid)]:
        assert time.monotonic() < until, f"still there: {left}"
        time.sleep(0.05)


def test_a_supervisor_that_is_killed_is_an_error(project):
    readings = []
    thread = threading.Thread(target=lambda: readings.append(shell("echo $PPID > supervisor; exec sleep 60")))
    thread.start()
    (supervisor,) = pids(project / "supervisor")
    os.kill(supervisor, signal.SIGKILL)
    thread.join(20)
    assert [(it.status, it.reason) for it in readings] == [(Status.ERROR, "was killed from outside")]
