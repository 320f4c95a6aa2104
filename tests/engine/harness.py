"""Runs the program through the real engine on the sandbox's cluster, and keeps everything that it did."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from demo.workspace import CHECKOUT, link_program

RUN_SECONDS = 180
"""A run that takes longer hangs: its tree is killed, and the test fails with what it had said."""

RATE = 600 if os.environ.get("SLIPWAY_SOAK") else 150
"""New connections a second. Three tests at once at 600 would keep two cores busy with nothing else."""

SILENT = ("SLIPWAY_IMAGE", "SLIPWAY_ACTION", "CI_", "GITLAB_USER_")
"""Beginnings of the variables that steer a run: the caller's own must not."""

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What a finished run of `pulumi` left behind; `status` is negative where a signal ended it."""

    command: tuple[str, ...]
    status: int
    stdout: str
    stderr: str
    seconds: float
    event_log: Path = field(repr=False)

    @property
    def output(self) -> str:
        """All that a person sees."""
        return self.stdout + self.stderr

    @cached_property
    def events(self) -> tuple[dict[str, Any], ...]:
        """The engine's events; a killed engine may have left half a line, which is passed over."""
        found = []
        for line in self.event_log.read_text().splitlines() if self.event_log.exists() else ():
            with suppress(ValueError):
                found.append(json.loads(line))
        return tuple(found)

    @property
    def changes(self) -> dict[str, int]:
        """Operations by kind as the engine's summary counts them (`create`, `update`, `same` …)."""
        found = [
            dict(event["summaryEvent"].get("resourceChanges") or {}) for event in self.events if "summaryEvent" in event
        ]
        return found[-1] if found else {}

    def operations(self, kind: str = "") -> list[tuple[str, str]]:
        """Operation and resource name of what was changed, in order; `kind` is the end of the resource type."""
        metadata = [event["resOutputsEvent"]["metadata"] for event in self.events if "resOutputsEvent" in event]
        return [
            (step["op"], step["urn"].rpartition("::")[2])
            for step in metadata
            if step["op"] != "same" and step["type"].endswith(kind)
        ]

    @property
    def messages(self) -> tuple[str, ...]:
        """The lines of the diagnostics, each once, without their severity."""
        found = [event["diagnosticEvent"] for event in self.events if "diagnosticEvent" in event]
        texts = [each["message"] for each in found if each["severity"] != "debug"]
        lines = [line.removeprefix("error: ").removeprefix("warning: ") for text in texts for line in text.splitlines()]
        return tuple(dict.fromkeys(line for line in lines if line.strip()))

    def expect(self, status: int = 0) -> "Outcome":
        """Itself, where the run ended so; else an AssertionError with all that it said."""
        assert self.status == status, f"{' '.join(self.command)}: exit {self.status}, not {status}:\n{self.output}"
        return self


class Running:
    """A run that goes on while the test does something else; it has a session of its own, so that its tree is known."""

    def __init__(self, command: Sequence[str], project: "Project", environ: Mapping[str, str], log: Path) -> None:
        self.command, self.log, self._began = tuple(command), log, time.monotonic()
        self._out, self._err = log.with_suffix(".out"), log.with_suffix(".err")
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = subprocess.Popen(
                command,
                cwd=project.directory,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @property
    def ended(self) -> bool:
        """Whether it has come to its end."""
        return self.process.poll() is not None

    def wait(self, seconds: float = RUN_SECONDS) -> Outcome:
        """Waits for its end; one that takes too long is killed with its tree, and says so."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"no end after {seconds} s:\n{self.outcome().output}") from None
        return self.outcome()

    def outcome(self) -> Outcome:
        """What it has left so far."""
        status = self.process.poll()
        seconds = time.monotonic() - self._began
        return Outcome(
            self.command,
            -signal.SIGCONT if status is None else status,
            self._out.read_text(),
            self._err.read_text(),
            seconds,
            self.log,
        )

    def kill(self, *, engine_only: bool = False) -> Outcome:
        """`kill -9` of the whole tree at once, or of the engine alone, as the kernel would when out of memory."""
        for pid in [self.process.pid] if engine_only else self.tree():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(10)
        deadline = time.monotonic() + 20
        while self.tree() and time.monotonic() < deadline:  # plugins notice that their engine is gone
            time.sleep(0.05)
        return self.outcome()

    def tree(self) -> list[int]:
        """Process ids of its session: the engine gives each plugin a process group of its own, but no session."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                fields = stat.read_text().rpartition(") ")[2].split()
                if int(fields[3]) == self.process.pid and fields[0] != "Z":
                    found.append(int(stat.parent.name))
        return found


