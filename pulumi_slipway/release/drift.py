"""Finds where a live object says otherwise than we want; fields that we don't declare are not ours to judge."""

from collections.abc import Mapping, Sequence

from lightkube.utils.quantity import parse_quantity

Json = object
"""A value of a manifest: mapping, sequence or scalar."""


def drift(wanted: Json, live: Json) -> list[str]:
    """Paths of the declared fields whose live value differs."""
    return [path for path, _, _ in differences(wanted, live)]


def differences(wanted: Json, live: Json, path: str = "") -> list[tuple[str, Json, Json]]:
    """The declared fields whose live value differs: path, live value, wanted one.

    Lists of named things (containers, ports, environment) are matched by name, others by position. What the API server
    adds, or another field manager owns beside ours, is no drift: server-side apply would not remove it either.
    """
    if isinstance(wanted, Mapping):
        if not isinstance(live, Mapping):
            return [(path, live, wanted)] if wanted else []
        if path.endswith("selector"):  # atomic in Kubernetes: one key more finds other pods, or none
            return [] if dict(wanted) == dict(live) else [(path, live, wanted)]
        found: list[tuple[str, Json, Json]] = []
        for key, value in wanted.items():
            if value is not None:
                found += differences(value, live.get(key), f"{path}.{key}" if path else str(key))
        return found
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        return _lists(wanted, live if isinstance(live, Sequence) else [], path)
    return [] if _same(wanted, live) else [(path, live, wanted)]


def _lists(wanted: Sequence[Json], live: Sequence[Json], path: str) -> list[tuple[str, Json, Json]]:
    ours = [item for item in wanted if isinstance(item, Mapping) and "name" in item]
    if len(ours) == len(wanted):
        named = {item.get("name"): item for item in live if isinstance(item, Mapping)}
        return [p for item in ours for p in differences(item, named.get(item["name"]), f"{path}[{item['name']}]")]
    if len(wanted) != len(live):
        return [(path, live, wanted)]
    return [p for i, pair in enumerate(zip(wanted, live, strict=True)) for p in differences(*pair, f"{path}[{i}]")]


def _same(wanted: Json, live: Json) -> bool:
    if wanted == live or (not wanted and live is None):
        return True
    try:  # "0.1" and "100m" are one quantity
        return isinstance(wanted, str) and isinstance(live, str) and parse_quantity(wanted) == parse_quantity(live)
    except ValueError:
        return False
