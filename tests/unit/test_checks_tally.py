"""What follows from a check's measurements: Argo's limits, and never good by default."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_slipway.release.checks.model import Reading, Status
from pulumi_slipway.release.checks.tally import Tally
from pulumi_slipway.settings.checks import Check

S, F, E, I = Status.SUCCESSFUL, Status.FAILED, Status.ERROR, Status.INCONCLUSIVE  # noqa: E741


def check(failure=0, inconclusive=0, errors=4):
    return Check.model_validate(
        {"command": ["x"], "failureLimit": failure, "inconclusiveLimit": inconclusive, "consecutiveErrorLimit": errors}
    )


def tally(statuses, count=None, **limits):
    """Fed until it has ended, as the analysis does; with how many it took."""
    it, taken = Tally(check(**limits), count), 0
    for status in statuses:
        if it.ended:
            break
        it.add(Reading(status, f"{status} {taken}"))
        taken += 1
    return it, taken


def reference(statuses, count, failure, inconclusive, errors):
    """The rules once more, as one reads them: the verdict, and after how many measurements it stood."""
    for end in range(1, len(statuses) + 1):
        so_far = statuses[:end]
        in_a_row = next((i for i, status in enumerate(reversed(so_far)) if status is not E), end)
        if so_far.count(F) > failure:
            return F, end
        if so_far.count(I) > inconclusive:
            return I, end
        if in_a_row > errors:
            return E, end
        if count is not None and end - so_far.count(E) >= count:
            return at_the_end(so_far), end
    return at_the_end(statuses), len(statuses)


def at_the_end(statuses):
    return next((status for status in (S, F, E, I) if status in statuses), I)


limits = st.integers(0, 4)


@given(st.lists(st.sampled_from(Status), max_size=12), st.none() | st.integers(1, 6), limits, limits, limits)
def test_any_history_gives_the_verdict_of_the_rules(statuses, count, failure, inconclusive, errors):
    it, taken = tally(statuses, count, failure=failure, inconclusive=inconclusive, errors=errors)
    assert (it.status, taken) == reference(statuses, count, failure, inconclusive, errors)


@given(st.lists(st.sampled_from([F, E, I]), max_size=12), st.none() | st.integers(1, 6))
def test_without_a_good_measurement_nothing_is_good_however_much_is_put_up_with(statuses, count):
    it, _ = tally(statuses, count, failure=99, inconclusive=99, errors=99)
    assert it.status is not S


@given(st.lists(st.sampled_from(Status), max_size=12), st.none() | st.integers(1, 6))
def test_every_history_has_a_line_that_names_its_status(statuses, count):
    it, _ = tally(statuses, count, failure=1, inconclusive=1, errors=1)
    assert it.message("smoke").startswith(f"smoke {it.status}: ")


@pytest.mark.parametrize(
    ("statuses", "told"),
    [
        ([], "smoke Inconclusive: it was not measured"),
        ([S, F, F], "smoke Failed: Failed 2 (2 of 3 measurements, failureLimit 1)"),
        ([S, S], "smoke Successful: Successful 1 (2 of 2 measurements)"),
        ([S, E, E, E], "smoke Error: Error 3 (3 of 4 measurements, 3 in a row, consecutiveErrorLimit 2)"),
        ([I], "smoke Inconclusive: Inconclusive 0 (1 of 1 measurements, inconclusiveLimit 0)"),
    ],
)
def test_the_line_says_what_was_found_how_often_and_what_is_put_up_with(statuses, told):
    assert tally(statuses, failure=1, errors=2)[0].message("smoke") == told


def test_a_measurement_that_could_not_be_made_does_not_count_to_the_count():
    it, taken = tally([E, S, E, S, S], count=2)
    assert (it.status, taken) == (S, 4)
