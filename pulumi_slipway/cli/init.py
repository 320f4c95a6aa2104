"""The command `init`: asks what a project needs to know, and writes the files that are not there yet."""

import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.markup import escape
from rich.prompt import Prompt

from pulumi_slipway.cli.starter_files import CI_FILE, COMPONENTS, STRATEGIES, Answers, render
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.pipeline.stack_files import REVIEWED_LENGTH
from pulumi_slipway.settings.access import PROJECT
from pulumi_slipway.settings.types import DnsLabel, HostName, WorkloadName
from pulumi_slipway.version import VERSION

console = Console(highlight=False, soft_wrap=True)

Given = Mapping[str, str | None]
"""What the command line says, by the names of QUESTIONS; None: nothing."""


def init(given: Given, directory: Path, *, ask: bool) -> None:
    """Writes a project into `directory`, and the pipeline's file into the working directory, the repository's root.

    With `ask` for what is not given it asks on the terminal, else it takes the defaults. A file that is there is kept
    as it is. Raises UserError for a value that can't be, and where nothing may be written.
    """
    if directory.is_absolute() or ".." in directory.parts:
        raise UserError(f"--directory {directory}: must be a path below the repository's root, where this is run")
    answers = answered(given, directory, ask=ask)
    written, kept = write(render(answers), directory)
    _tell(answers, directory, written, kept)


def answered(given: Given, directory: Path, *, ask: bool = False) -> Answers:
    """The answers: given, asked for, or the defaults; what follows from an answer (the workload's name) comes after."""
    found: dict[str, str] = {}
    for name, (question, default, check) in QUESTIONS.items():
        value = given[name]
        if value is None and ask:
            value = _asked(question, default(found), check)
        elif value is None:
            value = default(found)
        try:
            check(value)
        except ValueError as error:
            raise UserError(f"--{name.replace('_', '-')} {value!r}: {error}") from None
        found[name] = value
    text = f"Ships {found['workload']} from GitLab to Kubernetes"
    return Answers(**found, description=text, directory=directory.as_posix())


def write(texts: Mapping[str, str], directory: Path) -> tuple[list[Path], list[Path]]:
    """Writes the files that are not there; returns which were written, and which were kept."""
    written, kept = [], []
    for name, text in texts.items():
        file = Path(name) if name == CI_FILE else directory / name
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8") as new:
                new.write(text)
        except FileExistsError:
            kept.append(file)
        except OSError as error:
            raise UserError(f"{file}: can't be written ({error.strerror}): choose another --directory") from None
        else:
            written.append(file)
    return written, kept


def _lacking(file: Path) -> str:
    """What a file that was there already needs, as far as it can be seen."""
    text = file.read_text(errors="replace")
    match file.name:
        case "requirements.txt" if "pulumi-slipway" not in text:
            return f": add pulumi-slipway=={VERSION}"
        case "Pulumi.yaml" if not re.search(r"^runtime:\s*(python|\n\s+name:\s*python)", text, re.MULTILINE):
            return ": its program is none in Python: give --directory, for a project of its own"
        case "__main__.py" if "pulumi_slipway" not in text:
            return ": add `from pulumi_slipway import run` and `run()`, or give --directory"
        case it if it == CI_FILE and "slipway" not in text:
            return ": add the `include` of the one that `init` writes in an empty folder"
    return ""


def _asked(question: str, default: str, check: Callable[[str], None]) -> str:
    while True:
        try:
            value = Prompt.ask(question, default=default, console=console, show_default=bool(default)).strip()
        except EOFError:
            raise UserError("no answer: nothing is written; run it again, or give --yes and flags") from None
        try:
            check(value)
        except ValueError as error:
            console.print(f"[red]{escape(str(error))}")
        else:
            return value


