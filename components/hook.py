"""Hooks of the engine as plain functions that block."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pulumi

from release.interrupt import Interrupt

_THREADS = ThreadPoolExecutor(1000, thread_name_prefix="slipway-hook")
"""Their own. In asyncio's, each registered resource holds a thread until the engine has written it: with many
workloads those take them all, and wait for hooks that wait for a thread. Few begin: the engine's `--parallel` bounds
them."""


def hook(name: str, work: Callable[[Interrupt], object]) -> pulumi.ResourceHook:
    """A resource hook that runs `work` in a thread of its own; what it raises fails the operation.

    Where the engine ends before the hook (killed, cancelled), its call is cancelled, and the thread is told by the
    interrupt that it gets: else it would go on for the length of a canary's pause, beside the next run.

    The SDK hands on the text of the exception, and the engine takes an empty one for success: so it never is empty.
    """

    def told(interrupt: Interrupt) -> None:
        try:
            work(interrupt)
        except Exception as error:
            if not str(error):
                raise RuntimeError(repr(error)) from error
            raise

    async def run(_: pulumi.ResourceHookArgs) -> None:
        interrupt = Interrupt()
        try:
            await asyncio.get_running_loop().run_in_executor(_THREADS, told, interrupt)
        except asyncio.CancelledError:
            interrupt.set()
            raise

    return pulumi.ResourceHook(name, run)
