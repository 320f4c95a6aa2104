"""Turns what pydantic found into lines for people; what may be a secret is never shown."""

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from pulumi_slipway.settings.mistakes import NOT_SHOWN, Mistake, Mistakes, Path
from pulumi_slipway.settings.secrets import Encrypted
from pulumi_slipway.settings.shape import Shape

SHOWN = 60
"""Characters of a value that are shown."""

WORDS = {
    "string_type": "must be a string: put it in quotes",
    "bool_type": "must be true or false, without quotes",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping of keys and values",
    "mapping_type": "must be a mapping of keys and values",
    "model_type": "must be a mapping of keys and values",
    "model_attributes_type": "must be a mapping of keys and values",
    "too_short": "must not be empty",
    "too_long": "must not have more than {max_length}",
    "string_too_short": "must not be empty",
}
"""What is allowed, by pydantic's name for what is wrong. Our own rules bring their words along."""


@dataclass(frozen=True)
class Renderer:
    """Writes mistakes for one stack: `file` names it, `blocks` is what it gave."""

    file: str
    blocks: Mapping[str, Any]
    shape: Shape
    encrypted: Encrypted

    def lines(self, error: ValidationError) -> list[str]:
        """One line a mistake: file, path, the value got, what is allowed."""
        return [self.line(mistake, kind) for mistake, kind in _flat(error, ())]

    def line(self, mistake: Mistake, kind: str = "rule") -> str:
        """The line of one mistake."""
        path = mistake.path if kind == "extra_forbidden" else self.shape.spelt(mistake.path)
        if path[-1:] == ("[key]",):
            path = path[:-2]
        return f"{self.file}: {write(path)}: {self._told(path, mistake, kind)}"

    def _told(self, path: Path, mistake: Mistake, kind: str) -> str:
        if mistake.path[-1:] == ("[key]",):
            return f"the key {json.dumps(mistake.path[-2])} {mistake.remedy}"
        if kind == "missing":
            return f"is missing; {self.shape.about(path)}"
        if kind == "extra_forbidden":
            known = self.shape.keys(path[:-1])
            near = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.6)
            return f"is not a setting; {f'did you mean {near[0]}?' if near else 'there are ' + ', '.join(known)}"
        if mistake.value is NOT_SHOWN:
            return mistake.remedy
        if isinstance(mistake.value, str | int | float) and self._hides(path):
            return f"got a value that is not shown; {mistake.remedy}"
        shown = _shown(mistake.value)
        return f"{'got' if given_at(self.blocks, path) else 'has the default'} {shown}; {mistake.remedy}"

    def _hides(self, path: Path) -> bool:
        return self.shape.holds_secret(path) or self.encrypted.covers(path)


def write(path: Path) -> str:
    """A path as `pulumi config set --path` takes it: `slipway:workloads.myapp.env`, `…labels["example.com/team"]`."""
    return "".join(map(_step, path)).replace(".", "slipway:", 1) if path else "the stack"


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if re.fullmatch(r"[\w-]+", step) else f"[{json.dumps(step)}]"


def given_at(blocks: object, path: Path) -> bool:
    """Whether the stack gives something at a path itself."""
    for step in path:
        try:
            blocks = blocks[step]  # type: ignore[index]
        except (TypeError, KeyError, IndexError):
            return False
    return True


def _flat(error: ValidationError, above: Path) -> Iterator[tuple[Mistake, str]]:
    """Each mistake and its kind; the errors within errors too."""
    for found in error.errors(include_url=False):
        path, kind = (*above, *found["loc"]), found["type"]
        cause = found.get("ctx", {}).get("error")
        if kind == "default_factory_not_called" or (kind == "too_short" and found["input"]):
            continue  # follows from another mistake: of what is in a list only the good is counted
        if isinstance(cause, Mistakes):
            yield from ((Mistake((*path, *m.path), m.value, m.remedy), "rule") for m in cause.found)
        elif isinstance(cause, ValidationError):
            yield from _flat(cause, path)
        elif cause is not None:
            yield Mistake(path, found["input"], str(cause)), "rule"
        elif kind == "literal_error":
            yield Mistake(path, found["input"], f"must be {found['ctx']['expected']}".replace("'", "")), kind
        else:
            words = WORDS[kind].format(**found.get("ctx", {})) if kind in WORDS else found["msg"]
            yield Mistake(path, found["input"], words), kind


def _shown(value: object) -> str:
    if isinstance(value, Mapping | BaseModel):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
