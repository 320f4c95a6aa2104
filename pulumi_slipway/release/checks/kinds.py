"""From a check's settings to what measures it."""

from collections.abc import Mapping

import httpx2
from lightkube import Client

from pulumi_slipway.release.checks.analysis import Measure
from pulumi_slipway.release.checks.command import CommandCheck
from pulumi_slipway.release.checks.http import HttpCheck
from pulumi_slipway.release.checks.job import JobCheck
from pulumi_slipway.release.checks.model import Target
from pulumi_slipway.release.checks.prometheus import PrometheusCheck
from pulumi_slipway.settings.checks import Check


def measure(
    name: str,
    check: Check,
    target: Target,
    *,
    client: Client,
    web: httpx2.Client,
    prometheus: str | None,
    environment: Mapping[str, str],
) -> Measure:
    """What takes this check's measurements."""
    if check.http:
        token = token_of(check, environment)
        return HttpCheck(check.http, target, client, web, check.timeout, token)
    if check.prometheus:
        token, address = token_of(check, environment), check.prometheus.address or prometheus
        return PrometheusCheck(check.prometheus, target, web, check.timeout, address, token)
    if check.job:
        return JobCheck(name, check.job, target, client, check.timeout)
    return CommandCheck(check.command or (), target, check.timeout, environment)


def token_variable(check: Check) -> str | None:
    """The variable that this check takes a bearer token from."""
    asks = check.http or check.prometheus
    return asks.token_from_env if asks else None


def token_of(check: Check, environment: Mapping[str, str]) -> str | None:
    """The check's bearer token; the line's end that a variable of type file brings along is none of it."""
    variable = token_variable(check)
    return environment.get(variable, "").strip() or None if variable else None


def secrets(checks: Mapping[str, Check], environment: Mapping[str, str]) -> list[str]:
    """What must not be shown: the checks' tokens, and what of the job's environment a command does not get."""
    tokens = [token_of(check, environment) for check in checks.values()]
    withheld = [environment.get(name) for name in ("PULUMI_ACCESS_TOKEN", "PULUMI_CONFIG_PASSPHRASE", "GITLAB_TOKEN")]
    # Each part too: an error's text shows a token that is broken into lines in Python's spelling.
    return [part for value in (*tokens, *withheld) if value for part in {value, *value.split()}]
