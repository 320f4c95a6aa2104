"""When a token is renewed: `decide` as a pure function of the clock and of what the cluster holds."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_slipway.access.generation import Generation, decide, read

NOW = datetime(2026, 11, 24, 3, 0, 0, tzinfo=UTC)
DAY = 86400
moments = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))
generations = st.builds(
    Generation, st.just("gitlab-deploy"), moments.map(lambda m: m.replace(microsecond=0)), st.integers(3600, 400 * DAY)
)


def aged(seconds: int, lifetime: int = 90 * DAY) -> Generation:
    return Generation("gitlab-deploy", NOW - timedelta(seconds=seconds), lifetime)


def chosen(*seen: Generation, lifetime: int = 90 * DAY, renew_before: int = 30 * DAY) -> Generation:
    return decide("gitlab-deploy", seen, NOW, lifetime, renew_before)


def test_the_first_token_is_issued_now():
    assert chosen() == Generation("gitlab-deploy", NOW, 90 * DAY)
    assert chosen().name == "gitlab-deploy-token-20261124030000"


def test_a_token_with_enough_time_left_is_kept_as_it_is():
    assert chosen(aged(60 * DAY)) == aged(60 * DAY)


def test_a_token_with_less_than_renew_before_left_is_replaced():
    assert chosen(aged(60 * DAY + 1)).issued == NOW


def test_a_shorter_expiration_in_the_settings_replaces_a_longer_token_at_once():
    assert chosen(aged(DAY), lifetime=89 * DAY) == Generation("gitlab-deploy", NOW, 89 * DAY)


def test_a_longer_expiration_in_the_settings_waits_for_the_next_renewal():
    assert chosen(aged(DAY), lifetime=100 * DAY) == aged(DAY)


def test_of_two_that_a_killed_renewal_left_the_newer_is_used():
    assert chosen(aged(60 * DAY), aged(1)) == aged(1)


def test_a_secret_that_claims_to_come_from_the_future_is_not_believed():
    assert chosen(aged(-3600)).issued == NOW


def test_a_secret_that_claims_to_live_longer_than_allowed_is_not_believed():
    assert chosen(aged(0, lifetime=999_999_999)) == Generation("gitlab-deploy", NOW + timedelta(seconds=1), 90 * DAY)


@pytest.mark.parametrize(
    ("name", "lifetime"),
    [
        ("gitlab-deploy-token-20261124030000", "soon"),
        ("gitlab-deploy-token-20261124030000", "-1"),
        ("gitlab-deploy-token-20261324030000", "3600"),
        ("gitlab-deploy-token-2026112403000", "3600"),
        ("gitlab-preview-token-20261124030000", "3600"),
        ("gitlab-deploy-token-２０２６1124030000", "3600"),
    ],
)
def test_a_secret_that_is_not_well_formed_is_none_of_ours(name, lifetime):
    assert read("gitlab-deploy", name, {"slipway.dev/token-lifetime": lifetime}) is None


@given(generations)
def test_what_a_secret_says_reads_back_as_the_same_generation(generation):
    assert read(generation.account, generation.name, generation.annotations) == generation


@given(st.lists(generations, max_size=4), moments, st.integers(3600, 400 * DAY), st.data())
def test_the_choice_is_always_fresh_enough_and_stands_when_asked_again(seen, now, lifetime, data):
    renew_before = data.draw(st.integers(0, lifetime - 1))
    choice = decide("gitlab-deploy", seen, now, lifetime, renew_before)
    assert choice.expires - now > timedelta(seconds=renew_before) - timedelta(seconds=1)
    assert choice.lifetime <= lifetime
    assert decide("gitlab-deploy", [*seen, choice], now, lifetime, renew_before) == choice


@given(st.lists(generations, min_size=1, max_size=4), moments)
def test_a_new_generation_never_takes_the_name_of_one_that_was_believed(seen, now):
    choice = decide("gitlab-deploy", seen, now, 90 * DAY, 30 * DAY)
    believed = [g for g in seen if g.issued <= now]
    assert choice in seen or all(choice.name > g.name for g in believed)
