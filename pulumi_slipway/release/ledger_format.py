"""How a ledger's records are written down, and read again: what stacks that exist rely on (ADR 30).

Whoever may edit ConfigMaps can write into a ledger. So an entry is read as what it must be, or not at all: an image, a
time or a track that is none never gets further than here.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from math import isfinite
from typing import Annotated, Any

import msgspec
from lightkube.models.core_v1 import PodTemplateSpec
from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.model import CheckResult, Event, Moment, Phase, Record, Release, TrackName
from pulumi_slipway.core.packed import pack, unpack
from pulumi_slipway.release import earlier_ledger
from pulumi_slipway.settings.types import is_image

DETAILED = 10
"""Records that keep their timeline and measured values: a hundred releases must fit."""
LIMIT = 900_000
"""Bytes of all records together; the API server takes 1 MiB for what a ConfigMap holds."""
TEMPLATE_LIMIT = 1_500_000
"""Bytes of a pod template: etcd takes no larger Deployment."""
DIGITS = 9
"""Of a sequence number at most."""
LEAP = 100_000
"""No ledger leaves out so many numbers: what comes after is none of ours, and must not be the newest for ever."""


_STAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d([.]\d{1,6})?([+-]\d\d:\d\d|Z)", re.ASCII)


def _stamp(text: str) -> str:
    if not _STAMP.fullmatch(text):
        raise ValueError("must be a time with its zone")
    datetime.fromisoformat(text)
    return text


def _stamp_or(*others: str) -> AfterValidator:
    return AfterValidator(lambda text: text if text in others else _stamp(text))


Stamp = Annotated[str, AfterValidator(_stamp)]
Measured = Annotated[float | None, AfterValidator(lambda it: it if it is not None and isfinite(it) else None)]
"""A program may say `nan`, or a query; no chart can draw that."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=False, hide_input_in_errors=True, defer_build=True)


class _Check(_Entry):
    name: str
    status: str
    message: str
    threshold: dict[str, FiniteFloat]
    values: list[tuple[Stamp, Measured, str]]


class _Moment(_Entry):
    what: str
    at: Stamp
    pods: dict[str, int]
    track: TrackName | None = None
    release: str | None = None
    replicas: int | None = None
    step: int | None = None
    weight: int | None = None
    outcome: Phase | None = None
    text: str | None = None


class _Record(_Entry):
    outcome: Phase
    started: Stamp
    finished: Annotated[str, _stamp_or("")]
    seconds: FiniteFloat
    message: str
    provenance: dict[str, str]
    track: TrackName
    strategy: str
    step: int = Field(ge=0)
    steps: int | None = Field(None, ge=0)
    """None: of version 0.1, which held sentences."""
    kept_until: Annotated[str, _stamp_or("", "forever")] = Field(validation_alias=AliasChoices("keptUntil"))
    checks: list[_Check]
    timeline: list[_Moment]
    rejected: str = ""
    left: str = ""
    template: dict[str, Any] | None = None
    packed: str | None = None


def decode(data: Mapping[str, str] | None) -> tuple[Record, ...]:
    """The records of a ledger's `data`, oldest first; an entry that is not ours is passed over."""
    found = []
    for key, text in (data or {}).items():
        try:
            found.append(_record(key, text))
        except (ValueError, ValidationError, msgspec.ValidationError, RecursionError):
            continue  # written by hand: not a reason to stop a deployment
    kept: list[Record] = []
    for record in sorted({it.sequence: it for it in found}.values(), key=lambda it: it.sequence):
        if not kept or record.sequence - kept[-1].sequence < LEAP:
            kept.append(record)
    return tuple(kept)


def _record(key: str, text: str) -> Record:
    if not (key.isascii() and key.isdigit() and len(key) <= DIGITS):
        raise ValueError("no sequence number")
    entry = _Record.model_validate(json.loads(text))
    if not entry.finished and entry.outcome is not Phase.PROGRESSING:
        raise ValueError("came to an outcome at no time")
    if entry.left and not is_image(entry.left):
        raise ValueError("no image")
    earlier = entry.steps is None
    whats = [it.what for it in entry.timeline]
    return Record(
        sequence=int(key),
        release=_release(entry),
        outcome=entry.outcome,
        started=entry.started,
        finished=entry.finished,
        seconds=entry.seconds,
        message=earlier_ledger.reason(entry.message) if earlier else entry.message,
        provenance=entry.provenance,
        track=entry.track,
        strategy=entry.strategy,
        step=entry.step,
        steps=earlier_ledger.steps(entry.message, whats) if entry.steps is None else entry.steps,
        kept_until=entry.kept_until,
        checks=tuple(CheckResult(c.name, c.status, c.message, c.threshold, tuple(c.values)) for c in entry.checks),
        timeline=tuple(map(_moment, entry.timeline)),
        rejected=earlier_ledger.reason(entry.rejected) if earlier else entry.rejected,
        left=entry.left,
    )


