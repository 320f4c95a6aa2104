"""Which images an environment shows to be good: they, and no new build, go on to the next one."""

import re
import subprocess
from pathlib import Path

from pulumi_slipway.cluster import client as cluster
from pulumi_slipway.core.action import variable
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.model import Phase, Record
from pulumi_slipway.pipeline import stack_files
from pulumi_slipway.pipeline.ledgers import records


class NotPromotable(UserError):
    """The environment has nothing that may go on."""


def promote(project: Path, source: str, target: str, dotenv: Path) -> str:
    """Writes SLIPWAY_IMAGE_<WORKLOAD> of each workload of `target`, as the ledger of `source` has them, by digest.

    The ledger is written by the deploy identity alone, which a registry's tags are not: any branch's job can move them.
    Raises NotPromotable where the last release in `source` isn't Healthy, or is of a commit that is not part of what
    is checked out. Returns what was found, for people.
    """
    wanted = stack_files.workloads(stack_files.load(project, target))
    where = stack_files.environment(stack_files.load(project, source))
    if where is None:
        raise NotPromotable(f"Pulumi.{source}.yaml: has no {stack_files.ENVIRONMENT} to promote from")
    client = cluster.connect()
    lines, told = [], []
    for workload in wanted:
        record = _good(records(client, workload, where[1]), workload, source)
        commit = record.provenance.get("commit", "")
        if commit and not _contains(project, commit):
            raise NotPromotable(
                f"{workload}: {source} runs commit {commit[:8]}, which is not part of what this pipeline deploys: "
                f"merge it first, or deploy this commit to {source}"
            )
        lines.append(f"{variable(workload)}={record.release.image}\n")
        told.append(f"{workload}: {record.release.image}, {record.outcome} in {source} since {record.finished}")
    dotenv.write_text("".join(lines))
    return "\n".join(told)


def _good(known: tuple[Record, ...], workload: str, source: str) -> Record:
    if not known:
        raise NotPromotable(f"{workload}: {source} has no release of it: deploy there first")
    last = known[-1]
    if last.outcome is not Phase.HEALTHY:
        raise NotPromotable(
            f"{workload}: its last release in {source} is {last.outcome} ({last.message}): mend that first"
        )
    return last


def _contains(project: Path, commit: str) -> bool:
    """Whether a commit is part of what is checked out; one that this clone doesn't know is not."""
    if not re.fullmatch(r"[0-9a-f]{7,64}", commit):
        return False
    command = ["git", "merge-base", "--is-ancestor", commit, "HEAD"]
    return subprocess.run(command, cwd=project, capture_output=True, check=False).returncode == 0
