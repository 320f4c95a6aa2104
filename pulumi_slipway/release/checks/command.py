"""Check kind `command`: what does a program of the project say?"""

import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pulumi_slipway.cluster.time_limit import POLL_SECONDS, Stopped
from pulumi_slipway.release.checks import supervisor
from pulumi_slipway.release.checks.model import Reading, Status, Target
from pulumi_slipway.release.checks.wording import filled, number
from pulumi_slipway.settings.types import CREDENTIALS

INCONCLUSIVE_EXIT = 75
"""EX_TEMPFAIL of sysexits.h: "try again later"."""

KEPT_BYTES = 8192
"""Of what a program writes, from its end."""

KILL_SECONDS = 10.0
"""For the supervisor to end everything; it gives up by itself before."""


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """The job's environment as far as a command gets it.

    Left out: the pipeline's credentials, and whatever is Pulumi's. With the passphrase one reads every secret of the
    stack, and PULUMI_CONFIG, which the engine sets, has them all decrypted. KUBECONFIG stays: checks call kubectl.
    """
    return {name: value for name, value in environment.items() if not is_withheld(name)}


def is_withheld(variable: str) -> bool:
    """Whether a command does not get this variable of the job."""
    return variable.startswith("PULUMI_") or variable in CREDENTIALS


@dataclass(frozen=True)
class CommandCheck:
    """Measures by one program."""

    command: tuple[str, ...]
    target: Target
    timeout: float
    environment: Mapping[str, str]
    """The job's."""

    def __call__(self, attempt: int, stop: threading.Event) -> Reading:
        """Runs it once; when this returns or raises Stopped, no process of it is left."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                process = self._start(theirs.fileno())
            with process:
                try:
                    outcome, output = self._follow(process, ours, stop)
                finally:
                    _end(process, ours)
        text = output.decode(errors="replace")
        kind, _, detail = outcome.partition(" ")
        if kind == "start":
            return Reading(Status.ERROR, f"{self.command[0]} can not be started: {detail}")
        if kind == "overdue":
            return Reading(Status.ERROR, f"did not end within {self.timeout:g} s and was killed", output=text)
        if kind == "signal":
            return Reading(Status.FAILED, f"was ended by {_signal_name(int(detail))}", output=text)
        if kind == "exit":
            return judged(int(detail), text)
        return Reading(Status.ERROR, "was killed from outside", output=text)

    def _start(self, fd: int) -> "subprocess.Popen[bytes]":
        words = [filled(word, self.target) for word in self.command]
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(supervisor.__file__)), str(fd), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[fd],
            # A Ctrl-C at the terminal is for us; the supervisor notices that we are gone, and cleans up.
            start_new_session=True,
            env={**inherited(self.environment), **self.target.variables()},
        )

    def _follow(
        self, process: "subprocess.Popen[bytes]", ours: socket.socket, stop: threading.Event
    ) -> tuple[str, bytes]:
        """How it came out ("overdue": not in time), and what it wrote last."""
        out = process.stdout
        assert out is not None  # noqa: S101
        until, kept, watched = time.monotonic() + self.timeout, b"", [out.fileno(), ours.fileno()]
        while not stop.is_set():
            if time.monotonic() > until:
                return "overdue", kept
            ready = select.select(watched, [], [], POLL_SECONDS)[0]
            if out.fileno() in ready:
                chunk = out.read1(65536)  # type: ignore[attr-defined]
                kept = (kept + chunk)[-KEPT_BYTES:]
                if not chunk:
                    watched.remove(out.fileno())
            elif ours.fileno() in ready:  # only when nothing is left to read
                return ours.recv(4096).decode(errors="replace"), kept
        raise Stopped


def judged(code: int, output: str) -> Reading:
    """What an exit status says; shared with the Jobs."""
    value = number(output)
    ending = f"exit status {code}" + ("" if value is None else f", value {value:g}")
    if code == 0:
        return Reading(Status.SUCCESSFUL, ending, value, output)
    status = Status.INCONCLUSIVE if code == INCONCLUSIVE_EXIT else Status.FAILED
    return Reading(status, ending, value, output)


def _end(process: "subprocess.Popen[bytes]", ours: socket.socket) -> None:
    with suppress(OSError):
        ours.shutdown(socket.SHUT_RDWR)
    try:
        process.wait(KILL_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


def _signal_name(number: int) -> str:
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
