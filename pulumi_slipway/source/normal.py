"""Objects as people write them, in the one form that the rest reads."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pulumi_slipway.core.model import Manifest
from pulumi_slipway.source.rendered import Rendered, SourceError

EXACT = 1 << 53
"""Up to here a whole number is the same as a protobuf `double`, the only kind of number that Pulumi's protocol has."""
UPDATES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "Deployment": ("strategy", {"maxSurge": "25%", "maxUnavailable": "25%"}),
    "StatefulSet": ("updateStrategy", {"partition": 0}),
}
"""What Kubernetes fills in beside RollingUpdate (pkg/apis/apps/v1/defaults.go)."""


def unlisted(objects: Iterable[Manifest]) -> Iterator[Manifest]:
    """The objects, and those within objects of kind List; `kubectl get -o yaml` writes such."""
    for one in objects:
        items = one.get("items") if str(one.get("kind")).endswith("List") and one.get("apiVersion") else None
        if isinstance(items, list) and all(isinstance(it, Mapping) for it in items):
            yield from unlisted(items)
        else:
            yield one


def spelled_out(one: Rendered) -> Rendered:
    """With the fields of a rolling update that Kubernetes would fill in.

    The API server refuses `Recreate` beside them, and a server-side apply takes away only what it has once written.
    """
    field, filled = UPDATES.get(one.kind, ("", {}))
    spec = one.manifest.get("spec")
    said = spec.get(field) if isinstance(spec, Mapping) else None
    if not isinstance(said, Mapping) or said.get("type", "RollingUpdate") != "RollingUpdate":
        return one
    rolling = {**filled, **(said.get("rollingUpdate") or {})}
    strategy = {"type": "RollingUpdate", **said, "rollingUpdate": rolling}
    return Rendered({**one.manifest, "spec": {**spec, field: strategy}}, one.place)  # type: ignore[dict-item]


def refuse_large_numbers(prefix: str, one: Rendered) -> None:
    """Refuses a number that would arrive in the cluster as another one, and be changed in each run."""
    for path, number in _numbers(one.manifest, ""):
        if abs(number) > EXACT:
            raise SourceError(
                f"{prefix}{one.title}: {path} is {number}, more than 2^53: Pulumi's protocol can't carry it to the "
                "cluster as it is; write it in quotes where the kind takes a text, else apply the object by kubectl"
            )


def _numbers(node: object, path: str) -> Iterator[tuple[str, int | float]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _numbers(value, f"{path}.{key}".lstrip("."))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _numbers(value, f"{path}[{index}]")
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield path, node
