"""The page around the charts. Every text from the cluster, from pods or from scripts is escaped."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import Path

from pulumi_slipway.core.model import Phase, Record
from pulumi_slipway.report import charts
from pulumi_slipway.report.words import day_and_time, digest, full, lasting

STYLE = Path(__file__).with_name("report.css")
HISTORY = 5
OTHERS = ("other-1", "other-2", "other-3", "other-4")
"""Colours of the releases that are neither this one nor the one before it."""

HEADLINES = {
    Phase.HEALTHY: "is live",
    Phase.PAUSED: "waits to be promoted",
    Phase.DEGRADED: "did not become Healthy",
    Phase.PROGRESSING: "is under way",
}
FACTS = {
    "ref": "Branch or tag",
    "project": "Project",
    "pipeline": "Pipeline",
    "actor": "Started by",
    "commit": "Commit",
}
"""Of the provenance, and what it is called; the pipeline's address becomes the link of its number."""


def page(environment: str, workload: str, records: Sequence[Record], now: datetime) -> str:
    """The report of the newest record."""
    record = records[-1]
    colours, names = _colours(records)
    charted = [(check.name, drawn) for check in record.checks if (drawn := charts.values(check))]
    body = [
        _banner(environment, workload, record),
        _facts(environment, workload, record, now),
        _section(
            "Steps",
            charts.steps(record, now),
            "When each began, from the start of the release, and how long until the next.",
        ),
        _section(
            "Share of each release",
            charts.shares(record, colours, names, now),
            "Of the ready pods that users could reach.",
        ),
        _section("Checks", _checks(record)),
        *(
            _section(name, drawn, "What it measured last; the time is from the first of these measurements.")
            for name, drawn in charted
        ),
        _section("Last releases", _history(records, now)),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(f'{workload} in {environment}: {record.outcome}')}</title>\n"
        f"<style>\n{STYLE.read_text()}</style>\n</head>\n<body>\n<main>\n{''.join(body)}"
        f"<footer>Slipway, {full(now.isoformat())}</footer>\n</main>\n</body>\n</html>\n"
    )


def _banner(environment: str, workload: str, record: Record) -> str:
    why = f"<p>{escape(record.message)}</p>" if record.message else ""
    what = "Rollback to release" if record.left else "Release"
    return (
        f'<header class="{record.outcome.lower()}">\n<p class="where">{escape(workload)} in {escape(environment)}</p>\n'
        f"<h1>{_outcome(record.outcome)} {what} <code>{record.release.id}</code> {HEADLINES[record.outcome]}</h1>\n"
        f"{why}</header>\n"
    )


def _facts(environment: str, workload: str, record: Record, now: datetime) -> str:
    seconds = record.seconds
    if record.outcome is Phase.PROGRESSING:
        seconds = (now - datetime.fromisoformat(record.started)).total_seconds()
    told = {key: escape(record.provenance.get(key, "")) for key in FACTS}
    told["pipeline"] = _link(record.provenance.get("pipelineUrl", ""), told["pipeline"] or "pipeline")
    told["commit"] = f"<code>{told['commit']}</code>" if told["commit"] else ""
    facts = {
        "Release": f"<code>{record.release.id}</code>",
        "Strategy": escape(record.strategy),
        "Track": escape(record.track),
        "Started": full(record.started),
        "Finished": full(record.finished),
        "Duration": lasting(max(0.0, seconds)),
        "Old track kept until": "the next release" if record.kept_until == "forever" else full(record.kept_until),
        **{name: told[key] for key, name in FACTS.items()},
        "Image": f"<code>{escape(record.release.image)}</code>",
        "Rolled back from": f"<code>{escape(record.left)}</code>" if record.left else "",
    }
    classes = {FACTS["commit"]: "long", "Image": "long", "Rolled back from": "long"}
    rows = "".join(
        f'<div class="{classes.get(name, "")}"><dt>{name}</dt><dd>{value}</dd></div>\n'
        for name, value in facts.items()
        if value
    )
    return f"<dl>\n{rows}</dl>\n"


def _link(address: str, name: str) -> str:
    """A link only where a browser would open a page by it; `name` is escaped already."""
    if not address.startswith(("https://", "http://")):
        return name if name != "pipeline" else ""
    return f'<a href="{escape(address)}" rel="noopener noreferrer">{name}</a>'


def _section(name: str, content: str, note: str = "") -> str:
    if not content:
        return ""
    said = f'<p class="note">{note}</p>\n' if note else ""
    return f"<section>\n<h2>{escape(name)}</h2>\n{said}{content}\n</section>\n"


def _checks(record: Record) -> str:
    rows = [
        (
            f"<code>{escape(check.name)}</code>",
            _outcome(check.status),
            escape(", ".join(f"{name} {limit:.4g}" for name, limit in check.threshold.items())),
            charts.measurements(check),
            escape(check.message),
        )
        for check in record.checks
    ]
    return _table(("Check", "Status", "Threshold", "Measurements", "Message"), rows)


def _history(records: Sequence[Record], now: datetime) -> str:
    rows = []
    for record in reversed(records[-HISTORY:]):
        under_way = record.outcome is Phase.PROGRESSING
        seconds = (now - datetime.fromisoformat(record.started)).total_seconds() if under_way else record.seconds
        commit = record.provenance.get("commit", "")
        rows.append(
            (
                escape(day_and_time(record.started)),
                f"<code>{record.release.id}</code>",
                f"<code>{escape(commit[:8] or digest(record.release.image))}</code>",
                _outcome(record.outcome),
                lasting(max(0.0, seconds)),
                escape(record.message),
            )
        )
    return _table(("When (UTC)", "Release", "Commit", "Outcome", "Took", "Why"), rows)


def _table(columns: Iterable[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are markup already; empty where there is no row."""
    if not rows:
        return ""
    head = "".join(f"<th>{column}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>\n" for row in rows)
    return f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>'


def _outcome(word: str) -> str:
    return f'<span class="pill {escape(word.lower())}">{escape(word)}</span>'


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
