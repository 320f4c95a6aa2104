"""A workload with two tracks, blue and green: a release is a switch of the Service, and so is a rollback."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi

from pulumi_slipway.components.args import ApplicationArgs, strategy_block
from pulumi_slipway.components.workload import Workload


@dataclass(kw_only=True)
class BlueGreenArgs(ApplicationArgs):
    """What a BlueGreen is made of; see `pulumi_slipway.settings.strategy.BlueGreen` for the defaults."""

    pre_promotion: Sequence[str] | None = None
    """Names of the checks before the switch, against the preview Service. Default: all that are not after it."""
    post_promotion: Sequence[str] | None = None
    """Names of the checks after the switch; where one fails users are switched back. Default: none."""
    preview_replicas: int | None = None
    """Pods of the new track while the checks before the switch run. Default: all."""
    auto_promote: bool | None = None
    """Default true; else a run ends Paused before the switch, until SLIPWAY_ACTION=promote."""
    keep: Literal["window", "forever", "none"] | None = None
    """How long the old track stays warm. Default: for `rollback_window`."""
    rollback_window: int | str | None = None
    """Seconds, or `10m`. Default 600."""

    def chosen(self) -> object:
        """The strategy as settings."""
        return {"blueGreen": strategy_block(self, ApplicationArgs)}


class BlueGreen(Workload):
    """Two Deployments and a Service that points to one of them; which one, the cluster tells, not the state.

    `preview_service` reaches the release that is not live yet.

    >>> staging = Environment("staging", EnvironmentArgs())
    >>> args = BlueGreenArgs(environment=staging, image="registry.example.com/web:1.4.2", auto_promote=False)
    >>> web = BlueGreen("web", args)
    >>> pulumi.export("preview", web.preview_service)
    """

    def __init__(self, name: str, args: BlueGreenArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args, opts)
