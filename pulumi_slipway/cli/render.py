"""How `status` looks: tables for people, 80 columns wide at least, and JSON for machines."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from itertools import groupby
from textwrap import shorten

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from pulumi_slipway.cli.view import ReleaseView, TrackView, WorkloadView
from pulumi_slipway.core.foreign import shown
from pulumi_slipway.report.words import day_and_time, digest, lasting

STYLES = {"Healthy": "bold green", "Progressing": "bold cyan", "Paused": "bold yellow", "Degraded": "bold red"}
INDENT = 2
REASON = 160
"""Characters of a reason in the table; `--json` and the report have all of it."""


def page(views: Sequence[WorkloadView], where: Sequence[str], note: str = "") -> RenderableType:
    """All of it: each environment with its workloads; `note` is a line of its own at the end."""
    parts: list[RenderableType] = []
    for (namespace, environment), group in groupby(views, lambda view: (view.namespace, view.environment)):
        title = _text(environment) + ("" if environment == namespace else f" (namespace {_text(namespace)})")
        parts.append(Rule(Text(title, "bold"), align="left", characters="─"))
        parts += [_workload(view) for view in group]
    if not views:
        looked = f"in namespace {', '.join(where)}" if where else "in any namespace"
        parts.append(Text(_text(f"Slipway has deployed nothing {looked}")))
    if len({view.environment for view in views}) > 1:
        parts.append(_side_by_side(views))
    if note:
        parts.append(Text(_text(note), "bold red"))
    return Group(*parts)


def as_json(views: Sequence[WorkloadView], now: datetime) -> dict[str, object]:
    """The same for machines, in the ledger's spelling: camelCase."""
    return {"at": now.isoformat(timespec="seconds"), "workloads": _plain(tuple(views))}


def _plain(value: object) -> object:
    if is_dataclass(value):
        return {_camel(field.name): _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.title() for other in others)


def _workload(view: WorkloadView) -> RenderableType:
    head = Text.assemble((_text(view.name), "bold"), "  ", (view.phase, STYLES.get(view.phase, "bold")))
    if view.strategy:
        head.append(f"  {_text(view.strategy)}", "dim")
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for key, value in _facts(view).items():
        facts.add_row(key, Text(_text(value)))
    tables = ([_tracks(view.tracks)] if view.tracks else []) + ([_history(view.history)] if view.history else [])
    below = (Padding(block, (0, 0, 1, INDENT)) for block in (facts, *tables))
    return Group(head, *below)


def _facts(view: WorkloadView) -> Mapping[str, str]:
    facts = {}
    if view.reasons:
        facts["why"] = "; ".join(view.reasons)
    if view.live:
        facts["live"] = _version(view.live.release, view.live.image, view.live.commit)
        if view.live.since:
            facts["since"] = f"{day_and_time(_text(view.live.since))} UTC"
        if view.live.rejected:
            facts["rejected"] = f"{view.live.rejected}: no environment takes it from here"
    if view.under_way:
        new = view.under_way
        begun = day_and_time(_text(new.started))
        facts["under way"] = f"{_version(new.release, new.image, new.commit)}, begun {begun} UTC"
    if view.canary:
        of = f" of {view.canary.steps}" if view.canary.steps else ""
        facts["canary"] = f"step {view.canary.step}{of}, {view.canary.weight:g} % of the pods"
    if view.window and view.window.seconds is None:
        facts["window"] = "a rollback is a switch until the next release"
    elif view.window and view.window.seconds:
        until = day_and_time(_text(view.window.kept_until))
        facts["window"] = f"a rollback is a switch for {lasting(view.window.seconds)} more, until {until} UTC"
    elif view.window:
        facts["window"] = "over; the next run retires the old track"
    if view.promotion:
        promotion = view.promotion
        commit = f"  commit {promotion.commit[:8]}" if promotion.commit else ""
        facts["promotion"] = (
            f"from {promotion.source}: {digest(_text(promotion.image)) + commit if promotion.image else promotion.why}"
        )
    return facts


def _side_by_side(views: Sequence[WorkloadView]) -> RenderableType:
    """What runs in each environment, a workload a row."""
    places = list(dict.fromkeys((view.namespace, view.environment) for view in views))
    table = _table("workload", *(_text(environment) for _, environment in places))
    for name in sorted({view.name for view in views}):
        there = {(it.namespace, it.environment): it for it in views if it.name == name}
        _row(table, _text(name), *(_short(there[place]) if place in there else "" for place in places))
    return Group(Rule(Text("side by side", "bold"), align="left", characters="─"), table)


def _short(view: WorkloadView) -> Text:
    live = f"{digest(_text(view.live.image))} {_text(view.live.commit[:8])} " if view.live else ""
    return Text.assemble(live, (view.phase, STYLES.get(view.phase, "bold")))


def _tracks(tracks: Sequence[TrackView]) -> Table:
    table = _table("track", "release", "image", "pods", "share", "serves")
    for track in tracks:
        pods = f"{track.available}/{track.wanted}"
        if track.updated < track.wanted:
            pods += f" ({track.updated} new)"
        _row(
            table,
            track.track,
            _text(track.release or "?"),
            digest(_text(track.image)),
            Text(pods, "" if track.available >= track.wanted else "red"),
            "" if track.share is None else f"{track.share:g} %",
            Text("users", "bold green") if track.serves else "preview" if track.preview else "",
        )
    return table


def _history(history: Sequence[ReleaseView]) -> Table:
    table = _table("when (UTC)", "release", "commit", "outcome", "took", "why")
    for release in history:
        _row(
            table,
            day_and_time(_text(release.started)),
            _text(release.release),
            _text(release.commit[:8]) or digest(_text(release.image)),
            Text(release.outcome, STYLES.get(release.outcome, "")),
            lasting(release.seconds),
            Text(shorten(_text(release.message), REASON, placeholder=" …")),
        )
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(Text(column.upper()), no_wrap=column != "why", overflow="fold")
    return table


def _row(table: Table, *cells: str | Text) -> None:
    """Rich takes a plain string for markup: a label `[/]` would end `status` with a MarkupError."""
    table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in cells))


def _version(release: str | None, image: str, commit: str) -> str:
    return f"{release or '?'}  image {digest(_text(image))}" + (f"  commit {commit[:8]}" if commit else "")


def _text(text: str) -> str:
    """What came from the cluster, without anything that a terminal would obey."""
    return shown(text)
