"""Jobs that are cancelled or killed: the next pipeline heals what they left, and finishes; and two jobs at once."""

import os
import signal
import time
from pathlib import Path

import pytest

from pulumi_slipway.core.model import Phase, Record
from pulumi_slipway.release import ledger
from tests.engine.access_stack import kubernetes
from tests.pipeline.harness import Delivery, Outcome, Running

POINTS = {
    "before the engine": "slipway up --stack staging",
    "at its start": "Updating (staging)",
    "while it plans": "myapp: Progressing: release",
    "at the Deployment": "myapp-stable updating",
    "while it waits for the pods": "myapp-ledger updating",
}
"""Where a job is cut off: a line of its log that has been seen then."""


@pytest.fixture(scope="module")
def versions(delivery: Delivery) -> dict[str, Outcome]:
    """Two versions with a pipeline each; staging runs the first."""
    delivery.git("checkout", "--quiet", "develop")
    made = {}
    for _ in range(2):
        commit = delivery.release()
        jobs = ["build", "deploy_staging"] if not made else ["build"]
        made[commit] = delivery.push("develop", *jobs).expect()
    return made


def start(delivery: Delivery, outcome: Outcome) -> Running:
    """The deploy job of a pipeline."""
    return delivery.start_again(outcome, "deploy_staging")


def wait_for(run: Running, sign: str, seconds: float = 60) -> None:
    """Until the job has said it."""
    deadline = time.monotonic() + seconds
    while sign not in run.said:
        assert not run.ended, f"it ended before {sign!r}:\n{run.said}"
        assert time.monotonic() < deadline, f"no {sign!r} in {seconds} s:\n{run.said}"
        time.sleep(0.02)


def other(delivery: Delivery, versions: dict[str, Outcome]) -> tuple[str, Outcome]:
    """The version that staging does not run."""
    live = delivery.version("staging")
    return next((commit, outcome) for commit, outcome in versions.items() if commit != live)


def locks(delivery: Delivery) -> list[Path]:
    """The locks on staging's stack."""
    return list((delivery.states["staging"] / ".pulumi" / "locks").rglob("*.json"))


def sound(delivery: Delivery, commit: str) -> None:
    """Staging runs this version, recorded Healthy; its state has no lock and nothing pending."""
    assert delivery.version("staging") == commit
    assert records(delivery)[-1].outcome is Phase.HEALTHY
    assert locks(delivery) == []
    [state] = list((delivery.states["staging"] / ".pulumi" / "stacks").rglob("staging.json"))
    assert '"pending_operations"' not in state.read_text()


def records(delivery: Delivery) -> tuple[Record, ...]:
    """The ledger of staging."""
    path = f"/api/v1/namespaces/{delivery.namespace('staging')}/configmaps/{ledger.name('myapp')}"
    with kubernetes() as admin:
        return ledger.decode(admin.get(path).json().get("data"))


@pytest.mark.parametrize("point", POINTS)
def test_a_job_that_is_told_to_end_and_then_killed_is_healed_by_the_next(
    delivery: Delivery, versions: dict[str, Outcome], point: str
) -> None:
    commit, outcome = other(delivery, versions)
    run = start(delivery, outcome)
    wait_for(run, POINTS[point])
    engine = children(run)
    run.signal(signal.SIGTERM)
    time.sleep(0.1)
    run.signal(signal.SIGKILL)
    for pid in engine:
        gone(pid)
    run.wait()
    healed = start(delivery, outcome).wait().expect()
    sound(delivery, commit)
    if "left by a job that was killed" in healed.output:
        assert f"root@{os.uname().nodename}" in healed.output
        assert " s old" in healed.output
        assert "has ended, as GitLab says: lifting it" in healed.output


def test_a_job_that_is_cancelled_stops_by_itself_and_gives_its_lock_back(
    delivery: Delivery, versions: dict[str, Outcome]
) -> None:
    commit, outcome = other(delivery, versions)
    run = start(delivery, outcome)
    wait_for(run, "myapp-stable updating")
    engine = children(run)
    assert engine
    run.signal(signal.SIGTERM)
    for pid in engine:
        gone(pid, 40)
    run.wait()  # this runner takes a shell that a signal has ended for a success
    assert "SIGTERM: telling pulumi to stop after the operation in flight" in run.said
    assert locks(delivery) == [], run.said
    assert records(delivery)[-1].outcome is Phase.PROGRESSING, "it was cut off"
    after = start(delivery, outcome).wait().expect()
    assert "locked" not in after.output
    sound(delivery, commit)


def test_of_two_jobs_at_once_one_waits_and_the_state_stays_sound(
    delivery: Delivery, versions: dict[str, Outcome]
) -> None:
    commit, quick = next(iter(versions.items()))
    delivery.git("checkout", "--quiet", "develop")
    delivery.release(START_DELAY="15s")
    slow = delivery.push("develop", "build").expect()
    one = start(delivery, slow)
    wait_for(one, "Updating (staging)")
    two = start(delivery, quick)
    assert one.wait().status == 0, one.said
    assert two.wait().status == 0, two.said
    assert "stack staging is locked by root@" in two.said
    assert "waiting 600 s at most" in two.said
    assert "lifting it" not in two.said
    sound(delivery, commit)


def children(run: Running) -> list[int]:
    """Processes of the engines that the job has started; each is in a session of its own."""
    parents, found = set(run.jobs()), []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
            if int(rest.split()[1]) in parents and name.startswith("pulumi"):
                found.append(int(stat.parent.name))
        except (OSError, ValueError, IndexError):
            continue
    return found


def gone(pid: int, seconds: float = 20) -> None:
    """Waits until a process has ended."""

    def ended() -> bool:
        try:
            return "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]
        except OSError:
            return True

    deadline = time.monotonic() + seconds
    while not ended():
        assert time.monotonic() < deadline, f"process {pid} outlives its job by {seconds} s"
        time.sleep(0.05)
