"""Installs what the tests of the pipeline need; errors are one line on stderr, and exit status 1."""

import sys

from sandbox import runner, tools
from sandbox.display import Display
from sandbox.errors import SandboxError


def main() -> int:
    """Nothing to do takes a tenth of a second."""
    display = Display()
    try:
        with display.building() as report:
            tools.prepare(report, display.say, tests=True)
        runner.install()
    except SandboxError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
