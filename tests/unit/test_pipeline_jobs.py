"""Whose lock may be lifted: only that of a job that has ended, as GitLab says, also where two run at once."""

import signal
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

import pytest

from pulumi_slipway.core.errors import UserError
from pulumi_slipway.pipeline import jobs as module
from pulumi_slipway.pipeline.engine import Ended
from pulumi_slipway.pipeline.jobs import Jobs, over
from pulumi_slipway.pipeline.project import JobState
from pulumi_slipway.pipeline.up import Locking, StackLocked, past_locks

NOW = datetime.now(UTC)
REFUSED = (
    "error: the stack is currently locked by 1 lock(s).\n  file:///s/5f.json: created by root@runner-1 (pid 7) at "
    f"{(NOW - timedelta(minutes=5)).isoformat(timespec='seconds')}\n"
)
JOB = {"CI_JOB_ID": "9", "SLIPWAY_NOTE_TOKEN": "t"}


class Cluster:
    """The ConfigMap's data; what a merge patch does to it."""

    def __init__(self, data):
        self.data = dict(data)

    def get(self, *_, **__):
        return self

    def patch(self, _kind, _name, obj, **_):
        changes = obj["data"]
        self.data = {key: it for key, it in {**self.data, **changes}.items() if it is not None}


class GitLab:
    """The states of jobs; the name of a missing one is an error."""

    def __init__(self, states):
        self._states = states

    def job(self, number):
        if number not in self._states:
            raise UserError("GitLab answers 502")
        return JobState(*self._states[number])


@pytest.fixture
def world(monkeypatch):
    """Makes one: what the cluster's ConfigMap says, what GitLab says."""

    def make(data, states):
        made = Cluster(data)
        monkeypatch.setattr(module.cluster, "connect", lambda: made)
        monkeypatch.setattr(module.cluster, "as_preflight_error", lambda _: nullcontext())
        monkeypatch.setattr(module, "connect", lambda token, environ: GitLab(states) if token in environ else None)
        return made

    return make


def go(environ=JOB, *, wait=0.0, dead_after=None, namespace="staging"):
    """A job meets the lock once; how often it lifted it, and how long it waited."""
    lifted, now = [], [0.0]

    def start():
        return Ended(0, "") if lifted or now[0] else Ended(255, REFUSED)

    past_locks(
        "staging", Locking(serialised=True, wait=wait, dead_after=dead_after), start,
        lambda: lifted.append(1), module.of("staging", namespace, environ),
        sleep=lambda seconds: now.__setitem__(0, now[0] + seconds), clock=lambda: now[0],
    )  # fmt: skip
    return len(lifted), now[0]


@pytest.mark.parametrize("status", ["success", "failed"])
def test_the_lock_of_a_job_that_has_ended_is_lifted(world, status, capsys):
    world({"staging.job-5": "runner-1"}, {5: (status,)})
    assert go() == (1, 0.0)
    assert f"job 5 ({status}) has ended, as GitLab says: lifting it" in capsys.readouterr().err


@pytest.mark.parametrize("status", ["running", "canceling", "pending"])
def test_the_lock_of_a_job_at_work_is_waited_for_whatever_its_age_and_the_group(world, status, capsys):
    world({"staging.job-5": "runner-1"}, {5: (status,)})
    assert go(wait=60, dead_after=1.0) == (0, 5.0)
    assert f"(job 5 ({status}) is at work, as GitLab says)" in capsys.readouterr().err


def test_the_lock_of_a_job_that_was_cancelled_just_now_is_waited_for():
    at = {"success": 0, "failed": 0, "canceled": 61}
    for status, seconds in at.items():
        assert over(JobState(status, NOW - timedelta(seconds=seconds)), NOW)
    assert not over(JobState("canceled", NOW - timedelta(seconds=59)), NOW)
    assert not over(JobState("canceled"), NOW)
    assert not over(JobState("failed", NOW, "stuck_or_timeout_failure"), NOW), "its runner may be at work still"


