"""Puts a whole state in the place of a damaged one: a full disk, or a machine that lost its power, cuts a file off.

The engine of a file backend keeps the state before the last write beside it (`.bak`), and the state after each run in
the stack's history. What the cluster has beyond them the next `up` finds by names and labels (docs/state.md).
"""

import gzip
import json
import os
import zlib
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from pulumi_slipway.core.errors import UserError
from pulumi_slipway.pipeline import engine

SUFFIXES = (".json", ".json.gz")


class NotRestored(UserError):
    """The state is left as it is; the text says why, and what to do."""


def restore(project: Path, stack: str) -> str:
    """Restores the stack's state in a file backend; gives what was done, for people. Raises NotRestored.

    The damaged file is kept beside it as `<file>.damaged`.
    """
    base, name = _backend(project) / ".pulumi", _name(project)
    own = base / "stacks" / name
    file = next((it for end in SUFFIXES if (it := own / (stack + end)).exists()), own / f"{stack}.json")
    if file.exists() and whole(file, name, stack):
        raise NotRestored(f"the state of stack {stack} is whole ({file}): there is nothing to restore")
    if [*(base / "locks").glob(f"*/{name}/{stack}/*")]:
        raise NotRestored(
            f"stack {stack} is locked: wait for the run that is at work; where it was killed, `pulumi cancel --stack "
            f"{stack}` first"
        )
    kept = [own / f"{stack}{end}.bak" for end in SUFFIXES]
    found = (base / "history" / name / stack).glob(f"{stack}-*.checkpoint.json*")
    kept += sorted(found, key=lambda it: it.name, reverse=True)
    good = next(((it, state) for it in kept if it.exists() and (state := whole(it, name, stack))), None)
    if good is None:
        raise NotRestored(
            f"stack {stack}: neither {kept[0]} nor its history has a whole state: take one from a backup of that "
            f"folder, or remove {file} and run `up`, which takes over what is in the cluster"
        )
    source, state = good
    _put(file, json.dumps(state).encode())
    resources = state["checkpoint"].get("latest", {}).get("resources") or []
    at = datetime.fromtimestamp(source.stat().st_mtime, UTC).isoformat(timespec="seconds")
    return (
        f"stack {stack}: restored from {source} of {at}, {len(resources)} resources; the damaged one is now "
        f"{file.name}.damaged. Look with `pulumi preview --stack {stack}`, then run `up`: it finds what is newer"
    )


def whole(file: Path, project: str, stack: str) -> dict[str, Any] | None:
    """The stack's state out of a file of the backend; None where it is cut off, or another stack's."""
    content = file.read_bytes()
    try:
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
        state = json.loads(content)
        named = str(state["checkpoint"]["stack"]).split("/")[-2:]
    except (EOFError, KeyError, OSError, RecursionError, TypeError, ValueError, zlib.error):
        return None
    return state if named == [project, stack] else None


def _backend(project: Path) -> Path:
    """The directory of the backend in use; raises NotRestored for one that is no directory."""
    url = str(json.loads(engine.read(["whoami", "--json"], directory=project))["url"])
    if not url.startswith("file://"):
        raise NotRestored(
            f"the state is kept at {urlsplit(url).scheme}://…, not in files: with that store's own tool copy the "
            "object .pulumi/stacks/<project>/<stack>.json.bak over the one without .bak, or take an older version of it"
        )
    path = url.removeprefix("file://").partition("?")[0]
    return (project / Path(path).expanduser()).resolve()


def _name(project: Path) -> str:
    return str(yaml.safe_load((project / "Pulumi.yaml").read_text())["name"])


def _put(file: Path, content: bytes) -> None:
    """Writes it whole or not at all."""
    draft, packed = file.with_name(f"{file.name}.draft"), file.suffix == ".gz"
    try:
        with draft.open("wb") as out:
            draft.chmod(0o600)
            out.write(gzip.compress(content) if packed else content)
            out.flush()
            os.fsync(out.fileno())
        if file.exists():
            file.replace(file.with_name(f"{file.name}.damaged"))
        draft.replace(file)
    except OSError as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise NotRestored(f"{file}: {error.strerror or error}: nothing was changed: make room there first") from None
