"""What is told of a release to those who are not at the job's log: one sentence, in the form of each receiver."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from typing import Any

from jinja2.sandbox import ImmutableSandboxedEnvironment

from pulumi_slipway.core.foreign import shown
from pulumi_slipway.core.model import Phase, Record
from pulumi_slipway.settings.notices import Event

LENGTH = 500
"""Characters of a field at most."""
SENTENCE = (
    "{{ environment }}: {{ workload }} "
    "{%- if event == 'healthy' %} is Healthy: {% if rollback %}rolled back to {% endif %}release {{ release }}"
    "{%- elif event == 'paused' %} is Paused: release {{ release }} waits to be promoted"
    "{%- elif event == 'rolledBack' %}: release {{ release }} failed, users are on {{ before }} again"
    "{%- else %}: release {{ release }} failed{% endif %}"
    "{% if commit %} of commit {{ commit[:8] }}{% endif %}{% if actor %}, by {{ actor }}{% endif %}"
    "{% if seconds %}, {{ seconds }} s{% endif %}{% if message %}: {{ message }}{% endif %}"
    "{% if pipeline %} {{ pipeline }}{% endif %}"
)


@dataclass(frozen=True)
class News:
    """What became of a release; the fields of a template (settings/notices.py)."""

    event: Event
    environment: str
    workload: str
    release: str
    """Its id."""
    image: str
    commit: str
    actor: str
    pipeline: str
    """Its address."""
    message: str
    """Why it failed or waits."""
    seconds: int
    """From its start to its outcome."""
    before: str
    """The release that users were on; empty for the first."""
    rollback: bool


def news(environment: str, workload: str, before: Sequence[Record], after: Sequence[Record]) -> News | None:
    """What a run has brought about, by the ledger before and after it; None where that is nothing.

    Only the newest record counts: one that was superseded is no news.
    """
    if not after or (before and _state(before[-1]) == _state(after[-1])):
        return None
    last = after[-1]
    earlier = next((it for it in reversed(after[:-1]) if it.outcome is Phase.HEALTHY), None)
    message, event = last.message, _event(last, earlier)
    if last.outcome is Phase.PROGRESSING:
        message = "its run was cut off: run the job again to go on"
    address = last.provenance.get("pipelineUrl", "")
    return News(
        event=event,
        environment=environment,
        workload=workload,
        release=last.release.id,
        image=last.release.image,
        commit=last.provenance.get("commit", ""),
        actor=last.provenance.get("actor", ""),
        pipeline=address if address.startswith(("https://", "http://")) else "",
        message=" ".join(message.split()),
        seconds=round(last.seconds),
        before=earlier.release.id if earlier else "",
        rollback=bool(last.left),
    )


def _state(record: Record) -> tuple[object, ...]:
    return record.sequence, record.release.id, record.outcome, record.step


def _event(last: Record, earlier: Record | None) -> Event:
    if last.outcome is Phase.HEALTHY:
        return "healthy"
    if last.outcome is Phase.PAUSED:
        return "paused"
    return "rolledBack" if last.outcome is Phase.DEGRADED and earlier else "failed"


def masked(found: News, secrets: Sequence[str]) -> News:
    """Without the values of these; each field within its bound and without a character that would be obeyed."""

    def clean(value: object) -> object:
        if not isinstance(value, str):
            return value
        for secret in secrets:
            value = value.replace(secret, "[masked]")
        plain = shown(value)
        return plain if len(plain) <= LENGTH else f"{plain[: LENGTH - 1]}…"

    cleaned: dict[str, Any] = {name: clean(value) for name, value in asdict(found).items()}
    return replace(found, **cleaned)


def text(found: News, template: str | None, written: Callable[[str], str] = str) -> str:
    """The sentence; `written` escapes what others wrote for its receiver."""
    fields = {name: written(it) if isinstance(it, str) else it for name, it in asdict(found).items()}
    return ImmutableSandboxedEnvironment().from_string(template or SENTENCE).render(fields)


def slack(found: News, template: str | None) -> Mapping[str, Any]:
    """An incoming webhook's message; `<!channel>` and links come of no name: &, < and > are escaped."""
    return {"text": text(found, template, lambda it: escape(it, quote=False))}


def teams(found: News, template: str | None) -> Mapping[str, Any]:
    """A message with an Adaptive Card, as the workflow "when a webhook request is received" takes it."""
    block = {"type": "TextBlock", "wrap": True, "text": text(found, template, _unmarked)}
    card = {"type": "AdaptiveCard", "version": "1.4", "body": [block]}
    return {
        "type": "message",
        "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}],
    }


def payload(found: News, template: str | None, at: str) -> Mapping[str, Any]:
    """A webhook's body: type, timestamp and data, as standardwebhooks.com has them."""
    return {
        "type": f"slipway.release.{found.event}",
        "timestamp": at,
        "data": {**asdict(found), "text": text(found, template)},
    }


def _unmarked(value: str) -> str:
    """No Markdown of it."""
    for sign in "\\`*_[]":
        value = value.replace(sign, f"\\{sign}")
    return value
