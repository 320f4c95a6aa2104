"""Jobs of a source: what must be done once before a release, such as a migration of the database.

A Job is done once for each image, before the new pods begin. Going back never does it again: the older image's
migration would refuse, or undo, what the newer one has done.
"""

from lightkube import Client
from lightkube.resources.batch_v1 import Job
from lightkube.resources.core_v1 import Event, Pod

from pulumi_slipway.core.model import Manifest, Observed
from pulumi_slipway.core.plan import Plan, Way
from pulumi_slipway.release.why import Looked, Reason, why_pod

JOB = "Job"


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


def look(client: Client, namespace: str, name: str, former: str | None) -> tuple[bool, Reason | None]:
    """Whether a Job has ended, and what a pod of it says for not going on, or for its failure.

    `former`: uid of the Job that is there before, and that the engine replaces.
    """
    job = find(client, namespace, name)
    if job is None or job["metadata"].get("uid") == former:
        return False, None
    status = job.get("status") or {}
    if status.get("completionTime"):
        return True, None
    labels = {"batch.kubernetes.io/controller-uid": str(job["metadata"]["uid"])}
    reasons = []
    for pod in client.list(Pod, namespace=namespace, labels={**labels}):
        if reason := why_pod(Looked(client, namespace, pod.to_dict())):
            reasons.append(Reason(f"pod {pod.metadata.name if pod.metadata else '?'}: {reason.text}", reason.log))
    return failed(job), reasons[-1] if reasons else _refused(client, namespace, job)


def _refused(client: Client, namespace: str, job: Manifest) -> Reason | None:
    """Why it has no pod, which only its events tell."""
    about = {"involvedObject.uid": str(job["metadata"]["uid"])}
    events = list(client.list(Event, namespace=namespace, fields={**about}))
    said = [" ".join((it.message or "").split()) for it in events if it.reason == "FailedCreate"]
    return Reason(f"pods are refused: {said[-1]}") if said else None
