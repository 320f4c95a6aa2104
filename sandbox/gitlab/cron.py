"""When a pipeline schedule is due: cron in five fields, as lib/gitlab/ci/cron_parser.rb (the fugit gem) reads it."""

import calendar
import datetime
from zoneinfo import ZoneInfo

_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name}
# calendar begins the week on Monday, cron on Sunday.
_DAYS = {name.lower(): (number + 1) % 7 for number, name in enumerate(calendar.day_abbr)}
# Lowest and highest value and the names of each field; Sunday is 0 and 7.
_FIELDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}), (0, 23, {}), (1, 31, {}), (1, 12, _MONTHS), (0, 7, _DAYS),
)  # fmt: skip
# The rarest date that exists is 29 February, at most eight years away.
_HORIZON = datetime.timedelta(days=8 * 366)


def _values(text: str, lowest: int, highest: int, names: dict[str, int]) -> frozenset[int]:
    """The values of one field: `*`, `5`, `1-5`, `*/15`, `1-31/2`, lists of these. Raises ValueError."""

    def number(word: str) -> int:
        value = names[word.lower()] if word.lower() in names else int(word)
        if not lowest <= value <= highest:
            raise ValueError(f"{word} is not within {lowest}..{highest}")
        return value

    values: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        start = lowest if span == "*" else number(first)
        end = highest if span == "*" or (slash and not dash) else number(last) if dash else start
        if (slash and not (step.isdecimal() and int(step) > 0)) or end < start:
            raise ValueError(f"{part} is not a range")
        values.update(range(start, end + 1, int(step) if slash else 1))
    return frozenset(values)


def next_run(cron: str, timezone: ZoneInfo, after: datetime.datetime) -> datetime.datetime | None:
    """The first due minute after a moment, in UTC; None if it never comes (31 February). Raises ValueError.

    Day of month and day of week: either suffices when both are restricted, as in every cron.
    """
    fields = cron.split()
    if len(fields) != len(_FIELDS):
        raise ValueError("a schedule has five fields")
    minutes, hours, days, months, weekdays = (
        _values(text, *field) for text, field in zip(fields, _FIELDS, strict=True)
    )
    weekdays = frozenset(day % 7 for day in weekdays)
    any_day, any_weekday = fields[2].startswith("*"), fields[4].startswith("*")

    def due(date: datetime.date) -> bool:
        by_day, by_weekday = date.day in days, date.isoweekday() % 7 in weekdays
        either = by_day and by_weekday if any_day or any_weekday else by_day or by_weekday
        return date.month in months and either

    local = after.astimezone(timezone)
    date = local.date()
    while date <= local.date() + _HORIZON:
        if due(date):
            for hour in sorted(hours):
                for minute in sorted(minutes):
                    moment = datetime.datetime(date.year, date.month, date.day, hour, minute, tzinfo=timezone)
                    if moment > after:
                        return moment.astimezone(datetime.UTC)
        date += datetime.timedelta(days=1)
    return None
