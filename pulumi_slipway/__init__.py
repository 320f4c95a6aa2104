"""Ship from GitLab to Kubernetes with Pulumi: environments, releases, and who may deploy."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pulumi_slipway.components.stack import run

__all__ = ["run"]

_WHERE = {"run": "stack"}


def __getattr__(name: str) -> object:
    """Loads what is asked for: the command `slipway` needs no Pulumi, and a stack only what it builds."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.components.{_WHERE[name]}"), name)
