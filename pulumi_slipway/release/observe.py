"""Reads what the cluster says of the workloads. It is the truth: stack outputs are gone after a failed run."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lightkube import ApiError, Client
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.autoscaling_v2 import HorizontalPodAutoscaler
from lightkube.resources.core_v1 import ConfigMap, Secret, Service
from lightkube.resources.networking_v1 import Ingress, NetworkPolicy
from lightkube.resources.policy_v1 import PodDisruptionBudget

from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.keys import ENVIRONMENT_LABEL, INSTANCE, RELEASE_LABEL, TRACK_LABEL
from pulumi_slipway.core.model import Manifest, Observed, Phase, Pool, Record, Track, TrackName
from pulumi_slipway.release import ledger
from pulumi_slipway.release.bound import sorted_out
from pulumi_slipway.release.manifests import PREVIEW, Subject, ownership, pool_selector

KINDS: Mapping[str, type[Any]] = {
    "Deployment": Deployment,
    "Service": Service,
    "ConfigMap": ConfigMap,
    "PodDisruptionBudget": PodDisruptionBudget,
    "HorizontalPodAutoscaler": HorizontalPodAutoscaler,
    "Ingress": Ingress,
    "NetworkPolicy": NetworkPolicy,
    "Secret": Secret,
}
"""What a workload is made of. Secrets are looked up by name (`release_secret`)."""

SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "Deployment": tuple(track.suffix for track in TrackName),
    "Service": ("", PREVIEW),
    "ConfigMap": (ledger.SUFFIX,),
    "PodDisruptionBudget": ("",),
    "HorizontalPodAutoscaler": ("",),
    "Ingress": ("",),
    "NetworkPolicy": ("",),
}
"""What is looked for: a workload's objects are called by its name and one of these."""

Snapshot = Mapping[str, Mapping[str, Manifest]]
"""Everything of these kinds in a namespace: kind, name, object."""


@dataclass(frozen=True)
class World:
    """The live objects of a workload, as plain data, and what they mean for its release."""

    objects: Mapping[tuple[str, str], Manifest]
    """By kind and suffix of the name."""
    observed: Observed
    passed_over: tuple[Record, ...] = ()
    """Records that none of its Deployments knows."""
    image_before: str | None = None
    """What was live under the workload's old name, until it has records of its own."""

    def live(self, kind: str, suffix: str = "") -> Manifest | None:
        """The workload's live object of this kind."""
        return self.objects.get((kind, suffix))


def snapshot(client: Client, namespace: str) -> Snapshot:
    """Reads the namespace once for all workloads, one request a kind, all at the same time."""

    def read_all(kind: str) -> dict[str, Manifest]:
        found = (item.to_dict() for item in client.list(KINDS[kind], namespace=namespace))
        return {item["metadata"]["name"]: item for item in found}

    with ThreadPoolExecutor(len(SUFFIXES)) as pool:
        return dict(zip(SUFFIXES, pool.map(read_all, SUFFIXES), strict=True))


def leaving(found: Snapshot, environment: str) -> list[str]:
    """Kind and name of an environment's objects that are being deleted: a destroy does not wait for their pods."""
    ours = ownership(environment).items()
    return [
        f"{kind} {name}"
        for kind, objects in found.items()
        for name, it in objects.items()
        if it["metadata"].get("deletionTimestamp") and ours <= (it["metadata"].get("labels") or {}).items()
    ]


def deployed(found: Snapshot, environment: str) -> set[str]:
    """The workloads of an environment that have a Deployment, whoever may have taken them out of the settings."""
    every = (it["metadata"].get("labels", {}) for it in found.get("Deployment", {}).values())
    ours = ownership(environment).items()
    return {it[INSTANCE] for it in every if ours <= it.items()}


def ledger_of(found: Snapshot, workload: str) -> tuple[Record, ...]:
    """The records of a workload's ledger that its Deployments know, or none is to know; none where it has no ledger."""
    written = ledger.decode(found.get("ConfigMap", {}).get(ledger.name(workload), {}).get("data"))
    named = [found.get("Deployment", {}).get(workload + name.suffix) for name in TrackName]
    own = [it for it in named if it and (it["metadata"].get("labels") or {}).get(INSTANCE) == workload]
    return tuple(sorted_out(written, own)[0])


def observe(found: Snapshot, subject: Subject, now: datetime | None = None) -> World:
    """What a snapshot says of a workload; raises UserError for an object of its name that isn't its own."""
    objects: dict[tuple[str, str], Manifest] = {}
    for kind, suffixes in SUFFIXES.items():
        for suffix in suffixes:
            live = found.get(kind, {}).get(subject.called(kind, suffix))
            if live is not None and not _somebody_elses_scaler(subject, kind, live):
                refuse_foreign(subject, kind, live)
                objects[kind, suffix] = live
    tracks = {}
    for name in TrackName:
        live = objects.get(("Deployment", name.suffix))
        if live is not None:
            _refuse_old(subject, name, live)
            tracks[name] = track(live)
    written = ledger.decode(objects.get(("ConfigMap", ledger.SUFFIX), {}).get("data"))
    count, others = sorted_out(written, [it for (kind, _), it in objects.items() if kind == "Deployment"])
    records = tuple(count)
    inherited = _inherited(found, subject) if not records else ()
    records = records or tuple(it for it in inherited if subject.selector.items() <= _labels(it).items())
    observed = Observed(tracks, pool_of(subject, objects.get(("Service", ""))), records)
    window = _window_open(subject, observed, now or datetime.now(UTC))
    image = next((it.release.image for it in reversed(inherited) if it.outcome is Phase.HEALTHY), None)
    return World(objects, Observed(tracks, observed.pool, records, window), tuple(others), image)