def _tell(answers: Answers, directory: Path, written: list[Path], kept: list[Path]) -> None:
    for file in written:
        console.print(f"[green]written[/] {file}")
    for file in kept:
        console.print(f"[yellow]kept as it is[/] {file}{escape(_lacking(file))}")
    top = next((it for it in (Path.cwd(), *Path.cwd().parents) if (it / ".git").exists()), None)
    if top and top != Path.cwd():
        console.print(escape(f"GitLab reads the {CI_FILE} of {top}, none in a folder below it: include this one there"))
    there = "" if directory == Path() else f"cd {directory}\n  "
    console.print(
        escape(f"""
Next, on your own machine:
  {there}python3 -m venv .venv && .venv/bin/pip install -r requirements.txt && . .venv/bin/activate
  slipway schema > slipway.schema.json      for your editor; git ignores it
  Pulumi.access.yaml                        is {answers.gitlab_project} the project, are the branches and URLs right?
  Pulumi.staging.yaml, Pulumi.production.yaml, Pulumi.review.yaml: port, probe, resources of {answers.workload}
  a private registry                        needs `registry` in the first, and `imagePullSecret` in the others
  {CI_FILE:<42}where your Dockerfile is, and how it is tested
  export PULUMI_BACKEND_URL=… PULUMI_CONFIG_PASSPHRASE=…   where the state is, and what encrypts it
  export KUBECONFIG=… GITLAB_BASE_URL=… GITLAB_TOKEN=…     an administrator's
  pulumi stack select --create access && pulumi up --stack access
then commit and push to `develop`: the pipeline builds, tests and deploys staging."""),
    )


# --- the questions


def _matches(pattern: str, told: str) -> Callable[[str], None]:
    def check(value: str) -> None:
        if not re.fullmatch(pattern, value):
            raise ValueError(told)

    return check


def _is(kind: Any) -> Callable[[str], None]:  # noqa: ANN401  an annotated type
    """As the settings check it, with their words."""
    adapter: TypeAdapter[str] = TypeAdapter(kind)

    def check(value: str) -> None:
        try:
            adapter.validate_python(value)
        except ValidationError as error:
            raise ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None

    return check


def _workload(value: str) -> None:
    _is(WorkloadName)(value)
    if len(value) > REVIEWED_LENGTH:
        raise ValueError(f"must have {REVIEWED_LENGTH} characters at most: review environments add theirs")


def _prefix(value: str) -> None:
    _is(DnsLabel)(f"{value}production")


def _folder_name(_: Mapping[str, str]) -> str:
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", Path.cwd().name).lstrip("-._0123456789")
    return name or "myapp"


def _workload_name(found: Mapping[str, str]) -> str:
    plain = re.sub(r"[^a-z0-9]+", "-", found["name"].lower()).strip("-")
    return plain[:REVIEWED_LENGTH].strip("-") or "myapp"


def _gitlab_project(found: Mapping[str, str]) -> str:
    """The path in the address of the remote `origin`, where there is one."""
    command = ["git", "remote", "get-url", "origin"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return f"my-group/{found['workload']}"
    remote = re.fullmatch(r"(?:\w+://[^/]+/|[^/:]+@[^/:]+:)(.+?)(?:\.git)?/?", done.stdout.strip())
    return remote[1] if remote and not done.returncode else f"my-group/{found['workload']}"


QUESTIONS: dict[str, tuple[str, Callable[[Mapping[str, str]], str], Callable[[str], None]]] = {
    "name": (
        "Name of the Pulumi project", _folder_name,
        _matches(r"[A-Za-z][\w.-]{0,99}", "must be a name of a Pulumi project: letters, digits, -_., a letter first"),
    ),
    "workload": ("Name of the workload in the cluster", _workload_name, _workload),
    "gitlab_project": (
        "GitLab project that deploys (group/app, or its number)", _gitlab_project,
        _matches(PROJECT, 'must be a project\'s path like "group/app", or its number'),
    ),
    "domain": ("Domain of production; staging is at staging.<domain>", lambda _: "example.com", _is(HostName)),
    "namespace_prefix": (
        "Namespaces are staging, production and review; a prefix before them (like `myapp-`), or nothing",
        lambda _: "", _prefix,
    ),
    "strategy": (
        f"How a release replaces the one before it ({', '.join(STRATEGIES)})", lambda _: "rolling",
        _matches("|".join(STRATEGIES), f"must be one of {', '.join(STRATEGIES)}"),
    ),
    "components": (
        "Project with Slipway's CI components", lambda _: COMPONENTS,
        _matches(r"[^\s@:]+(:\d+)?/[^\s@:]+", "must be <host>/<project>, without https:// and without a version"),
    ),
}  # fmt: skip
"""By the answer's name: the question, the default (of the answers before it), and what raises ValueError for a value
that can't be."""
