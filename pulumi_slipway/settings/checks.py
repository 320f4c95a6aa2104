"""Settings of a release's checks: what is measured, how often, and how much of it may be bad.

The words and the rules of counting are those of an analysis of Argo Rollouts.
"""

import re
import sys
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core.core_schema import ValidationInfo

from pulumi_slipway.settings.mistakes import Mistakes
from pulumi_slipway.settings.types import (
    Count,
    DnsLabel,
    ImageReference,
    Model,
    PlainText,
    Port,
    Positive,
    Rule,
    Seconds,
    SecretVariable,
    VariableName,
    duration,
    text,
    whole,
)

PLACEHOLDERS = ("workload", "environment", "namespace", "track", "release")
"""What `{{…}}` may name in a query, a command, and a job's command and arguments."""

PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z_]+)\s*\}\}")
"""Only a bare word: `{{.items}}` and `{{range .items}}` are kubectl's templates and none of ours."""

SECONDS, JOB_SECONDS = 10, 300
"""Time for one measurement by default; a Job's image has to be pulled first."""

PRESET_LIMITS: dict[str, dict[str, float]] = {"success-rate": {"min": 0.99}, "latency-p95": {"max": 0.5}}
"""What a preset's value is held against where the check gives no limit itself."""


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
        raise ValueError("must be a number")
    return value


def _hidden(value: object, pattern: str, allowed: str) -> str:
    """The string; one with a login in it is refused without being shown."""
    if isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII):
        return value
    if isinstance(value, str) and "@" in value:
        mistakes = Mistakes()
        mistakes.add((), allowed)
        mistakes.check()
    raise ValueError(allowed)


def _url(value: object) -> str:
    return _hidden(value, r"https?://[^\s/?#@]+([/?][^\s#]*)?", "must be an http:// or https:// URL without a login")


def _address(value: object) -> str:
    return _hidden(
        value,
        r"https?://[^\s/?#@]+(/[^\s?#@]*)?",
        'must be a URL like "http://prometheus.monitoring:9090", without a login or a query',
    )


def _path(value: object) -> str:
    """Below the API server's proxy; `..` would leave it."""
    if (
        isinstance(value, str)
        and re.fullmatch(r"/[^\s#]*", value, re.ASCII)
        and ".." not in re.split(r"[/?]|%2[fF]", value.replace("%2e", ".").replace("%2E", "."))
    ):
        return value
    raise ValueError('must be a path that starts with "/", without a blank, # or ..')


ServicePort = Port | DnsLabel
Number = Annotated[float, Rule(_number, {"type": "number"})]
Url = Annotated[str, Rule(_url, {"type": "string", "pattern": "^https?://"})]
Address = Annotated[str, Rule(_address, {"type": "string", "pattern": "^https?://"})]
CheckPath = Annotated[str, Rule(_path, {"type": "string", "pattern": "^/"})]
HeaderName = Annotated[str, text(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", 'must be a header\'s name, like "Host"')]
HeaderValue = Annotated[str, text(r"[\x20-\x7e\t]*", "must be one line of plain text")]
Words = Annotated[tuple[PlainText, ...], Field(min_length=1)]
CheckName = Annotated[
    str, text(r"[a-z]([-a-z0-9]*[a-z0-9])?", "must be a check's name: a-z, 0-9 and -, a letter first, 40 at most", 40)
]


class Http(Model):
    """Asks the release over HTTP. A redirect is not followed; it is an answer like any other."""

    path: CheckPath | None = None
    """Path to GET from the track, through the API server: no ingress and no route from the job to the pods is needed.
    Either this or `url`."""
    port: ServicePort | None = None
    """The Service's port that `path` is asked at, by name or number. Default: the first one whose name or `appProtocol`
    has "http" in it, else the first of TCP."""
    url: Url | None = None
    """URL to GET, straight from the job. TLS is verified."""
    status: Annotated[int, whole(100, 599)] | None = None
    """The status that is wanted. Default null: 200 to 399, as Kubernetes' probes."""
    body: Annotated[str, Field(min_length=1)] | None = None
    """Text that must be in the answer's first MiB. Default null: any answer."""
    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict)
    """Headers of the request. Default: none."""
    token_from_env: SecretVariable | None = None
    """Variable of the job's environment with a bearer token for `url`. Default null."""

    @field_validator("headers")
    @classmethod
    def _no_secret_in_the_clear(cls, value: dict[str, str]) -> dict[str, str]:
        mistakes = Mistakes()
        for name in value:
            if name.lower() in ("authorization", "cookie", "proxy-authorization"):
                mistakes.add((name,), "is a secret in plain text; use tokenFromEnv")
        mistakes.check()
        return value

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.path is None) == (self.url is None):
            raise ValueError("must have either path or url")
        if self.port is not None and self.path is None:
            raise ValueError("must have port only together with path: a URL has its own")
        if self.token_from_env and self.url is None:
            raise ValueError("must have tokenFromEnv only together with url: the API server gets the job's own token")
        return self


