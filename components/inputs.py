"""What a program computes, as plain values: a release is planned before its first resource is declared."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi.runtime.sync_await import _sync_await  # as the SDK waits for a function's answer
from pydantic import BaseModel

from pulumi_slipway.core.errors import UserError

UNKNOWN = "known-after-up"
"""Stands for a value that a preview can't know. A release with it is a new one, and previews never run it."""


@dataclass
class Resolver:
    """Waits for outputs. In `pulumi up` each has its value once the resource that it is of is done."""

    where: str
    """What the values are of, for messages: `workload web`."""
    secrets: list[str] = field(default_factory=list)
    """The paths of the values that were secrets."""
    unknown: list[str] = field(default_factory=list)
    """The paths of the values that this preview can't know."""

    @property
    def secret(self) -> bool:
        """Whether any of the values was a secret."""
        return bool(self.secrets)

    def value(self, node: object, path: str = "", *, standing_in: bool = True) -> Any:  # noqa: ANN401  any JSON
        """The node with every output in it replaced by its value.

        Raises UserError for a value that can't be known and without which nothing can be planned (`standing_in`).
        """
        if isinstance(node, pulumi.Output):
            return self._waited_for(node, path, standing_in=standing_in)
        if isinstance(node, BaseModel):
            return node.model_dump(by_alias=True, exclude_unset=True)
        if isinstance(node, Mapping):
            return {
                key: self.value(it, f"{path}.{key}".lstrip("."), standing_in=standing_in) for key, it in node.items()
            }
        if isinstance(node, list | tuple):
            return [self.value(it, f"{path}[{index}]", standing_in=standing_in) for index, it in enumerate(node)]
        return node

    def _waited_for(self, output: pulumi.Output[Any], path: str, *, standing_in: bool) -> Any:  # noqa: ANN401
        async def asked() -> tuple[Any, bool, bool]:
            value, known, secret = await asyncio.gather(output.future(), output.is_known(), output.is_secret())
            return value, known, secret

        value, known, secret = _sync_await(asked())
        if secret:
            self.secrets.append(path)
        if known:
            return self.value(value, path, standing_in=standing_in)
        if not standing_in:
            self.unknown.append(path)
            raise self.too_late()
        self.unknown.append(path)
        return UNKNOWN

    def too_late(self) -> UserError:
        """What is wrong where nothing can stand for the values that this preview can't know."""
        return UserError(
            f"{self.where}: {', '.join(self.unknown)} is known only once `pulumi up` has made what it comes from, and "
            "nothing can be planned without it: run `pulumi up --target` for that first"
        )


def whole(node: Any) -> Any:  # noqa: ANN401
    """The engine knows no integers: 4 arrives as 4.0."""
    if isinstance(node, pulumi.Output):
        return node.apply(whole)
    if isinstance(node, Mapping):
        return {key: whole(it) for key, it in node.items()}
    if isinstance(node, list):
        return [whole(it) for it in node]
    return int(node) if isinstance(node, float) and node.is_integer() else node
