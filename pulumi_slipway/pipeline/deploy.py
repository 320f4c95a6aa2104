"""`pulumi up` of an environment's stack, and what previews will compare with afterwards."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from lightkube import ApiError

from pulumi_slipway.cluster import client as cluster
from pulumi_slipway.core.action import IMAGE, Action, variable
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.pipeline import deployed, engine, jobs, notices, snapshot, stack_files
from pulumi_slipway.pipeline.up import Locking, select, update
from pulumi_slipway.release.drift import drift
from pulumi_slipway.settings.run import ACTION, RELEASE


class NoImage(UserError):
    """A job that is to release an image was handed none."""


def deploy(project: Path, stack: str, locking: Locking, *, needs_image: bool = False) -> int:
    """Updates the stack; returns the job's exit status. A release that ends `Paused` is a success.

    `needs_image`: the job is there to release one. Without it the run would keep what is live, and end well: so does
    the job of an older pipeline whose artifacts are gone. Raises NoImage.
    """
    file = stack_files.load(project, stack)
    workloads, deploys = stack_files.workloads(file), os.environ.get(ACTION, "").strip() in ("", Action.DEPLOY)
    given = stack_files.images(workloads, os.environ)
    if needs_image and deploys and not given and not os.environ.get(IMAGE):
        raise NoImage(
            f"no image was handed on to this job ({', '.join(map(variable, workloads)) or IMAGE} is not set): GitLab "
            "keeps what the jobs before it hand on for a week: run the pipeline anew; to go back, run the rollback "
            f"with {RELEASE}=<release>, which needs none (`slipway status` lists the releases)"
        )
    commit = os.environ.get("CI_COMMIT_SHA", "") if given and deploys else ""
    return _update(project, stack, file, locking, commit)


def act(project: Path, stack: str, locking: Locking, action: Action) -> int:
    """`pulumi up` with SLIPWAY_ACTION, which is about what is deployed: not the image that the pipeline has built, and
    not the settings that it has beside it, which nobody may have deployed yet.
    """
    for name in [name for name in os.environ if name.startswith(IMAGE)]:
        del os.environ[name]
    os.environ[ACTION] = action
    os.environ.setdefault("SLIPWAY_REPORT_DIR", str(project.resolve() / "slipway-report"))
    own = stack_files.load(project, stack)
    with deployed.settings(project, stack) as directory:
        file = own if directory is None else stack_files.load(directory, stack)
        if directory is None:
            engine.say(f"{stack}: no run ended well with its last settings: they are this commit's")
        elif other := sorted({*drift(own["config"], file["config"]), *drift(file["config"], own["config"])}):
            engine.say(f"{stack}: the settings are those of the last deployment, not this commit's: {', '.join(other)}")
        return _update(directory or project, stack, file, locking, "")


def _update(directory: Path, stack: str, file: stack_files.Text, locking: Locking, commit: str) -> int:
    select(stack, directory)
    where = stack_files.environment(file)
    others = jobs.of(stack, where and where[1])
    with notices.of(file):
        ended = update("up", stack, locking, directory=directory, environ=environ(file, os.environ), jobs=others)
    if ended.status == 0:
        publish(directory, stack, where, commit)
    return ended.exit_status


def environ(file: stack_files.Text, given: Mapping[str, str]) -> dict[str, str]:
    """The engine's variables: the state of an environment is written once, when a run ends (docs/state.md).

    What a killed run leaves then is found by its labels (components/prune.py). The tokens that an access stack makes
    are not: they must not be forgotten.
    """
    if stack_files.ACCESS in file["config"]:
        return {**given}
    return {"PULUMI_SKIP_CHECKPOINTS": "true", **given}


def publish(project: Path, stack: str, where: tuple[str, str] | None, commit: str | None) -> None:
    """Leaves the state without secrets for the previews. A failure is told; the deployment stands all the same.

    `where`: name and namespace of the environment; None: the stack has none. `commit`: that its images were deployed
    for; empty: the run has deployed none; None: what was said before stands.
    """
    if where is None:
        return
    name, namespace = where
    state = json.loads(engine.read(["stack", "export", "--stack", stack], directory=project))
    try:
        client = cluster.connect()
        with cluster.as_preflight_error(client):
            if commit is None:
                said = snapshot.annotations(client, namespace, stack)
            else:
                said = snapshot.deployed_for(commit, state)
            fits = snapshot.publish(client, namespace, name, stack, state, said)
        if not fits:
            _warn(f"the state of {stack} is too large for a ConfigMap: previews go on to compare with an older one")
    except (ApiError, cluster.PreflightError) as error:
        _warn(f"previews of {stack} go on to compare with an older state: {' '.join(str(error).split())}")


def _warn(text: str) -> None:
    engine.say(f"warning: {text}")