def _release(entry: _Record) -> Release:
    template = entry.template if entry.packed is None else json.loads(unpack(entry.packed, TEMPLATE_LIMIT))
    known = msgspec.convert(template, PodTemplateSpec)  # as the API server would have it
    containers = known.spec.containers if known.spec else []
    if known.metadata is None or not containers or not all(it.image for it in containers):
        raise ValueError("no pod template")
    release = Release(json.dumps(template, sort_keys=True, separators=(",", ":")))
    if not is_image(release.image):
        raise ValueError("no image")
    return release


def _moment(entry: _Moment) -> Moment:
    if entry.what and entry.what not in list(Event):
        return replace(earlier_ledger.moment(entry.what), at=entry.at, pods=entry.pods)
    said = {name: it for name, it in vars(entry).items() if name != "what"}
    return Moment(Event(entry.what) if entry.what else None, **said)


def targets(records: Sequence[Record]) -> list[int]:
    """The sequence numbers of the newest two Healthy releases: what is live, and what a rollback goes back to."""
    healthy = {it.release.id: it.sequence for it in records if it.outcome is Phase.HEALTHY}  # of each the newest
    return sorted(healthy.values())[-2:]


def encode(records: Sequence[Record]) -> dict[str, str]:
    """The `data` of a ledger: one JSON document a record, under its sequence number, LIMIT bytes at most.

    Where they are more, the pod templates are packed; where that is not enough, the oldest records go, then what the
    checks measured. The newest record stays, and those of the two releases that a rollback is about. Raises UserError
    where even these are too much.
    """
    kept, needed = list(records), {*targets(records), *(it.sequence for it in records[-1:])}
    data = _written(kept, packed=False)
    if _size(data) > LIMIT:
        data = _written(kept, packed=True)
    while _size(data) > LIMIT and (oldest := next((it for it in kept if it.sequence not in needed), None)):
        kept.remove(oldest)
        del data[_key(oldest)]
    if _size(data) > LIMIT:
        data = _written(kept, packed=True, detailed=0)
    if _size(data) > LIMIT:
        raise UserError(
            f"its ledger can't hold the pod templates of {len(kept)} releases, {_size(data)} bytes packed and "
            f"{LIMIT} at most: move what is long in them (env, args, annotations) to a ConfigMap"
        )
    return data


def _size(data: Mapping[str, str]) -> int:
    return sum(len(key) + len(text) for key, text in data.items())  # JSON as it is written here is ASCII


def _key(record: Record) -> str:
    return f"{record.sequence:06d}"


def _written(records: Sequence[Record], *, packed: bool, detailed: int = DETAILED) -> dict[str, str]:
    whole = records[-detailed:] if detailed else ()
    return {_key(it): json.dumps(_document(it, packed=packed, whole=it in whole), sort_keys=True) for it in records}


def _document(record: Record, *, packed: bool, whole: bool) -> dict[str, object]:
    template = (
        {"packed": pack(record.release.template)} if packed else {"template": json.loads(record.release.template)}
    )
    return {
        "id": record.release.id,
        "image": record.release.image,
        "outcome": record.outcome,
        "started": record.started,
        "finished": record.finished,
        "seconds": record.seconds,
        "message": record.message,
        "provenance": dict(record.provenance),
        "track": record.track,
        "strategy": record.strategy,
        "step": record.step,
        "steps": record.steps,
        "keptUntil": record.kept_until,
        "checks": [{**vars(check), "values": check.values if whole else ()} for check in record.checks],
        "timeline": [_entry(moment) for moment in record.timeline] if whole else [],
        "rejected": record.rejected,
        "left": record.left,
        **template,
    }


def _entry(moment: Moment) -> Mapping[str, Any]:
    """`what` is there in any case: version 0.1 passes a record over that has none."""
    about = {key: it for key, it in vars(moment).items() if it is not None and key != "event"}
    return {"what": moment.event or "", **about}
