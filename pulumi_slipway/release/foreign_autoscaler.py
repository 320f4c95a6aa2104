"""An autoscaler that somebody else has made for a workload's Deployment: KEDA, a chart of its own, `kubectl autoscale`.

Where neither settings nor source say a number of pods, it holds the number, and a release leaves it so.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from pulumi_slipway.core.model import Manifest, TrackName
from pulumi_slipway.release.manifests import Subject
from pulumi_slipway.settings import Autoscaler


def scaled(subject: Subject, autoscalers: Mapping[str, Manifest]) -> Subject:
    """The workload as scaled by the one of these that is for its Deployment, if it says no number itself."""
    found = next(_of(subject, autoscalers), None)
    if found is None or subject.workload.autoscaler or subject.says_replicas:
        return subject
    spec = found["spec"]
    held = Autoscaler(min=max(1, spec.get("minReplicas", 1)), max=spec["maxReplicas"])
    workload = subject.workload.model_copy(update={"autoscaler": held})
    return replace(subject, workload=workload, scaled_by=str(found["metadata"]["name"]))


def fought(subject: Subject, autoscalers: Mapping[str, Manifest]) -> str:
    """What to tell where both an autoscaler and the workload itself say how many pods there are; else nothing."""
    found = next(_of(subject, autoscalers), None)
    if found is None or not subject.says_replicas:
        return ""
    return (
        f"{subject.name}: HorizontalPodAutoscaler {found['metadata']['name']} scales its Deployment, and each run sets "
        f"it back to {subject.workload.replicas}: say `replicas` neither in the settings nor in the source, then the "
        "autoscaler holds the number"
    )


def _of(subject: Subject, autoscalers: Mapping[str, Manifest]) -> Iterator[Manifest]:
    tracks = {subject.name + track.suffix for track in TrackName}
    ours = subject.owned.items()
    for one in autoscalers.values():
        target = one["spec"]["scaleTargetRef"]
        foreign = not ours <= (one["metadata"].get("labels") or {}).items()
        if foreign and target.get("kind") == "Deployment" and target.get("name") in tracks:
            yield one
