"""What changes from run to run: read from the environment, so that no run edits a stack file."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pydantic import TypeAdapter, ValidationError

from pulumi_slipway.core.action import IMAGE, Action, variable
from pulumi_slipway.settings.types import ImageReference
from pulumi_slipway.settings.windows import Sentence

ACTION, WORKLOADS, TAKE_OVER = "SLIPWAY_ACTION", "SLIPWAY_WORKLOADS", "SLIPWAY_TAKE_OVER"
RELEASE, OVERRIDE = "SLIPWAY_RELEASE", "SLIPWAY_OVERRIDE"
NAMES = (IMAGE, ACTION, WORKLOADS, TAKE_OVER, RELEASE, OVERRIDE)

PROVENANCE = {
    "commit": "CI_COMMIT_SHA",
    "ref": "CI_COMMIT_REF_NAME",
    "project": "CI_PROJECT_PATH",
    "pipeline": "CI_PIPELINE_ID",
    "pipelineUrl": "CI_PIPELINE_URL",
    "job": "CI_JOB_URL",
    "actor": "GITLAB_USER_LOGIN",
    "promoted": "SLIPWAY_PROMOTED",
    "override": OVERRIDE,
}
"""What the audit annotations say of a run, and which of GitLab's predefined variables tells it."""

_image = TypeAdapter[str](ImageReference)
_sentence = TypeAdapter[str](Sentence)


@dataclass(frozen=True)
class Run:
    """One run of the program."""

    action: Action = Action.DEPLOY
    """SLIPWAY_ACTION; default deploy."""
    images: Mapping[str, str] = field(default_factory=dict)
    """Workload to the image that this run releases, from SLIPWAY_IMAGE or SLIPWAY_IMAGE_<WORKLOAD>."""
    provenance: Mapping[str, str] = field(default_factory=dict)
    """Who and what started this run, as far as GitLab's job tells; see PROVENANCE."""
    only: frozenset[str] = frozenset()
    """SLIPWAY_WORKLOADS: the workloads that the action is for, the others are held as they are. Empty: all."""
    take_over: str = ""
    """SLIPWAY_TAKE_OVER: the stack, as `<project>/<name>`, whose workloads become this one's."""
    release: str = ""
    """SLIPWAY_RELEASE: id of the release that a rollback goes back to. Empty: the one before."""
    override: str = ""
    """SLIPWAY_OVERRIDE: why a release comes to an environment at a time when it takes none. Empty: it does not."""


def read(environ: Mapping[str, str], workloads: Iterable[str], *, whole: bool = True) -> tuple[Run, list[str]]:
    """The run, and its mistakes, one line each. An empty variable counts as unset: that is how CI unsets one.

    `whole`: there are no other workloads; where there may be, a name that is not known is no mistake.
    """
    given = {key: value.strip() for key, value in environ.items() if key.startswith("SLIPWAY_") and value.strip()}
    known = {variable(name): name for name in workloads}
    mistakes = _misspelt(given, known) if whole else []
    action = given.get(ACTION, Action.DEPLOY.value)
    if action not in list(Action):
        mistakes.append(f'{ACTION}: got "{action}"; must be one of {", ".join(Action)}')
    release = given.get(RELEASE, "")
    if release and action != Action.ROLLBACK:
        mistakes.append(f"{RELEASE}: names what {ACTION}={Action.ROLLBACK} goes back to; set both, or neither")
    only = frozenset(name.strip() for name in given.get(WORKLOADS, "").split(",") if name.strip())
    for name in sorted(only - set(known.values()) if known and whole else ()):
        mistakes.append(f"{WORKLOADS}: {name} is no workload of this stack; there are {', '.join(known.values())}")
    images: dict[str, str] = {}
    if known and IMAGE in given:
        if len(known) == 1:
            images[next(iter(known.values()))] = given[IMAGE]
        else:
            mistakes.append(
                f"{IMAGE}: does not say which of {len(known)} workloads it is for; use {' or '.join(sorted(known))}"
            )
    for key, name in known.items():
        if key in given:
            images[name] = given[key]  # the narrower variable wins
    for name, image in images.items():
        try:
            _image.validate_python(image)
        except ValidationError as error:
            source = variable(name) if variable(name) in given else IMAGE
            mistakes.append(f'{source}: got "{image}"; {error.errors()[0]["ctx"]["error"]}')
    override = given.get(OVERRIDE, "")
    try:
        _sentence.validate_python(override or "-")
    except ValidationError as error:
        mistakes.append(f"{OVERRIDE}: {error.errors()[0]['ctx']['error']}")
    provenance = {key: environ[name] for key, name in PROVENANCE.items() if environ.get(name)}
    valid = Action(action) if action in list(Action) else Action.DEPLOY
    return Run(valid, images, provenance, only, given.get(TAKE_OVER, ""), release, override), mistakes


def _misspelt(given: Mapping[str, str], known: Mapping[str, str]) -> list[str]:
    """Variables that come to nothing: an image for no workload of this stack, or nearly the name of one that counts."""
    mistakes = []
    for key in sorted(set(given) - {*NAMES, *known}):
        if key.startswith(f"{IMAGE}_"):
            ends = {variable.removeprefix(IMAGE): variable for variable in known}
            near = difflib.get_close_matches(key.removeprefix(IMAGE), ends, n=1)
            hint = f"did you mean {ends[near[0]]}?" if near else f"this stack has {', '.join(sorted(known))}"
            if known:  # a pipeline may set it for all its jobs, that of the access stack included
                mistakes.append(f"{key}: names no workload of this stack; {hint}")
        elif near := difflib.get_close_matches(key, NAMES, n=1, cutoff=0.85):
            mistakes.append(f"{key}: is not a variable of Slipway; did you mean {near[0]}?")
    return mistakes
