"""Writes a ledger that others may write at the same time: two runs from two backends know nothing of each other."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from lightkube import ApiError, Client
from lightkube.resources.core_v1 import ConfigMap

from pulumi_slipway.core.errors import WorkloadError
from pulumi_slipway.core.model import Manifest, Record
from pulumi_slipway.release import ledger
from pulumi_slipway.release.ledger_format import decode

ATTEMPTS = 10


class Writer:
    """Stores one workload's records; where somebody has written meanwhile, theirs are read and kept beside ours."""

    def __init__(
        self, client: Client, workload: str, namespace: str, labels: Mapping[str, str], live: Manifest | None,
        *, annotations: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """`live`: the ledger as it was observed. `annotations`: whose it is."""
        self._annotations = annotations
        self._client, self._workload, self._namespace, self._labels = client, workload, namespace, labels
        self._version, self._stored = _version(live), _by_key(decode((live or {}).get("data")))
        self._begun_before = {*self._stored}

    def __call__(self, records: tuple[Record, ...]) -> tuple[Record, ...]:
        """What is stored now. Raises WorkloadError where another run has taken the workload over."""
        for _ in range(ATTEMPTS):
            try:
                self._version = ledger.write(
                    self._client, self._workload, self._namespace, self._labels, records, version=self._version,
                    annotations=self._annotations,
                )  # fmt: skip
            except ApiError as error:
                if error.status.code != 409:
                    raise
                records = self._beside(records)
            else:
                self._stored = _by_key(records)
                return records
        raise WorkloadError(self._workload, "its ledger is written by others all the time: run again later")

    def _beside(self, records: tuple[Record, ...]) -> tuple[Record, ...]:
        """What others have written, with what this run has changed since it read or wrote last."""
        live = self._read()
        self._version = _version(live)
        theirs, ours = _by_key(decode((live or {}).get("data"))), _by_key(records)
        last = records[-1]
        changed = {key: it for key, it in ours.items() if key == _key(last) or it != self._stored.get(key)}
        gone = {*self._stored} - {*ours}
        self._stored = theirs  # who is overtaken again has changed none of these
        kept = {key: it for key, it in theirs.items() if key not in gone} | changed
        newer = [it for key, it in theirs.items() if key not in ours and key not in gone]
        newest = max((it.sequence for key, it in kept.items() if key != _key(last)), default=0)
        if newer and _key(last) in self._begun_before and newest > last.sequence:
            raise WorkloadError(
                self._workload, f"another run has begun release {newer[-1].release.id} of it meanwhile: run again"
            )
        if newest >= last.sequence:
            kept[_key(last)] = replace(last, sequence=newest + 1)
        return tuple(sorted(kept.values(), key=lambda it: it.sequence))

    def _read(self) -> Manifest | None:
        try:
            found = self._client.get(ConfigMap, ledger.name(self._workload), namespace=self._namespace)
        except ApiError as error:
            if error.status.code == 404:
                return None
            raise
        live: Manifest = found.to_dict()
        return live


def _version(live: Manifest | None) -> str | None:
    found: str | None = (live or {}).get("metadata", {}).get("resourceVersion")
    return found


def _by_key(records: Iterable[Record]) -> dict[tuple[str, str], Record]:
    return {_key(it): it for it in records}


def _key(record: Record) -> tuple[str, str]:
    """A record whoever numbers it."""
    return record.release.id, record.started
