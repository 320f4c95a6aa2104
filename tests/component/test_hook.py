"""A hook fails with a text, always: the engine takes an empty one for success."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from components.hook import hook
from release.interrupt import Interrupted


@pytest.fixture
def run(record):
    """Runs what a hook does, as the engine would."""

    def call(work):
        made = []
        record(lambda: made.append(hook("gate", work)))
        asyncio.run(made[0].callback(None))

    return call


def test_it_runs_beside_the_engines_own_loop(run):
    seen = []
    run(lambda _: seen.append(threading.current_thread()))
    assert seen
    assert seen[0] is not threading.main_thread()


def test_what_is_raised_goes_on_as_it_is(run):
    def fail(_):
        raise ValueError("why")

    with pytest.raises(ValueError, match=r"^why$"):
        run(fail)


def test_an_exception_without_a_text_gets_one(run):
    def fail(_):
        raise AssertionError

    with pytest.raises(RuntimeError, match="AssertionError"):
        run(fail)


def test_where_the_engine_ends_first_the_work_is_told(record):
    made, began, ended = [], threading.Event(), threading.Event()

    def work(interrupt):
        began.set()
        try:
            interrupt.sleep(30)
        except Interrupted:
            ended.set()
            raise

    record(lambda: made.append(hook("gate", work)))

    async def cancelled():
        task = asyncio.create_task(made[0].callback(None))
        await asyncio.to_thread(began.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert ended.wait(5)


def test_resources_that_hold_every_thread_of_the_loop_do_not_hold_a_hook(record):
    """With fifty workloads each registered resource waited in one of asyncio's threads, and hooks for one of them."""
    made, done = [], threading.Event()
    record(lambda: made.append(hook("gate", lambda _: done.set())))

    async def crowded():
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        resource = loop.run_in_executor(None, done.wait, 5)
        await made[0].callback(None)
        assert await resource

    asyncio.run(crowded())
