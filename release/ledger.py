"""The ledger: a ConfigMap per workload with the releases that came to an end: the audit trail, where rollback looks.

Pulumi owns the object and its annotation of the live release; the records in `data` belong to a field manager of their
own, so that a run can write an outcome at the moment it is known, and a failed run too.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from lightkube import Client
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap

from release.model import Phase, Record, Release

FIELD_MANAGER = "slipway-ledger"


def name(workload: str) -> str:
    """Name of a workload's ledger."""
    return f"{workload}-releases"


def decode(data: Mapping[str, str] | None) -> tuple[Record, ...]:
    """The records of a ledger's `data`, oldest first; an entry that is not ours is passed over."""
    records = []
    for key, text in sorted((data or {}).items()):
        try:
            entry = json.loads(text)
            records.append(
                Record(
                    sequence=int(key),
                    release=Release(json.dumps(entry["template"], sort_keys=True, separators=(",", ":"))),
                    outcome=Phase(entry["outcome"]),
                    finished=entry["finished"],
                    seconds=entry["seconds"],
                    message=entry["message"],
                    provenance=entry["provenance"],
                )
            )
        except (ValueError, KeyError, TypeError):
            continue  # written by hand: not a reason to stop a deployment
    return tuple(records)


def encode(records: tuple[Record, ...]) -> dict[str, str]:
    """The `data` of a ledger: one JSON document a record, under its sequence number."""
    return {
        f"{record.sequence:06d}": json.dumps(
            {
                "id": record.release.id,
                "image": record.release.image,
                "outcome": record.outcome,
                "finished": record.finished,
                "seconds": record.seconds,
                "message": record.message,
                "provenance": dict(record.provenance),
                "template": json.loads(record.release.template),
            },
            sort_keys=True,
        )
        for record in records
    }


def kept(records: tuple[Record, ...], keep: int) -> tuple[Record, ...]:
    """The newest `keep` records, and always the newest two Healthy ones: without them a rollback has no target."""
    healthy = [r for r in records if r.outcome is Phase.HEALTHY][-2:]
    return tuple(r for r in records if r in records[-keep:] or r in healthy)


def append(
    records: tuple[Record, ...],
    release: Release,
    outcome: Phase,
    *,
    seconds: float,
    message: str,
    provenance: Mapping[str, str],
    keep: int,
    now: datetime | None = None,
) -> tuple[Record, ...]:
    """The ledger with one more outcome; the same outcome of the same release twice in a row is one record."""
    last = records[-1] if records else None
    if last and (last.release.id, last.outcome, last.message) == (release.id, outcome, message):
        return records
    finished = (now or datetime.now(UTC)).isoformat(timespec="seconds")
    sequence = last.sequence + 1 if last else 1
    record = Record(sequence, release, outcome, finished, round(seconds, 1), message, provenance)
    return kept((*records, record), keep)


def write(
    client: Client, workload: str, namespace: str, labels: Mapping[str, str], records: tuple[Record, ...]
) -> None:
    """Stores the records by server-side apply; the object is made where it isn't there yet."""
    metadata = ObjectMeta(name=name(workload), namespace=namespace, labels=dict(labels))
    client.apply(ConfigMap(metadata=metadata, data=encode(records)), field_manager=FIELD_MANAGER, force=True)
