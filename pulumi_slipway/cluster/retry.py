"""Asking an API server again: for long where a release is under way, for a moment where a run only begins."""

import time
from collections.abc import Callable
from typing import TypeVar

import httpx2
from tenacity import Retrying, retry_if_exception, stop_after_attempt, stop_after_delay, wait_exponential
from tenacity.stop import stop_base

Answer = TypeVar("Answer")

AWAY_SECONDS = 60.0
"""An API server that is away for longer is a failure."""
ATTEMPTS = 3
"""Of what only reads."""


def while_away(ask: Callable[[], Answer]) -> Answer:
    """The answer; while the API server is away, as for a restart, it is asked again. Raises what it said last."""
    began = time.monotonic()

    def is_away(error: BaseException) -> bool:
        if isinstance(error, httpx2.HTTPStatusError):
            code = error.response.status_code
            if code in (401, 403):  # one that starts knows nobody yet
                return time.monotonic() - began < AWAY_SECONDS / 6
            return code == 429 or code >= 500
        return isinstance(error, httpx2.TransportError)

    return _retried(ask, is_away, stop_after_delay(AWAY_SECONDS))


def briefly(ask: Callable[[], Answer]) -> Answer:
    """The answer to something that only reads; where the connection breaks, it is asked at most twice more.

    A load balancer that reloads, or an API server under load, breaks one off now and then (seen: a TLS alert in one of
    some thousand runs); nobody should have to start a job again for that.
    """

    def is_broken(error: BaseException) -> bool:
        return isinstance(error, httpx2.NetworkError | httpx2.RemoteProtocolError)

    return _retried(ask, is_broken, stop_after_attempt(ATTEMPTS))


def _retried(ask: Callable[[], Answer], when: Callable[[BaseException], bool], stop: stop_base) -> Answer:
    for attempt in Retrying(
        retry=retry_if_exception(when),
        stop=stop,
        wait=wait_exponential(multiplier=0.2, max=2),
        reraise=True,
    ):
        with attempt:
            return ask()
    raise AssertionError  # Retrying with reraise never ends here
