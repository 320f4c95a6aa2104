"""Runs `pulumi` so that a job that is cancelled ends it cleanly, and nothing of it outlives the job."""

import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TextIO

from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.foreign import shown

GRACE = 20.0
"""Seconds that an operation in flight may take after the first signal; a second one makes the engine give it up."""

KUBECONFIG_LINK = ".slipway-kubeconfig-"
"""What the engine knows a stack's kubeconfig by, in the directory that it runs in; the stack's name comes after it."""

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None, use_errno=True)


class PulumiFailed(UserError):
    """A run of `pulumi` that a command builds on ended with an error; the text is what it said."""


@dataclass(frozen=True)
class Ended:
    """A finished run."""

    status: int
    output: str
    """stdout and stderr as they came; secrets are masked by the engine."""
    signal: int | None = None
    """The signal by which this job was asked to end meanwhile."""

    @property
    def exit_status(self) -> int:
        """What the job ends with: as the shell has it, 128 and the signal's number, where it was asked to end."""
        return 128 + self.signal if self.signal else self.status


def run(
    arguments: Sequence[str],
    *,
    directory: Path | None = None,
    environ: Mapping[str, str] | None = None,
    tell: Callable[[str], None] = lambda line: say(line, sys.stdout, end=""),
) -> Ended:
    """`pulumi …`, its lines told as they come.

    SIGTERM and SIGINT to this process become one SIGINT to the engine: it finishes what is in flight, starts nothing
    more and gives the lock back. After GRACE seconds it gets a second one: what is in flight is then recorded as
    pending. GitLab's runner sends SIGTERM first and SIGKILL later; the engine dies with this process, whatever ends it.
    """
    command = _command(arguments)
    lines: list[str] = []
    directory = directory or Path(os.curdir)
    with (
        subprocess.Popen(
            command,
            cwd=directory,
            env=_environ(directory, environ, arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            # A session of its own: a signal to the job's process group must not reach the engine a second time.
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509  no threads here
        ) as process,
        _forwarding(process) as asked,
    ):
        for line in process.stdout or ():
            lines.append(line)
            tell(line)
        status = process.wait()
    return Ended(status, "".join(lines), asked[0] if asked else None)


def captured(
    arguments: Sequence[str], *, directory: Path | None = None, environ: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """A `pulumi` command that changes nothing in the cluster, with stdout and stderr apart."""
    directory = directory or Path(os.curdir)
    return subprocess.run(
        _command(arguments),
        cwd=directory,
        env=_environ(directory, environ, arguments),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=_die_with_parent,
    )


def read(arguments: Sequence[str], *, directory: Path | None = None, environ: Mapping[str, str] | None = None) -> str:
    """The output of a short `pulumi` command; raises PulumiFailed with what it said."""
    done = captured(arguments, directory=directory, environ=environ)
    if done.returncode:
        raise PulumiFailed(f"`pulumi {' '.join(arguments)}`: {reason(done.stderr or done.stdout)}")
    return done.stdout


def say(text: str, out: TextIO | None = None, *, end: str = "\n") -> None:
    """Prints to the job's log (`out`; default stderr), what a terminal or GitLab's log would obey as its escapes.

    A job's shell dies of the signal that asks the job to end, and the runner may stop listening then. The engine must
    be heard out still: if its output had nowhere to go, it would die of that, and leave its lock.
    """
    try:
        print(shown(text, keep="\n\t"), file=out or sys.stderr, end=end, flush=True)
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.dup2(nowhere, sys.stderr.fileno())
        os.close(nowhere)


def reason(output: str) -> str:
    """The errors out of what `pulumi` said, each once; the last line where it names none."""
    errors = re.findall(r"^\s*error: (.+)$", output, re.MULTILINE)
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return ("; ".join(dict.fromkeys(errors)) or (lines[-1] if lines else "it said nothing")) + remedy(output)


def remedy(output: str) -> str:
    """What to do about a state that the engine can't read; empty where that is not what it said."""
    if not re.search(r"^error: failed to load checkpoint: ", output, re.MULTILINE):
        return ""
    return ": its file is damaged: `slipway state restore --stack <stack>` (docs/state.md)"


def _command(arguments: Sequence[str]) -> list[str]:
    pulumi = shutil.which("pulumi")
    if pulumi is None:
        raise PulumiFailed("there is no `pulumi` on the PATH: take an image that has it, or install the Pulumi CLI")
    return [pulumi, *arguments, "--non-interactive", "--color", "never"]


def _environ(directory: Path, environ: Mapping[str, str] | None, arguments: Sequence[str]) -> dict[str, str]:
    """The variables of a run, with KUBECONFIG under a name that is the same in every job of a stack.

    The kubernetes provider keeps the path in the state. Every job has another one, so each run would update the
    provider; and a destroy, which goes by the state, would look for the file of a job that is long over (measured).
    """
    given = dict(os.environ if environ is None else environ)
    if given.get("CI"):
        _no_log(given)
    if not given.get("KUBECONFIG") or "--stack" not in arguments:
        return given
    stack = arguments[arguments.index("--stack") + 1]
    name = KUBECONFIG_LINK + stack.replace("/", "-")  # runs of two stacks may stand side by side
    target, link = Path(given["KUBECONFIG"]).resolve(), directory / name
    if link.absolute() != Path(given["KUBECONFIG"]).absolute():
        draft = link.with_name(f"{link.name}.{os.getpid()}")
        draft.symlink_to(target)
        draft.rename(link)
    return given | {"KUBECONFIG": name}


def _no_log(environ: Mapping[str, str]) -> None:
    """Keeps the engine from writing every property that it sees to a log of its own in `~/.pulumi/logs`.

    A job has no use for it, it should not lie on a runner's disk, and it costs a half of the engine's time with thirty
    workloads (measured, 3.259). No option turns it off; where it can't make the directory, it does without.
    """
    home = Path(environ.get("PULUMI_HOME") or Path(environ.get("HOME", "~")).expanduser() / ".pulumi")
    with suppress(OSError):  # a user without a home: Pulumi says it itself
        if not (home / "logs").exists():
            home.mkdir(parents=True, exist_ok=True)
            (home / "logs").touch()


@contextmanager
def _forwarding(process: "subprocess.Popen[str]") -> Iterator[list[int]]:
    """Passes the job's end on to the engine while the block runs; gives the signals that came."""
    came: list[int] = []

    def forward(number: int, _: FrameType | None) -> None:
        if number == signal.SIGALRM:
            say(f"the operation in flight takes more than {GRACE:g} s: told again to end")
        else:
            came.append(number)
            name = signal.Signals(number).name
            say(f"{name}: telling pulumi to stop after the operation in flight")
            signal.setitimer(signal.ITIMER_REAL, GRACE)
        if process.poll() is None:
            process.send_signal(signal.SIGINT)

    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)
    before = [signal.signal(number, forward) for number in numbers]
    try:
        yield came
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _die_with_parent() -> None:
    """In the child: SIGKILL when the job's process dies, so that a killed job leaves no engine at work behind it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a background job inherits it as ignored
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == 1:  # it has died meanwhile
        os._exit(1)
