"""Declared parameters as Grape treats them: undeclared ones are dropped, values coerced, mistakes refused with 400."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sandbox.gitlab.errors import bad_parameters

Kind = Literal["string", "boolean", "integer", "strings", "date", "array"]

# What Grape's coercion takes for a boolean (its Boolean type maps exactly these).
_BOOLEANS: dict[object, bool] = {
    True: True, "true": True, "t": True, "on": True, "1": True,
    False: False, "false": False, "f": False, "off": False, "0": False,
}  # fmt: skip


@dataclass(frozen=True)
class Param:
    """One `requires` or `optional` line of an endpoint."""

    name: str
    kind: Kind = "string"
    required: bool = False
    choices: Sequence[object] = ()


def _coerce(kind: Kind, value: object) -> Any:  # noqa: ANN401, PLR0911 - one line a kind reads best
    """The value as the kind; raises ValueError, TypeError or KeyError when it isn't one."""
    if value is None:
        return None
    match kind:
        case "string":
            if isinstance(value, dict | list):
                raise TypeError
            return value if isinstance(value, str) else str(value)
        case "boolean":
            return _BOOLEANS[value.lower() if isinstance(value, str) else value]
        case "integer":
            if isinstance(value, bool):
                raise TypeError
            return int(value)  # type: ignore[call-overload]
        case "strings":
            items = value.split(",") if isinstance(value, str) else list(value)  # type: ignore[call-overload]
            return [str(item) for item in items]
        case "date":
            return datetime.date.fromisoformat(str(value)[:10]).isoformat()
        case "array":
            return list(value)  # type: ignore[call-overload]


def declared(given: Mapping[str, Any], *params: Param) -> dict[str, Any]:
    """The declared parameters that were given, coerced. Refuses all mistakes at once, in Grape's words."""
    taken: dict[str, Any] = {}
    mistakes: list[str] = []
    for param in params:
        if param.name not in given:
            if param.required:
                mistakes.append(f"{param.name} is missing")
            continue
        try:
            value = _coerce(param.kind, given[param.name])
        except (ValueError, TypeError, KeyError):
            mistakes.append(f"{param.name} is invalid")
            continue
        listed = value if isinstance(value, list) else [value]
        if param.choices and value is not None and not all(item in param.choices for item in listed):
            mistakes.append(f"{param.name} does not have a valid value")
            continue
        taken[param.name] = value
    if mistakes:
        raise bad_parameters(", ".join(mistakes))
    return taken
