"""A workload whose releases roll: new pods before old ones go."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from pulumi_slipway.components.args import ApplicationArgs, strategy_block
from pulumi_slipway.components.workload import Workload


@dataclass(kw_only=True)
class RollingArgs(ApplicationArgs):
    """What a Rolling is made of; see `pulumi_slipway.settings.strategy.Rolling` for the defaults."""

    max_surge: int | None = None
    """Pods above `replicas` during a release. Default 1."""
    after_checks: Sequence[str] | None = None
    """Names of the checks after the rollout; where one fails the release is rolled back. Default: all."""

    def chosen(self) -> object:
        """The strategy as settings."""
        given = strategy_block(self, ApplicationArgs)
        if "afterChecks" in given:
            given["checks"] = given.pop("afterChecks")
        return {"rolling": given}


class Rolling(Workload):
    """One Deployment, whose pods are replaced one by one; checks afterwards decide whether it stays.

    >>> staging = Environment("staging", EnvironmentArgs())
    >>> web = Rolling("web", RollingArgs(environment=staging, image="registry.example.com/web:1.4.2", port=8080))
    >>> pulumi.export("web", web.release)
    """

    def __init__(self, name: str, args: RollingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args, opts)
