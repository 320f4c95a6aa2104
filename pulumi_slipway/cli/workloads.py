"""Where workloads stand: a pure function of the objects in their namespaces and of the clock."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from pulumi_slipway.cli.view import (
    CanaryView,
    LiveView,
    PromotionView,
    ReleaseView,
    TrackView,
    WindowView,
    WorkloadView,
)
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.keys import ENVIRONMENT_LABEL, INSTANCE, POOL_LABEL, PROMOTES, TRACK_LABEL
from pulumi_slipway.core.model import HOME, Manifest, Observed, Phase, Record, Release, Track, TrackName
from pulumi_slipway.release import ledger, observe
from pulumi_slipway.release.manifests import PREVIEW
from pulumi_slipway.release.observe import Snapshot
from pulumi_slipway.release.promotion import candidates, digest, promote
from pulumi_slipway.settings.environment import PromoteFrom

HISTORY = 5


def workloads(found: Mapping[str, Snapshot], now: datetime, only: Sequence[str] = ()) -> tuple[WorkloadView, ...]:
    """The workloads in these namespaces, by namespace, environment and name; `only` these where any are named."""
    views = [
        replace(
            _workload(namespace, environment, name, snapshot, now), promotion=_promotion(name, snapshot, found, now)
        )
        for namespace, snapshot in found.items()
        for environment, name in _named(snapshot)
        if not only or name in only
    ]
    return tuple(sorted(views, key=lambda view: (view.namespace, view.environment, view.name)))


def _named(snapshot: Snapshot) -> set[tuple[str, str]]:
    labels = [item["metadata"].get("labels", {}) for kind in snapshot.values() for item in kind.values()]
    return {(it[ENVIRONMENT_LABEL], it[INSTANCE]) for it in labels if ENVIRONMENT_LABEL in it and INSTANCE in it}


def _workload(namespace: str, environment: str, name: str, snapshot: Snapshot, now: datetime) -> WorkloadView:
    records = observe.ledger_of(snapshot, name)
    live = {track: snapshot["Deployment"].get(name + track.suffix) for track in TrackName}
    deployments = {track: it for track, it in live.items() if it and _is(it, track, name)}
    tracks = {track: observe.track(it) for track, it in deployments.items()}
    serving = _selected(_service(snapshot, name), tracks)
    previewed = _selected(snapshot["Service"].get(name + PREVIEW), tracks)
    observed = Observed(tracks, next(iter(serving)).pool if serving else None, records)
    last = records[-1] if records else None
    shares = _shares(tracks, serving)
    phase, reasons = _phase(observed, last, serving)
    return WorkloadView(
        name=name,
        environment=environment,
        namespace=namespace,
        phase=phase,
        reasons=tuple(reasons),
        strategy=last.strategy if last else "",
        live=_live(observed, now),
        under_way=_release(observed.in_flight, now) if observed.in_flight else None,
        canary=_canary(observed, shares),
        window=_window(observed, now),
        tracks=tuple(
            TrackView(
                track=track,
                release=seen.release,
                image=_image(seen),
                available=seen.available,
                updated=seen.updated,
                wanted=seen.wanted,
                serves=track in serving and seen.wanted > 0,
                preview=track in previewed and track not in serving and seen.wanted > 0,
                share=shares.get(track) if seen.wanted else None,
            )
            for track, seen in tracks.items()
        ),
        history=tuple(_release(record, now) for record in reversed(records[-HISTORY:])),
    )


def _promotion(name: str, snapshot: Snapshot, found: Mapping[str, Snapshot], now: datetime) -> PromotionView | None:
    own = snapshot["ConfigMap"].get(ledger.name(name), {})
    rule = own.get("metadata", {}).get("annotations", {}).get(PROMOTES, "").split("/")
    try:
        source, namespace, seconds = rule
        asked = PromoteFrom(environment=source, namespace=namespace, verified_for=int(seconds))
    except ValueError:  # none of ours
        return None
    if namespace not in found:
        return PromotionView(source, "", "", f"not looked at: add --namespace {namespace}")
    before = observe.ledger_of(found[namespace], name)
    observed = Observed(ledger=observe.ledger_of(snapshot, name))
    try:
        choice = promote(name, asked, before, observed, None, now)
    except UserError as error:
        return PromotionView(source, "", "", str(error))
    offered = next((it for it in candidates(before, now) if it.image == choice.image), None)
    commit = offered.provenance.get("commit", "") if offered else ""
    return PromotionView(source, choice.image or "", commit, choice.why)


def _is(deployment: Manifest, track: TrackName, name: str) -> bool:
    """A workload can be called `web-canary`: its Deployment is no track of `web`."""
    labels = deployment["metadata"].get("labels", {})
    return bool(labels.get(INSTANCE) == name and labels.get(TRACK_LABEL, track) == track)


def _service(snapshot: Snapshot, name: str) -> Manifest | None:
    """The Service that users reach it by: called as the workload, unless its source calls it otherwise."""
    services = snapshot["Service"]
    others = (it for key, it in services.items() if key != name + PREVIEW)
    sending = (it for it in others if POOL_LABEL in (it.get("spec", {}).get("selector") or {}))
    named = next((it for it in sending if it["metadata"].get("labels", {}).get(INSTANCE) == name), None)
    return services.get(name) or named


def _image(track: Track) -> str:
    return Release.of(track.template).image


def _selected(service: Manifest | None, tracks: Mapping[TrackName, Track]) -> tuple[TrackName, ...]:
    """The tracks whose pods a Service selects, as Kubernetes decides it."""
    selector = ((service or {}).get("spec", {}).get("selector") or {}).items()
    if not selector:
        return ()
    return tuple(name for name, it in tracks.items() if selector <= it.template["metadata"].get("labels", {}).items())


def _shares(tracks: Mapping[TrackName, Track], serving: Sequence[TrackName]) -> dict[TrackName, float]:
    pods = sum(tracks[name].available for name in serving)
    return {name: round(100 * tracks[name].available / pods, 1) for name in serving} if pods else {}


def _live(observed: Observed, now: datetime) -> LiveView | None:
    """The newest Healthy release, unless the track that serves has come to another one without the ledger."""
    rejected = {it.digest: it.rejected for it in candidates(observed.ledger, now)}
    committed = observed.committed
    track = observed.tracks.get(observed.home) if observed.home else None
    if committed and (track is None or observed.in_flight or track.release == committed.release.id):
        image = committed.release.image
        commit = committed.provenance.get("commit", "")
        return LiveView(committed.release.id, image, commit, committed.finished, rejected.get(digest(image), ""))
    if track is None or (observed.ledger and not committed):  # what never was Healthy is nobody's live release
        return None
    known = next((record for record in reversed(observed.ledger) if record.release.id == track.release), None)
    image, commit = _image(track), known.provenance.get("commit", "") if known else ""
    return LiveView(track.release, image, commit, "", rejected.get(digest(image), ""))


def _phase(observed: Observed, last: Record | None, serving: Sequence[TrackName]) -> tuple[str, list[str]]:
    if last is None and not observed.tracks:
        return "Unknown", ["it has neither pods nor a ledger"]
    reasons = [last.message] if last and last.message else []
    if last and last.outcome is Phase.DEGRADED:
        reasons = [f"release {last.release.id}: {last.message or 'failed'}"]
    troubles = _troubles(observed, serving)
    if last is None:
        return (Phase.DEGRADED if troubles else Phase.HEALTHY), [*troubles, "its ledger is gone"]
    if last.outcome is Phase.PROGRESSING:  # its tracks are on their way
        return Phase.PROGRESSING, reasons
    if last.outcome is Phase.HEALTHY and troubles:
        return Phase.DEGRADED, troubles
    return last.outcome, reasons + troubles


def _troubles(observed: Observed, serving: Sequence[TrackName]) -> list[str]:
    """What users may notice of the live track, whatever the ledger says."""
    home = observed.home
    track = observed.tracks.get(home) if home else None
    if home is None or track is None:
        return ["the Deployment of the live release is gone"]
    found = []
    if not track.complete:
        if track.available < track.wanted:
            found.append(f"{track.available} of {track.wanted} available")
        elif track.updated < track.wanted:
            found.append(f"{track.updated} of {track.wanted} updated")
        else:
            found.append("pods of another template or number are still there")
    if home not in serving:
        found.append(f"the Service does not send to {home}")
    known = observed.known(track.release)
    if known and known.image != _image(track):
        found.append(f"{home} runs another image than its release: it was changed by hand")
    return found


def _canary(observed: Observed, shares: Mapping[TrackName, float]) -> CanaryView | None:
    flying = observed.in_flight
    if flying is None or flying.strategy != "canary" or TrackName.CANARY not in observed.tracks:
        return None
    steps = flying.steps or None
    # A Paused record counts the step that it waits at; a Progressing one those that are passed.
    step = flying.step if flying.outcome is Phase.PAUSED else flying.step + 1
    return CanaryView(min(step, steps) if steps else step, steps, shares.get(TrackName.CANARY, 0.0))


def _window(observed: Observed, now: datetime) -> WindowView | None:
    """What the live release's record promises, while the track before it has pods."""
    committed = observed.committed
    warm = [track for name, track in observed.tracks.items() if name is not observed.home and track.available]
    if committed is None or not committed.kept_until or not warm or observed.home not in HOME.values():
        return None
    if committed.kept_until == "forever":
        return WindowView("forever", None)
    left = int((datetime.fromisoformat(committed.kept_until) - now).total_seconds())
    return WindowView(committed.kept_until, max(0, left))


def _release(record: Record, now: datetime) -> ReleaseView:
    under_way = record.outcome is Phase.PROGRESSING
    seconds = (now - datetime.fromisoformat(record.started)).total_seconds() if under_way else record.seconds
    return ReleaseView(
        release=record.release.id,
        image=record.release.image,
        commit=record.provenance.get("commit", ""),
        actor=record.provenance.get("actor", ""),
        strategy=record.strategy,
        outcome=record.outcome,
        started=record.started,
        finished=record.finished,
        seconds=round(max(0.0, seconds), 1),
        message=record.message,
    )
