"""The ledger: a ConfigMap per workload with its releases: the audit trail, where rollback looks, where a run goes on.

Pulumi owns the object and its annotations; the records in `data` belong to a field manager of their own, so that a run
can write an outcome at the moment it is known, and a failed run too.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from lightkube import ApiError, Client
from lightkube.models.meta_v1 import ObjectMeta, OwnerReference
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap

from pulumi_slipway.cluster.retry import while_away
from pulumi_slipway.core.model import CheckResult, Moment, Phase, Record, Release, TrackName
from pulumi_slipway.release.ledger_format import DETAILED, decode, encode, targets

__all__ = ("DETAILED", "decode", "encode")
FIELD_MANAGER = "slipway-ledger"
SUFFIX = "-releases"
MOMENTS = 100
"""Moments of one release at most: its first and its last ones."""


def name(workload: str) -> str:
    """Name of a workload's ledger."""
    return f"{workload}{SUFFIX}"


def kept(records: tuple[Record, ...], keep: int) -> tuple[Record, ...]:
    """The newest `keep` records, and always those of the newest two Healthy releases: a rollback needs both."""
    needed = targets(records)
    return tuple(r for r in records if r in records[-keep:] or r.sequence in needed)


def write(
    client: Client, workload: str, namespace: str, labels: Mapping[str, str], records: tuple[Record, ...],
    *, version: str | None = None, annotations: Mapping[str, str] | None = None,
) -> str | None:  # fmt: skip
    """Stores the records by server-side apply; the object is made where it isn't there yet. Gives its new version.

    `version`: of the object that they follow from: another one has been written since, and is a conflict (409).
    `annotations`: whose it is, from its first record on: the engine writes it only once a release is done.

    The engine's state has it from the first Healthy release on. Before, a `destroy` knows nothing of it: it goes with
    the Deployment of the release that failed, by Kubernetes' garbage collection.
    """
    owner = _owner(client, workload, namespace, records)
    metadata = ObjectMeta(
        name=name(workload),
        namespace=namespace,
        labels=dict(labels),
        annotations=dict(annotations or {}),
        ownerReferences=owner,
        resourceVersion=version,
    )
    made = client.apply(ConfigMap(metadata=metadata, data=encode(records)), field_manager=FIELD_MANAGER, force=True)
    return made.metadata.resourceVersion if made and made.metadata else None


def _owner(client: Client, workload: str, namespace: str, records: tuple[Record, ...]) -> list[OwnerReference] | None:
    if any(it.outcome is Phase.HEALTHY for it in records) or records[-1].outcome is not Phase.DEGRADED:
        return None
    called = workload + records[-1].track.suffix
    try:
        live: Mapping[str, Any] = client.get(Deployment, called, namespace=namespace).to_dict()
    except ApiError as error:
        if error.status.code == 404:
            return None
        raise
    return [OwnerReference("apps/v1", "Deployment", called, live["metadata"].get("uid", ""))]


class Book:
    """The ledger of one workload during a run: what a step writes down is known to the next.

    `store` writes the records, and gives what is stored where others have written, too; `now` is the clock.
    """

    def __init__(
        self,
        records: tuple[Record, ...],
        store: Callable[[tuple[Record, ...]], tuple[Record, ...] | None],
        *,
        keep: int,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.records, self._store, self._keep, self._now = records, store, keep, now

    @property
    def last(self) -> Record | None:
        """The newest record."""
        return self.records[-1] if self.records else None

    def begin(
        self, release: Release, track: TrackName, strategy: str, provenance: Mapping[str, str], *, left: str = "",
        steps: int = 0,
    ) -> None:  # fmt: skip
        """A release is under way; another that still is ends here.

        `left`: the image that a rollback goes away from. `steps`: how many a canary has.
        """
        last = self.last
        if last and last.outcome in (Phase.PROGRESSING, Phase.PAUSED):
            why = "begun anew" if last.release.id == release.id else f"superseded by {release.id}"
            self._end(Phase.DEGRADED, why)
        sequence = last.sequence + 1 if last else 1
        record = Record(
            sequence,
            release,
            Phase.PROGRESSING,
            started=self._stamp(),
            finished="",
            seconds=0.0,
            provenance=provenance,
            track=track,
            strategy=strategy,
            steps=steps,
            left=left,
        )
        self.records = kept((*self.records, record), self._keep)
        self.save()

    def mark(self, step: int) -> None:
        """So many steps are passed; a Paused release is Progressing again."""
        self._change(outcome=Phase.PROGRESSING, step=step, message="")
        self.save()

    def note(self, moment: Moment) -> None:
        """Adds a moment to the timeline, as of now; it is stored with the next write.

        Without an event it only tells the pods, where they are others than at the moment before.
        """
        if self.last and (moment.event or not self.last.timeline or self.last.timeline[-1].pods != moment.pods):
            moments = (*self.last.timeline, replace(moment, at=self._stamp()))
            half = MOMENTS // 2
            self._change(timeline=moments if len(moments) <= MOMENTS else moments[:half] + moments[-half:])

    def checked(self, result: CheckResult) -> None:
        """Adds what a check came to, in place of what it came to before."""
        if self.last:
            others = tuple(check for check in self.last.checks if check.name != result.name)
            self._change(checks=(*others, result))

    def finish(
        self, outcome: Phase, message: str = "", *, step: int | None = None, track: TrackName | None = None,
        window: int | None = 0, rejected: str = "",
    ) -> None:  # fmt: skip
        """The release comes to an outcome. `window`: seconds that the track before it stays warm; None: for ever.

        `rejected`: why no environment is to take its image from here.
        """
        kept_until = "forever" if window is None else ""
        if window:
            kept_until = (self._now() + timedelta(seconds=window)).isoformat(timespec="seconds")
        self._end(outcome, message)
        if self.last:
            self._change(
                step=self.last.step if step is None else step,
                track=track or self.last.track,
                kept_until=kept_until,
                rejected=rejected or self.last.rejected,
            )
        self.save()

    def reject(self, why: str, release: str) -> None:
        """The image of the newest record of this release must not be promoted."""
        index = next((i for i in reversed(range(len(self.records))) if release == self.records[i].release.id), None)
        if index is not None:
            record = replace(self.records[index], rejected=why)
            self.records = (*self.records[:index], record, *self.records[index + 1 :])
            self.save()

    def save(self) -> None:
        """Stores the records, with patience: a release must not fail since the API server restarts."""
        self.records = while_away(lambda: self._store(self.records) or self.records)

    def _end(self, outcome: Phase, message: str) -> None:
        last = self.last
        if last:
            seconds = (self._now() - datetime.fromisoformat(last.started)).total_seconds()
            self._change(outcome=outcome, message=message, finished=self._stamp(), seconds=round(seconds, 1))

    def _change(self, **changes: object) -> None:
        if self.records:
            self.records = (*self.records[:-1], replace(self.records[-1], **changes))  # type: ignore[arg-type]

    def _stamp(self) -> str:
        return self._now().isoformat(timespec="milliseconds")
