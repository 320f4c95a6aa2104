"""What a run has come to with a workload, for its outputs: what was reached, never what was wished."""

from collections.abc import Mapping
from dataclasses import dataclass

from pulumi_slipway.core.model import Observed, Phase, Release
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
    def planned(cls, prepared: Prepared) -> "Reached":
        """Where the plan leads to: in a preview, and once all of it is done."""
        plan, committed = prepared.plan, prepared.world.observed.committed
        live = plan.release if plan.phase is not Phase.PAUSED else committed.release if committed else None
        step = _step(prepared, prepared.world.observed) if plan.phase is Phase.PAUSED else 0
        return cls._of(prepared, live, str(plan.phase), str(plan.live), step, _planned_weight(prepared, step))

    @classmethod
    def seen(cls, prepared: Prepared, observed: Observed, shares: Mapping[str, int], *, failed: bool) -> "Reached":
        """Where users are by the cluster. `shares`: releases behind the Service with their ready pods; `failed`: this
        run has, so that a ledger which knows nothing of its release is not the last word."""
        committed, last = observed.committed, observed.ledger[-1] if observed.ledger else None
        own = committed.release.id if committed else ""
        most = max(shares, key=lambda it: (shares[it], it == own), default=None)
        home = observed.tracks.get(observed.home) if observed.home else None
        live = observed.known(most or (home.release if home else None))
        about = last is not None and (not failed or last.release.id == prepared.plan.release.id)
        step = _step(prepared, observed)
        new = shares.get(last.release.id, 0) if last and step else 0
        return cls._of(
            prepared,
            live,
            str(last.outcome if last and about else Phase.DEGRADED),
            str(observed.home or ""),
            step,
            round(100 * new / sum(shares.values())) if new else 0,
        )

    @classmethod
    def _of(  # noqa: PLR0917
        cls, prepared: Prepared, live: Release | None, phase: str, track: str, step: int, weight: int
    ) -> "Reached":
        subject = prepared.subject
        return cls(
            release=live.id if live else "",
            image=live.image if live else "",
            phase=phase,
            live_track=track,
            step=step,
            weight=weight,
            url=_url(subject),
            preview_service=f"{subject.name}{PREVIEW}" if prepared.plan.preview else None,
            ledger=ledger.name(subject.name),
        )


def _step(prepared: Prepared, observed: Observed) -> int:
    last = observed.ledger[-1] if observed.ledger else None
    waits = last is not None and last.outcome is Phase.PAUSED and prepared.rules.strategy is Strategy.CANARY
    return last.step if last and waits else 0


def _planned_weight(prepared: Prepared, step: int) -> int:
    rules, home = prepared.rules, prepared.world.observed.home
    live = prepared.world.observed.tracks.get(home) if home else None
    whole = rules.replicas if rules.replicas is not None else live.wanted if live else 0
    if not step or not whole:
        return 0
    pods = rules.steps[step - 1].pods(whole, rules.most_canary)
    return round(100 * pods / (whole + pods))


def _url(subject: Subject) -> str:
    ingress = subject.workload.ingress
    if ingress:
        return f"{'https' if ingress.tls_secret else 'http'}://{ingress.host}{ingress.path}"
    asked = subject.source.asked if subject.source else None
    port = asked["port"] if asked else subject.workload.service.port
    if subject.workload.worker:
        return ""
    return f"http://{subject.called('Service')}.{subject.namespace}.svc:{port}"
