"""Valid documents, spoilt: what a fuzzer gives to whatever parses what others wrote."""

import copy
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

WORDS = (
    *("", " ", "\n", "\x00", "\x1b[0m", "\u202e", "\ud800", "\u0660", "é", "9" * 400, "a" * 5000),
    *("-1", "1e400", "NaN", "null", "true", "{}", "[]", "{{", "../..", "/proc/self/environ", "$(id)"),
    *("http://[", "https://a", "sha256:" + "0" * 64, "x@y@z", "a:b:c"),
    *("2026-01-01T00:00:00+00:00", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-12:00"),
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1 << 70, 1.5, float("inf"), float("nan")),
    *([], {}, [[]], [None], {"": None}, {"a": {"b": []}}),
)


def value(random: Random) -> Any:
    """Any value of JSON, small or odd."""
    return copy.deepcopy(random.choice(VALUES)) if random.random() < 0.5 else text(random)


def text(random: Random) -> str:
    """A word that parsers stumble over, or some characters."""
    if random.random() < 0.7:
        return random.choice(WORDS)
    return "".join(chr(random.choice((random.randrange(0x20, 0x7F), random.randrange(0x3000)))) for _ in range(8))


def spoilt(document: Any, random: Random, with_: Callable[[Random], Any] = value) -> Any:
    """A copy with one to four of its nodes replaced, taken out, doubled or renamed."""
    made = copy.deepcopy(document)
    for _ in range(random.randint(1, 4)):
        places = [*_places(made)]
        if not places:
            return with_(random)
        holder, key = random.choice(places)
        match random.randrange(6):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[text(random)] = holder.pop(key)
            case 2 if isinstance(holder, list):
                holder.append(copy.deepcopy(holder[key]))
            case 3:
                other, name = random.choice(places)
                if name in other if isinstance(other, dict) else name < len(other):
                    holder[key] = copy.deepcopy(other[name])
            case _:
                holder[key] = with_(random)
    return made


def cut(content: str, random: Random) -> str:
    """A text with a piece taken out, doubled, or something put in."""
    begin, end = sorted(random.randrange(len(content) + 1) for _ in range(2))
    match random.randrange(4):
        case 0:
            return content[:begin]
        case 1:
            return content[:begin] + content[end:]
        case 2:
            return content[:end] + content[begin:]
        case _:
            return content[:begin] + text(random) + content[begin:]


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(node, dict | list):
        for key, below in node.items() if isinstance(node, dict) else enumerate(node):
            yield node, key
            yield from _places(below)
