"""What the stack's last state holds, for what the cluster alone cannot tell."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import pulumi

Key = tuple[str, str, str]
"""Kind, namespace and name."""


class LastState:
    """The objects that the last state holds. The engine is asked for them once, and only where it matters."""

    @cached_property
    def uids(self) -> Mapping[Key, str] | None:
        """Each object's uid; None where the engine gives no answer (a stack that disables default providers)."""
        stack = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
        try:
            answer = pulumi.runtime.invoke("pulumi:pulumi:readStackResourceOutputs", {"stackName": stack})
        except Exception:  # what it says is of a provider that the user never asked for
            return None
        every = [resource["outputs"] for resource in (answer.value or {}).get("outputs", {}).values()]
        return {_key(it["kind"], it["metadata"]): it["metadata"].get("uid", "") for it in every if _is_object(it)}

    def holds(self, kind: str, metadata: Mapping[str, Any]) -> bool:
        """Whether it knows the object; True where it can't be told."""
        return self.uids is None or _key(kind, metadata) in self.uids

    def missing(self, kind: str, metadata: Mapping[str, Any]) -> str | None:
        """What tells the engine that an object is gone that it takes to be there; None where it doesn't.

        The engine compares inputs with the last inputs, so what was deleted by hand must differ from them each time.
        """
        if self.uids is None:
            return f"nothing at {datetime.now(UTC).isoformat(timespec='seconds')}"
        uid = self.uids.get(_key(kind, metadata))
        return None if uid is None else f"missing, was {uid}"


def _key(kind: str, metadata: Mapping[str, Any]) -> Key:
    return kind, metadata.get("namespace", ""), metadata["name"]


def _is_object(outputs: object) -> bool:
    if not isinstance(outputs, Mapping) or "kind" not in outputs:
        return False
    metadata = outputs.get("metadata")
    return isinstance(metadata, Mapping) and "name" in metadata
