"""Objects as dictionaries: names, annotations, shapes."""

import base64
import binascii

from sandbox.plugins.kubernetes.quantity import canonical
from sandbox.plugins.properties import UNKNOWN, Json, Secret, has_secret

Object = dict[str, Json]

AUTONAMED = "pulumi.com/autonamed"
SKIP_AWAIT = "pulumi.com/skipAwait"
TIMEOUT_SECONDS = "pulumi.com/timeoutSeconds"
PATCH_FORCE = "pulumi.com/patchForce"
FIELD_MANAGER = "pulumi.com/patchFieldManager"
DELETION_PROPAGATION = "pulumi.com/deletionPropagationPolicy"

_SERVER_OWNED = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "uid",
)
_QUANTITY_MAPS = {"requests", "limits", "hard", "capacity", "overhead", "max", "min", "default", "defaultRequest"}
_MAPS = {"labels", "annotations", "data", "binaryData", "matchLabels", "nodeSelector", "requests", "limits"}
"""Fields of which an empty value is the same as none; elsewhere `{}` can mean something, as in `emptyDir: {}`."""
_QUANTITIES = {"sizeLimit", "averageValue", "divisor"}


def metadata(item: Object) -> Object:
    found = item.get("metadata")
    return found if isinstance(found, dict) else {}


def name_of(item: Object) -> str:
    found = metadata(item).get("name")
    return found if isinstance(found, str) else ""


def namespace_of(item: Object) -> str:
    found = metadata(item).get("namespace")
    return found if isinstance(found, str) else ""


def annotation(item: Object, key: str) -> str:
    found = metadata(item).get("annotations")
    value = found.get(key) if isinstance(found, dict) else None
    return value if isinstance(value, str) else ""


def is_annotated(item: Object, key: str) -> bool:
    return annotation(item, key) == "true"


def identity(item: Object) -> str:
    """The resource id in the engine's state: `namespace/name`, or `name` where there is no namespace."""
    namespace = namespace_of(item)
    return f"{namespace}/{name_of(item)}" if namespace else name_of(item)


def is_named(item: Object) -> bool:
    return bool(name_of(item)) or metadata(item).get("name") is UNKNOWN


def is_secret(item: Object) -> bool:
    return item.get("kind") == "Secret" and item.get("apiVersion") in {"v1", "core/v1"}


def normalised(item: Object) -> Object:
    """The object as the API server would write it back, so that spelling alone makes no difference.

    Quantities in their canonical form, no field that says nothing, a Secret's `stringData` as `data`, no fields that
    only the server sets.
    """
    if is_secret(item):
        item = _normalised_secret(item)
    elif _is_built_in(item.get("apiVersion")):
        item = _canonical(item)
    found = item.get("metadata")
    if isinstance(found, dict):
        item = item | {"metadata": {key: value for key, value in found.items() if key not in _SERVER_OWNED}}
    return item


def _is_built_in(api_version: object) -> bool:
    if not isinstance(api_version, str):
        return False
    group = api_version.rpartition("/")[0]
    return "." not in group or group.endswith(".k8s.io")


def _normalised_secret(item: Object) -> Object:
    data, text = item.get("data"), item.get("stringData")
    if isinstance(text, dict) and text and all(isinstance(value, str) for value in text.values()):
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in text.items()}
        rest = {key: value for key, value in item.items() if key != "stringData"}
        return rest | {"data": (data if isinstance(data, dict) else {}) | encoded}
    if isinstance(data, dict):
        return item | {"data": {key: _same_base64(value) for key, value in data.items()}}
    return item


def _same_base64(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return base64.b64encode(base64.b64decode("".join(value.split()), validate=True)).decode()
    except binascii.Error:
        return value  # the API server will say so


def _canonical(value: Json) -> Json:
    if isinstance(value, list):
        return [_canonical(each) for each in value]
    if not isinstance(value, dict):
        return value
    result = {}
    for key, inner in value.items():
        if inner is None or (inner == [] and key != "rules") or (inner == {} and key in _MAPS):
            continue
        if key in _QUANTITY_MAPS and isinstance(inner, dict):
            result[key] = {name: canonical(amount) for name, amount in inner.items()}
        elif key in _QUANTITIES:
            result[key] = canonical(inner)
        else:
            result[key] = _canonical(inner)
    return result


def pruned(live: Json, shape: Json) -> Json:
    """What of the live value our inputs speak of: the rest was filled in by the server."""
    if isinstance(live, dict) and isinstance(shape, dict):
        return {key: pruned(value, shape[key]) for key, value in live.items() if key in shape}
    if isinstance(live, list) and isinstance(shape, list):
        return [pruned(value, each) for value, each in zip(live, shape, strict=False)]
    return live


def mark_secrets(outputs: Object, inputs: Object) -> Object:
    """Gives the outputs the secrecy of the inputs; all data of a Secret object is secret."""
    if outputs.get("kind") == "Secret":
        return {
            key: Secret(value) if key in {"data", "stringData"} and not isinstance(value, Secret) else value
            for key, value in outputs.items()
        }
    marked = dict(outputs)
    for key, given in inputs.items():
        value = marked.get(key)
        if key not in marked or isinstance(value, Secret):
            continue
        if isinstance(value, dict) and isinstance(given, dict):
            marked[key] = mark_secrets(value, given)
        elif has_secret(given):
            marked[key] = Secret(value)
    return marked
