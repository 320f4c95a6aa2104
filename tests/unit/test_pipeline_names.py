"""Names of review environments: any branch has one, and no two have the same."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_slipway.pipeline import names
from pulumi_slipway.settings.types import Model, WorkloadName

AWKWARD = [
    "feature/" + "x" * 192, "größe-ändern", "fix/🚀", "🚀", "a--b", "--", "-", "UPPER", "upper",
    "feature/a", "feature-a",
    "feature_a", "Feature/A", "9lives", "a/b/c", "a.b", "ö", "o", "名前", "x" * 200, "x" * 199, "renovate/lodash-4.x",
]  # fmt: skip


class Named(Model):
    """A workload of a review environment."""

    name: WorkloadName


@pytest.mark.parametrize("branch", AWKWARD)
def test_any_branch_gives_a_name_that_every_object_takes(branch: str) -> None:
    slug = names.slug(branch)
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", slug)
    assert len(slug) <= names.READABLE + 1 + names.HASH
    assert "--" not in slug
    assert Named(name=f"{'w' * 19}-{slug}").name.endswith(slug)
    assert len(names.stack(branch)) <= 63


def test_branches_that_look_alike_stay_apart() -> None:
    assert len({names.stack(branch) for branch in AWKWARD}) == len(AWKWARD)


def test_the_readable_part_is_what_people_know_the_branch_by() -> None:
    assert names.slug("feature/login-form").startswith("login-for-")
    assert names.slug("größe").startswith("groe-") or names.slug("größe").startswith("gro")


@given(st.lists(st.text(min_size=1, max_size=200), min_size=2, max_size=30, unique=True))
def test_no_two_branches_share_a_stack(branches: list[str]) -> None:
    assert len({names.stack(branch) for branch in branches}) == len(branches)


@given(st.text(min_size=1, max_size=200))
def test_the_name_follows_from_the_branch_alone(branch: str) -> None:
    assert names.stack(branch) == names.stack(branch)
    assert re.fullmatch(r"review-[a-z0-9][-a-z0-9]*", names.stack(branch))


def test_a_name_in_another_unicode_form_is_another_branch() -> None:
    assert names.stack("caf\u00e9") != names.stack("cafe\u0301")


@pytest.mark.parametrize(
    ("branch", "number", "environment"),
    [
        ("feature/x", None, "review/feature/x"),
        ("feature/x", 7, "review/feature/x"),
        ("größe", 7, "review/gr--e-7"),
        ("🚀", 8, "review/-8"),
    ],
)
def test_gitlab_gets_a_name_that_it_takes(branch: str, number: int | None, environment: str) -> None:
    from sandbox.gitlab.environments import NAME  # noqa: PLC0415  GitLab's own rule

    assert names.environment(branch, number) == environment
    assert NAME.fullmatch(environment)
