"""What others wrote, made fit to be shown: a terminal, a job's log and a table obey some characters."""

import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""C0 and C1: ANSI's escapes, and what GitLab begins a log's section with (`\\e[0Ksection_start:…`); marks that turn the
direction of what follows them; halves of characters, which no file can hold."""


def shown(text: str, keep: str = "") -> str:
    """The text with each control character as its escape, but for those in `keep`: `\\x1b`, `\\n`, `\\u202e`."""
    return _CONTROL.sub(lambda found: found[0] if found[0] in keep else _escape(found[0]), text)


def is_plain(text: str) -> bool:
    """Whether nothing in it would be obeyed."""
    return _CONTROL.search(text) is None


def _escape(sign: str) -> str:
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return named.get(sign) or (f"\\x{ord(sign):02x}" if ord(sign) < 256 else f"\\u{ord(sign):04x}")
