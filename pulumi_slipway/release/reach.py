"""Waits until users' requests go to the pods of a track: what Healthy means beyond pods that are ready."""

import time
from collections.abc import Callable, Iterator, Mapping

from lightkube.resources.core_v1 import Service

from pulumi_slipway.cluster.retry import while_away
from pulumi_slipway.core.model import Manifest, TrackName
from pulumi_slipway.release import manifests
from pulumi_slipway.release.live import Live
from pulumi_slipway.release.manifests import PREVIEW, Subject
from pulumi_slipway.release.observe import read
from pulumi_slipway.release.rollout import ReleaseFailed
from pulumi_slipway.release.service_ports import numbers

POLL_SECONDS = 0.1


def wait(
    live: Live,
    track: TrackName,
    release: str,
    *,
    preview: bool,
    deadline: int,
    sleep: Callable[[float], None],
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Returns when every Service of the workload has the track's ready pods as endpoints, on the ports that they have.

    And no pods but those of the track's pool. Endpoints are written by a controller: until it has seen a change, a
    Service sends to the pods before. Raises ReleaseFailed after `deadline` seconds, with what is wrong.
    """
    until = clock() + deadline
    for service, name in _services(live.subject, track, preview=preview):
        while why := _missing(live, track, service, name):
            if clock() > until:
                subject = live.subject
                where = f"Service {subject.namespace}/{name} does not reach the pods of {track} after {deadline} s"
                raise ReleaseFailed(subject.name, release, f"{where}: {why}")
            sleep(POLL_SECONDS)


def _services(subject: Subject, track: TrackName, *, preview: bool) -> Iterator[tuple[Manifest, str]]:
    yield manifests.service(subject, track.pool), subject.called("Service", PREVIEW if preview else "")
    for one in subject.source.beside if subject.source and not preview else ():
        yield one.manifest, one.name


def _missing(live: Live, track: TrackName, service: Manifest, name: str) -> str:
    """What keeps users from the track; empty: nothing."""
    deployment = live.deployment(track)
    template = deployment["spec"]["template"] if deployment else {"spec": {"containers": []}}
    ports = {str(port.get("name") or ""): number for port, number in numbers(live.subject, service, template)}
    found = live.endpoints(name)
    pods = {pod: ready for other in TrackName if other.pool is track.pool for pod, ready in live.pods(other).items()}
    wanted = {pod for pod, ready in live.pods(track).items() if ready}
    if not wanted <= found.keys():
        return _why_none(live, name) or f"{len(found)} endpoints for {len(wanted)} ready pods"
    if strangers := found.keys() - pods.keys() - wanted:
        return f"it sends to other pods, too: {', '.join(sorted(strangers)[:3])}"
    wrong = sorted({_port(it) for pod in wanted for it in ports if found[pod].get(it) != ports[it] and ports[it]})
    return f"no endpoint for {', '.join(wrong)} on the port that its pods have" if wrong else ""


def _port(name: str) -> str:
    return f"port {name}" if name else "its port"


def _why_none(live: Live, name: str) -> str:
    found: Mapping[str, object] | None = while_away(lambda: read(live.client, Service, name, live.subject.namespace))
    return "" if found else "it is not there"
