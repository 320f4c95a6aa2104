"""The merge request's note: a table of what the previews say, in GitLab's Markdown."""

from collections.abc import Sequence
from html import escape

from pulumi_slipway.core.foreign import shown
from pulumi_slipway.pipeline.digest import Change, Digest

MARK = "<!-- slipway-preview -->"
"""Begins the note; by it the next pipeline finds the note that it updates."""
FOLD = 8
"""Changes of one stack that are shown unfolded."""
ROWS, FIELDS, LENGTH = 100, 8, 160
"""Rows of one stack, fields of a row, characters of a field at most: GitLab takes 1,000,000 characters in all."""
_SIGNS = {"create": "➕", "import": "➕", "update": "✏️", "delete": "➖", "replace": "♻️"}


def body(digests: Sequence[Digest], pipeline: str, commit: str) -> str:
    """The note's text; `pipeline` is its URL, `commit` the short SHA that was previewed."""
    parts = [MARK, "### What this merge request would change", ""]
    parts += [part for digest in sorted(digests, key=lambda digest: digest.stack) for part in _stack(digest)]
    origin = f"[pipeline]({pipeline})" if pipeline.startswith(("https://", "http://")) else "a pipeline"
    parts.append(f"<sub>`pulumi preview` of {_code(commit)} by {origin}, with a read-only identity. Values that may be "
                 "secret are not shown.</sub>")  # fmt: skip
    return "\n".join(parts)


def drift(found: Digest) -> str:
    """The text of a drift issue: what the next deployment would change, though nobody asked for it."""
    return "\n".join([
        "Somebody changed these objects by hand, or a run was cut off. The next deployment sets them right: run the",
        "environment's deploy job again; or bring what was changed into the stack file.",
        "",
        *_stack(found),
    ])  # fmt: skip


def _stack(digest: Digest) -> list[str]:
    if digest.error is not None:
        return [f"**{plain(digest.stack)}**: no preview: {plain(digest.error)}", ""]
    if not digest.changes:
        return [f"**{plain(digest.stack)}**: no changes", "", *_notices(digest)]
    counts = ", ".join(f"{count} to {what}" for what, count in digest.counts.items() if count)
    table = ["| | resource | fields |", "|---|---|---|", *map(_row, digest.changes[:ROWS])]
    if len(digest.changes) > ROWS:
        table.append(f"| | … and {len(digest.changes) - ROWS} more | |")
    if len(digest.changes) > FOLD:
        title = f"<b>{plain(digest.stack)}</b>: {counts}"
        return [f"<details><summary>{title}</summary>", "", *table, "", "</details>", "", *_notices(digest)]
    return [f"**{plain(digest.stack)}**: {counts}", "", *table, "", *_notices(digest)]


def _row(change: Change) -> str:
    fields = [_code(field[:LENGTH]) for field in change.fields[:FIELDS]]
    if len(change.fields) > FIELDS:
        fields.append(f"… {len(change.fields) - FIELDS} more")
    what = f"{_SIGNS[change.operation]} {change.operation}"
    return f"| {what} | {plain(change.kind)} {_code(change.name)} | {'<br>'.join(fields)} |"


def _notices(digest: Digest) -> list[str]:
    return [*(f"- {plain(notice)}" for notice in digest.notices), ""] if digest.notices else []


def plain(text: str) -> str:
    """Plain text: no HTML, no table cell, no Markdown, no mention and no quick action out of a name."""
    line = shown(" ".join(escape(text, quote=False).split()))
    for sign in "\\`*_[]|~@#!":
        line = line.replace(sign, f"\\{sign}")
    return line


def _code(text: str) -> str:
    """Inline code; a `|` would end the table's cell even there."""
    return f"`{shown(' '.join(text.split())).replace('`', chr(39)).replace('|', '¦')}`"
