"""Which variables a job gets, by GitLab's rules for scopes and protection."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.gitlab.job_variables import glob_matches, ref_is_protected, variables_for_job

# The table of docs.gitlab.com/ci/environments, "Limit the environment scope of a CI/CD variable".
ENVIRONMENTS = ("production", "staging", "review/feature-1", "review/feature-2")
MATCHES = {
    "*": ENVIRONMENTS,
    "production": ("production",),
    "staging": ("staging",),
    "review/*": ("review/feature-1", "review/feature-2"),
    "review/feature-1": ("review/feature-1",),
}


def variable(key: str, value: str, scope: str = "*", *, protected: bool = False) -> dict[str, Any]:
    return {"key": key, "value": value, "environment_scope": scope, "protected": protected}


def values(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {key: item["value"] for key, item in found.items()}


@pytest.mark.parametrize("scope", MATCHES)
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_scopes_match_as_in_gitlabs_table(scope: str, environment: str) -> None:
    got = variables_for_job([variable("K", "v", scope)], environment, ref_protected=True)
    assert bool(got) == (environment in MATCHES[scope])


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("review/*", "review/a/b", True),  # a slash is nothing special
        ("review/*", "review/", True),
        ("review/*", "review", False),
        ("review", "review/a", False),
        ("*-stable", "16-stable", True),
        ("*-stable", "16-stable-ee", False),
        ("a*b*c", "a1b2c", True),
        ("a.c", "abc", False),  # nor is a dot
        ("a_c", "abc", False),  # nor SQL's underscore
        ("Production", "production", False),  # case counts
        ("x${A}*", "x${A}1", True),
    ],
)
def test_only_the_star_is_a_wildcard(pattern: str, name: str, matches: bool) -> None:
    assert glob_matches(pattern, name) is matches


def test_the_exact_scope_wins_over_a_wildcard_and_that_over_the_star() -> None:
    scoped = [variable("K", "exact", "review/x"), variable("K", "wild", "review/*"), variable("K", "star")]
    for found in (scoped, scoped[::-1]):
        assert values(variables_for_job(found, "review/x", ref_protected=True)) == {"K": "exact"}
        assert values(variables_for_job(found, "review/y", ref_protected=True)) == {"K": "wild"}
        assert values(variables_for_job(found, "staging", ref_protected=True)) == {"K": "star"}


def test_a_job_without_environment_gets_only_unscoped_variables() -> None:
    found = [variable("A", "1"), variable("B", "2", "staging"), variable("C", "3", "s*")]
    assert values(variables_for_job(found, None, ref_protected=True)) == {"A": "1"}


def test_a_protected_variable_stays_away_from_an_unprotected_ref() -> None:
    found = [variable("K", "open", "*"), variable("K", "secret", "production", protected=True)]
    assert values(variables_for_job(found, "production", ref_protected=True)) == {"K": "secret"}
    assert values(variables_for_job(found, "production", ref_protected=False)) == {"K": "open"}


SCOPES = st.sampled_from(["*", "staging", "review/*", "review/x", "r*x", "*x"])
VARIABLES = st.lists(st.builds(variable, st.sampled_from("AB"), st.text(), SCOPES, protected=st.booleans()))


@given(VARIABLES, st.sampled_from([None, "staging", "review/x", "review/y"]), st.booleans())
def test_no_job_gets_what_is_not_meant_for_it(
    found: list[dict[str, Any]], environment: str | None, ref_protected: bool
) -> None:
    got = variables_for_job(found, environment, ref_protected)
    for key, item in got.items():
        assert ref_protected or not item["protected"]
        assert item["environment_scope"] == "*" or environment is not None
        better = [
            other
            for other in found
            if other["key"] == key
            and other["environment_scope"] == environment
            and (ref_protected or not other["protected"])
        ]
        assert not better or item["environment_scope"] == environment


def test_a_ref_is_protected_by_name_or_wildcard() -> None:
    assert ref_is_protected(["main", "v*"], "v1.2")
    assert not ref_is_protected(["main", "v*"], "develop")
    assert not ref_is_protected([], "main")
