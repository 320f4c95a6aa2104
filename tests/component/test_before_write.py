"""What is done before a write: in threads of its own, and failing with a text, always."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from pulumi import ResourceHookArgs

from pulumi_slipway.components.before_write import BeforeWrite, Works
from pulumi_slipway.release.interrupt import Interrupted

CREATE = ResourceHookArgs("urn", "", "app", "kubernetes:core/v1:Service", new_inputs={})
UPDATE = ResourceHookArgs("urn", "id", "app", "kubernetes:core/v1:Service", new_inputs={}, old_inputs={})


def hook_of(record, works):
    """What the engine calls before it writes the object that has these works."""
    made = []
    record(lambda: made.append(BeforeWrite().binding(CREATE.type, CREATE.name, works)))
    return made[0].before_update[0].callback


@pytest.fixture
def run(record):
    """Runs what a hook does, as the engine would."""

    def call(work):
        asyncio.run(hook_of(record, Works([work]))(CREATE))

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
    began, ended = threading.Event(), threading.Event()

    def work(interrupt):
        began.set()
        try:
            interrupt.sleep(30)
        except Interrupted:
            ended.set()
            raise

    hook = hook_of(record, Works([work]))

    async def cancelled():
        task = asyncio.create_task(hook(CREATE))
        await asyncio.to_thread(began.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert ended.wait(5)


def test_resources_that_hold_every_thread_of_the_loop_do_not_hold_a_hook(record):
    """With fifty workloads each registered resource waited in one of asyncio's threads, and hooks for one of them."""
    done = threading.Event()
    hook = hook_of(record, Works([lambda _: done.set()]))

    async def crowded():
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        resource = loop.run_in_executor(None, done.wait, 5)
        await hook(CREATE)
        assert await resource

    asyncio.run(crowded())


def test_what_is_done_before_an_update_only_comes_last_and_not_before_a_create(record):
    seen = []
    works = Works([lambda _: seen.append("gate")], update=[lambda _: seen.append("made again")])
    for args in (CREATE, UPDATE):
        asyncio.run(hook_of(record, works)(args))
    assert seen == ["gate", "gate", "made again"]


def test_a_work_that_fails_is_the_last_one(record):
    seen = []

    def fail(_):
        raise ValueError("no")

    with pytest.raises(ValueError, match=r"^no$"):
        asyncio.run(hook_of(record, Works([fail, lambda _: seen.append("after it")]))(CREATE))
    assert seen == []


def test_a_preview_does_nothing_but_refuse(record, monkeypatch):
    monkeypatch.setattr("pulumi.runtime.is_dry_run", lambda: True)
    seen = []
    works = Works([lambda _: seen.append("gate")], first=[lambda _: seen.append("refusal")])
    for args in (CREATE, UPDATE):
        asyncio.run(hook_of(record, works)(args))
    assert seen == ["refusal", "refusal"]
