"""Stack files that a job makes out of those in the repository; they live in a workspace that ends with the job."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from pulumi_slipway.core.action import IMAGE, variable
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.pipeline import names
from pulumi_slipway.pipeline.engine import KUBECONFIG_LINK

ACCESS, ENVIRONMENT, WORKLOADS = "slipway:access", "slipway:environment", "slipway:workloads"
WORKLOAD_LENGTH = 40
"""The longest name of a workload (settings/types.py)."""
REVIEWED_LENGTH = WORKLOAD_LENGTH - 1 - names.READABLE - 1 - names.HASH
"""The longest name of one that review environments add a branch's slug to."""
NO_SETTINGS = "config: {}\n"
"""A stack file for a job that goes by the state alone."""
NOT_HERE = "ENCRYPTED_VALUE_THAT_NO_PREVIEW_READS"
"""A job's variable that nobody sets: to a preview a value out of it is unchanged (release/prepare.py)."""

Text = dict[str, Any]


class StackFileError(UserError):
    """A stack file can't be used by this job."""


@contextmanager
def workspace(project: Path, stack: str, text: str) -> Iterator[Path]:
    """A directory with everything of the project, by links, and `text` as the stack's file."""
    with TemporaryDirectory(prefix="slipway-") as folder:  # 0700
        directory, own = Path(folder), f"Pulumi.{stack}.yaml"
        for entry in project.resolve().iterdir():
            if entry.name not in (own, ".git") and not entry.name.startswith(KUBECONFIG_LINK):
                (directory / entry.name).symlink_to(entry)
        (directory / own).write_text(text)
        yield directory


def load(project: Path, stack: str) -> Text:
    """A stack file as data; raises StackFileError where there is none or it is no YAML."""
    file = project / f"Pulumi.{stack}.yaml"
    try:
        read = yaml.safe_load(file.read_text())
    except FileNotFoundError:
        raise StackFileError(
            f"{file.name}: there is no such file in {project.resolve()}: stack {stack} needs it"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise StackFileError(f"{file.name}: is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(read, dict) or not isinstance(read.get("config"), dict):
        raise StackFileError(f"{file.name}: has no `config:` block")
    return read


def environment(file: Text) -> tuple[str, str] | None:
    """Name and namespace of the stack's environment; None where the stack has none."""
    block = file["config"].get(ENVIRONMENT)
    if not isinstance(block, dict) or not block.get("name"):
        return None
    return str(block["name"]), str(block.get("namespace") or block["name"])


def environments(file: Text) -> dict[str, str]:
    """The namespaces of an access stack's environments, by name."""
    block = file["config"].get(ACCESS)
    named = block.get("environments") if isinstance(block, dict) else None
    return {
        str(name): str((it.get("namespace") if isinstance(it, dict) else None) or name)
        for name, it in (named.items() if isinstance(named, dict) else ())
    }


def repositories(file: Text) -> list[str]:
    """Further repositories that images of the stack's environment may come from."""
    block = file["config"].get(ENVIRONMENT)
    named = block.get("repositories") if isinstance(block, dict) else ()
    return [str(it) for it in named] if isinstance(named, list) else []


def workloads(file: Text) -> list[str]:
    """Names of the stack's workloads."""
    block = file["config"].get(WORKLOADS)
    return [str(name) for name in block] if isinstance(block, dict) else []


def images(workloads: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """The images that the job's variables name for these workloads."""
    whole = environ.get(IMAGE, "") if len(workloads) == 1 else ""
    return {it: image for it in workloads if (image := environ.get(variable(it), "") or whole)}


def for_review(file: Text, branch: str, environ: Mapping[str, str]) -> str:
    """The shared settings of all review environments as those of one branch.

    They share a namespace, so that one quota holds their sum and a narrow role suffices (docs/adr/0020): environment
    and workloads take the branch's slug into their names. In the values of the workloads `$SLIPWAY_REVIEW` stands for
    the slug and `$CI_ENVIRONMENT_SLUG` for GitLab's, which the environment's URL has.
    """
    found = environment(file)
    if found is None:
        raise StackFileError(
            f"Pulumi.review.yaml: {ENVIRONMENT} is missing; review environments need it: {{name: review}}"
        )
    slug, (_, namespace) = names.slug(branch), found
    known = {"SLIPWAY_REVIEW": slug, "CI_ENVIRONMENT_SLUG": environ.get("CI_ENVIRONMENT_SLUG") or slug}
    renamed = {}
    for name, settings in (file["config"].get(WORKLOADS) or {}).items():
        if len(name) + 1 + len(slug) > WORKLOAD_LENGTH:
            raise StackFileError(
                f'Pulumi.review.yaml: {WORKLOADS}.{name}: is too long for review environments, which add "-{slug}": '
                f"{REVIEWED_LENGTH} characters at most"
            )
        renamed[f"{name}-{slug}"] = _substituted(settings, known)
    config = {
        **file["config"],
        ENVIRONMENT: {**file["config"][ENVIRONMENT], "name": names.stack(branch), "namespace": namespace},
        WORKLOADS: renamed,
    }
    return yaml.safe_dump({**file, "config": config}, sort_keys=False)


def images_for_review(workloads: list[str], branch: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The job's variables with each SLIPWAY_IMAGE_<WORKLOAD> under the workload's name in this environment."""
    moved, slug = dict(environ), names.slug(branch)
    for name in workloads:
        if image := moved.pop(variable(name), None):
            moved[variable(f"{name}-{slug}")] = image
    if len(workloads) != 1 and any(key.startswith(f"{IMAGE}_") for key in moved):
        moved.pop(IMAGE, None)
    return moved


def for_preview(file: Text) -> str:
    """The stack file without what is encrypted in it: a merge request's job has no passphrase, and must have none.

    An encrypted value becomes one out of a variable that isn't there, which a preview takes to be unchanged.
    """
    kept = {
        key: value for key, value in file.items() if key not in ("encryptionsalt", "secretsprovider", "encryptedkey")
    }
    return yaml.safe_dump({**kept, "config": _without_secure(file["config"])}, sort_keys=False)


def _without_secure(node: Any) -> Any:  # noqa: ANN401  YAML is what it is
    if isinstance(node, dict):
        if set(node) == {"secure"}:
            return {"fromEnv": NOT_HERE}
        return {key: _without_secure(value) for key, value in node.items()}
    return [_without_secure(entry) for entry in node] if isinstance(node, list) else node


def _substituted(node: Any, known: Mapping[str, str]) -> Any:  # noqa: ANN401  YAML is what it is
    if isinstance(node, dict):
        return {key: _substituted(value, known) for key, value in node.items()}
    if isinstance(node, list):
        return [_substituted(entry, known) for entry in node]
    return Template(node).safe_substitute(known) if isinstance(node, str) else node


def project_directory() -> Path:
    """Where the Pulumi project is: the working directory; raises StackFileError where it has no Pulumi.yaml."""
    here = Path(os.curdir)
    if not (here / "Pulumi.yaml").is_file():
        raise StackFileError(f"{here.resolve()} has no Pulumi.yaml: run this in the directory of the Pulumi project")
    return here
