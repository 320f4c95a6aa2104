"""The program of a stack: what its file names is built."""

import pulumi

from pulumi_slipway.components import program


def run() -> None:
    """Builds what the stack's file names; mistakes in it are told in one line each, all at once.

    - `slipway:access`: an administrator's stack: namespaces, deploy identities, tokens, GitLab's variables.
    - `slipway:environment` with `slipway:workloads`: a CI job's stack: the workloads of one environment and their
      releases.
    """
    program.run(_build)


def _build() -> None:
    # Each stack loads only what it builds.
    from pulumi_slipway.settings.load import load  # noqa: PLC0415

    stack = load()
    if stack.access:
        from pulumi_slipway.components.access import Access, AccessArgs  # noqa: PLC0415

        pulumi.export("access", Access("access", AccessArgs(stack.access)).summary)
    if stack.environment:
        from pulumi_slipway.components.environment import Environment, EnvironmentArgs  # noqa: PLC0415

        args = EnvironmentArgs(settings=stack)
        pulumi.export("workloads", Environment(stack.environment.name, args).summary)
