"""Freezes and windows of an environment: what is closed when, and which runs wait for it."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from pulumi_slipway.core.action import Action
from pulumi_slipway.core.model import Phase
from pulumi_slipway.core.plan import Way
from pulumi_slipway.preflight.windows import NoReleaseNow, closed, refuse_releases
from pulumi_slipway.settings import Environment, parse
from pulumi_slipway.settings.load import SettingsError

WORKDAYS = {"schedule": "0 9 * * 1-5", "duration": "8h", "timeZone": "Europe/Berlin"}
HOLIDAYS = {"from": "2026-12-20", "to": "2027-01-02", "timeZone": "Europe/Berlin", "reason": "holidays"}


def environment(**more):
    return Environment.model_validate({"name": "production", **more})


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "why"),
    [
        ("2026-12-01T07:59:59", "no window is open, the next one opens 2026-12-01 09:00 CET"),
        ("2026-12-01T08:00", ""),  # Tuesday, nine in Berlin
        ("2026-12-01T15:59:59", ""),
        ("2026-12-01T16:00", "no window is open, the next one opens 2026-12-02 09:00 CET"),
        ("2026-12-04T16:00", "no window is open, the next one opens 2026-12-07 09:00 CET"),  # Friday evening
        ("2026-07-01T07:00", ""),  # summer time
        ("2026-07-01T15:00", "no window is open, the next one opens 2026-07-02 09:00 CEST"),
    ],
)
def test_a_window_opens_and_closes_by_its_own_clock(now, why):
    assert closed(environment(windows=[WORKDAYS]), at(now), {}) == why


def test_one_window_of_several_is_enough_also_past_midnight():
    night = {"schedule": "0 22 * * *", "duration": "4h"}
    both = environment(windows=[WORKDAYS, night])
    assert closed(both, at("2026-12-02T01:59"), {}) == ""
    assert closed(both, at("2026-12-02T02:00"), {}) == "no window is open, the next one opens 2026-12-02 09:00 CET"


@pytest.mark.parametrize(
    ("now", "why"),
    [
        ("2026-12-19T22:59", ""),
        ("2026-12-19T23:00", "holidays, until 2027-01-03 00:00 CET"),
        ("2027-01-02T22:59", "holidays, until 2027-01-03 00:00 CET"),
        ("2027-01-02T23:00", ""),
    ],
)
def test_a_freeze_lasts_to_the_end_of_its_last_day_and_goes_before_windows(now, why):
    assert closed(environment(freeze=[HOLIDAYS]), at(now), {}) == why
    always = {"schedule": "* * * * *", "duration": "1h"}
    assert closed(environment(freeze=[HOLIDAYS], windows=[always]), at(now), {}) == why


def test_a_date_without_quotes_is_that_day():
    # Pulumi's reader of stack files makes a time of it.
    frozen = environment(freeze=[{"from": "2026-12-20 00:00:00 +0000 UTC", "to": "2026-12-20 00:00:00 +0000 UTC"}])
    assert closed(frozen, at("2026-12-20T23:59"), {}) == "freeze, until 2026-12-21 00:00 UTC"


def test_a_freeze_of_gitlabs_is_honoured():
    assert "CI_DEPLOY_FREEZE" in closed(environment(), at("2026-12-01T12:00"), {"CI_DEPLOY_FREEZE": "1"})
    assert closed(environment(), at("2026-12-01T12:00"), {"CI_DEPLOY_FREEZE": ""}) == ""


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ({"freeze": [{"from": "2026-12-20", "to": "2026-12-19"}]}, "begins: not from 2026-12-20 to 2026-12-19"),
        ({"freeze": [{"from": "soon", "to": "2026-12-19"}]}, "freeze[0].from"),
        ({"freeze": [{"from": "2026-12-20"}]}, "freeze[0].to"),
        ({"windows": [{**WORKDAYS, "schedule": "0 9 * *"}]}, "must be a cron expression of five fields"),
        ({"windows": [{**WORKDAYS, "schedule": "0 9 30 2 *"}]}, "must be a cron expression of five fields"),
        ({"windows": [{**WORKDAYS, "timeZone": "Berlin"}]}, "must be a time zone of the IANA database"),
        ({"windows": [{**WORKDAYS, "timeZone": "../../etc/passwd"}]}, "must be a time zone of the IANA database"),
        ({"windows": [{"schedule": "0 9 * * *"}]}, "windows[0].duration"),
    ],
)
def test_a_mistake_is_told_with_its_place(block, said):
    blocks = {"environment": {"name": "production", **block}, "workloads": {}}
    with pytest.raises(SettingsError) as error:
        parse(blocks, {}, file="Pulumi.production.yaml")
    assert "slipway:environment" in str(error.value)
    assert said in str(error.value)


def prepared(way, flying=None, release="new"):
    plan = SimpleNamespace(way=way, release=SimpleNamespace(id=release))
    record = flying and SimpleNamespace(release=SimpleNamespace(id=flying[0]), outcome=flying[1])
    return SimpleNamespace(plan=plan, world=SimpleNamespace(observed=SimpleNamespace(in_flight=record)))


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("way", Way)
def test_only_what_brings_a_release_to_users_waits(action, way):
    waits = action in {Action.DEPLOY, Action.PROMOTE} and way is not Way.HOLD
    if waits:
        with pytest.raises(NoReleaseNow, match="SLIPWAY_OVERRIDE"):
            refuse_releases({"web": prepared(way)}, ["web"], action, "", "holidays")
    else:
        assert not refuse_releases({"web": prepared(way)}, ["web"], action, "", "holidays")
    assert not refuse_releases({"web": prepared(way)}, ["web"], action, "", "")


@pytest.mark.parametrize(
    ("flying", "waits"),
    [
        (("new", Phase.PROGRESSING), False),  # its run was killed: nothing half done is lost
        (("new", Phase.PAUSED), True),  # a promotion brings it to more users
        (("old", Phase.PROGRESSING), True),  # another one would be begun
    ],
)
def test_a_release_that_is_under_way_is_finished(flying, waits):
    run = {"web": prepared(Way.STEPS, flying)}
    if waits:
        with pytest.raises(NoReleaseNow):
            refuse_releases(run, ["web"], Action.DEPLOY, "", "holidays")
    else:
        assert not refuse_releases(run, ["web"], Action.DEPLOY, "", "holidays")


def test_an_override_lets_it_through_and_says_so():
    said = refuse_releases({"web": prepared(Way.ASIDE)}, ["web"], Action.DEPLOY, "security fix", "holidays")
    assert "security fix" in said
    assert "holidays" in said


def test_workloads_that_the_run_is_not_for_do_not_wait():
    both = {"web": prepared(Way.HOLD), "api": prepared(Way.ASIDE)}
    assert not refuse_releases(both, ["web"], Action.DEPLOY, "", "holidays")


@pytest.mark.parametrize("value", ["two\nlines", "x" * 201, "\x1b[31mred"])
def test_an_override_is_one_line(value):
    blocks = {"environment": {"name": "production"}, "workloads": {"web": {"image": "registry.example.com/a:1"}}}
    with pytest.raises(SettingsError, match="SLIPWAY_OVERRIDE: must be one line of 200 characters at most"):
        parse(blocks, {"SLIPWAY_OVERRIDE": value}, file="Pulumi.production.yaml")
