"""Hooks of the engine as plain functions that block."""

import asyncio
from collections.abc import Callable

import pulumi


def hook(name: str, work: Callable[[], object]) -> pulumi.ResourceHook:
    """A resource hook that runs `work` in a thread of its own; what it raises fails the operation.

    The SDK hands on the text of the exception, and the engine takes an empty one for success: so it never is empty.
    """

    def told() -> None:
        try:
            work()
        except Exception as error:
            if not str(error):
                raise RuntimeError(repr(error)) from error
            raise

    async def run(_: pulumi.ResourceHookArgs) -> None:
        await asyncio.to_thread(told)

    return pulumi.ResourceHook(name, run)
