"""What a preview says, cut down to what may be shown: operations and the fields that change, no secret values."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.keys import PREFIX

COUNTED = {
    "create": "create",
    "import": "create",
    "update": "update",
    "delete": "delete",
    "replace": "update",
}
"""The engine's operations as `artifacts:reports:terraform` counts them; what is not here changes nothing by itself."""

SHOWN = re.compile(
    r"spec\.(replicas|minReplicas|maxReplicas|minAvailable|maxUnavailable|type)"
    r"|spec\.selector\.[\w.]+"
    r"|spec\.template\.spec\.(initContainers|containers)\[\d+\]\.(image|name)"
    r'|spec\.template\.metadata\.labels\["slipway\.dev/release"\]'
)
"""Fields whose values are shown, too. A list of what is known to hold no secret, not of what may hold one."""

_LONG = 64


@dataclass(frozen=True)
class Change:
    """One resource that changes."""

    operation: str
    """`create`, `update`, `delete` or `replace`."""
    kind: str
    """As people know it: `Deployment`."""
    name: str
    fields: tuple[str, ...]
    """Which fields change; with old and new value where the value can be no secret."""


@dataclass(frozen=True)
class Digest:
    """A preview of one stack."""

    stack: str
    changes: tuple[Change, ...] = ()
    notices: tuple[str, ...] = ()
    """What the program had to say: warnings, what a release does."""
    error: str | None = None
    """Why there is no preview."""

    @property
    def counts(self) -> dict[str, int]:
        """The document of `artifacts:reports:terraform`: its three numbers and nothing more."""
        counts = {"create": 0, "update": 0, "delete": 0}
        for change in self.changes:
            counts[COUNTED[change.operation]] += 1
        return counts

    def as_data(self) -> dict[str, Any]:
        """For a file between two jobs."""
        return asdict(self)

    @staticmethod
    def of_data(data: Mapping[str, Any]) -> "Digest":
        """Back from `as_data`; raises UserError where it is none."""
        try:
            return _read.validate_python(data)
        except ValidationError as error:
            raise UserError(f"no preview of ours: {error.errors()[0]['msg']}: run `slipway preview` anew") from None

    @staticmethod
    def of_file(file: Path) -> "Digest":
        """Back from a file that another job has left; raises UserError where it holds none."""
        try:
            return Digest.of_data(json.loads(file.read_text()))
        except (ValueError, RecursionError):
            raise UserError(f"{file}: is no JSON: run `slipway preview` anew") from None
        except UserError as error:
            raise UserError(f"{file}: {error}") from None


_read = TypeAdapter[Digest](Digest)


def digest(stack: str, preview: Mapping[str, Any]) -> Digest:
    """The digest of what `pulumi preview --json` printed."""
    changes = [_change(step) for step in preview.get("steps") or () if step["op"] in COUNTED]
    changes = [change for change in changes if not change.kind.startswith(("pulumi:", "slipway:"))]
    return Digest(stack, tuple(changes), tuple(_notices(preview.get("diagnostics") or ())), None)


def _change(step: Mapping[str, Any]) -> Change:
    before, _, name = step["urn"].rpartition("::")
    kind = before.rpartition("::")[2]
    provider = kind.rpartition("$")[2]
    paths = sorted(step.get("detailedDiff") or {}, key=lambda path: (PREFIX in path, path))  # our own bookkeeping last
    fields = [_field(path, step) for path in paths] if step["op"] != "create" else []
    shown = provider if provider.startswith(("pulumi:", "slipway:")) else provider.rpartition(":")[2]
    return Change(step["op"], shown, name, tuple(fields))


def _field(path: str, step: Mapping[str, Any]) -> str:
    return shown(path, *((step.get(state) or {}).get("inputs") for state in ("oldState", "newState")))


def shown(path: str, before: object, after: object) -> str:
    """A field that differs between two manifests, with both values where they can be no secret."""
    if not SHOWN.fullmatch(path):
        return path
    old, new = _at(path, before), _at(path, after)
    return path if old == new else f"{path}: {_value(old)} → {_value(new)}"


def _at(path: str, node: object) -> object:
    """The value at a property path like `spec.containers[0].image` or `labels["a/b"]`."""
    for key, index, quoted in re.findall(r'([^.\[\]"]+)(?=[.\[]|$)|\[(\d+)\]|\["([^"]+)"\]', path):
        step: str | int = int(index) if index else key or quoted
        try:
            node = node[step]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            return None
    return node


def _value(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value)
    text = re.sub(r"@sha256:([0-9a-f]{12})[0-9a-f]+", r"@\1", text)
    return text if len(text) <= _LONG else "…" + text[-_LONG:]


def _notices(diagnostics: Any) -> list[str]:  # noqa: ANN401  JSON is what it is
    """What the program said; not what the engine says of its plugins."""
    texts = [" ".join(str(entry.get("message", "")).split()) for entry in diagnostics]
    return list(dict.fromkeys(text for text in texts if text and " from $PATH at " not in text))
