"""A workload whose releases go to a few pods first, in growing numbers, before all others take them too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from pulumi_slipway.components.args import ApplicationArgs, strategy_block
from pulumi_slipway.components.workload import Workload


@dataclass(kw_only=True)
class CanaryArgs(ApplicationArgs):
    """What a Canary is made of; see `pulumi_slipway.settings.strategy.Canary` for the defaults."""

    steps: Sequence[Mapping[str, Any]] | None = None
    """`{"weight": 25, "pause": "5m"}` or `{"replicas": 1}`; without a pause the run ends Paused there, until
    SLIPWAY_ACTION=promote. Default: one pod for five minutes."""
    step_checks: Sequence[str] | None = None
    """Names of the checks that run during each pause. Default: all; where there are none, Prometheus' error rate."""
    max_surge: int | None = None
    """Pods above `replicas` at most, over both tracks. Default: no bound but the steps'."""

    def chosen(self) -> object:
        """The strategy as settings."""
        given = strategy_block(self, ApplicationArgs)
        if "stepChecks" in given:
            given["checks"] = given.pop("stepChecks")
        return {"canary": given}


class Canary(Workload):
    """A stable and a canary Deployment behind one Service: users meet the release by its share of the pods.

    >>> staging = Environment("staging", EnvironmentArgs(prometheus="http://prometheus.monitoring:9090"))
    >>> steps = [{"weight": 10, "pause": "5m"}, {"weight": 50, "pause": "5m"}]
    >>> web = Canary("web", CanaryArgs(environment=staging, image="registry.example.com/web:1.4.2", steps=steps))
    >>> pulumi.export("phase", web.phase)
    """

    def __init__(self, name: str, args: CanaryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args, opts)
