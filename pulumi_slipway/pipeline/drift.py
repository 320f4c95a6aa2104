"""The scheduled look whether the cluster is still what was deployed."""

import sys
from pathlib import Path

from pulumi_slipway.pipeline import engine, note, stack_files
from pulumi_slipway.pipeline.preview import of_run, table
from pulumi_slipway.pipeline.project import API_TOKEN, connect
from pulumi_slipway.pipeline.up import select

LABEL = "slipway-drift"
TOLD_IN_GITLAB, NOT_TOLD = 2, 1
"""Exit statuses when there is drift: with an issue (a warning is enough), and without (the pipeline has to fail)."""


def drift(project: Path, stack: str) -> int:
    """Compares the live objects with the state; an issue tells what differs, and is closed when nothing does any more.

    Returns 0 where all is as deployed.
    """
    stack_files.load(project, stack)  # a name that is misspelt must not become a stack
    select(stack, project)
    found = of_run(
        stack,
        engine.captured(["preview", "--json", "--refresh", "--stack", stack], directory=project),
    )
    print(table(found), flush=True)
    if found.error is not None:
        return NOT_TOLD
    gitlab, title = connect(API_TOKEN), f"{stack} differs from what was deployed"
    if not found.changes:
        if gitlab:
            gitlab.close_issue(title, LABEL)
        return 0
    if gitlab is None:
        print(f"{stack} differs from what was deployed; with {API_TOKEN} set this would be an issue", file=sys.stderr)
        return NOT_TOLD
    print(f"issue: {gitlab.put_issue(title, note.drift(found), LABEL)}", flush=True)
    return TOLD_IN_GITLAB
