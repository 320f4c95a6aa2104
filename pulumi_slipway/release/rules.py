"""The settings of a workload as the rules that a plan goes by."""

from typing import Any

from pulumi_slipway.core.rules import CanaryStep, Rules, Strategy
from pulumi_slipway.settings import Workload


def rules_of(workload: Workload) -> Rules:
    """The rules that these settings mean."""
    s, scaler, every = workload.strategy, workload.autoscaler, tuple(workload.release_checks)
    common: dict[str, Any] = {
        "replicas": None if scaler else workload.replicas,
        "least": scaler.min if scaler else workload.replicas,
        "check_rollback": s.check_rollback,
    }
    if s.blue_green:
        b = s.blue_green
        return Rules(
            strategy=Strategy.BLUE_GREEN,
            before=_named(b.pre_promotion, tuple(name for name in every if name not in b.post_promotion)),
            after=b.post_promotion,
            preview_replicas=b.preview_replicas,
            auto_promote=b.auto_promote,
            keep=b.keep,
            **common,
        )
    if s.canary:
        c = s.canary
        steps = tuple(CanaryStep(step.weight, step.replicas, step.pause) for step in c.steps)
        return Rules(
            strategy=Strategy.CANARY,
            before=_named(c.checks, every),
            after=_named(c.checks, every),
            steps=steps,
            most_canary=c.max_surge - 1 if c.max_surge else None,
            **common,
        )
    return Rules(after=_named(s.rolling.checks, every), **common)


def _named(names: tuple[str, ...] | None, every: tuple[str, ...]) -> tuple[str, ...]:
    return every if names is None else names
