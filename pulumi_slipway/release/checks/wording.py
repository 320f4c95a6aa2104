"""What may be shown of texts that others wrote: one line, bounded, without a secret."""

import re
from collections.abc import Iterable

from pulumi_slipway.release.checks.model import Target
from pulumi_slipway.settings.checks import PLACEHOLDER

MOST = 500
"""Characters of a text that are shown, from its end: a program's last words say most."""

SHORTEST_SECRET = 4
"""A shorter value is no secret that anything could hide, and would make holes into words."""

_LOGIN = re.compile(r"(?<=://)[^/\s@]+@")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def one_line(text: str, most: int = MOST) -> str:
    """The text's lines beside each other, without what steers a terminal or folds GitLab's job log."""
    lines = (_CONTROL.sub("", line).strip() for line in re.split(r"[\r\n]+", text))
    line = " | ".join(line for line in lines if line)
    return line if len(line) <= most else f"…{line[-most:]}"


def redacted(text: str, secrets: Iterable[str]) -> str:
    """The text without these secrets, and without the logins of URLs."""
    for secret in sorted((s for s in secrets if len(s) >= SHORTEST_SECRET), key=len, reverse=True):
        text = text.replace(secret, "[MASKED]")
    return _LOGIN.sub("", text)


def filled(text: str, target: Target) -> str:
    """The text with its placeholders filled in; the settings let no unknown one through."""
    values = target.placeholders()
    return PLACEHOLDER.sub(lambda found: values[found.group(1)], text)


def number(text: str) -> float | None:
    """The number that a program's last line is, if it is one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines and re.fullmatch(r"[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,3})?", lines[-1], re.ASCII):
        value = float(lines[-1])
        return value if abs(value) != float("inf") else None
    return None
