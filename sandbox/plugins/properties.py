"""Pulumi property values: how secrets and not-yet-known values travel inside a protobuf Struct.

The signatures are those of the SDK (sdk/python/lib/pulumi/runtime/rpc.py). Numbers travel as floats; a whole one is
given back as int, since the APIs behind the providers refuse `3600.0`.
"""

from dataclasses import dataclass
from typing import Any

from google.protobuf import struct_pb2  # type: ignore[import-untyped]

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105  # a marker, no secret
_OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
_UNKNOWN_IDS = frozenset(
    {
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",  # string
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # bool
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # array
        "030794c1-ac77-496b-92df-f27374a8bd58",  # asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
    }
)
_UNKNOWN_ID = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

Json = Any
"""A value of any shape that JSON has, here with `Secret` and `UNKNOWN` among its parts."""

Properties = dict[str, Json]


class Unknown:
    """A value that only the update will know. There is one: `UNKNOWN`."""

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __deepcopy__(self, _memo: object) -> "Unknown":
        return self


UNKNOWN = Unknown()


@dataclass(frozen=True)
class Secret:
    """A value that the engine encrypts in the state and hides on the screen."""

    value: Any

    def __repr__(self) -> str:
        return "[secret]"


def from_struct(struct: struct_pb2.Struct) -> Properties:
    """The properties in a message, with `Secret` and `UNKNOWN` in their places."""
    return {key: _from_value(value) for key, value in struct.fields.items()}


def _from_value(value: struct_pb2.Value) -> Json:
    match value.WhichOneof("kind"):
        case "string_value":
            return UNKNOWN if value.string_value in _UNKNOWN_IDS else value.string_value
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "bool_value":
            return value.bool_value
        case "list_value":
            return [_from_value(each) for each in value.list_value.values]
        case "struct_value":
            return _from_object(value.struct_value)
    return None


def _from_object(struct: struct_pb2.Struct) -> Json:
    fields = struct.fields
    signature = fields[_SIGNATURE].string_value if _SIGNATURE in fields else ""
    if signature == _SECRET:
        return Secret(_from_value(fields["value"]))
    if signature == _OUTPUT:
        inner = _from_value(fields["value"]) if "value" in fields else UNKNOWN
        return Secret(inner) if "secret" in fields and fields["secret"].bool_value else inner
    return from_struct(struct)


def to_struct(properties: Properties) -> struct_pb2.Struct:
    """The message for these properties."""
    struct = struct_pb2.Struct()
    for key, value in properties.items():
        _fill(struct.fields[key], value)
    return struct


def _fill(target: struct_pb2.Value, value: Json) -> None:
    match value:
        case None:
            target.null_value = struct_pb2.NULL_VALUE
        case bool():
            target.bool_value = value
        case int() | float():
            target.number_value = value
        case str():
            target.string_value = value
        case Unknown():
            target.string_value = _UNKNOWN_ID
        case Secret():
            target.struct_value.fields[_SIGNATURE].string_value = _SECRET
            _fill(target.struct_value.fields["value"], value.value)
        case dict():
            target.struct_value.SetInParent()
            for key, inner in value.items():
                _fill(target.struct_value.fields[key], inner)
        case list() | tuple():
            target.list_value.SetInParent()
            for inner in value:
                _fill(target.list_value.values.add(), inner)
        case _:
            raise TypeError(f"no property value: {type(value).__name__}")


def plain(value: Json) -> Json:
    """A deep copy without the marks of secrecy."""
    match value:
        case Secret():
            return plain(value.value)
        case dict():
            return {key: plain(inner) for key, inner in value.items()}
        case list():
            return [plain(inner) for inner in value]
    return value


def has_secret(value: Json) -> bool:
    """Whether any part is a `Secret`."""
    match value:
        case Secret():
            return True
        case dict():
            return any(map(has_secret, value.values()))
        case list():
            return any(map(has_secret, value))
    return False
