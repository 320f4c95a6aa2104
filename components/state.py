"""What the stack's last state holds, for what the cluster alone cannot tell."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import grpc  # type: ignore[import-untyped]
import pulumi
from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
from google.protobuf.struct_pb2 import Struct, Value  # type: ignore[import-untyped]
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.settings import get_monitor

from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.model import Manifest
from pulumi_slipway.release.extra_objects import keeps

Key = tuple[str, str, str]
"""Kind, namespace and name."""


class LastState:
    """The objects that the last state holds. The engine is asked for them once."""

    def __init__(self) -> None:
        self.kept: set[Key] = set()
        """Those that stay in the cluster when they leave the program; known once `urns` is."""
        self._outputs: dict[Key, Struct] = {}

    @cached_property
    def urns(self) -> Mapping[Key, Sequence[tuple[str, str]]] | None:
        """Each object's resources, with the uid that each knows; None where the engine gives no answer."""
        stack = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
        arguments = Struct()
        arguments.update({"stackName": stack})
        request = resource_pb2.ResourceInvokeRequest(tok="pulumi:pulumi:readStackResourceOutputs", args=arguments)
        monitor = get_monitor()
        if monitor is None:
            return None
        try:  # by hand: the SDK would turn all that is in the state into Python, which takes 1 ms an object
            answer = monitor.Invoke(request)
        except grpc.RpcError:  # a stack that disables default providers
            return None
        found: dict[Key, list[tuple[str, str]]] = defaultdict(list)
        for urn, key, outputs in _objects(getattr(answer, "return")):
            metadata = defaultdict(Value, outputs.fields["metadata"].struct_value.fields)
            self._outputs[key] = outputs
            found[key].append((urn, metadata["uid"].string_value))
            if keeps(key[0], _texts(metadata.get("annotations"))):
                self.kept.add(key)
        return found

    def holds(self, kind: str, metadata: Mapping[str, Any]) -> bool:
        """Whether it knows the object; True where it can't be told."""
        return self.urns is None or _key(kind, metadata) in self.urns

    def written(self, kind: str, metadata: Mapping[str, Any]) -> Manifest | None:
        """What an object was after its last write by this stack: with all that the cluster made of it."""
        if self.urns is None or (found := self._outputs.get(_key(kind, metadata))) is None:
            return None
        read: Manifest = MessageToDict(found)
        return read

    def aliases(self, kind: str, metadata: Mapping[str, Any]) -> list[str]:
        """The URN that the object has in the state, wherever the program has it now.

        An engine that finds it under no URN of the program would delete the object, after it was written under the new
        one. Raises UserError for an object that has two: one of them is deleted in any case.
        """
        urns = [urn for urn, _ in (self.urns or {}).get(_key(kind, metadata), ())]
        if len(urns) > 1:
            raise UserError(
                f"{kind} {metadata['name']} stands {len(urns)} times in the stack's state, and would be deleted with "
                f"the one that goes: keep one, and take out the others: pulumi state delete '{urns[-1]}'"
            )
        return urns

    def missing(self, kind: str, metadata: Mapping[str, Any]) -> str | None:
        """What tells the engine that an object is gone that it takes to be there; None where it doesn't.

        The engine compares inputs with the last inputs, so what was deleted by hand must differ from them each time.
        """
        if self.urns is None:
            return f"nothing at {datetime.now(UTC).isoformat(timespec='seconds')}"
        known = self.urns.get(_key(kind, metadata))
        return f"missing, was {known[0][1]}" if known else None


def _key(kind: str, metadata: Mapping[str, Any]) -> Key:
    return kind, metadata.get("namespace", ""), metadata["name"]


def _texts(value: Value | None) -> dict[str, str]:
    return {key: it.string_value for key, it in value.struct_value.fields.items()} if value else {}


def _objects(answer: Struct) -> Iterator[tuple[str, Key, Struct]]:
    """URN, key and outputs of the answer's Kubernetes objects."""
    for urn, resource in answer.fields["outputs"].struct_value.fields.items():
        whole = resource.struct_value.fields["outputs"].struct_value
        outputs = whole.fields
        if "kind" not in outputs or "metadata" not in outputs:
            continue
        metadata = outputs["metadata"].struct_value.fields
        if "name" in metadata:
            texts = {name: metadata[name].string_value for name in ("namespace", "name") if name in metadata}
            yield urn, _key(outputs["kind"].string_value, texts), whole
