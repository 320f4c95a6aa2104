"""Load on one URL while something else happens, and what became of each request.

with Load("http://10.0.0.17/", rate=600) as load:
    release("v2")
assert load.result.failed == 0
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from sandbox.errors import SandboxError
from sandbox.gobuild import go_binary

SOURCE = Path(__file__).parent


class LoadError(SandboxError):
    """The generator refused to run, or its own limits spoiled the count; the message says why."""


@dataclass(frozen=True)
class Version:
    """What one version, by the answers' `X-Version` header, has answered. Times are Unix times of requests' starts."""

    requests: int
    failed: int
    first: float
    last: float


@dataclass(frozen=True)
class Failure:
    """One failed request: when it was started (Unix time), the kind, and the system's words."""

    at: float
    kind: str
    detail: str


@dataclass(frozen=True)
class Result:
    """What became of the requests. Times are Unix times, durations seconds, latencies milliseconds.

    `failures` is by kind: refused, unreachable, reset, timeout, closed (no answer), short (part of an answer), status
    (400 and above), malformed. `samples` are the first 50 of them. `late_ms` says how much later than planned
    requests were started, `skipped` how many were not, as too many were open.
    """

    url: str
    rate: float
    began: float
    seconds: float
    sent: int
    skipped: int
    ok: int
    failed: int
    failures: Mapping[str, int]
    samples: Sequence[Failure]
    versions: Mapping[str, Version]
    latency_ms: Mapping[str, float]
    late_ms: Mapping[str, float]
    cpu_seconds: float

    @property
    def sent_rate(self) -> float:
        """Requests a second that were really sent."""
        return self.sent / self.seconds if self.seconds else 0.0

    def switch_seconds(self, old: str, new: str) -> float:
        """How long both answered: from the first request to `new` to the last one to `old`; negative is a gap."""
        return self.versions[old].last - self.versions[new].first


class Load:
    """A load generator that runs as long as the `with` block, `duration` seconds (at most 1800) at the longest.

    It takes only loopback, or 10.0.0.0/8 from inside a sandbox; `prefix` is put before its command to bring it there,
    such as `["python", "-m", "sandbox", "exec", "--name", "demo", "--"]`. `live` shows a line a second on stderr. It
    ends with this process, however that ends.
    """

    def __init__(
        self,
        url: str,
        *,
        rate: float = 600,
        duration: float = 600,
        timeout: float = 2,
        live: bool = False,
        prefix: Sequence[str] = (),
    ) -> None:
        self._command = [*prefix, str(binary()), "--url", url, "--rate", f"{rate:g}", "--duration", f"{duration}s"]
        self._command += ["--timeout", f"{timeout}s", "--piped", *(["--live"] if live else [])]
        self._longest_end = timeout + 10
        self._stderr = None if live else subprocess.PIPE
        self._process: subprocess.Popen[str] | None = None
        self._result: Result | None = None

    def __enter__(self) -> Load:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, stderr=self._stderr, text=True)
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        if not self._process.stdout.readline():  # "began": else the block could be over before the first request
            self._end()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._result = self._end()
        except LoadError:
            if error is None:  # else the block's own error tells more
                raise

    @property
    def result(self) -> Result:
        """What became of the requests; known when the block has ended."""
        if self._result is None:
            raise LoadError("the load has not ended yet: read the result after the `with` block")
        return self._result

    def _end(self) -> Result:
        assert self._process is not None  # noqa: S101 - __enter__ has set it
        try:
            out, err = self._process.communicate(timeout=self._longest_end)  # closes its stdin: the sign to end
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise LoadError(f"the generator did not end within {self._longest_end:g} s") from None
        if self._process.returncode != 0:
            raise LoadError((err or "").strip().removeprefix("error: ") or f"exit status {self._process.returncode}")
        return parse(out)


def parse(text: str) -> Result:
    """The generator's JSON; refused if a failure of its own makes the count worthless."""
    raw = json.loads(text)
    own = raw.pop("generator_errors")
    if own:
        causes = ", ".join(f"{kind}: {count}" for kind, count in own.items())
        raise LoadError(f"the load generator itself failed ({causes}); lower the rate or raise this machine's limits")
    raw["samples"] = tuple(Failure(**sample) for sample in raw["samples"])
    raw["versions"] = {name: Version(**counts) for name, counts in raw["versions"].items()}
    return Result(**raw)


def binary() -> Path:
    """The generator, built on first use."""
    return go_binary(SOURCE, "load")
