"""What an update would change, field by field, and which of the changes mean a replacement."""

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sandbox.plugins.kubernetes.immutable import Path
from sandbox.plugins.properties import UNKNOWN, Json

Step = str | int


class Change(enum.Enum):
    ADD = "ADD"
    DELETE = "DELETE"
    UPDATE = "UPDATE"


@dataclass(frozen=True)
class Difference:
    """One field that differs."""

    path: tuple[Step, ...]
    change: Change
    replaces: bool = False

    @property
    def property_path(self) -> str:
        """The path in Pulumi's spelling: `spec.containers[0].image`, `metadata.labels["a.b/c"]`."""
        text = ""
        for step in self.path:
            if isinstance(step, int):
                text += f"[{step}]"
            elif any(each in step for each in '."[]'):
                quoted = step.replace('"', '\\"')
                text += f'["{quoted}"]'
            else:
                text += f".{step}" if text else step
        return text


def differences(old: dict[str, Json], new: dict[str, Json], immutable: Iterable[Path] = ()) -> list[Difference]:
    """The differences between what we last applied, as the server holds it, and what is wanted now."""
    patterns = list(immutable)
    found = []
    for path, change, value in _walk((), old, new):
        found.append(Difference(path, change, any(_touches(path, value, pattern) for pattern in patterns)))
    return found


def _walk(path: tuple[Step, ...], old: Json, new: Json) -> Iterator[tuple[tuple[Step, ...], Change, Json]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            if key not in new:
                yield (*path, key), Change.DELETE, None
            elif key in old:
                yield from _walk((*path, key), old[key], new[key])
            elif not _says_nothing(new[key]):
                yield (*path, key), Change.ADD, new[key]
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            if index >= len(new):
                yield (*path, index), Change.DELETE, None
            elif index >= len(old):
                yield (*path, index), Change.ADD, new[index]
            else:
                yield from _walk((*path, index), old[index], new[index])
    elif new is UNKNOWN or not _equal(old, new):
        yield path, Change.UPDATE if new is not None else Change.DELETE, new


def _says_nothing(value: Json) -> bool:
    """The server drops an empty value that it was given, so its absence there is no difference."""
    return value is None or value in ({}, [], "")


def _equal(old: Json, new: Json) -> bool:
    if isinstance(old, bool) != isinstance(new, bool):
        return False
    return bool(old == new)


def _touches(path: tuple[Step, ...], value: Json, pattern: Path) -> bool:
    """Whether a change at this path, to this value, sets a field of the pattern."""
    for step, wanted in zip(path, pattern, strict=False):
        if wanted != step and not (wanted == "[*]" and isinstance(step, int)):
            return False
    return _holds(value, pattern[len(path) :])


def _holds(value: Json, rest: Path) -> bool:
    if not rest:
        return True
    if rest[0] == "[*]":
        return isinstance(value, list) and any(_holds(each, rest[1:]) for each in value)
    return isinstance(value, dict) and rest[0] in value and _holds(value[rest[0]], rest[1:])
