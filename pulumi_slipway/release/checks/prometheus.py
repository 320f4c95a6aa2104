"""Check kind `prometheus`: is the number good?

The answer's form: prometheus.io/docs/prometheus/latest/querying/api, "Instant queries".
"""

import json
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from pulumi_slipway.cluster.time_limit import Overdue, within
from pulumi_slipway.release.checks.model import Reading, Status, Target
from pulumi_slipway.release.checks.presets import query
from pulumi_slipway.release.checks.web import Answer, get, reason
from pulumi_slipway.release.checks.wording import filled
from pulumi_slipway.settings.checks import Prometheus


@dataclass(frozen=True)
class PrometheusCheck:
    """Measures one query."""

    prometheus: Prometheus
    target: Target
    web: httpx2.Client
    timeout: float
    address: str | None
    token: str | None = None

    @property
    def query(self) -> str:
        """The PromQL that is asked."""
        p = self.prometheus
        return filled(p.query or query(p.preset or "", p.window), self.target)

    def __call__(self, number: int, stop: threading.Event) -> Reading:
        """Asks once."""
        address = self.address
        if not address:
            return Reading(Status.ERROR, "no Prometheus to ask: set the check's address")
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        url, params = f"{address.rstrip('/')}/api/v1/query", {"query": self.query}
        try:
            answer = within(
                self.timeout, stop, lambda: get(self.web, url, self.timeout, headers=headers, params=params)
            )
            values = _values(answer)
        except (Overdue, httpx2.TimeoutException):
            return Reading(Status.ERROR, f"Prometheus did not answer within {self.timeout:g} s")
        except httpx2.HTTPError as error:
            return Reading(Status.ERROR, f"Prometheus does not answer: {reason(error)}")
        except ValueError as error:
            return Reading(Status.ERROR, f"Prometheus {error}")
        return judged(values, self.prometheus.limits)


def judged(values: list[float], limits: Mapping[str, float]) -> Reading:
    """Whether every value is within the limits; the worst is the one that counts."""
    if not values:
        return Reading(Status.INCONCLUSIVE, "no data: the query's result is empty")
    low, high = limits.get("min", -math.inf), limits.get("max", math.inf)
    finite = [value for value in values if math.isfinite(value)]
    worst = max(finite, key=lambda value: max(low - value, value - high), default=math.nan)
    of = "" if len(values) == 1 else f", the worst of {len(values)} series"
    if worst < low:
        return Reading(Status.FAILED, f"{worst:.6g} is below min {low:g}{of}", worst)
    if worst > high:
        return Reading(Status.FAILED, f"{worst:.6g} is above max {high:g}{of}", worst)
    if len(finite) < len(values):
        odd = next(value for value in values if not math.isfinite(value))
        return Reading(Status.INCONCLUSIVE, f"no data: the result is {odd}")
    within_limits = ", ".join(f"{name} {limit:g}" for name, limit in limits.items())
    return Reading(Status.SUCCESSFUL, f"{worst:.6g} is within {within_limits}{of}", worst)


def _values(answer: Answer) -> list[float]:
    """The numbers of a result; raises ValueError for what is none, with Prometheus' own words where it has some."""
    try:
        body: Any = json.loads(answer.body)
    except ValueError:
        body = None
    if answer.status >= 400:
        said = body.get("error") if isinstance(body, dict) else None
        raise ValueError(f"answers {answer.status}: {said or 'without a reason'}")
    try:
        data = body["data"]
        kind, result = data["resultType"], data["result"]
        samples = [result] if kind == "scalar" else [series["value"] for series in result if kind == "vector"]
        values = [float(text) for _, text in samples]
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"answers {answer.status} with what is no scalar and no instant vector") from None
    if kind not in ("scalar", "vector"):
        raise ValueError(f"answers with a {kind}: the query must give a scalar or an instant vector")
    return values
