"""Jobs of a source: what must be done once before a release, such as a migration of the database.

A Job is done once for each image, before the new pods begin. Going back never does it again: the older image's
migration would refuse, or undo, what the newer one has done.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx2
from lightkube import Client
from lightkube.resources.batch_v1 import Job
from lightkube.resources.core_v1 import Event, Pod

from pulumi_slipway.core.model import Manifest, Observed
from pulumi_slipway.core.plan import Plan, Way
from pulumi_slipway.release.why import Looked, Reason, why_pod

JOB = "Job"
POLL_SECONDS = 1.0
STALLED_SECONDS = 5.0
"""What stands in the way of a Job is told when it has lasted so long."""
WATCHED_SECONDS = 3600.0


def goes_forward(plan: Plan, observed: Observed) -> bool:
    """Whether this run brings a release that is not live yet: only then a Job of its source is done."""
    live = observed.committed
    new = live is None or live.release.id != plan.release.id
    return new and plan.way is not Way.HOLD and not plan.rolls_back


def failed(live: Manifest | None) -> bool:
    """Whether a Job has ended without success; it can only be done again as a new one."""
    conditions = ((live or {}).get("status") or {}).get("conditions") or ()
    return any(it["type"] == "Failed" and it["status"] == "True" for it in conditions)


def find(client: Client, namespace: str, name: str) -> Manifest | None:
    """The Job of this name."""
    found = next(iter(client.list(Job, namespace=namespace, fields={"metadata.name": name})), None)
    return None if found is None else found.to_dict()


@dataclass(frozen=True)
class JobWatch:
    """Tells what stands in a Job's way while the engine waits for it: it waits without a word."""

    client: Client
    namespace: str
    name: str
    tell: Callable[[str], None]
    former: str | None = None
    """uid of the Job that is there before, and that the engine replaces."""
    _begun: list[float] = field(default_factory=list)
    _said: set[str] = field(default_factory=set)

    def begin(self) -> None:
        """Watches until the Job ends, in a thread that no one waits for."""
        self._begun.append(time.monotonic())
        threading.Thread(target=self._watch, name=f"slipway-job-{self.name}", daemon=True).start()

    def why(self) -> str:
        """Why the Job has not ended well, for a run that has failed; empty where it has, or was not begun."""
        try:
            _, reason = self.look() if self._begun else (True, None)
        except (httpx2.HTTPError, OSError):
            return ""
        return f"Job {self.name}: {reason}" if reason else ""

    def _watch(self) -> None:
        while (since := time.monotonic() - self._begun[0]) < WATCHED_SECONDS:
            time.sleep(POLL_SECONDS)
            try:
                ended, reason = self.look()
            except (httpx2.HTTPError, OSError):  # the engine itself will say it
                continue
            if ended:
                return
            if reason and reason.text not in self._said and since > STALLED_SECONDS:
                self._said.add(reason.text)  # a failed pull alternates between two reasons
                self.tell(f"Job {self.name}: {reason}")

    def look(self) -> tuple[bool, Reason | None]:
        """Whether the Job has ended, and what a pod of it says for not going on, or for its failure."""
        job = find(self.client, self.namespace, self.name)
        if job is None or job["metadata"].get("uid") == self.former:
            return False, None
        status = job.get("status") or {}
        if status.get("completionTime"):
            return True, None
        labels = {"batch.kubernetes.io/controller-uid": str(job["metadata"]["uid"])}
        reasons = []
        for pod in self.client.list(Pod, namespace=self.namespace, labels={**labels}):
            if reason := why_pod(Looked(self.client, self.namespace, pod.to_dict())):
                reasons.append(Reason(f"pod {pod.metadata.name if pod.metadata else '?'}: {reason.text}", reason.log))
        return failed(job), reasons[-1] if reasons else self._refused(job)

    def _refused(self, job: Manifest) -> Reason | None:
        """Why it has no pod, which only its events tell."""
        about = {"involvedObject.uid": str(job["metadata"]["uid"])}
        events = list(self.client.list(Event, namespace=self.namespace, fields={**about}))
        said = [" ".join((it.message or "").split()) for it in events if it.reason == "FailedCreate"]
        return Reason(f"pods are refused: {said[-1]}") if said else None
