"""When an environment takes releases. The words are those of Argo CD's sync windows and of GitLab's deploy freezes."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import Field, model_validator

from pulumi_slipway.settings.types import Model, Rule, Seconds, duration, text

_UNQUOTED = " 00:00:00 +0000 UTC"
"""What Pulumi's reader of stack files puts behind a date without quotes: it takes it for a time."""


def _zone(value: object) -> str:
    try:
        return ZoneInfo(str(value)).key
    except (KeyError, OSError, ValueError):  # not there, a directory, no name of a zone
        raise ValueError('must be a time zone of the IANA database, like "Europe/Berlin"') from None


def _schedule(value: object) -> str:
    try:
        CronSim(str(value), datetime.now(UTC))
    except CronSimError:
        raise ValueError('must be a cron expression of five fields, like "0 9 * * 1-5"') from None
    return str(value)


def _moment(value: object) -> str:
    written = value.isoformat() if isinstance(value, date) else str(value).removesuffix(_UNQUOTED)
    try:
        datetime.fromisoformat(written)
    except ValueError:
        raise ValueError('must be a date like 2026-12-20, or a time in quotes like "2026-12-20T18:00"') from None
    return written


TimeZone = Annotated[str, Rule(_zone, {"type": "string", "examples": ["Europe/Berlin"]})]
Schedule = Annotated[str, Rule(_schedule, {"type": "string", "examples": ["0 9 * * 1-5"]})]
Moment = Annotated[str, Rule(_moment, {"type": "string", "examples": ["2026-12-20", "2026-12-20T18:00"]})]
Sentence = Annotated[str, text(r"[^\x00-\x1f\x7f]+", "must be one line of 200 characters at most", 200)]


class Freeze(Model):
    """A time in which an environment takes no release."""

    start: Moment = Field(alias="from")
    """Its beginning: a date, or a time of day. Required."""
    to: Moment
    """Its end; a date is frozen to its last minute. Required."""
    time_zone: TimeZone = "UTC"
    """Of times without an offset. Default UTC."""
    reason: Sentence = "freeze"
    """For those who meet it. Default: freeze."""

    @property
    def begin(self) -> datetime:
        """Its first moment."""
        return self._at(self.start)

    @property
    def end(self) -> datetime:
        """The first moment after it."""
        return self._at(self.to, days=1 if len(self.to) == len("2026-12-20") else 0)

    def _at(self, written: str, days: int = 0) -> datetime:
        found = datetime.fromisoformat(written) + timedelta(days=days)
        return found if found.tzinfo else found.replace(tzinfo=ZoneInfo(self.time_zone))

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.end <= self.begin:
            raise ValueError(f"must end after it begins: not from {self.start} to {self.to}")
        return self


class Window(Model):
    """A time that comes again and again, in which an environment takes releases."""

    schedule: Schedule
    """When it opens: minute, hour, day of the month, month, day of the week, as cron has them. Required."""
    duration: Annotated[Seconds, duration(60, 31 * 86400)]
    """How long it is open, "8h". Required."""
    time_zone: TimeZone = "UTC"
    """Of the schedule. Default UTC."""

    def open(self, now: datetime) -> bool:
        """Whether it is open."""
        local = now.astimezone(ZoneInfo(self.time_zone)) + timedelta(microseconds=1)  # it opens with its first moment
        began = next(CronSim(self.schedule, local, reverse=True), None)
        return began is not None and now < began + timedelta(seconds=self.duration)

    def opens(self, now: datetime) -> datetime | None:
        """When it opens next; None: never, as for 30 February."""
        return next(CronSim(self.schedule, now.astimezone(ZoneInfo(self.time_zone))), None)
