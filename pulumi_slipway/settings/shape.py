"""What belongs at a path of the settings, asked of the models' JSON Schema."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from pulumi_slipway.settings.descriptions import describe
from pulumi_slipway.settings.mistakes import Path


class Shape:
    """The settings' schema, looked up by path."""

    def __init__(self, model: type[BaseModel]) -> None:
        describe()
        self._schema = model.model_json_schema(by_alias=True)

    def keys(self, path: Path) -> list[str]:
        """The settings that there are in the block at a path."""
        return [key for node in self._at(path) for key in node.get("properties", {})]

    def spelt(self, path: Path) -> Path:
        """The path as YAML spells it: for a default pydantic names the Python attribute."""
        spelt: Path = ()
        for step in path:
            camel = to_camel(step) if isinstance(step, str) and "_" in step else step
            spelt = (*spelt, camel if camel in self.keys(spelt) else step)
        return spelt

    def about(self, path: Path) -> str:
        """The first sentence of what the schema says of the setting at a path."""
        described = [node["description"] for node in self._at(path) if "description" in node]
        return described[0].split(". ")[0].replace("\n", " ").rstrip(".").lower() if described else "it has no default"

    def is_secret(self, path: Path) -> bool:
        """Whether a string at a path is a secret."""
        return any(node.get("writeOnly") for node in self._at(path))

    def holds_secret(self, path: Path) -> bool:
        """Whether the value at a path is a secret, or a block that may hold one."""
        return any(self._holds_secret(node) for node in self._at(path))

    def _at(self, path: Path) -> list[dict[str, Any]]:
        nodes = list(self._choices(self._schema))
        for step in path:
            nodes = [choice for node in nodes for child in self._below(node, step) for choice in self._choices(child)]
        return nodes

    def _below(self, node: dict[str, Any], step: str | int) -> Iterator[dict[str, Any]]:
        if step in node.get("properties", {}):
            yield node["properties"][step]
        elif isinstance(step, int) and "items" in node:
            yield node["items"]
        else:
            yield from node.get("patternProperties", {}).values()
            if isinstance(node.get("additionalProperties"), dict):
                yield node["additionalProperties"]

    def _choices(self, node: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The node, what it refers to, and its alternatives."""
        yield node
        if "$ref" in node:
            yield from self._choices(self._schema["$defs"][node["$ref"].rpartition("/")[2]])
        for choice in node.get("anyOf", []):
            yield from self._choices(choice)

    def _holds_secret(self, node: dict[str, Any]) -> bool:
        if node.get("writeOnly"):
            return True
        children = [*node.get("properties", {}).values(), *node.get("patternProperties", {}).values()]
        if isinstance(node.get("additionalProperties"), dict):
            children.append(node["additionalProperties"])
        return any(self._holds_secret(choice) for child in children for choice in self._choices(child))
