"""Which records of a ledger are this workload's own: those that its Deployments know (ADR 38).

A ledger is a ConfigMap, and more may write ConfigMaps than Deployments. A release is the hash of its pod template; each
Deployment has in an annotation the hashes of its own and of those on the ledger when it was given its release. A record
that no Deployment knows becomes no pod template. Whoever may write a Deployment needs no forged record.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pulumi_slipway.core.keys import RELEASE_LABEL, RELEASES
from pulumi_slipway.core.model import Manifest, Phase, Record, Release
from pulumi_slipway.core.plan import Plan, TrackPlan


def known(deployment: Manifest | None) -> frozenset[str] | None:
    """The hashes that a Deployment knows; None of one that an earlier version wrote, or that isn't there."""
    text = ((deployment or {}).get("metadata", {}).get("annotations") or {}).get(RELEASES)
    return None if text is None else frozenset(text.split(","))


def sorted_out(records: Sequence[Record], deployments: Sequence[Manifest]) -> tuple[list[Record], list[Record]]:
    """The records that count, and those that don't.

    A release that was never Healthy may be on no Deployment (yet, any more): it counts, and is marked. Where no
    Deployment knows anything, all are of an earlier version.
    """
    lists = [found for it in deployments if (found := known(it)) is not None]
    if not lists:
        return [*records], []
    hashes = frozenset[str]().union(*lists)
    earlier = {_label(it) for it in deployments if known(it) is None}
    count: list[Record] = []
    others: list[Record] = []
    for record in records:
        if record.release.digest in hashes or record.release.id in earlier:
            count.append(record)
        elif record.outcome is Phase.HEALTHY:
            others.append(record)
        else:
            count.append(replace(record, bound=False))
    return count, others


def annotation(release: Release, records: Iterable[Record]) -> dict[str, str]:
    """For a Deployment that is given this release."""
    newest_first = [it.release.digest for it in reversed([*records]) if it.bound]
    return {RELEASES: ",".join(dict.fromkeys([release.digest, *newest_first]))}


def declared(planned: TrackPlan, plan: Plan, live: Mapping[str, Manifest], records: Sequence[Record]) -> dict[str, str]:
    """The annotation of a track's Deployment in this run; `live`: the workload's Deployments by suffix.

    One that keeps its release keeps what it knows. The one that is to serve takes over what those know that go; the
    others learn of the release that is to serve, so that each can bear witness when another was deleted by hand.
    """
    own = live.get(planned.track.suffix)
    if own is None or _label(own) != planned.release:
        return annotation(Release.of(planned.template), records)
    mine = known(own)
    if mine is None:
        return {}
    kept = {it.track.suffix for it in plan.tracks}
    going = [hashes for key, it in live.items() if key not in kept and (hashes := known(it))]
    named = {it.release.digest for it in records}
    learnt = frozenset[str]().union(*going) & named if planned.track is plan.live else {plan.release.digest}
    return {RELEASES: ",".join([str(own["metadata"]["annotations"][RELEASES]), *sorted(learnt - mine)])}


def _label(deployment: Manifest) -> str:
    return str((deployment["spec"]["template"]["metadata"].get("labels") or {}).get(RELEASE_LABEL, ""))
