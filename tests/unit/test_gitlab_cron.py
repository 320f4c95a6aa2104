"""When the stand-in's pipeline schedules are due."""

import datetime
from zoneinfo import ZoneInfo

import pytest

from sandbox.gitlab.cron import next_run

UTC = ZoneInfo("UTC")
TUESDAY = datetime.datetime(2026, 11, 24, 2, 30, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("cron", "due"),
    [
        ("* * * * *", "2026-11-24 02:31"),
        ("0 1 * * *", "2026-11-25 01:00"),
        ("*/15 * * * *", "2026-11-24 02:45"),
        ("30 2 * * *", "2026-11-25 02:30"),  # due now counts as over
        ("0 3 * * 1-5", "2026-11-24 03:00"),
        ("0 3 * * 7", "2026-11-29 03:00"),
        ("0 3 * * sun", "2026-11-29 03:00"),
        ("0 0 1 jan *", "2027-01-01 00:00"),
        ("5,10 4/6 * * *", "2026-11-24 04:05"),
        ("0 0 13 * 5", "2026-11-27 00:00"),  # day of month or day of week
        ("0 0 29 2 *", "2028-02-29 00:00"),
    ],
)
def test_the_next_run_is_found(cron: str, due: str) -> None:
    found = next_run(cron, UTC, TUESDAY)
    assert found is not None
    assert found.strftime("%Y-%m-%d %H:%M") == due


def test_the_timezone_counts() -> None:
    found = next_run("0 12 * * *", ZoneInfo("Asia/Tokyo"), TUESDAY)
    assert found == datetime.datetime(2026, 11, 24, 3, 0, tzinfo=datetime.UTC)


def test_a_date_that_does_not_exist_is_never_due() -> None:
    assert next_run("0 0 31 2 *", UTC, TUESDAY) is None


@pytest.mark.parametrize("cron", ["", "* * * *", "60 * * * *", "* 24 * * *", "x * * * *", "5-1 * * * *", "*/0 * * * *"])
def test_what_is_no_schedule_is_refused(cron: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        next_run(cron, UTC, TUESDAY)
