"""`pulumi up` and `pulumi destroy` of a CI job: past a dead job's lock, stopping cleanly, leaving nothing pending."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from pulumi_slipway.core.errors import UserError
from pulumi_slipway.pipeline import engine, locks
from pulumi_slipway.pipeline.engine import Ended
from pulumi_slipway.pipeline.jobs import Jobs, Known
from pulumi_slipway.pipeline.locks import Lock

POLL = 5.0
"""Seconds between two looks at a lock that is waited for."""


class StackLocked(UserError):
    """Somebody else is at work on the stack, or was and left a lock that this job may not lift."""


@dataclass(frozen=True)
class Locking:
    """How a job deals with a lock that it finds."""

    serialised: bool
    """Whether runs on this stack are serialised (`resource_group`), so that a lock that is found should be a dead
    job's: it is lifted, by a job of GitLab's once GitLab says that its job has ended, since GitLab serialises nothing
    where the group's name is none to it, and lets the next job begin while a cancelled one still ends."""
    wait: float
    """Seconds to wait for a lock that may not be lifted."""
    dead_after: float | None = None
    """Age in seconds from which on a lock is a dead job's: the jobs' timeout. None: age says nothing."""

    def dead(self, lock: Lock, now: datetime, jobs: Jobs | None) -> tuple[bool, str]:
        """Whether the lock's maker is known not to be at work any more, and how or why not, for people."""
        if lock.alive:
            return False, "it is at work on this host"
        known, why = jobs.of(lock) if jobs and self.serialised else (Known.NOTHING, "")
        if known is not Known.NOTHING:
            return known is Known.ENDED, why
        if self.dead_after is not None and lock.age(now) > self.dead_after:
            return True, "no job runs for so long"
        if self.serialised and jobs is None:
            return True, "jobs of this environment run one at a time"
        return False, why


def select(stack: str, directory: Path | None = None, environ: Mapping[str, str] | None = None) -> None:
    """Makes the stack where it isn't there yet; each command names it, none relies on a current one."""
    engine.read(["stack", "select", "--create", stack], directory=directory, environ=environ)


def update(
    command: str,
    stack: str,
    locking: Locking,
    *,
    flags: Sequence[str] = (),
    directory: Path | None = None,
    environ: Mapping[str, str] | None = None,
    jobs: Jobs | None = None,
) -> Ended:
    """`pulumi up` or `pulumi destroy` of a stack; raises StackLocked where it doesn't come to its turn."""

    def start() -> Ended:
        arguments = [command, "--yes", "--skip-preview", "--stack", stack, *flags]
        if command == "up":
            arguments.append("--continue-on-error")  # one workload that fails does not take down the others

        def run() -> Ended:
            return engine.run(arguments, directory=directory, environ=environ)

        return jobs.at_work(run) if jobs else run()

    def lift() -> None:
        engine.read(["cancel", "--yes", "--stack", stack], directory=directory, environ=environ)

    ended = past_locks(stack, locking, start, lift, jobs)
    if ended.status == 0:
        forget_pending(stack, directory, environ)
    elif todo := engine.remedy(ended.output):
        engine.say(f"error: stack {stack}: the engine can't load its state{todo}")
    return ended


def past_locks(
    stack: str,
    locking: Locking,
    start: Callable[[], Ended],
    lift: Callable[[], None],
    jobs: Jobs | None = None,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Ended:
    """Starts until no lock is in the way: a dead job's is lifted, any other is waited for.

    A lock whose maker is at work on this very host is never lifted, whatever the job was told.
    """
    deadline, waiting, seen = clock() + locking.wait, False, list[Lock]()
    while True:
        ended = start()
        found = locks.held(ended.output) if ended.status and not ended.signal else []
        if not found:
            return ended
        now = datetime.now(UTC)
        told = "; ".join(lock.told(now) for lock in found)
        judged = [locking.dead(lock, now, jobs) for lock in found]
        why = "; ".join(dict.fromkeys(why for _, why in judged if why))
        dead = all(dead for dead, _ in judged)
        gone = jobs.alone() if jobs and dead else []
        if dead and gone is not None and jobs and seen != found:
            seen = found  # it is looked at again now that others know: by now the lock may be that of a live one
            continue
        if dead and gone is not None:
            engine.say(f"stack {stack} is locked by {told}: left by a job that was killed, since {why}: lifting it")
            lift()
            if jobs:
                jobs.forget(gone)
            continue
        seen = []
        if jobs:
            jobs.leave()
        why = "another job of it may be at work" if dead else why
        why = f" ({why})" if why else ""
        if clock() < deadline:
            if not waiting:
                engine.say(f"stack {stack} is locked by {told}: waiting {locking.wait:g} s at most{why}")
            waiting = True
            sleep(POLL)
        else:
            raise StackLocked(
                f"stack {stack} is locked by {told}, still after {locking.wait:g} s{why}. Run this job again "
                f"when that run has ended. If it was killed: `pulumi cancel --stack {stack}`, then run this job again"
            )


def forget_pending(stack: str, directory: Path | None = None, environ: Mapping[str, str] | None = None) -> None:
    """Takes creates that a killed run left pending out of the state, once the objects are in it.

    A finished `up` has adopted them (upsert), but the engine would go on to warn of them. The rest is kept: an
    operation on something that is not in the state, a pending update or delete.
    """
    state = json.loads(engine.read(["stack", "export", "--stack", stack], directory=directory, environ=environ))
    healed = without_healed(state)
    if healed is None:
        return
    put_state(stack, healed, directory, environ)
    engine.say(f"stack {stack}: what a killed run had left pending is in place now")


def put_state(
    stack: str, state: Mapping[str, object], directory: Path | None = None, environ: Mapping[str, str] | None = None
) -> None:
    """Makes an exported state, encrypted values as they are, the stack's."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "state.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(state))
        engine.read(["stack", "import", "--stack", stack, "--file", str(file)], directory=directory, environ=environ)


def without_healed(state: Mapping[str, object]) -> dict[str, object] | None:
    """The exported state without the pending creates of resources that it holds; None where there is none of them."""
    deployment = state.get("deployment")
    if not isinstance(deployment, dict) or not deployment.get("pending_operations"):
        return None
    held = {resource["urn"] for resource in deployment.get("resources") or ()}
    pending = [
        operation
        for operation in deployment["pending_operations"]
        if operation["type"] != "creating" or operation["resource"]["urn"] not in held
    ]
    if len(pending) == len(deployment["pending_operations"]):
        return None
    return {**state, "deployment": {**deployment, "pending_operations": pending}}
