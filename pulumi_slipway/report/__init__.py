"""The picture of a release: one self-contained HTML file a workload, from nothing but its ledger."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from pulumi_slipway.core.model import Record

DIRECTORY = "SLIPWAY_REPORT_DIR"
DEFAULT = "slipway-report"


def directory(environment: Mapping[str, str] = os.environ) -> Path:
    """Where reports go: $SLIPWAY_REPORT_DIR, else `slipway-report` in the project's directory."""
    return Path(environment.get(DIRECTORY) or DEFAULT)


def write(
    directory: Path, environment: str, workload: str, records: tuple[Record, ...], now: datetime | None = None
) -> Path | None:
    """Writes the report of the newest record, whole or not at all; None where there is none to tell of.

    Raises OSError where it can't be written.
    """
    if not records:
        return None
    from pulumi_slipway.report import page  # noqa: PLC0415  Jinja, only where there is something to write

    text = page.page(environment, workload, records, now or datetime.now(UTC))
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{environment}-{workload}.html"
    half = directory / f".{path.name}.{os.getpid()}"
    try:
        half.write_text(text, encoding="utf-8")
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
    return path
