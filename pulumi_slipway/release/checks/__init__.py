"""The checks of a release: measured while it is on its way, they decide whether it goes on.

Argo Rollouts calls it an analysis. `run` measures; `missing` and `rights` say beforehand what that needs.
"""

import os
from collections.abc import Callable, Mapping

import httpx2
from lightkube import Client

from pulumi_slipway.release.checks.analysis import Analysis
from pulumi_slipway.release.checks.clock import Clock, RealClock
from pulumi_slipway.release.checks.kinds import measure, secrets
from pulumi_slipway.release.checks.model import Measurement, Status, Target, Verdict
from pulumi_slipway.release.checks.needs import missing, rights
from pulumi_slipway.settings.checks import Check

__all__ = ["Measurement", "Status", "Target", "Verdict", "missing", "rights", "run"]


def _nobody(_: Measurement) -> None:
    """Nobody wants to know."""


def run(
    client: Client,
    checks: Mapping[str, Check],
    target: Target,
    *,
    seconds: float | None,
    prometheus: str | None,
    tell: Callable[[str], None],
    measured: Callable[[Measurement], None] = _nobody,
    environment: Mapping[str, str] = os.environ,
    clock: Clock | None = None,
) -> tuple[Verdict, ...]:
    """Measures the target with all checks at the same time, and returns one verdict for each, in their order.

    `seconds`: measure for so long, as in a canary's pause, with each check's `count` as an upper bound; without checks
    it is just a wait. None: until each check has its `count`, by default 1. The first check that comes to an end other
    than Successful ends all at once: a program that runs is killed, a Job deleted.

    `tell` gets a line and `measured` the whole of each measurement as it comes, both in the caller's thread;
    `prometheus` is the address for checks that name none. Nothing that happens to a measurement is raised: what can't
    be measured is an Error.
    """
    with httpx2.Client() as web:  # proxies and certificates as the environment says
        measures = {
            name: (
                check,
                measure(name, check, target, client=client, web=web, prometheus=prometheus, environment=environment),
            )
            for name, check in checks.items()
        }
        hidden = secrets(checks, environment)
        return Analysis(measures, seconds, tell, measured, hidden, clock or RealClock()).run()
