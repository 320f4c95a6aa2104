"""Random histories of jobs that run at once, are killed and retried: never two engines at work on one stack."""

import os
import random
import threading
from datetime import UTC, datetime

import pytest

from pulumi_slipway.pipeline import jobs as module
from pulumi_slipway.pipeline.engine import Ended
from pulumi_slipway.pipeline.jobs import Jobs
from pulumi_slipway.pipeline.project import JobState
from pulumi_slipway.pipeline.up import Locking, StackLocked, past_locks

HISTORIES = 4000 if os.environ.get("SLIPWAY_SOAK") else 200
MADE = datetime.now(UTC).isoformat(timespec="seconds")
STEPS = 400
"""Of a history at most; then every job that waits still gives up."""


class Killed(BaseException):
    """The job's process dies, and its engine with it."""


class World:
    """A stack's lock, the ConfigMap and GitLab; its jobs take turns, in an order that the seed gives."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.lock, self.engines, self.entries, self.states, self.wrong = None, set(), {}, {}, []
        self.threads, self.turn, self.steps, self.lifted, self.serial = {}, None, 0, 0, 0
        self.changed = threading.Condition()

    def step(self, job, deadly=True):
        """Lets others go on; this job may never come back."""
        with self.changed:
            self.turn = None
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.turn == job.number)
        if deadly and self.random.random() < job.danger:
            raise Killed

    def run(self, jobs):
        """Starts them all, and gives turns until all have ended."""
        for job in jobs:
            self.states[job.number] = "running"
            self.threads[job.number] = threading.Thread(target=job.go, daemon=True)
            self.threads[job.number].start()
        alive = {job.number for job in jobs}
        while alive:
            self.steps += 1
            with self.changed:
                self.turn = self.random.choice(sorted(alive))
                turn = self.turn
                self.changed.notify_all()
                assert self.changed.wait_for(lambda: self.turn is None, 20), "a job that never gives its turn back"
            if self.states[turn] != "running":
                alive.discard(turn)

    def over(self, job, state):
        """The job's process is gone: GitLab knows it."""
        self.engines.discard(job.number)
        self.states[job.number] = state
        with self.changed:
            self.turn = None
            self.changed.notify_all()


class ModelJobs(Jobs):
    """The jobs as they are, with the model's ConfigMap."""

    def _write(self, hosts):
        job = WORLD[0].step
        job(JOBS[0][self.own])
        for number, host in hosts.items():
            if host is None:
                WORLD[0].entries.pop(number, None)
            else:
                WORLD[0].entries[number] = JOBS[0][number].host

    def _read(self):
        WORLD[0].step(JOBS[0][self.own])
        return dict(WORLD[0].entries)


WORLD: list = [None]
JOBS: list = [{}]


class Job:
    """One job of the stack: past the locks, at work for some steps, done."""

    def __init__(self, world, number, host, danger):
        self.world, self.number, self.host, self.danger = world, number, host, danger
        self.jobs = ModelJobs("staging", "staging", str(number), {"SLIPWAY_NOTE_TOKEN": "t"})

    def go(self):
        world = self.world
        with world.changed:
            world.changed.wait_for(lambda: world.turn == self.number)
        try:
            past_locks(
                "staging", Locking(serialised=True, wait=100), lambda: self.jobs.at_work(self.engine), self.lift,
                self.jobs, sleep=lambda _: world.step(self), clock=lambda: 1e6 if world.steps > STEPS else 0.0,
            )  # fmt: skip
            world.over(self, "success")
        except (Killed, StackLocked):
            world.over(self, "failed")
        except BaseException as error:
            world.wrong.append(repr(error))
            world.over(self, "failed")

    def engine(self):
        world = self.world
        world.step(self)
        if world.lock is not None:
            told = f"created by root@{world.lock.host} (pid {world.serial}) at {MADE}"
            return Ended(255, f"error: the stack is currently locked by 1 lock(s)\n  file:///s/1.json: {told}\n")
        world.lock = self
        world.serial += 1
        world.engines.add(self.number)
        if len(world.engines) > 1:
            world.wrong.append(f"{sorted(world.engines)} are at work at once")
        for _ in range(world.random.randint(1, 6)):
            world.step(self)
        world.engines.discard(self.number)
        world.lock = None
        return Ended(0, "")

    def lift(self):
        self.world.step(self)  # `pulumi cancel` takes its time, and then every lock that is there
        if self.world.lock is not None and self.world.lock.number in self.world.engines:
            self.world.wrong.append(f"{self.number} lifts the lock of {self.world.lock.number}, which is at work")
        self.world.lock = None
        self.world.lifted += 1


class GitLab:
    """What it says of a job."""

    def job(self, number):
        return JobState(WORLD[0].states[number])


@pytest.fixture(autouse=True)
def gitlab(monkeypatch):
    monkeypatch.setattr(module, "connect", lambda *_: GitLab())
    monkeypatch.setattr("pulumi_slipway.pipeline.engine.say", lambda *_, **__: None)


def history(seed):
    """One history; what went wrong in it, and how many locks were lifted."""
    world = World(seed)
    hosts = world.random.choice([["r1"], ["r1", "r2"], ["r1", "r2", "r3", "r4"]])
    jobs = [
        Job(world, number, world.random.choice(hosts), world.random.choice([0.0, 0.02, 0.1]))
        for number in range(1, world.random.randint(3, 6))
    ]
    WORLD[0], JOBS[0] = world, {key: job for job in jobs for key in (job.number, str(job.number))}
    world.run(jobs)
    for thread in world.threads.values():
        thread.join(10)
    return world.wrong, world.lifted


def test_never_are_two_engines_at_work_on_a_stack_whatever_is_killed_and_when():
    lifted = 0
    for seed in range(HISTORIES):
        wrong, count = history(seed)
        assert wrong == [], f"history {seed}"
        lifted += count
    assert lifted > HISTORIES / 20, "dead jobs' locks are lifted, too"
