"""The page around the charts: report.html. Every text from the cluster, from pods or from scripts is escaped there."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from pulumi_slipway.core.foreign import shown
from pulumi_slipway.core.model import Phase, Record
from pulumi_slipway.report import charts
from pulumi_slipway.report.words import day_and_time, digest, full, lasting

HERE = Path(__file__).parent
STYLE = HERE / "report.css"
HISTORY = 5
OTHERS = ("other-1", "other-2", "other-3", "other-4")
"""Colours of the releases that are neither this one nor the one before it."""

HEADLINES = {
    Phase.HEALTHY: "is live",
    Phase.PAUSED: "waits to be promoted",
    Phase.DEGRADED: "did not become Healthy",
    Phase.PROGRESSING: "is under way",
}


def page(environment: str, workload: str, records: Sequence[Record], now: datetime) -> str:
    """The report of the newest record."""

    def duration(record: Record) -> str:
        under_way = record.outcome is Phase.PROGRESSING
        seconds = (now - datetime.fromisoformat(record.started)).total_seconds() if under_way else record.seconds
        return lasting(max(0.0, seconds))

    record = records[-1]
    colours, names = _colours(records)
    templates = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, keep_trailing_newline=True, finalize=_without_controls
    )
    templates.filters |= {
        "day_and_time": day_and_time,
        "digest": digest,
        "duration": duration,
        "full": full,
        "measurements": charts.measurements,
    }
    return templates.get_template("report.html").render(
        environment=environment,
        workload=workload,
        record=record,
        headline=HEADLINES[record.outcome],
        steps=charts.steps(record, now),
        shares=charts.shares(record, colours, names, now),
        values=[(check.name, drawn) for check in record.checks if (drawn := charts.values(check))],
        history=records[: -HISTORY - 1 : -1],
        now=now,
        style=STYLE.read_text(),
    )


def _without_controls(value: object) -> object:
    return shown(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _colours(records: Sequence[Record]) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """The colour and the name of this release, and of each other that had pods; the one before it is grey."""
    record = records[-1]
    this = record.release.id
    healthy = (r.release.id for r in reversed(records[:-1]) if r.outcome is Phase.HEALTHY)
    before = next((release for release in healthy if release != this), None)
    had_pods = dict.fromkeys(release for moment in record.timeline for release in moment.pods)
    known = {this: ("this", "this release")} | ({before: ("before", "the one before")} if before else {})
    others = [release for release in had_pods if release not in known]
    found = {release: known[release] for release in known if release in (this, *had_pods)}
    found |= {release: (OTHERS[i % len(OTHERS)], "another one") for i, release in enumerate(others)}
    return {key: colour for key, (colour, _) in found.items()}, {key: name for key, (_, name) in found.items()}
