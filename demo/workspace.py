"""A project of a user's, made by `slipway init` and worked on with the wheel, apart from the checkout."""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from demo.installed import CHECKOUT, PROGRAM_VENV, environment

PROGRAM = ("__main__.py", "pulumi_slipway")


def link_program(directory: Path) -> None:
    """The checkout's own program and its environment, as links: for tests of the engine."""
    for link, target in {**{name: CHECKOUT / name for name in PROGRAM}, ".venv": PROGRAM_VENV}.items():
        (directory / link).unlink(missing_ok=True)
        (directory / link).symlink_to(target)


class CommandFailed(Exception):
    """A command ended with an error; the text is the end of its output."""


class Workspace:
    """A Pulumi project as `slipway init` makes it, with an environment that has the wheel installed."""

    def __init__(self, directory: Path, *flags: str) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        (directory / ".venv").unlink(missing_ok=True)
        (directory / ".venv").symlink_to(environment())
        self.run(["slipway", "init", "--yes", *flags])

    def run(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        secret: str | None = None,
        tell: Callable[[str], None] = lambda line: None,
    ) -> str:
        """Runs a command here, with the environment's commands on the PATH, and returns its output.

        `tell` gets each line as it comes, `secret` goes to its input.
        Raises CommandFailed with the last lines of the output.
        """
        environ = dict(env if env is not None else os.environ)
        environ["PATH"] = f"{self.directory / '.venv' / 'bin'}{os.pathsep}{environ['PATH']}"
        with subprocess.Popen(
            command,
            cwd=self.directory,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdin is not None  # noqa: S101  it is a pipe
            assert process.stdout is not None  # noqa: S101  so is this
            if secret is not None:
                process.stdin.write(secret)
            process.stdin.close()
            lines = []
            for line in process.stdout:
                lines.append(line)
                if line.strip():
                    tell(line.strip())
        if process.returncode:
            errors = dict.fromkeys(line.strip() for line in lines if line.lstrip().startswith("error:"))
            said = "".join(lines[-40:]) + "\n".join(errors)  # what went wrong comes last, where it is seen
            raise CommandFailed(f"`{' '.join(command)}` exited with {process.returncode}:\n{said}")
        return "".join(lines)

    def up(self, stack: str, *, env: Mapping[str, str] | None = None, tell: Callable[[str], None]) -> None:
        """`pulumi up` of a stack, made where it isn't there yet."""
        self.run(["pulumi", "stack", "select", "--create", stack], env=env)
        self.run(["pulumi", "up", "--yes", "--skip-preview", "--stack", stack, "--color", "never"], env=env, tell=tell)
