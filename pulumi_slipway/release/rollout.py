"""Waits for a rollout, and tells how it goes; why it does not is in why.py."""

import time
from collections.abc import Callable

import httpx2
from lightkube import Client
from lightkube.core.client import LabelSelector
from lightkube.resources.apps_v1 import Deployment

from pulumi_slipway.core.errors import WorkloadError
from pulumi_slipway.core.keys import RELEASE_LABEL
from pulumi_slipway.core.model import Manifest, TrackName
from pulumi_slipway.release.observe import read
from pulumi_slipway.release.observe import track as said_by
from pulumi_slipway.release.why import Reason, why

POLL_SECONDS = 0.1
STALLED_SECONDS = 5.0
"""Without a step forward for so long, the job log says what stands in the way, and again when that changes."""
HOPELESS_SECONDS = 30.0
"""So long a reason that does not mend itself may last. A kubelet that has not read the Secret yet (a node under load, a
new namespace) asks the registry without a login, is refused in the same words, and asks again 10 to 25 s later."""


class ReleaseFailed(WorkloadError):
    """The release has to be rolled back: it did not come up, or a check was not Successful.

    `recorded` is the reason without lines of the pods' logs: the ledger is read by more people than they are.
    """

    def __init__(self, workload: str, release: str, reason: str, recorded: str | None = None) -> None:
        super().__init__(workload, f"release {release}: {reason}")
        self.recorded = reason if recorded is None else recorded


class CheckFailed(ReleaseFailed):
    """A check was not Successful: what is wrong is the release itself, wherever it goes."""


def wait(
    client: Client,
    workload: str,
    namespace: str,
    *,
    track: TrackName,
    release: str,
    deadline: int,
    tell: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Returns when every pod of the Deployment runs the release and is available, and no old one is left.

    `deadline` is Kubernetes' progressDeadlineSeconds, counted from now and anew with each step forward; the
    controller's own condition is not asked, it may be left from an earlier try. `tell` gets one line each change.
    Raises ReleaseFailed with the reason a person needs, before the deadline where it is one that nothing but a person
    mends; and WorkloadError where it is no longer ours to wait for: another
    run has taken over, or the API server no longer knows us. One that is away for a moment is waited for.
    """
    name, best, line = workload + track.suffix, -1.0, ""
    said: set[str] = set()  # a failed pull alternates between two reasons
    until, stalled = clock() + deadline, clock() + STALLED_SECONDS
    hopeless: float | None = None
    while True:
        live, trouble, refused = _look(client, name, namespace)
        state = said_by(live) if live is not None else None
        if state is not None and live is not None:
            if state.complete and state.release == release:
                return
            score = _score(live)  # before the controller has seen the change, its status is of the release before
            if score >= 0 and line != (
                line := f"{state.updated} of {state.wanted} updated, {state.available} available"
            ):
                tell(f"{track}: {line}")
            if score > best:
                best, until, stalled = score, clock() + deadline, clock() + STALLED_SECONDS
        over = clock() > until
        if over or clock() > stalled:
            stalled = clock() + STALLED_SECONDS
            if live is None and not trouble:
                raise ReleaseFailed(
                    workload, release, f"Deployment {namespace}/{name} is gone: run again to make it anew"
                )
            if refused:  # not at once: an API server that restarts first knows nobody
                raise WorkloadError(workload, trouble)
            if state is not None and state.release != release:  # that run keeps the ledger
                raise WorkloadError(
                    workload,
                    f"release {release} was replaced by {state.release or 'an unknown one'} while it came up: run "
                    "again, and let only one run at a time change the environment",
                )
            reasons = [Reason(trouble)] if live is None else _reasons(client, release, namespace, live)
            lasts = any(reason.lasting for reason in reasons)
            hopeless = (hopeless or clock()) if lasts else None
            given_up = hopeless is not None and clock() - hopeless >= HOPELESS_SECONDS
            if over or given_up:
                how = f"did not come up within {deadline} s: " if over else "cannot come up: "
                raise ReleaseFailed(
                    workload,
                    release,
                    how + ("; ".join(map(str, reasons)) or line),
                    how + ("; ".join(reason.text for reason in reasons) or line),
                )
            if reasons and (reason := str(reasons[0])) not in said:
                said.add(reason)
                tell(reason)
        sleep(POLL_SECONDS)


def _look(client: Client, name: str, namespace: str) -> tuple[Manifest | None, str, bool]:
    """The live Deployment, or what keeps us from seeing it, and whether that is who we are."""
    try:
        return read(client, Deployment, name, namespace), "", False
    except httpx2.HTTPStatusError as error:
        if error.response.status_code in (401, 403):
            trouble = (
                f"the API server no longer shows Deployment {namespace}/{name} ({error}): the token is revoked or "
                "expired, or its role too narrow: run `pulumi up` on the access stack, then this again, which goes on"
            )
            return None, trouble, True
        return None, f"the API server answers: {error}", False
    except httpx2.TransportError as error:
        return None, f"the API server does not answer: {error}", False


def is_observed(live: Manifest) -> bool:
    """Whether the controller has seen the Deployment as it is: before, its status tells of an earlier one."""
    seen: int = live.get("status", {}).get("observedGeneration", 0)
    return seen >= int(live["metadata"]["generation"])


def _score(live: Manifest) -> float:
    """How far the rollout is; what the controller says of an earlier template does not count."""
    status = live.get("status", {})
    if not is_observed(live):
        return -1.0
    forward = status.get("updatedReplicas", 0) + status.get("availableReplicas", 0)
    # Old pods that go are a step forward too.
    return float(forward - status.get("replicas", 0) / 1000)


def _reasons(client: Client, release: str, namespace: str, live: Manifest) -> list[Reason]:
    labels: LabelSelector = {**live["spec"]["selector"]["matchLabels"], RELEASE_LABEL: release}
    try:
        return list(why(client, labels, namespace, live))
    except httpx2.HTTPError as error:  # a reason that can't be read is no reason to give up
        return [Reason(f"its pods can't be looked at: {error}")]
