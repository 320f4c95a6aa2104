"""Who owns which field: an object's managed fields, and taking over what was created without server-side apply."""

from typing import Any

from sandbox.plugins.kubernetes.objects import Object, metadata

CREATOR = "pulumi-kubernetes"
"""The manager of a plain create; the first update hands its fields to the resource's own manager."""

_TAKEN_OVER = (
    ("kubectl", "Apply"),
    ("kubectl", "Update"),
    ("before-first-apply", "Update"),
    (CREATOR, "Update"),
    ("pulumi-resource-kubernetes", "Update"),
)
"""Beginnings of names: `kubectl-label` and `kubectl-edit` count as kubectl, so what a person changed by hand is ours
again with the next update, without a conflict. Observed on the official provider 4.32."""
_OUR_CREATORS = {CREATOR, "pulumi-kubernetes.exe", "pulumi-resource-kubernetes"}


def takeover_patch(live: Object, manager: str) -> list[Object]:
    """The JSON patch that gives `manager` the fields of those we replace; empty when there are none."""
    entries: list[Object] = metadata(live).get("managedFields") or []
    taken = [each for each in entries if _is_taken_over(each)]
    if not taken:
        return []
    ours = [each for each in entries if each.get("manager") == manager and each.get("operation") == "Apply"]
    fields: Object = {}
    for each in (*ours, *taken):
        fields = _union(fields, each.get("fieldsV1") or {})
    result = taken[0] | {"manager": manager, "operation": "Apply", "fieldsV1": fields}
    kept = [each for each in entries if each not in taken and each not in ours]
    return [
        {"op": "replace", "path": "/metadata/managedFields", "value": [*kept, result]},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": metadata(live).get("resourceVersion")},
    ]


def _is_taken_over(entry: Object) -> bool:
    manager, operation = str(entry.get("manager")), entry.get("operation")
    known = any(manager.startswith(name) and operation == wanted for name, wanted in _TAKEN_OVER)
    return known and not entry.get("subresource")


def was_created_plainly(live: Object) -> bool:
    """Whether a plain create of ours still owns fields."""
    entries = metadata(live).get("managedFields") or []
    return any(each.get("operation") == "Update" and each.get("manager") in _OUR_CREATORS for each in entries)


def owns(live: Object, manager: str, path: list[str]) -> tuple[bool, bool]:
    """Whether `manager`, and whether anyone else, owns the field at this path."""
    mine = others = False
    for entry in metadata(live).get("managedFields") or []:
        here: Any = entry.get("fieldsV1") or {}
        for step in path:
            here = here.get(f"f:{step}") if isinstance(here, dict) else None
        if here is not None:
            mine, others = mine or entry.get("manager") == manager, others or entry.get("manager") != manager
    return mine, others


def _union(one: Object, other: Object) -> Object:
    merged = dict(one)
    for key, value in other.items():
        merged[key] = _union(merged[key], value) if isinstance(merged.get(key), dict) else value
    return merged