@pytest.mark.parametrize(
    ("data", "states", "environ", "told"),
    [
        ([], {}, JOB, "no job is known to have made it"),
        (["staging.job-5 elsewhere", "production.job-4"], {4: ("failed",), 5: ("failed",)}, JOB, "no job is known"),
        (["staging.job-9"], {9: ("failed",)}, JOB, "no job is known"),
        (["staging.job-5"], {}, JOB, "made by job 5; GitLab answers 502"),
        (["staging.job-5"], {5: ("failed",)}, {"CI_JOB_ID": "9"}, "SLIPWAY_NOTE_TOKEN GitLab can't be asked"),
        (["staging.job-5", "staging.job-6"], {5: ("failed",), 6: ("running",)}, JOB, "6 (running)"),
    ],
)  # fmt: skip
def test_one_that_nobody_knows_the_end_of_is_waited_for_and_told(world, data, states, environ, told):
    world({key: host or "runner-1" for key, _, host in (entry.partition(" ") for entry in data)}, states)
    with pytest.raises(StackLocked) as error:
        go(environ)
    assert told in str(error.value)
    assert "pulumi cancel --stack staging" in str(error.value)


def test_one_that_nobody_knows_the_end_of_is_lifted_once_no_job_runs_for_so_long(world):
    world({}, {})
    assert go(dead_after=60.0) == (1, 0.0)
    assert go(dead_after=60.0, namespace=None) == (1, 0.0)
    with pytest.raises(StackLocked):
        go(dead_after=3600.0)


def test_outside_of_gitlabs_jobs_the_flag_counts_as_it_says(world):
    world({}, {})
    assert go({}) == (1, 0.0)


def test_a_job_is_known_while_its_engine_runs_and_no_longer(world):
    cluster, others = world({"staging.job-5": "runner-1"}, {}), {"staging.job-5": "runner-1"}
    jobs = Jobs("org/staging", "staging", "9", JOB)

    def run(*ended):
        assert cluster.data.keys() == {"staging.job-5", "org-staging.job-9"}
        return Ended(*ended)

    for ended in ((0, ""), (1, ""), (255, "error: it failed")):
        jobs.at_work(lambda ended=ended: run(*ended))
        assert cluster.data == others, ended
    for ended in ((-9, ""), (2, "panic: "), (255, "", signal.SIGTERM), (0, "", signal.SIGTERM)):
        jobs.at_work(lambda ended=ended: run(*ended))
        assert cluster.data != others, "it may have left its lock"
    jobs.leave()
    assert cluster.data == others


def test_what_is_lifted_is_forgotten_and_who_lifts_says_so_before(world):
    kept = {"staging.job-6": "elsewhere", "qa.job-5": "runner-1"}
    cluster = world({"staging.job-5": "runner-1", **kept}, {5: ("failed",), 6: ("deleted",)})
    assert go() == (1, 0.0)
    assert cluster.data.keys() == {"qa.job-5", "staging.job-9"}


def test_of_two_that_find_a_dead_jobs_lock_the_one_that_sees_the_other_waits(world, capsys):
    before = {"staging.job-5": "runner-1", "staging.job-6": "elsewhere"}
    cluster = world(before, {5: ("failed",), 6: ("running",)})
    assert go(wait=60.0) == (0, 5.0)
    assert "(another job of it may be at work)" in capsys.readouterr().err
    assert cluster.data == before


def test_a_cluster_that_cannot_be_asked_does_not_stop_the_run(monkeypatch):
    def refuse():
        raise UserError("no usable kubeconfig")

    monkeypatch.setattr(module.cluster, "connect", refuse)
    assert Jobs("staging", "staging", "9", JOB).at_work(lambda: Ended(3, "")).status == 3
    with pytest.raises(StackLocked, match="does not say which job made it: no usable kubeconfig"):
        go()
