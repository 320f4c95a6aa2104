"""Which jobs are at work on a stack: a lock names a host and a process, and GitLab can be asked about jobs alone.

So a job keeps its number in a ConfigMap of the environment while its engine runs, with its host as the lock names it.
A job or an engine that is killed leaves both.
"""

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from lightkube import ApiError
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap
from lightkube.types import PatchType

from pulumi_slipway.cluster import client as cluster
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.keys import JOBS
from pulumi_slipway.pipeline import engine
from pulumi_slipway.pipeline.engine import Ended
from pulumi_slipway.pipeline.locks import Lock, held
from pulumi_slipway.pipeline.project import API_TOKEN, DELETED, NOTE_TOKEN, JobState, connect

ENDED = frozenset({"success", "failed", "canceled", "skipped", DELETED})
BY_ITSELF = frozenset({0, 1, 255})
"""Statuses with which the engine ends having given its lock back; not that of a panic, nor of a signal."""
LINGERS = 3 * engine.GRACE
"""Seconds that a job may be at work still after GitLab calls it ended, where its runner has not said so."""


class Known(Enum):
    """What is known of a lock's job."""

    AT_WORK = "at work"
    ENDED = "ended"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Jobs:
    """The jobs of one stack, as this job (`own`) sees them."""

    stack: str
    namespace: str | None
    """Of the stack's environment; None where it has none: then no job of it is known."""
    own: str
    environ: Mapping[str, str]

    def at_work(self, run: Callable[[], Ended]) -> Ended:
        """Runs the engine, this job's number in the cluster until it has ended by itself: else it may leave a lock.

        Where that can't be written the run has the same reason to fail, and says it; if not, the lock tells its age.
        """
        self._write({self.own: socket.gethostname()})
        ended = run()
        if ended.status in BY_ITSELF and ended.signal is None and not held(ended.output):
            self.leave()
        return ended

    def leave(self) -> None:
        """Takes this job's number away: its engine is not at work."""
        self._write({self.own: None})

    def alone(self) -> list[str] | None:
        """Says that this job is about to lift a lock, then which others of the stack are over; None: one may not be.

        Two that find a dead job's lock must not both lift it: the second would take the first one's own. Each says it
        before it looks, so that one of them at least sees the other, and waits.
        """
        if self.namespace is None:
            return []
        self._write({self.own: socket.gethostname()})
        try:
            others = [number for number in self._read() if number != self.own]
            project = connect(API_TOKEN, self.environ) or connect(NOTE_TOKEN, self.environ) if others else None
            now = datetime.now(UTC)
            if project is None:  # nobody can tell: then only the lock's age has counted
                return []
            if all(over(project.job(int(number)), now) for number in others):
                return others
        except UserError:
            pass
        self.leave()
        return None

    def forget(self, numbers: Sequence[str]) -> None:
        """Takes away the numbers of jobs that are over, once no lock of theirs is left."""
        if numbers:
            self._write(dict.fromkeys(numbers))

    def of(self, lock: Lock) -> tuple[Known, str]:
        """What is known of the job that made a lock, and the same for people."""
        try:
            numbers = [number for number, host in self._read().items() if host == lock.host and number != self.own]
        except UserError as error:
            return Known.NOTHING, f"the cluster does not say which job made it: {error}"
        if not numbers:
            return Known.NOTHING, "no job is known to have made it"
        try:
            project = connect(API_TOKEN, self.environ) or connect(NOTE_TOKEN, self.environ)
            if project is None:
                text = f"without {API_TOKEN} or {NOTE_TOKEN} GitLab can't be asked whether it has ended"
                return Known.NOTHING, f"made by job {', '.join(numbers)}; {text}"
            states = {number: project.job(int(number)) for number in numbers}
        except UserError as error:
            return Known.NOTHING, f"made by job {', '.join(numbers)}; {error}"
        told = ", ".join(f"{number} ({state.status})" for number, state in states.items())
        if not all(over(state, datetime.now(UTC)) for state in states.values()):
            return Known.AT_WORK, f"job {told} is at work, as GitLab says"
        return Known.ENDED, f"job {told} has ended, as GitLab says"

    def _write(self, hosts: Mapping[str, str | None]) -> None:
        """Sets the entries of jobs, or takes them away (None)."""
        data = {self._key(number): host for number, host in hosts.items()}
        if self.namespace is None:
            return
        with suppress(ApiError, UserError, OSError):
            client = cluster.connect()
            with cluster.as_preflight_error(client):
                try:
                    client.patch(ConfigMap, JOBS, {"data": data}, namespace=self.namespace, patch_type=PatchType.MERGE)
                except ApiError as error:
                    if error.status.code != 404:
                        raise
                    metadata = ObjectMeta(name=JOBS, namespace=self.namespace)
                    client.create(ConfigMap(metadata=metadata, data={key: it for key, it in data.items() if it}))

    def _read(self) -> dict[str, str]:
        """Host by number, of all jobs that have an entry for this stack."""
        if self.namespace is None:
            return {}
        client = cluster.connect()
        with cluster.as_preflight_error(client):
            try:
                data = client.get(ConfigMap, JOBS, namespace=self.namespace).data or {}
            except ApiError as error:
                if error.status.code != 404:
                    raise UserError(str(error)) from None
                return {}
        start = self._key("")
        return {key.removeprefix(start): host for key, host in data.items() if key.startswith(start)}

    def _key(self, number: str) -> str:
        return f"{self.stack.replace('/', '-')}.job-{number}"


def of(stack: str, namespace: str | None, environ: Mapping[str, str] = os.environ) -> Jobs | None:
    """The jobs of a stack; None outside of GitLab's jobs."""
    own = environ.get("CI_JOB_ID", "")
    return Jobs(stack, namespace, own, environ) if own.isdecimal() else None


def over(state: JobState, now: datetime) -> bool:
    """Whether nothing of a job is at work any more.

    One that is cancelled has its grace; of one whose runner was lost nobody knows more than that.
    """
    if state.status not in ENDED:
        return False
    if state.status != "canceled" and state.reason != "stuck_or_timeout_failure":
        return True
    return state.finished is not None and (now - state.finished).total_seconds() > LINGERS
