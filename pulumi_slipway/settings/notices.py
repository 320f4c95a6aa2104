"""Who is told of an environment's releases."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, model_validator

from pulumi_slipway.settings.types import Model, SecretVariable, text

Event = Literal["paused", "failed", "rolledBack", "healthy"]
FIELDS = (
    "event", "environment", "workload", "release", "image", "commit", "actor", "pipeline", "message", "seconds",
    "before", "rollback",
)  # fmt: skip
"""What a template may say of a release, in braces: {{ commit }}."""


def _template(value: str) -> str:
    from jinja2 import StrictUndefined, TemplateError  # noqa: PLC0415  few stacks have one
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

    try:
        ImmutableSandboxedEnvironment(undefined=StrictUndefined).from_string(value).render(dict.fromkeys(FIELDS, ""))
    except TemplateError as error:
        raise ValueError(f"must be a Jinja2 template of {', '.join(FIELDS)}: {error}") from None
    return value


class Notice(Model):
    """One receiver. None holds or fails a release: one that does not answer is a warning in the job's log."""

    to: Literal["slack", "teams", "webhook", "mergeRequest"]
    """Slack and Teams: an incoming webhook. `webhook`: JSON, signed as Standard Webhooks are. `mergeRequest`: a note on
    the merge request that the commit came from, by SLIPWAY_NOTE_TOKEN. Required."""
    url_from: SecretVariable | None = None
    """The job's variable that holds the address; it is a secret. Required, but for `mergeRequest`."""
    secret_from: SecretVariable | None = None
    """The job's variable that holds what a `webhook` is signed with. Default null: it is not signed."""
    events: tuple[Event, ...] = ("paused", "failed", "rolledBack", "healthy")
    """What is told: a release waits to be promoted; it did not come up, and nothing was there to go back to, or its run
    was cut off; it failed and users are on the one before; it is live, by a rollback too. Default: all."""
    template: Annotated[str, text(r"(?s:.+)", "must be text of 2000 characters at most", 2000), AfterValidator(
        _template
    )] | None = None  # fmt: skip
    """The text, as a Jinja2 template of the fields in docs/notices.md. Default null: one sentence."""

    @model_validator(mode="after")
    def _has_an_address(self) -> Self:
        if (self.to == "mergeRequest") != (self.url_from is None):
            raise ValueError("needs urlFrom, the variable with its address, unless it goes to mergeRequest")
        if self.secret_from and self.to != "webhook":
            raise ValueError("secretFrom signs what goes to webhook, and nothing else")
        return self