_made: dict[tuple[Path, str], tuple[Any, dict[Path, bytes]]] = {}


def _initialised(stack: str, project: "Project") -> tuple[Any, dict[Path, bytes]]:
    """The stack file and the files of the state that `pulumi stack init` makes: once for each name, half a second."""
    key = project.program, stack
    if key not in _made:
        project.pulumi("stack", "init", stack).expect()
        state = {it.relative_to(project.backend): it.read_bytes() for it in project.backend.rglob("*") if it.is_file()}
        _made[key] = yaml.safe_load(project.stack_file.read_text()), state
    return _made[key]


class Project:
    """A Pulumi project of its own: the program by links, a stack file per test, a state backend in a directory.

    `program`: the folder with the program's `__main__.py` and `Pulumi.yaml`.
    """

    def __init__(
        self,
        directory: Path,
        stack: str = "staging",
        environ: Mapping[str, str] | None = None,
        program: Path = CHECKOUT,
    ) -> None:
        self.directory, self.stack, self.program = directory / "project", stack, program
        self.backend, self._runs = directory / "state", directory / "runs"
        for folder in (self.directory, self.backend, self._runs):
            folder.mkdir(parents=True, mode=0o700)
        link_program(self.directory)
        (self.directory / "__main__.py").unlink()
        for file in ("__main__.py", "Pulumi.yaml"):
            (self.directory / file).symlink_to(program / file)
        home = directory / "home"
        home.mkdir()
        (home / "plugins").symlink_to(Path(os.environ["PULUMI_HOME"]) / "plugins")
        passphrase = directory / "passphrase"
        passphrase.touch(mode=0o600)
        passphrase.write_text("a passphrase for tests\n")
        self.environ = {key: value for key, value in os.environ.items() if not key.startswith(SILENT)} | {
            "PULUMI_BACKEND_URL": f"file://{self.backend}?metadata=skip",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(passphrase),
            "PULUMI_HOME": str(home),
            "PULUMI_DEBUG_COMMANDS": "true",  # else there is no --event-log
            **(environ or {}),
        }
        self._count = 0
        self._salt, state = _initialised(stack, self)
        for name, content in state.items():
            file = self.backend / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)

    @property
    def stack_file(self) -> Path:
        """The stack's config."""
        return self.directory / f"Pulumi.{self.stack}.yaml"

    def configure(self, config: Config | str) -> "Project":
        """Writes the stack file: `slipway:*` blocks as a mapping or as YAML; what was in it is gone."""
        blocks = config if isinstance(config, str) else yaml.safe_dump(dict(config), sort_keys=False)
        indented = "".join(f"  {line}\n" for line in blocks.strip("\n").splitlines())
        self.stack_file.write_text(f"{yaml.safe_dump(self._salt)}config:\n{indented}")
        return self

    def secret(self, path: str, value: str) -> "Project":
        """Puts an encrypted value into the stack file; `path` is like `slipway:access.registry.password`."""
        command = ["pulumi", "config", "set", "--stack", self.stack, "--secret", "--path", path]
        done = subprocess.run(
            command,
            cwd=self.directory,
            env=self.environ,
            input=value,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return self

    def up(self, *flags: str, **environ: str) -> Outcome:
        """`pulumi up` without a preview before it, with these variables over the project's own."""
        return self.up_async(*flags, **environ).wait()

    def up_async(self, *flags: str, **environ: str) -> Running:
        """`pulumi up` that goes on while the test does something else, to be waited for or killed."""
        return self._run("up", "--yes", "--skip-preview", *flags, environ=environ)

    def preview(self, *flags: str, **environ: str) -> Outcome:
        """`pulumi preview`."""
        return self._run("preview", *flags, environ=environ).wait()

    def destroy(self, *flags: str, **environ: str) -> Outcome:
        """`pulumi destroy`."""
        return self._run("destroy", "--yes", "--skip-preview", *flags, environ=environ).wait()

    def refresh(self, *flags: str, **environ: str) -> Outcome:
        """`pulumi refresh`."""
        return self._run("refresh", "--yes", "--skip-preview", *flags, environ=environ).wait()

    def cancel(self) -> Outcome:
        """`pulumi cancel`: lifts the lock that a killed run has left."""
        return self.pulumi("cancel", "--yes", "--stack", self.stack)

    def pulumi(self, *arguments: str, environ: Mapping[str, str] | None = None) -> Outcome:
        """Any other command of Pulumi."""
        return self._start(["pulumi", *arguments, "--non-interactive", "--color", "never"], environ or {}).wait()

    def state(self) -> dict[str, Any]:
        """The stack's state as `pulumi stack export` gives it; secrets stay encrypted."""
        exported = self.pulumi("stack", "export", "--stack", self.stack).expect()
        deployment: dict[str, Any] = json.loads(exported.stdout)["deployment"]
        return deployment

    def resources(self, kind: str = "") -> list[dict[str, Any]]:
        """The resources in the state whose type ends so."""
        return [resource for resource in self.state().get("resources", []) if resource["type"].endswith(kind)]

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs."""
        shown = self.pulumi("stack", "output", "--json", "--stack", self.stack).expect()
        outputs: dict[str, Any] = json.loads(shown.stdout)
        return outputs

    def written(self) -> Iterator[tuple[Path, bytes]]:
        """Every file that a run has written (state, history, backups, outputs, event logs), and what is in it."""
        for folder in (self.backend, self._runs):
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    yield path, path.read_bytes()

    def _run(self, command: str, *flags: str, environ: Mapping[str, str]) -> Running:
        full = ["pulumi", command, "--stack", self.stack, "--non-interactive", "--color", "never", *flags]
        return self._start(full, environ, logged=True)

    def _start(self, command: Sequence[str], environ: Mapping[str, str], *, logged: bool = False) -> Running:
        self._count += 1
        log = self._runs / f"{self._count:03d}-{command[1]}.events"
        events = ["--event-log", str(log)] if logged else []
        return Running([*command, *events], self, {**self.environ, **environ}, log)


def app(**settings: Any) -> dict[str, Any]:
    """The sample app as a workload's settings: small, quick to become ready, lossless; `settings` go over it."""
    defaults: dict[str, Any] = {
        "replicas": 2,
        "probe": {"path": "/healthz", "period": "1s"},
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "500m", "memory": "64Mi"}},
        "progressDeadline": "60s",
    }
    return {key: value for key, value in {**defaults, **settings}.items() if value is not None}


def stack(namespace: str, **workloads: Config) -> dict[str, Any]:
    """The blocks of a stack that deploys these workloads (`my_app` becomes `my-app`) to a namespace of the sandbox."""
    return {
        "slipway:environment": {"name": "staging", "namespace": namespace, "imagePullSecret": "gitlab-registry"},
        "slipway:workloads": {name.replace("_", "-"): dict(settings) for name, settings in workloads.items()},
    }


@contextmanager
def within(seconds: float, what: str) -> Iterator[None]:
    """Fails where the block took longer; twice as long is allowed where other tests run beside it."""
    limit = seconds * (2 if "PYTEST_XDIST_WORKER" in os.environ else 1)
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    assert took <= limit, f"{what} took {took:.1f} s, more than {limit} s"
