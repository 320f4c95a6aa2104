"""Keeps a source within the project: a branch brings its files, and a link in them can lead to what only the job has.

`/proc/self/environ` for one, rendered into a ConfigMap by a chart's `.Files.Get`.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import yaml

from pulumi_slipway.source.rendered import SourceError

MOST = 20_000
"""Files of one source."""
KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_REFERS = ("resources", "bases", "components", "crds", "configurations", "generators", "transformers", "validators")


def project() -> tuple[Path, ...]:
    """Where the project's files are: in a job's workspace (pipeline/stack_files.py) they are links to them."""
    return Path.cwd().resolve(), Path("Pulumi.yaml").resolve().parent


def inside(prefix: str, path: Path) -> None:
    """Raises SourceError where a file, or anything in a directory, is not below the project's directory."""
    roots = project()
    for count, one in enumerate(_walked(path)):
        target = one.resolve()
        if not any(map(target.is_relative_to, roots)):
            leads = f"leads to {target}" if one.is_symlink() else "is"
            raise SourceError(
                f"{prefix}: {one} {leads} outside of the project ({roots[-1]}): sources stay inside: put the file there"
            )
        if target.exists() and not (target.is_file() or target.is_dir()):
            raise SourceError(f"{prefix}: {one} is neither a file nor a directory: take it out")
        if count >= MOST:
            raise SourceError(f"{prefix}: {path} has more than {MOST} files: name the directory of the source alone")


def bases(prefix: str, directory: Path, seen: frozenset[Path] = frozenset()) -> None:
    """The same for a kustomization and the directories that it builds upon."""
    here = directory.resolve()
    if here in seen:
        return  # in a circle, which kustomize refuses
    inside(prefix, directory)
    for name in KUSTOMIZATIONS:
        if (here / name).is_file():
            for other in _referred(here / name):
                if (here / other).exists():
                    inside(prefix, here / other)
                    if (here / other).is_dir():
                        bases(prefix, here / other, seen | {here})


def _walked(path: Path) -> Iterator[Path]:
    yield path
    for folder, folders, files in os.walk(path):
        yield from (Path(folder, name) for name in (*folders, *files))


def _referred(file: Path) -> Iterator[str]:
    try:
        found = yaml.safe_load(file.read_text())
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        return  # kustomize says what is wrong with it
    for key in _REFERS if isinstance(found, dict) else ():
        named = found.get(key)
        yield from (it for it in (named if isinstance(named, list) else ()) if isinstance(it, str) and "\n" not in it)
