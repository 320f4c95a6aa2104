"""Settings of a strategy: how a release replaces the one before it."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pulumi_slipway.settings.checks import CheckName
from pulumi_slipway.settings.mistakes import Mistakes
from pulumi_slipway.settings.types import Flag, Model, Positive, Seconds, duration, unique, whole

STRATEGIES = {"rolling": "rolling", "blueGreen": "blue_green", "canary": "canary"}
"""As they are written, and the fields that they are read into."""

CheckNames = Annotated[tuple[CheckName, ...], AfterValidator(unique)]


class Rolling(Model):
    """One Deployment, new pods before old ones go."""

    max_surge: Positive = 1
    """Pods above `replicas` during a release. Default 1: the least that keeps the capacity; more is faster."""
    checks: CheckNames | None = None
    """Checks after the rollout; where one fails the release is rolled back. Default null: all of the workload's."""


class BlueGreen(Model):
    """Two tracks; users are switched from one to the other at once, and back just as fast."""

    pre_promotion: CheckNames | None = None
    """Checks before the switch, against the preview Service. Default null: all that are not in `postPromotion`."""
    post_promotion: CheckNames = ()
    """Checks after the switch; where one fails users are switched back. Default: none."""
    preview_replicas: Positive | None = None
    """Pods of the new track while the checks before the switch run; before it, it is full. Default null: all."""
    auto_promote: Flag = True
    """Whether a release goes live by itself once its checks are Successful; else the run ends Paused before the
    switch, until SLIPWAY_ACTION=promote. Default true."""
    keep: Literal["window", "forever", "none"] = "window"
    """How long the old track stays warm, so that a rollback is a switch: for `rollbackWindow`, until the next release,
    or not at all. Default window."""
    rollback_window: Annotated[Seconds, duration(0, 30 * 86400)] = 600
    """How long the old track stays warm; the next run past it, or SLIPWAY_ACTION=settle, retires it. Default 10m."""


class CanaryStep(Model):
    """One step of a canary: how many pods, and for how long."""

    weight: Annotated[int, whole(1, 100)] | None = None
    """Percent of `replicas` that run the release beside them, rounded up, at least one pod."""
    replicas: Positive | None = None
    """Pods that run the release, in place of `weight`."""
    pause: Annotated[Seconds, duration(0, 86400)] | None = None
    """How long the checks run before the next step. Default null: until SLIPWAY_ACTION=promote, the run ends Paused."""

    @model_validator(mode="after")
    def _weight_or_replicas(self) -> Self:
        if (self.weight is None) == (self.replicas is None):
            mistakes = Mistakes()
            mistakes.add((), "must have either weight (percent of the replicas) or replicas (pods)")
            raise mistakes
        return self


class Canary(Model):
    """A few pods run the release beside the stable ones, in growing numbers, before those take it too."""

    steps: Annotated[tuple[CanaryStep, ...], Field(min_length=1, max_length=20)] = (CanaryStep(replicas=1, pause=300),)
    """What the canary passes, one after the other. Default: one pod for 300s (the article's)."""
    checks: CheckNames | None = None
    """Checks that run during every pause and end it early by failing. Default null: all of the workload's; where it
    has none, an error rate of at most 1 % by Prometheus (the preset success-rate)."""
    max_surge: Annotated[int, whole(2)] | None = None
    """Pods above `replicas` at most, over both tracks: steps are cut to one less, since stable's own update needs one.
    Default null: no bound but the steps'."""


def _as_given(value: object) -> object:
    return value


class Strategy(Model):
    """How a release replaces the one before it: exactly one of the three."""

    # With nothing below it, it is filled by `named_or_whole`: an editor must not object either.
    rolling: Annotated[Rolling, BeforeValidator(_as_given, json_schema_input_type=Rolling | None)] = Field(
        default_factory=Rolling
    )
    """New pods take the place of the old ones, one by one. The default."""
    blue_green: BlueGreen | None = None
    """A second, whole track, and a switch."""
    canary: Canary | None = None
    """A few pods first."""
    check_rollback: Flag = False
    """Whether a rollback must pass the checks too. Default false: what was healthy once is back at once."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [name for name, field in STRATEGIES.items() if field in self.model_fields_set and getattr(self, field)]
        if len(given) > 1:
            mistakes = Mistakes()
            mistakes.add((), f"must be one strategy, not {' and '.join(given)}")
            raise mistakes
        return self

    @property
    def check_lists(self) -> tuple[str, Mapping[str, tuple[str, ...] | None]]:
        """The strategy's name and its lists of checks, as they are written; None takes all that no other list has."""
        if self.blue_green:
            lists = {"prePromotion": self.blue_green.pre_promotion, "postPromotion": self.blue_green.post_promotion}
            return "blueGreen", lists
        if self.canary:
            return "canary", {"checks": self.canary.checks}
        return "rolling", {"checks": self.rolling.checks}


def named_or_whole(value: object) -> object:
    """Takes a bare name, or one with nothing below it, as that strategy with its defaults."""
    if isinstance(value, str) and value in STRATEGIES:
        return {value: {}}
    if isinstance(value, dict):
        filled: dict[Any, Any] = {key: {} if key in STRATEGIES and it is None else it for key, it in value.items()}
        return filled
    if isinstance(value, Strategy):
        return value
    raise ValueError("must be rolling, blueGreen or canary, or one of them with its settings: {canary: {steps: […]}}")
