"""Takes away the review environments whose branch is done with: what `on_stop` never got to.

By their labels, through the API. Nothing that a branch has written is run: its state may hold a provider of its own,
which the engine would execute, in a protected job.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
from lightkube import Client

from pulumi_slipway.cluster import client as cluster
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.keys import ENVIRONMENT_LABEL
from pulumi_slipway.pipeline import engine, names, stack_files
from pulumi_slipway.pipeline.project import Project
from pulumi_slipway.pipeline.review import SETTINGS, backend
from pulumi_slipway.release.manifests import ownership

STACK = re.compile(rf"{names.PREFIX}([a-z0-9]+(-[a-z0-9]+)*-)?[a-z2-7]{{{names.HASH}}}")
"""How the stack of a review environment is called, and a stack of somebody's own most likely not."""

FOLLOWS = "endpoints"
"""The kind that a controller makes with a Service's labels, and takes away with it."""


def sweep(project: Path, gitlab: Project, *, dry_run: bool = False) -> int:
    """Takes away each environment whose branch has no open merge request any more; returns the job's exit status.

    GitLab is asked again right before each; where it can't be told, the environment is left, and the job says so. What
    fails is told, and the rest is swept all the same. `dry_run`: only says what would go.
    """
    where = stack_files.environment(stack_files.load(project, SETTINGS))
    if where is None:
        raise UserError(f"Pulumi.{SETTINGS}.yaml: slipway:environment is missing: where are the review environments?")
    client, namespace, failed = cluster.connect(), where[1], []
    with stack_files.workspace(project, SETTINGS, stack_files.NO_SETTINGS) as directory:
        keep = kept(gitlab)
        for stack, resources in stacks(directory):
            if stack in keep or stack in kept(gitlab):
                continue
            try:
                _take_away(client, namespace, stack, resources, directory, dry_run=dry_run)
            except (UserError, httpx2.HTTPError) as error:
                engine.say(f"{stack}: not swept: {error}")
                failed.append(stack)
    work = gitlab.review_work()
    for name in gitlab.stop_reviews_but(
        {names.environment(branch, number) for branch, number in work}, dry_run=dry_run
    ):
        engine.say(f"environment {name}: {'would be stopped' if dry_run else 'stopped'}")
    if failed:
        engine.say(f"not swept: {', '.join(failed)}; the next sweep tries again")
    return 1 if failed else 0


def kept(gitlab: Project) -> set[str]:
    """The stacks of branches that may be at work, by what GitLab says now."""
    return {names.stack(branch) for branch, _ in gitlab.review_work()}


def stacks(directory: Path) -> list[tuple[str, int]]:
    """The stacks of review environments that the backend holds, each with the number of its resources."""
    return sorted((name, count) for name, count in backend(directory).items() if STACK.fullmatch(name))


def labelled(client: Client, namespace: str, environment: str) -> Iterator[str]:
    """Paths of the objects of an environment, of whichever kind this identity may list."""
    api = cluster.web(client)
    selector = ",".join(f"{key}={value}" for key, value in ownership(environment).items())
    for root in _versions(api):
        listed = api.get(root).raise_for_status().json().get("resources") or ()
        kinds = [it["name"] for it in listed if it["namespaced"] and {"list", "delete"} <= {*it["verbs"]}]
        for kind in sorted({*kinds} - {FOLLOWS}):
            path = f"{root}/namespaces/{namespace}/{kind}"
            answer = api.get(path, params={"labelSelector": selector})
            if answer.status_code in (403, 404, 405):  # what it may not list, it has not made
                continue
            for item in answer.raise_for_status().json().get("items") or ():
                if not item["metadata"].get("ownerReferences"):  # those go with their owners
                    yield f"{path}/{item['metadata']['name']}"


def _versions(api: httpx2.Client) -> Iterator[str]:
    yield "api/v1"
    groups = api.get("apis").raise_for_status().json().get("groups") or ()
    yield from (f"apis/{group['preferredVersion']['groupVersion']}" for group in groups)


def _take_away(client: Client, namespace: str, stack: str, resources: int, directory: Path, *, dry_run: bool) -> None:
    found = list(labelled(client, namespace, stack))
    if resources and not found:
        engine.say(
            f"{stack}: left: namespace {namespace} has nothing with the label {ENVIRONMENT_LABEL}={stack}, so that it "
            f"can't be told what is in this stack; where it is done with: pulumi stack rm --force {stack}"
        )
        return
    for path in found:
        kind, name = path.split("/")[-2:]
        if dry_run:
            engine.say(f"{stack}: would delete {kind} {name}")
            continue
        answer = cluster.web(client).request("DELETE", path, json={"propagationPolicy": "Background"})
        if answer.status_code != 404:
            answer.raise_for_status()
    if dry_run:
        engine.say(f"{stack}: would be swept")
        return
    engine.read(["stack", "rm", "--force", "--yes", "--preserve-config", stack], directory=directory)
    engine.say(f"{stack}: {len(found)} objects deleted, and its state forgotten")
