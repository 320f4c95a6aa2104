"""What a run has come to with a workload, for its outputs: what was reached, never what was wished."""

from dataclasses import dataclass

from pulumi_slipway.core.model import Phase, Record
from pulumi_slipway.core.rules import Strategy
from pulumi_slipway.release import ledger
from pulumi_slipway.release.manifests import PREVIEW, Subject
from pulumi_slipway.release.prepare import Prepared


@dataclass(frozen=True)
class Reached:
    """How a workload stands; its fields are the outputs of a Workload, which says what each means."""

    release: str
    image: str
    phase: str
    live_track: str
    step: int
    weight: int
    url: str
    preview_service: str | None
    ledger: str

    @classmethod
    def of(cls, prepared: Prepared, last: Record | None, *, passed: bool, failed: bool = False) -> "Reached":
        """By the ledger's newest record. `passed`: all is as the plan wants it; `failed`: it won't be in this run."""
        subject, plan, seen = prepared.subject, prepared.plan, prepared.world.observed
        release, image, phase, track = plan.release.id, plan.release.image, plan.phase, str(plan.live)
        if not passed or phase is not Phase.HEALTHY:  # a release that is Paused is not yet what users are on
            live = seen.committed.release if seen.committed else None
            release, image = (live.id, live.image) if live else ("", "")
        if not passed:
            phase = last.outcome if last and not failed else Phase.DEGRADED
            track = str(seen.home or "")
        waits = last is not None and last.outcome is Phase.PAUSED and prepared.rules.strategy is Strategy.CANARY
        step = last.step if last and waits else 0
        return cls(
            release=release,
            image=image,
            phase=str(phase),
            live_track=track,
            step=step,
            weight=_weight(prepared, step),
            url=_url(subject),
            preview_service=f"{subject.name}{PREVIEW}" if plan.preview else None,
            ledger=ledger.name(subject.name),
        )


def _weight(prepared: Prepared, step: int) -> int:
    rules, home = prepared.rules, prepared.world.observed.home
    live = prepared.world.observed.tracks.get(home) if home else None
    whole = rules.replicas if rules.replicas is not None else live.wanted if live else 0
    if not step or not whole:
        return 0
    return round(100 * rules.steps[step - 1].pods(whole, rules.most_canary) / whole)


def _url(subject: Subject) -> str:
    ingress = subject.workload.ingress
    if ingress:
        return f"{'https' if ingress.tls_secret else 'http'}://{ingress.host}{ingress.path}"
    asked = subject.source.asked if subject.source else None
    port = asked["port"] if asked else subject.workload.service.port
    if subject.workload.worker:
        return ""
    return f"http://{subject.called('Service')}.{subject.namespace}.svc:{port}"
