"""GitLab's interpolation of `spec: inputs`, as far as the templates use it, so that what comes out can be judged."""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted((ROOT / "templates").glob("*.yml"))
TYPES = {"string": str, "array": list, "boolean": bool, "number": (int, float)}

_INPUT = re.compile(r"\$\[\[ inputs\.([a-z0-9-]+) \]\]")


class _Loader(yaml.SafeLoader):
    """Knows GitLab's `!reference`."""


class Reference(list[str]):
    """`!reference [job, keyword]`."""


_Loader.add_constructor("!reference", lambda loader, node: Reference(loader.construct_sequence(node)))
yaml.SafeDumper.add_representer(
    Reference, lambda dumper, node: dumper.represent_sequence("!reference", list(node), flow_style=True)
)


def documents(file: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The inputs that a template declares, and its jobs."""
    header, body = yaml.load_all(file.read_text(), Loader=_Loader)
    return header["spec"]["inputs"], body


def expanded(file: Path, **given: Any) -> dict[str, Any]:
    """The template's jobs with these inputs, and the defaults of the others."""
    inputs, body = documents(file)
    known = {name: given.get(name, declared.get("default")) for name, declared in inputs.items()}
    result = _expanded(body, known)
    assert isinstance(result, dict)
    return result


def _expanded(node: Any, known: dict[str, Any]) -> Any:
    if isinstance(node, dict):
        return {_expanded(key, known): _expanded(value, known) for key, value in node.items()}
    if isinstance(node, list):
        return type(node)(_expanded(entry, known) for entry in node)
    if not isinstance(node, str):
        return node
    whole = _INPUT.fullmatch(node)
    if whole:
        return known[whole.group(1)]
    return _INPUT.sub(lambda found: _text(known[found.group(1)]), node)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
