"""Asking an API server again that is away for a moment: while it restarts a release goes on."""

import time
from collections.abc import Callable
from typing import TypeVar

import httpx2
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_exponential

Answer = TypeVar("Answer")

AWAY_SECONDS = 60.0
"""An API server that is away for longer is a failure."""


def away(error: BaseException) -> bool:
    """Whether the API server only isn't there at the moment: no answer, 429, 5xx; one that starts knows nobody yet."""
    if isinstance(error, httpx2.HTTPStatusError):
        code = error.response.status_code
        return code in (401, 403, 429) or code >= 500
    return isinstance(error, httpx2.TransportError)


def patiently(ask: Callable[[], Answer], seconds: float = AWAY_SECONDS) -> Answer:
    """The answer; while the API server is away it is asked again. Raises what it said last."""
    began = time.monotonic()

    def again(error: BaseException) -> bool:
        refused = isinstance(error, httpx2.HTTPStatusError) and error.response.status_code in (401, 403)
        return away(error) and (not refused or time.monotonic() - began < seconds / 6)

    for attempt in Retrying(
        retry=retry_if_exception(again),
        stop=stop_after_delay(seconds),
        wait=wait_exponential(multiplier=0.2, max=2),
        reraise=True,
    ):
        with attempt:
            return ask()
    raise AssertionError  # Retrying with reraise never ends here
