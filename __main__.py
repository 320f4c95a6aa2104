"""Slipway: from GitLab to Kubernetes. A stack builds what its config names.

- `slipway:access`: an administrator's stack: namespaces, deploy identities, tokens, GitLab's variables.
- `slipway:environment` with `slipway:workloads`: a CI job's stack: the workloads of one environment and their releases.
"""

import pulumi

from components.program import run
from settings.load import load


def main() -> None:
    """Reads the settings and builds what they name."""
    stack = load()
    if stack.access:
        from components.access import Access, AccessArgs  # noqa: PLC0415  each stack loads only what it builds

        pulumi.export("access", Access("access", AccessArgs(stack.access)).summary)
    if stack.environment:
        from components.environment import Environment, EnvironmentArgs  # noqa: PLC0415

        args = EnvironmentArgs(stack.environment, stack.workloads, stack.run)
        pulumi.export("workloads", Environment(stack.environment.name, args).summary)


run(main)