class Prometheus(Model):
    """Asks Prometheus for a number, and holds it against a least and a most. With several series each must fit."""

    preset: Literal["success-rate", "latency-p95"] | None = None
    """A ready query over the standard HTTP metrics of the release's pods; docs/checks.md has both. Or `query`."""
    query: Annotated[str, Field(min_length=1)] | None = None
    """PromQL whose result is a scalar or an instant vector; {{workload}}, {{environment}}, {{namespace}}, {{track}}
    and {{release}} are filled in."""
    min: Number | None = None
    """The least that is good. Default: 0.99 with success-rate, else none."""
    max: Number | None = None
    """The most that is good. Default: 0.5 (seconds) with latency-p95, else none."""
    address: Address | None = None
    """Where Prometheus is, from the job. Default: the environment's `prometheus`."""
    token_from_env: SecretVariable | None = None
    """Variable of the job's environment with a bearer token for it. Default null."""
    window: Annotated[Seconds, duration(5, 86400)] = 60
    """How far a preset looks back: several scrapes, else there is no rate. Default 1m."""

    @property
    def limits(self) -> dict[str, float]:
        """What the value is held against: `min`, `max` or both."""
        given = {name: limit for name, limit in (("min", self.min), ("max", self.max)) if limit is not None}
        return (PRESET_LIMITS[self.preset] if self.preset else {}) | given

    @field_validator("query")
    @classmethod
    def _known_placeholders(cls, value: str | None) -> str | None:
        known_placeholders(value or "")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        mistakes = Mistakes()
        if (self.preset is None) == (self.query is None):
            raise ValueError("must have either preset or query")
        if not self.limits:
            mistakes.add((), "must have min, max or both: what would be bad otherwise?")
        if self.query is not None and "window" in self.model_fields_set:
            mistakes.add(("window",), "must be given with a preset only; a query has its own")
        low, high = self.limits.get("min"), self.limits.get("max")
        if low is not None and high is not None and low > high:
            mistakes.add(("max",), f"must not be below min ({low:g})", high)
        mistakes.check()
        return self


class Job(Model):
    """Runs a Kubernetes Job beside the release: what can only be tested from within the cluster."""

    image: ImageReference | None = None
    """Image to run. Default: the release's own; the container is not root and can write to /tmp only."""
    command: Words | None = None
    """The container's entry point; placeholders are filled in. Default: the image's."""
    args: Words | None = None
    """The entry point's arguments; placeholders are filled in. Default: the image's."""
    run_as_user: Annotated[int, whole(1, 2**31 - 1)] | None = None
    """User id. Default: the image's, which must not be root."""
    env: dict[VariableName, PlainText] = Field(default_factory=dict)
    """Environment variables, beside SLIPWAY_WORKLOAD and the others of a command. Default: none."""

    @field_validator("command", "args")
    @classmethod
    def _known_placeholders(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        known_placeholders(*value or ())
        return value

    @field_validator("env")
    @classmethod
    def _not_ours(cls, value: dict[str, str]) -> dict[str, str]:
        mistakes = Mistakes()
        for name in value:
            if name.startswith("SLIPWAY_"):
                mistakes.add((name,), "is a variable that Slipway sets itself; remove it")
        mistakes.check()
        return value

    @model_validator(mode="after")
    def _comes_to_an_end(self) -> Self:
        if not (self.image or self.command or self.args):
            raise ValueError("must have command, args or image: the release's own entry point would never end")
        return self


class Check(Model):
    """One check of a release: exactly one of `http`, `prometheus`, `command` and `job`, and how it is counted."""

    http: Http | None = None
    """Asks the release, or a URL, over HTTP."""
    prometheus: Prometheus | None = None
    """Holds a number from Prometheus against limits."""
    command: Words | None = None
    """A program and its arguments, run in the project's directory: 0 is good, 75 inconclusive, all else bad."""
    job: Job | None = None
    """Runs a Kubernetes Job."""
    interval: Annotated[Seconds, duration(1, 86400)] = 10
    """From one measurement to the next. Default 10s."""
    count: Positive | None = None
    """Measurements; errors are none. Default null: 1, or as many as fit where the check runs for a given time, such as
    a canary's pause."""
    failure_limit: Count = 0
    """Bad measurements that are put up with. Default 0."""
    inconclusive_limit: Count = 0
    """Measurements without a result, good or bad, that are put up with. Default 0."""
    consecutive_error_limit: Count = 4
    """Measurements in a row that could not be made and are put up with. Default 4 (Argo's)."""
    timeout: Annotated[Seconds, duration(1, 3600)] = Field(
        default_factory=lambda data: JOB_SECONDS if data.get("job") else SECONDS, validate_default=False
    )
    """Time for one measurement. Default 10s; 5m for a job."""
    initial_delay: Annotated[Seconds, duration(0, 86400)] = 0
    """Before the first measurement. Default 0s."""

    @field_validator("command")
    @classmethod
    def _known_placeholders(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        known_placeholders(*value or ())
        return value

    @field_validator("failure_limit", "inconclusive_limit")
    @classmethod
    def _can_be_exceeded(cls, value: int, info: ValidationInfo) -> int:
        count = info.data.get("count")
        if count is not None and value >= count:
            raise ValueError(f"must be below count ({count}), else the check could not fail")
        return value

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = [name for name in ("http", "prometheus", "command", "job") if getattr(self, name) is not None]
        if len(kinds) != 1:
            raise ValueError("must have exactly one of http, prometheus, command and job")
        return self


def known_placeholders(*texts: str) -> None:
    """Raises ValueError for a placeholder that nothing is filled in for."""
    unknown = sorted(set(_placeholders(*texts)) - set(PLACEHOLDERS))
    if unknown:
        raise ValueError(
            f"must not use {{{{{unknown[0]}}}}}: there are " + ", ".join(f"{{{{{name}}}}}" for name in PLACEHOLDERS)
        )


def _placeholders(*texts: str) -> Iterator[str]:
    for it in texts:
        yield from PLACEHOLDER.findall(it)