def _somebody_elses_scaler(subject: Subject, kind: str, live: Manifest) -> bool:
    """Whether it is an autoscaler by another hand where the workload makes none itself: it stays as it is."""
    makes = subject.workload.autoscaler and not subject.scaled_by
    labels = live["metadata"].get("labels") or {}
    return kind == "HorizontalPodAutoscaler" and not makes and not subject.owned.items() <= labels.items()


def _inherited(found: Snapshot, subject: Subject) -> tuple[Record, ...]:
    """The records of the workload's old name. They hold under the new one where it finds their pods, too."""
    old = subject.workload.renamed_from
    return ledger_of(found, old) if old else ()


def _labels(record: Record) -> Manifest:
    labels: Manifest = record.release.pod_template(TrackName.STABLE)["metadata"]["labels"]
    return labels


def track(live: Manifest) -> Track:
    """What a live Deployment says."""
    spec, status = live["spec"], live.get("status", {})
    wanted, updated = spec.get("replicas", 1), status.get("updatedReplicas", 0)
    available = status.get("availableReplicas", 0)
    seen = status.get("observedGeneration", 0) >= live["metadata"]["generation"]
    return Track(
        release=spec["template"]["metadata"].get("labels", {}).get(RELEASE_LABEL),
        wanted=wanted,
        updated=updated,
        available=available,
        complete=seen and wanted == updated == available == status.get("replicas", 0),
        template=spec["template"],
    )


def pool_of(subject: Subject, service: Manifest | None) -> Pool | None:
    """Where a live Service points; None where there is none, or where it selects something else."""
    selector = (service or {}).get("spec", {}).get("selector", {})
    return next((pool for pool in Pool if selector == pool_selector(subject, pool)), None)


def _window_open(subject: Subject, observed: Observed, now: datetime) -> bool:
    settings = subject.workload.strategy.blue_green
    if observed.committed is None or settings is None:
        return False
    since = datetime.fromisoformat(observed.committed.finished)
    return (now - since).total_seconds() < settings.rollback_window


def release_secret(client: Client, namespace: str, name: str) -> tuple[Manifest | None, bool]:
    """A Secret that a release refers to, and whether this identity may read it; None where it is gone."""
    try:
        return read(client, Secret, name, namespace), True
    except ApiError as error:
        if error.status.code == 403:  # the preview identity: it sees that the Secret stays, not what is in it
            return None, False
        raise


def read(client: Client, resource: type[Any], name: str, namespace: str) -> Manifest | None:
    """The object as plain data, None where there is none."""
    try:
        found: Manifest = client.get(resource, name, namespace=namespace).to_dict()
    except ApiError as error:
        if error.status.code == 404:
            return None
        raise
    return found


def adopts(subject: Subject, live: Manifest | None) -> bool:
    """Whether a live object belongs to no environment, and the workload is to take it over."""
    labels = (live or {}).get("metadata", {}).get("labels") or {}
    return live is not None and subject.workload.adopt and ENVIRONMENT_LABEL not in labels


def refuse_foreign(subject: Subject, kind: str, live: Manifest) -> None:
    """Raises UserError for an object that isn't this workload's own, nor to be."""
    if adopts(subject, live):
        return
    labels, name = live["metadata"].get("labels", {}), live["metadata"]["name"]
    ours = subject.owned
    if any({**ours, INSTANCE: it}.items() <= labels.items() for it in (subject.name, subject.workload.renamed_from)):
        return
    owner = labels.get(ENVIRONMENT_LABEL) or labels.get("app.kubernetes.io/managed-by") or "someone else"
    ways = "call the workload something else, delete that object, or "
    if subject.source and ENVIRONMENT_LABEL not in labels:
        ways = "take it over with `adopt: true` in the workload, call the workload something else, or "
    if ownership(subject.environment.name).items() <= labels.items():
        owner = f"workload {labels.get(INSTANCE)}"
        ways = f"where that is its old name, say so with `renamedFrom: {labels.get(INSTANCE)}`; where it moves here, "
    labelled = " ".join(f"{key}={value}" for key, value in ours.items())
    raise UserError(
        f"workload {subject.name}: {kind} {subject.namespace}/{name} exists and belongs to {owner}: {ways}hand it over "
        f"with: kubectl -n {subject.namespace} label {kind.lower()} {name} {labelled} --overwrite"
    )


def adopted(subject: Subject, name: TrackName, live: Manifest | None) -> bool:
    """Whether a Deployment was kubectl's or Helm's: it keeps the selector of its author, without the track."""
    selector = ((live or {}).get("spec") or {}).get("selector")
    return bool(subject.source) and name is TrackName.STABLE and selector == {"matchLabels": subject.selector}


def _refuse_old(subject: Subject, name: TrackName, live: Manifest) -> None:
    """A selector can't be changed: the engine would replace the Deployment, deleting what serves."""
    selector = live["spec"]["selector"].get("matchLabels")
    if selector != {**subject.selector, TRACK_LABEL: str(name)} and not adopted(subject, name, live):
        raise UserError(
            f"workload {subject.name}: Deployment {subject.namespace}/{live['metadata']['name']} has another selector "
            "than it is to have, and a selector can't be changed: give it the same matchLabels in its source, or "
            "deploy the workload under a new name beside it, move users over, and delete the old one"
        )
