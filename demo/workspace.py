"""A copy of the program's stacks to work on, so that a demo never writes into the checkout."""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
PROGRAM = ("__main__.py", "pulumi_slipway")
VENV = CHECKOUT / ".venv-program"
"""What the program needs and nothing else, as a user's project has it."""
STACK_FILES = ("Pulumi.yaml", "Pulumi.access.yaml", "Pulumi.staging.yaml", "Pulumi.production.yaml")


def link_program(directory: Path) -> None:
    """The program and its environment, as links."""
    for link, target in {**{name: CHECKOUT / name for name in PROGRAM}, ".venv": VENV}.items():
        (directory / link).unlink(missing_ok=True)
        (directory / link).symlink_to(target)


class CommandFailed(Exception):
    """A command ended with an error; the text is the end of its output."""


class Workspace:
    """A Pulumi project: the program by links, the stack files as copies that `pulumi` may write to."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        link_program(directory)
        for name in STACK_FILES:
            (directory / name).write_text((CHECKOUT / name).read_text())

    def run(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        secret: str | None = None,
        tell: Callable[[str], None] = lambda line: None,
    ) -> str:
        """Runs a command here and returns its output; `tell` gets each line as it comes, `secret` goes to its input.

        Raises CommandFailed with the last lines of the output.
        """
        with subprocess.Popen(
            command,
            cwd=self.directory,
            env=dict(env if env is not None else os.environ),
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
