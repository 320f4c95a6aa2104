"""Which variables a job gets: environment scopes, protection and precedence. Pure functions, no server."""

import re
from collections.abc import Iterable
from typing import Any

Variable = dict[str, Any]


def glob_matches(pattern: str, name: str) -> bool:
    """GitLab's wildcard: `*` stands for any characters, `/` included; nothing else is special, case counts.

    For scopes lib/gitlab/sql/glob.rb turns the pattern into a SQL LIKE; for protected branches and tags
    app/models/ref_matcher.rb turns it into the same thing as a regular expression.
    """
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name, re.DOTALL) is not None


def ref_is_protected(patterns: Iterable[str], ref: str) -> bool:
    """Whether one of the protected branches' (or tags') names or wildcards covers the branch (or tag)."""
    return any(glob_matches(pattern, ref) for pattern in patterns)


def _relevance(scope: str, environment: str) -> int:
    """`on_environment` in app/models/concerns/has_environment_scope.rb: `*` < other wildcards < the exact name."""
    return 0 if scope == "*" else 2 if scope == environment else 1


def variables_for_job(
    variables: Iterable[Variable], environment: str | None, ref_protected: bool
) -> dict[str, Variable]:
    """The project's variables as the job sees them, by key.

    - A job on a ref that isn't protected gets no protected variable
      (docs.gitlab.com/ci/variables, "Protect a CI/CD variable").
    - A job without an environment gets only those scoped `*`; one with an environment those whose scope matches it
      (`secret_variables` in lib/gitlab/ci/variables/builder/project.rb).
    - Of several scopes for one key the most relevant wins. Between two wildcards (`review/*`, `*/x`) GitLab leaves
      the order open; here the later created wins, so that a test is repeatable.

    `environment` is the whole name (`review/x`), with CI variables in it already expanded.
    """
    matching = [
        variable
        for variable in variables
        if (ref_protected or not variable["protected"])
        and (
            variable["environment_scope"] == "*"
            if environment is None
            else glob_matches(variable["environment_scope"], environment)
        )
    ]
    if environment is not None:
        matching.sort(key=lambda variable: _relevance(variable["environment_scope"], environment))
    return {variable["key"]: variable for variable in matching}
