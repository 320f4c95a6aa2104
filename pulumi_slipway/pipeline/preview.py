"""`pulumi preview` for a merge request: read-only, without state backend or passphrase; report, table, note."""

import json
import os
import secrets
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pulumi_slipway.cluster import client as cluster
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.pipeline import engine, note, snapshot, stack_files
from pulumi_slipway.pipeline.digest import Digest, digest
from pulumi_slipway.pipeline.project import NOTE_TOKEN, connect

KEPT_FROM_THE_PREVIEW = ("PULUMI_ACCESS_TOKEN", "AWS_SECRET_ACCESS_KEY", "PULUMI_CONFIG_PASSPHRASE_FILE")


def preview(project: Path, stack: str, out: Path) -> Digest:
    """Previews a stack; writes `<stack>.json` (for the note) and `<stack>.report.json` (the counts) to `out`."""
    out.mkdir(parents=True, exist_ok=True)
    found = _previewed(project, stack)
    (out / f"{stack}.json").write_text(json.dumps(found.as_data(), indent=1))
    (out / f"{stack}.report.json").write_text(json.dumps(found.counts))
    return found


def _previewed(project: Path, stack: str) -> Digest:
    file = stack_files.load(project, stack)
    where = stack_files.environment(file)
    if where is None:
        raise stack_files.StackFileError(
            f"Pulumi.{stack}.yaml: has no {stack_files.ENVIRONMENT}: only stacks of an environment have a read-only "
            "identity to preview with; the access stack is previewed by an administrator"
        )
    client = cluster.connect()
    with cluster.as_preflight_error(client):
        state = snapshot.read(client, where[1], stack)
    text = stack_files.for_preview(file)
    with (
        stack_files.workspace(project, stack, text) as directory,
        TemporaryDirectory(prefix="slipway-state-") as folder,
    ):
        environ = _environ(os.environ, Path(folder))
        engine.read(["stack", "init", stack], directory=directory, environ=environ)
        if state is not None:
            # The import wants to know what to encrypt with, though there is nothing encrypted (without it: a panic).
            made = json.loads(engine.read(["stack", "export", "--stack", stack], directory=directory, environ=environ))
            state["deployment"]["secrets_providers"] = made["deployment"]["secrets_providers"]
            copy = Path(folder) / "import.json"
            copy.write_text(json.dumps(state))
            engine.read(
                ["stack", "import", "--stack", stack, "--file", str(copy)], directory=directory, environ=environ
            )
        ended = engine.captured(["preview", "--json", "--stack", stack], directory=directory, environ=environ)
    found = of_run(stack, ended)
    if state is not None or found.error:
        return found
    unknown = f"everything is shown as new: no job has left its state in namespace {where[1]} yet, as `slipway up` does"
    return replace(found, notices=(unknown, *found.notices))


def of_run(stack: str, ended: "subprocess.CompletedProcess[str]") -> Digest:
    """The digest of a finished `pulumi preview --json`, or why it gave none."""
    try:
        shown = json.loads(ended.stdout)
    except ValueError:
        return Digest(stack, error=engine.reason(ended.stderr or ended.stdout))
    if ended.returncode:
        return Digest(stack, error=_reason(shown, ended.stderr))
    return digest(stack, shown)


def _environ(given: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The job's variables with a state and a passphrase of this preview's own, both gone when it ends."""
    kept = {key: value for key, value in given.items() if key not in KEPT_FROM_THE_PREVIEW}
    return kept | {"PULUMI_BACKEND_URL": f"file://{folder}", "PULUMI_CONFIG_PASSPHRASE": secrets.token_hex(16)}


def _reason(shown: Mapping[str, Any], output: str) -> str:
    """Why there is no preview: the program's own lines, which name no value (settings/render.py)."""
    # The engine calls what the program ends with an error `info#err`; the message says it.
    said = [" ".join(str(d["message"]).split()) for d in shown.get("diagnostics") or ()]
    errors = [line.removeprefix("error: ") for line in said if line.startswith("error: ")]
    return "; ".join(dict.fromkeys(errors)) or engine.reason(output)


def table(found: Digest) -> str:
    """The preview for the job's log."""
    if found.error is not None:
        return f"{found.stack}: no preview: {found.error}"
    lines = [
        f"{found.stack}: " + (", ".join(f"{n} to {what}" for what, n in found.counts.items() if n) or "no changes")
    ]
    for change in found.changes:
        lines.append(f"  {change.operation:8} {change.kind} {change.name}")
        lines += [f"             {field}" for field in change.fields]
    return "\n".join([*lines, *(f"  {notice}" for notice in found.notices)])


def put_note(folder: Path, environ: Mapping[str, str] = os.environ) -> str:
    """Writes one note from all previews in `folder`; returns what was done, for people."""
    files = [it for it in sorted(folder.glob("*.json")) if not it.name.endswith(".report.json")]
    digests = [Digest.of_file(it) for it in files]
    if not digests:
        raise UserError(f"there is no preview in {folder}: run `slipway preview --stack …` before, once a stack")
    text = note.body(digests, environ.get("CI_PIPELINE_URL", ""), environ.get("CI_COMMIT_SHORT_SHA", ""))
    (folder / "note.md").write_text(text)
    numbers, project = merge_requests(environ), connect(NOTE_TOKEN, environ)
    if project is None or not numbers:
        missing = "CI_MERGE_REQUEST_IID" if project else f"{NOTE_TOKEN} (docs/security.md)"
        return f"no note written, {missing} is not set; its text is in {folder / 'note.md'}"
    return "\n".join(f"note on !{number} {project.put_note(number, note.MARK, text)}" for number in numbers)


def merge_requests(environ: Mapping[str, str]) -> list[int]:
    """The merge requests that this pipeline is about: its own; in a branch's, the open ones of it in this project."""
    if (number := environ.get("CI_MERGE_REQUEST_IID", "")).isdecimal():
        return [int(number)]
    named = (it.strip().rpartition("!") for it in environ.get("CI_OPEN_MERGE_REQUESTS", "").split(","))
    own = environ.get("CI_PROJECT_PATH", "").lower()
    return [int(number) for path, _, number in named if path.lower() == own and number.isdecimal()]
