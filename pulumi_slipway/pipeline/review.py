"""Review environments: a stack for each branch, made by its pipeline, destroyed when its merge request ends."""

import json
import os
from pathlib import Path

from pulumi_slipway.pipeline import deployed, engine, jobs, names, stack_files
from pulumi_slipway.pipeline.up import Locking, select, update

SETTINGS = "review"
"""Pulumi.review.yaml is what all of them share."""


def up(project: Path, branch: str, locking: Locking) -> int:
    """Makes or updates the environment of a branch; returns the job's exit status."""
    stack, file = names.stack(branch), stack_files.load(project, SETTINGS)
    text = stack_files.for_review(file, branch, os.environ)
    with stack_files.workspace(project, stack, text) as directory:
        environ = stack_files.images_for_review(stack_files.workloads(file), branch, os.environ)
        # The workspace ends with the job, the report is to outlive it.
        environ.setdefault("SLIPWAY_REPORT_DIR", str(project.resolve() / "slipway-report"))
        select(stack, directory, environ)
        where = stack_files.environment(file)
        others = jobs.of(stack, where and where[1])
        return update("up", stack, locking, directory=directory, environ=environ, jobs=others).exit_status


def stop(project: Path, branch: str, locking: Locking) -> int:
    """Destroys the environment of a branch; one that isn't there is none to destroy. Returns the exit status.

    By the state alone: the branch's last commit may have broken its settings, or taken them away.
    """
    stack = names.stack(branch)
    with stack_files.workspace(project, stack, stack_files.NO_SETTINGS) as directory:
        if stack not in backend(directory):
            engine.say(f"stack {stack} of branch {branch} is not there: nothing to stop")
            return 0
        return _destroy(stack, directory, locking)


def backend(directory: Path) -> dict[str, int]:
    """The stacks that the backend holds, each with the number of its resources."""
    listed = json.loads(engine.read(["stack", "ls", "--json"], directory=directory))
    return {it["name"]: int(it.get("resourceCount") or 0) for it in listed}


def _destroy(stack: str, directory: Path, locking: Locking) -> int:
    known = deployed.objects(deployed.read(directory, stack))
    others = jobs.of(stack, next((it.namespace for it in known if it.namespace), None))
    ended = update("destroy", stack, locking, directory=directory, jobs=others)
    if ended.exit_status == 0:
        engine.read(["stack", "rm", "--yes", "--preserve-config", stack], directory=directory)
        engine.say(f"stack {stack}: destroyed and removed")
    return ended.exit_status
