"""The JSON Schema of a whole stack file, for editors: `slipway schema`."""

from typing import Any

from pulumi_slipway.settings.descriptions import describe
from pulumi_slipway.settings.stack import Stack

Node = dict[str, Any]

SECURE: Node = {
    "type": "object",
    "description": "An encrypted value: pulumi config set --secret --path …",
    "properties": {"secure": {"type": "string"}},
    "required": ["secure"],
    "additionalProperties": False,
}


def schema() -> Node:
    """The schema: the settings' blocks below `config`, with whatever is Pulumi's own around them."""
    describe()
    models = Stack.model_json_schema(by_alias=True)
    blocks = {f"slipway:{name}": _for_editors(node) for name, node in models["properties"].items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Stack file of Slipway (Pulumi.<stack>.yaml)",
        "type": "object",
        "properties": {
            "config": {
                "type": "object",
                "properties": blocks,
                "propertyNames": {"anyOf": [{"enum": list(blocks)}, {"not": {"pattern": "^slipway:"}}]},
            }
        },
        "$defs": {name: _for_editors(node) for name, node in models["$defs"].items()} | {"Secure": SECURE},
    }


def _for_editors(node: Node) -> Node:
    """A model's schema as the stack file has it: secrets are encrypted there, and a key of a map follows its rule."""
    if node.get("writeOnly"):
        return {"$ref": "#/$defs/Secure"} | {key: node[key] for key in ("description",) if key in node}
    found = {key: value for key, value in node.items() if key != "title"}  # pydantic repeats the key's name there
    for maps in ("properties", "patternProperties"):
        if maps in found:
            found[maps] = {key: _for_editors(value) for key, value in found[maps].items()}
    if "patternProperties" in found:
        found["additionalProperties"] = False
    if "anyOf" in found:
        found["anyOf"] = [_for_editors(choice) for choice in found["anyOf"]]
    return found
