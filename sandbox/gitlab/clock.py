"""Times as GitLab prints them."""

import datetime


def now() -> str:
    """UTC, ISO 8601 with milliseconds."""
    return stamp(datetime.datetime.now(datetime.UTC))


def stamp(moment: datetime.datetime) -> str:
    """A UTC moment, ISO 8601 with milliseconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def today() -> datetime.date:
    """Tokens expire at midnight UTC (docs.gitlab.com/user/profile/personal_access_tokens)."""
    return datetime.datetime.now(datetime.UTC).date()
