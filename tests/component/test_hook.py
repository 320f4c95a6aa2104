"""A hook fails with a text, always: the engine takes an empty one for success."""

import asyncio
import threading

import pytest

from components.hook import hook


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
    run(lambda: seen.append(threading.current_thread()))
    assert seen
    assert seen[0] is not threading.main_thread()


def test_what_is_raised_goes_on_as_it_is(run):
    def fail():
        raise ValueError("why")

    with pytest.raises(ValueError, match=r"^why$"):
        run(fail)


def test_an_exception_without_a_text_gets_one(run):
    def fail():
        raise AssertionError

    with pytest.raises(RuntimeError, match="AssertionError"):
        run(fail)
