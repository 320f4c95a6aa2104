"""What checks need, to be asked before a release begins: it would be too late in the middle of one."""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from pulumi_slipway.release.checks.kinds import token_of, token_variable
from pulumi_slipway.settings.checks import Check

Rights = frozenset[tuple[str, str]]
"""Verb and resource, the latter as `kubectl auth can-i` takes it: `create`, `jobs.batch`."""


def missing(
    checks: Mapping[str, Check], *, prometheus: str | None, environment: Mapping[str, str] = os.environ
) -> tuple[str, ...]:
    """What this job has not got that the checks need, in lines for people; run in the project's directory."""
    return tuple(
        f"check {name}: {lack}" for name, check in checks.items() for lack in _lacks(check, prometheus, environment)
    )


def _lacks(check: Check, prometheus: str | None, environment: Mapping[str, str]) -> Iterator[str]:
    if check.prometheus and not (check.prometheus.address or prometheus):
        yield "has no Prometheus to ask: set its address, or slipway:environment.prometheus"
    variable = token_variable(check)
    if variable and not token_of(check, environment):
        yield f"needs the variable {variable} with a token: set it in GitLab for this environment"
    if check.command and sys.platform != "linux":
        yield "runs a command, which needs Linux: run it in a CI job or a container"
    program = check.command[0] if check.command else ""
    if program and "{{" not in program and not _can_be_started(program, environment):
        if Path(program).is_file():
            yield f"{program} is not executable: git update-index --chmod=+x {program}"
        else:
            yield f"{program} is not there (looked in {Path.cwd()})"


def _can_be_started(program: str, environment: Mapping[str, str]) -> bool:
    return shutil.which(program, path=environment.get("PATH")) is not None


def rights(checks: Mapping[str, Check], *, service: bool) -> Rights:
    """The rights in the workload's namespace that the checks need beside the release's own.

    `service`: whether the tracks have a Service of their own (`Target.service`).
    """
    needed: set[tuple[str, str]] = set()
    for check in checks.values():
        if check.http and check.http.path:
            needed |= {("get", "services/proxy")} if service else {("get", "pods/proxy"), ("list", "pods")}
        if check.job:
            needed |= {(verb, "jobs.batch") for verb in ("create", "get", "delete")}
            needed |= {("list", "pods"), ("get", "pods/log")}
    return frozenset(needed)
