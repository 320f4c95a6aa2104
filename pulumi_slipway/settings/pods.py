"""Settings of a workload's pods: what they may take, how they are asked, how many there are."""

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_core.core_schema import ValidationInfo

from pulumi_slipway.settings.mistakes import Mistakes
from pulumi_slipway.settings.types import Cpu, Memory, Model, Port, Positive, Seconds, UrlPath, amount, duration, whole


class Requests(Model):
    """What the scheduler sets aside for a pod; the autoscaler counts in shares of it."""

    cpu: Cpu = "100m"
    """Cores; "100m" is a tenth of one. Default 100m (the article's)."""
    memory: Memory = "128Mi"
    """Bytes; "128Mi" is 128 × 2^20. Default 128Mi (the article's)."""


class Limits(Model):
    """What a pod may take at most: it is slowed down at the cores, and killed at the memory."""

    cpu: Cpu = "500m"
    """Cores. Default 500m (the article's)."""
    memory: Memory = "512Mi"
    """Bytes. Default 512Mi (the article's)."""


class Resources(Model):
    """What a pod is promised and may take at most."""

    requests: Requests = Field(default_factory=Requests)
    """What a pod is promised."""
    limits: Limits = Field(default_factory=Limits)
    """What it may take at most."""

    @field_validator("limits")
    @classmethod
    def _limits_cover_requests(cls, value: Limits, info: ValidationInfo) -> Limits:
        requests, mistakes = info.data.get("requests"), Mistakes()
        for what in ("cpu", "memory"):
            least, given = getattr(requests, what, "0"), getattr(value, what)
            if amount(given) < amount(least):
                mistakes.add((what,), f"must not be less than requests.{what} ({least})", given)
        mistakes.check()
        return value


class Probe(Model):
    """How the kubelet asks a pod whether it is well."""

    path: UrlPath | None = None
    """Path to GET; 200 to 399 is well. Default null: a TCP connection is enough."""
    port: Port | None = None
    """Port to ask. Default: the workload's port."""
    period: Annotated[Seconds, duration(1, 600)] = 2
    """Between two questions. Default 2s: a release waits for the first good answer of every pod. Kubernetes: 10s."""
    timeout: Annotated[Seconds, duration(1, 600)] = 1
    """Time for an answer. Default 1s (Kubernetes' own)."""
    failure_threshold: Positive = 3
    """Bad answers in a row until the pod counts as unwell. Default 3 (Kubernetes' own)."""


class Autoscaler(Model):
    """Scales on CPU, in place of a fixed number of replicas. The cluster needs metrics-server."""

    min: Positive = 2
    """Pods at least. Default 2: one may go without an outage."""
    max: Positive
    """Pods at most."""
    cpu: Annotated[int, whole(1, 100)] = 70
    """Percent of the CPU request to hold the average at. Default 70."""

    @field_validator("max")
    @classmethod
    def _max_is_not_below_min(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data.get("min", value):
            raise ValueError(f"must not be below min ({info.data['min']})")
        return value
