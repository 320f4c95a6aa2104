"""Which images an environment shows to be good: they, and no new build, go on to the next one."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lightkube import Client

from pulumi_slipway.cluster import client as cluster
from pulumi_slipway.core.action import IMAGE, variable
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.foreign import shown
from pulumi_slipway.core.model import Phase, Record
from pulumi_slipway.pipeline import snapshot, stack_files
from pulumi_slipway.pipeline.ledgers import records
from pulumi_slipway.release.commits import Commits, few
from pulumi_slipway.release.promotion import REGISTRY, commits_of, deployed_again, foreign, not_ours
from pulumi_slipway.settings.types import is_image

PROMOTED, PAST = "SLIPWAY_PROMOTED", "no"
"""Where the image comes from, for the ledger: the environment that it was promoted from, or PAST, past all of them."""


class NotPromotable(UserError):
    """The environment has nothing that may go on."""


@dataclass(frozen=True)
class Built:
    """What a pipeline's own image is made of."""

    paths: Sequence[str] = (".",)
    """From the repository's root: the build context, the Dockerfile."""
    workload: str = ""
    """The workload that it is for; empty: all."""


def promote(  # noqa: PLR0917
    project: Path, source: str, target: str, dotenv: Path, built: Built, environ: Mapping[str, str] = os.environ
) -> str:
    """Writes SLIPWAY_IMAGE_<WORKLOAD> of each workload of `target`, as the ledger of `source` has them, by digest.

    The ledger is written by the deploy identity alone, which a registry's tags are not: any branch's job can move them.
    Raises NotPromotable where the last release in `source` isn't Healthy, and where what runs there is not what this
    pipeline's commit makes: a commit that is not merged, or a hotfix that never was there. An image that the job is
    given (SLIPWAY_IMAGE) goes past all of that, and the ledger will say so. Returns what was found, for people.
    """
    file = stack_files.load(project, target)
    wanted, own = stack_files.workloads(file), [environ.get(REGISTRY, ""), *stack_files.repositories(file)]
    where = stack_files.environment(stack_files.load(project, source))
    if where is None:
        raise NotPromotable(f"Pulumi.{source}.yaml: has no {stack_files.ENVIRONMENT} to promote from")
    given = stack_files.images(wanted, environ)  # by a person: no job hands any on to this one
    lines, told = [f"{PROMOTED}={PAST if given else source}\n"], []
    commits = Commits(project)
    asked = Source(cluster.connect(), source, where[1], commits, built, own) if set(wanted) - set(given) else None
    for workload in wanted:
        image = given.get(workload, "")
        said = f"given by the job, not promoted from {source}: recorded as such"
        if asked and not image:
            image, said = asked.good(workload)
        if not is_image(image):  # a line break in it would set any variable of the jobs that follow
            raise NotPromotable(f"{workload}: {shown(image)} is no image: give one by tag or digest")
        lines.append(f"{variable(workload)}={image}\n")
        told.append(f"{workload}: {image}, {said}")
    dotenv.write_text("".join(lines))
    return "\n".join(told)


@dataclass(frozen=True)
class Source:
    """The environment that is promoted from, beside the commit that is checked out."""

    client: Client
    stack: str
    namespace: str
    commits: Commits
    built: Built
    repositories: Sequence[str]
    """Where the target's images come from."""

    def good(self, workload: str) -> tuple[str, str]:
        """The image of a workload that may go on, and what there is to say of it; raises NotPromotable."""
        known = records(self.client, workload, self.namespace)
        record = _good(known, workload, self.stack)
        image, own = record.release.image, self.built.workload in ("", workload)
        if foreign(image, self.repositories):
            raise NotPromotable(f"{workload}: {self.stack}: {not_ours(image)}")
        with cluster.as_preflight_error(self.client):
            left = snapshot.annotations(self.client, self.namespace, self.stack)
        made = commits_of(deployed_again(known, left), image)
        if not made:
            raise NotPromotable(
                f"{workload}: {self.stack} has no commit on record for what it runs, so that it can't be told whether "
                f"that is merged: deploy to {self.stack} from a pipeline, or run this one anew with {IMAGE}=<image>, "
                f"which goes past {self.stack} and is recorded as such"
            )
        if why := refused(self.commits, made, self.stack, self.built.paths if own else None):
            raise NotPromotable(f"{workload}: {why}")
        return image, f"{record.outcome} in {self.stack} since {record.finished}"


def refused(commits: Commits, made: Sequence[str], source: str, paths: Sequence[str] | None) -> str:
    """Why an image that was deployed for these commits (`made`) does not go on with HEAD; empty where it does.

    | the image's commit                                   | goes on                       |
    |------------------------------------------------------|-------------------------------|
    | has the files of HEAD that count, merged or squashed | yes                           |
    | is part of HEAD, which has more                      | no: that more was never there |
    | is not part of HEAD                                  | no: nobody has merged it      |
    | is not in this clone                                 | no: it can't be told          |

    `paths`: what counts; None: the image is not this pipeline's, so that it must only be part of HEAD.
    """
    known = [commit for commit in made if commits.knows(commit)]
    if not made or (paths is None and any(commits.holds(commit) for commit in known)):
        return ""
    more = {commit: commits.differing(commit, paths) for commit in known} if paths is not None else {}
    if not all(more.values()):
        return ""
    merged = {commit: names for commit, names in more.items() if commits.holds(commit)}
    if merged:
        commit, names = min(merged.items(), key=lambda it: len(it[1]))
        return (
            f"{source} runs commit {commit[:8]}, which lacks what this pipeline's commit {commits.head[:8]} has "
            f"({few(names)}): bring that to {source} first, or run this pipeline anew with {IMAGE}=<image of this "
            f"commit>, which goes past {source} and is recorded as such"
        )
    if known:
        return (
            f"{source} runs commit {known[0][:8]}, which is not part of what this pipeline deploys: merge it first, or "
            f"deploy this commit to {source}"
        )
    return (
        f"{source} runs commit {made[0][:8]}, which this clone does not have (its branch is gone, or GIT_DEPTH is "
        f"not 0): whether it has this pipeline's commit can't be told: deploy this commit to {source}"
    )


def _good(known: tuple[Record, ...], workload: str, source: str) -> Record:
    if not known:
        raise NotPromotable(f"{workload}: {source} has no release of it: deploy there first")
    last = known[-1]
    if last.outcome is not Phase.HEALTHY:
        raise NotPromotable(
            f"{workload}: its last release in {source} is {last.outcome} ({last.message}): mend that first"
        )
    return last
