"""A workload's secret environment: an immutable Secret per content, so that a release keeps the values it ran with."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from pulumi_slipway.release.manifests import Subject
from pulumi_slipway.settings import FromEnv
from pulumi_slipway.source.content import secret_digest


@dataclass(frozen=True)
class Content:
    """A Secret by name; `data` (base64 values) is None where its content is not known to this run."""

    name: str
    data: Mapping[str, str] | None = field(repr=False)


def values(
    declared: Mapping[str, SecretStr | FromEnv], environment: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """The values by key, and the names of the job's variables that are missing."""
    found: dict[str, str] = {}
    missing: list[str] = []
    for key, source in declared.items():
        if isinstance(source, SecretStr):
            found[key] = source.get_secret_value()
        elif environment.get(source.from_env):
            found[key] = environment[source.from_env]
        else:
            missing.append(source.from_env)
    return found, missing


def content(subject: Subject, values: Mapping[str, str]) -> Content:
    """The Secret for these values; the same values give the same name."""
    digest = secret_digest(values, f"{subject.namespace}/{subject.name}")
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return Content(f"{subject.name}-env-{digest}", data)
