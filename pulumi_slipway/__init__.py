"""Ship from GitLab to Kubernetes with Pulumi: environments, releases, and who may deploy."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pulumi_slipway.components.access import Access, AccessArgs
    from pulumi_slipway.components.blue_green import BlueGreen, BlueGreenArgs
    from pulumi_slipway.components.canary import Canary, CanaryArgs
    from pulumi_slipway.components.environment import Environment, EnvironmentArgs
    from pulumi_slipway.components.plugin import serve
    from pulumi_slipway.components.rolling import Rolling, RollingArgs
    from pulumi_slipway.components.stack import run
    from pulumi_slipway.components.workload import Workload, WorkloadArgs

__all__ = [
    "Access",
    "AccessArgs",
    "BlueGreen",
    "BlueGreenArgs",
    "Canary",
    "CanaryArgs",
    "Environment",
    "EnvironmentArgs",
    "Rolling",
    "RollingArgs",
    "Workload",
    "WorkloadArgs",
    "run",
    "serve",
]

_MODULES = {
    "Access": "access",
    "BlueGreen": "blue_green",
    "Canary": "canary",
    "Environment": "environment",
    "Rolling": "rolling",
    "Workload": "workload",
    "run": "stack",
    "serve": "plugin",
}


def __getattr__(name: str) -> object:
    """Loads what is asked for: the command `slipway` needs no Pulumi, and a stack only what it builds."""
    module = _MODULES.get(name.removesuffix("Args"))
    if name not in __all__ or module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.components.{module}"), name)
