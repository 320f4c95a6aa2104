"""One HTTP request with a hard end: its time and the size of its answer are bounded."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import httpx2

MOST_BYTES = 2**20
"""Of an answer: what is beyond is not read."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: bytes
    kind: str
    """Its Content-Type."""

    @property
    def text(self) -> str:
        """The body as text, whatever it is."""
        return self.body.decode(errors="replace")


def get(
    client: httpx2.Client,
    url: str,
    seconds: float,
    *,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
) -> Answer:
    """GETs a URL; a redirect is an answer too. Raises httpx2.HTTPError where none comes."""
    until = time.monotonic() + seconds
    request = client.build_request("GET", url, headers=headers, params=params, timeout=httpx2.Timeout(seconds))
    response = client.send(request, stream=True, follow_redirects=False)
    try:
        body = b""
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) >= MOST_BYTES:
                break
            if time.monotonic() > until:  # one byte now and then would go on for ever
                raise httpx2.ReadTimeout("the answer did not end in time", request=request)
        return Answer(response.status_code, body[:MOST_BYTES], response.headers.get("Content-Type", ""))
    finally:
        response.close()


def plain_url(url: str) -> str:
    """A URL as it may be shown: without its query, which may carry a key."""
    return url.partition("?")[0]


def reason(error: Exception) -> str:
    """Why no answer came, never empty."""
    return str(error) or type(error).__name__
