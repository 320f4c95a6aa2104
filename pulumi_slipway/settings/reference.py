"""What each setting means, by its path: for `slipway explain` and docs/settings.md."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pulumi_slipway.settings.schema import Node, schema
from pulumi_slipway.settings.types import DURATION

EXAMPLES = Path(__file__).with_name("examples.yaml")
NAME = "<name>"
"""Stands in a path for a key that the user chooses."""
_DEFAULT = re.compile(r"\s*\bDefault:? (?P<default>.*)\.$", re.DOTALL)


@dataclass(frozen=True)
class Setting:
    """One setting: a value, or a block of others."""

    path: tuple[str, ...]
    """From its block on: ("slipway:workloads", "<name>", "replicas")."""
    meaning: str
    type: str
    """What it takes, in words."""
    default: str
    """"required" where it must be given; empty where its own settings have theirs."""
    example: object
    """A value that could stand there; None where the examples have none."""

    @property
    def written(self) -> str:
        """Its path as one types it."""
        return ".".join(self.path)


@cache
def settings() -> Mapping[tuple[str, ...], Setting]:
    """All of them, by path, each block before what is in it."""
    whole = schema()
    examples = yaml.safe_load(EXAMPLES.read_text())
    blocks: Node = whole["properties"]["config"]["properties"]
    found = {}
    for name, node in blocks.items():
        for it in _below(whole["$defs"], (name,), node, required=False, examples=[examples[name]]):
            found[it.path] = it
    return found


def _below(
    models: Node, path: tuple[str, ...], node: Node, *, required: bool, examples: list[Any]
) -> Iterator[Setting]:
    meaning, default = _said(node.get("description") or _model(models, node))
    yield Setting(
        path,
        meaning,
        " or ".join(dict.fromkeys(_types(models, node))),
        "required" if required else default or _shown(node.get("default")),
        next(iter(examples), None),
    )
    for key, below, needed in _inside(models, node):
        given = [it for one in examples for it in _values(one, key)]
        yield from _below(models, (*path, key), below, required=needed, examples=given)


def _said(description: str) -> tuple[str, str]:
    """What a docstring says of the meaning, and of the default."""
    text = " ".join(description.split())
    if text.endswith(" Required."):
        return text.removesuffix(" Required."), "required"
    if found := _DEFAULT.search(text):
        return text[: found.start()], found["default"]
    return text, ""


def _shown(default: object) -> str:
    """What the schema has as the default, where the docstring says nothing of it; null and empty ones say nothing."""
    return "" if default in (None, [], {}) else str(default).lower() if isinstance(default, bool) else str(default)


def _inside(models: Node, node: Node) -> Iterator[tuple[str, Node, bool]]:
    """The settings in a block, or in what a list or a map of blocks has."""
    for choice in _choices(node):
        if "$ref" in choice:
            model = models[choice["$ref"].rpartition("/")[2]]
            if model.get("properties", {}).keys() == {"secure"}:
                continue
            for key, below in model["properties"].items():
                yield key, below, key in model.get("required", ())
        elif "items" in choice:
            yield from _inside(models, choice["items"])
        elif "patternProperties" in choice:
            for below in choice["patternProperties"].values():
                if any("$ref" in it for it in _choices(below)):
                    yield NAME, below, False


def _model(models: Node, node: Node) -> str:
    """What the block's own docstring says of it; a key that the user chooses has no other."""
    named = [it["$ref"].rpartition("/")[2] for it in _choices(node) if "$ref" in it]
    return str(models[named[0]].get("description", "")) if named else "A value."


def _choices(node: Node) -> list[Node]:
    return [it for it in node.get("anyOf", [node]) if it.get("type") != "null"]


def _values(example: object, key: str) -> list[Any]:
    if isinstance(example, list):
        return [it for one in example for it in _values(one, key)]
    if not isinstance(example, dict):
        return []
    return [*example.values()] if key == NAME else [example[key]] if key in example else []


def _types(models: Node, node: Node) -> Iterator[str]:
    choices = _choices(node)
    if any(it.get("pattern") == DURATION for it in choices):
        yield "duration"
        return
    for choice in choices:
        if "$ref" in choice:
            name = choice["$ref"].rpartition("/")[2]
            yield "secret" if name == "Secure" else "block"
        elif "const" in choice:
            yield f'"{choice["const"]}"'
        elif "enum" in choice:
            yield ", ".join(map(str, choice["enum"]))
        elif choice.get("type") == "array":
            yield f"list of {' or '.join(dict.fromkeys(_types(models, choice.get('items', {})))) or 'values'}"
        elif "patternProperties" in choice:
            inner = [it for below in choice["patternProperties"].values() for it in _types(models, below)]
            yield f"map of {' or '.join(dict.fromkeys(inner))}"
        elif choice.get("type") == "object":
            yield "map"
        elif isinstance(choice.get("type"), list):
            yield " or ".join(choice["type"])
        else:
            yield str(choice.get("type", "value")) + _bounds(choice)


def _bounds(choice: Node) -> str:
    least, most = choice.get("minimum"), choice.get("maximum")
    if least is None and most is None:
        return ""
    return f" of {least} or more" if most is None else f" from {least} to {most}"
