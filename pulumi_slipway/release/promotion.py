"""Which image an environment may take from the one it promotes from: a pure function of the two ledgers and the clock.

An image is known by its digest: what was tested is what is released, whatever its tag says by now.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.keys import PROVENANCE, RUNS
from pulumi_slipway.core.model import Observed, Phase, Record
from pulumi_slipway.settings.environment import PromoteFrom
from pulumi_slipway.settings.types import duration_text


class NotPromoted(UserError):
    """The image must not come here (yet); the text names both digests and says why."""


@dataclass(frozen=True)
class Candidate:
    """One image as the other environment's ledger knows it."""

    image: str
    healthy_seconds: float
    """The longest that it was live and Healthy there, without a break."""
    rejected: str
    """Why it must not be promoted; empty where nothing speaks against it."""
    provenance: Mapping[str, str]
    """Of the run that released it there."""
    commits: tuple[str, ...]
    """Those that it was deployed there for."""

    @property
    def digest(self) -> str:
        """What tells images apart."""
        return digest(self.image)


@dataclass(frozen=True)
class Choice:
    """What this run is to release, and why."""

    image: str | None
    """None: what is live stays."""
    why: str


def digest(image: str) -> str:
    """The digest of a reference; one that has none is its own name."""
    return image.partition("@")[2] or image


REGISTRY = "CI_REGISTRY_IMAGE"
"""GitLab's variable with the project's own repository."""


def repository(image: str) -> str:
    """The repository of an image's reference."""
    name, _, _ = image.partition("@")
    head, colon, tag = name.rpartition(":")
    return head if colon and "/" not in tag else name


def foreign(image: str, known: Collection[str]) -> bool:
    """Whether an image is of a repository that is neither one of these nor below one."""
    return not any(f"{repository(image)}/".startswith(f"{it.rstrip('/')}/") for it in known if it)


def candidates(records: Sequence[Record], now: datetime) -> list[Candidate]:
    """The images of a ledger, the newest first."""
    healthy = [record for record in records if record.outcome is Phase.HEALTHY]
    found: dict[str, Candidate] = {}
    for record in records:
        later = [it for it in healthy if it.sequence > record.sequence]
        lasted = 0.0
        if record.outcome is Phase.HEALTHY:
            until = datetime.fromisoformat(later[0].finished) if later else now
            lasted = (until - datetime.fromisoformat(record.finished)).total_seconds()
        before = found.pop(digest(record.release.image), None)
        found[digest(record.release.image)] = Candidate(
            record.release.image,
            max(lasted, before.healthy_seconds if before else 0.0),
            record.rejected or (before.rejected if before else ""),
            record.provenance,
            commits_of(records, record.release.image),
        )
    return [*reversed(found.values())]


AGAIN = "again"
"""Of a record's provenance: the commit of a later deployment that brought the same image, and so began no release."""


def deployed_again(records: Sequence[Record], left: Mapping[str, str]) -> tuple[Record, ...]:
    """The records, the newest of each image that the last deployment brought with that deployment's commit.

    `left`: the annotations of what each deployment leaves for previews (pipeline/snapshot.py).
    """
    commit, images = left.get(f"{PROVENANCE}commit"), {digest(it) for it in left.get(RUNS, "").split(",") if it}
    newest = {digest(it.release.image): it.sequence for it in records if commit and digest(it.release.image) in images}
    return tuple(
        replace(it, provenance={**it.provenance, AGAIN: str(commit)}) if it.sequence in newest.values() else it
        for it in records
    )


def commits_of(records: Sequence[Record], image: str) -> tuple[str, ...]:
    """The commits that an image was deployed for; not those of the pipelines that went back to it."""
    own = [it for it in records if digest(it.release.image) == digest(image)]
    first = [it.provenance.get("commit", "") for it in own if not it.left]
    again = [it.provenance.get(AGAIN, "") for it in own]
    return tuple(dict.fromkeys(commit for commit in (*first, *again) if commit))


def promote(  # noqa: PLR0917
    workload: str,
    rule: PromoteFrom,
    source: Sequence[Record],
    own: Observed,
    asked: str | None,
    now: datetime,
    *,
    confirmed: bool = False,
    lacks: Callable[[Collection[str]], str] = lambda commits: "",
    repositories: Collection[str] = (),
) -> Choice:
    """The image for this run.

    | asked for      | the other ledger says                         | result                             |
    |----------------|-----------------------------------------------|------------------------------------|
    | what is live   | anything                                      | it stays                           |
    | an image       | rejected                                      | refused, with the reason           |
    | an image       | unknown, or Healthy for less than verifiedFor | refused, with both digests         |
    | an image       | Healthy for verifiedFor                       | released                           |
    | nothing        | some are Healthy for verifiedFor              | the newest of them                 |
    | nothing        | none is                                       | what is live stays, else refused   |
    | a new one      | anything, and users were rolled back by hand   | stays (refused if asked), until    |
    |                |                                               | SLIPWAY_ACTION=promote             |
    | a new one      | it lacks what this pipeline's commit has      | refused                            |
    | a new one      | it is of a foreign repository                 | refused, unless the job names it   |

    `asked`: the image that the run names, as a digest. `confirmed`: SLIPWAY_ACTION=promote. `lacks`: what an image of
    these commits lacks of this pipeline's. `repositories`: where images come from, beside that of what is live; none
    is known: any. Raises NotPromoted.
    """
    live = own.live_image()
    there = candidates(source, now)
    fit = [it for it in there if not it.rejected and it.healthy_seconds >= rule.verified_for]
    place = f"slipway:workloads.{workload}: promoteFrom {rule.environment}: "
    if asked is not None and live is not None and digest(asked) == digest(live):
        return Choice(asked, "it is live already")
    if asked is not None:
        found = next((it for it in there if it.digest == digest(asked)), None)
        _refuse(place, rule, asked, found, fit)
    elif not fit:
        if live is None:
            raise NotPromoted(f"{place}nothing to deploy: {_waiting(rule, there)}")
        return Choice(None, f"nothing new to promote from {rule.environment}: {_waiting(rule, there)}")
    wanted = asked or fit[0].image
    known = [*repositories, *([repository(live)] if live else [])]
    if asked is None and known and foreign(wanted, known):  # whoever may edit a ledger could bring any image
        raise NotPromoted(place + not_ours(wanted))
    left = own.committed.left if own.committed else ""
    if left and not confirmed and (live is None or digest(wanted) != digest(live)):
        why = (
            f"users were rolled back from {digest(left)} by hand ({_when(own.committed)}): {digest(wanted)} comes here "
            "only when SLIPWAY_ACTION=promote says so"
        )
        if asked is not None:
            raise NotPromoted(place + why)
        return Choice(None, why)
    behind = lacks(next(it.commits for it in there if it.digest == digest(wanted)))
    if live is not None and digest(wanted) == digest(live):
        newest = f"{rule.environment} has nothing newer that is verified"
        return Choice(None, f"{newest}; what is live {behind}" if behind else newest)
    if behind:
        raise NotPromoted(f"{place}{digest(wanted)} {behind}: bring that to {rule.environment} first")
    return Choice(wanted, f"promoted from {rule.environment}: {digest(wanted)}")


def not_ours(image: str) -> str:
    """Why an image of a foreign repository does not go on, and what to do where it is meant."""
    return (
        f"its ledger has {image}, which is not of this project's repository: where it is meant, name "
        f"{repository(image)} in `slipway:environment.repositories`"
    )


def _refuse(place: str, rule: PromoteFrom, asked: str, found: Candidate | None, fit: Sequence[Candidate]) -> None:
    best = f"verified there is {fit[0].digest}" if fit else "nothing is verified there"
    if found is None:
        raise NotPromoted(f"{place}{digest(asked)} was never released there; {best}: release it there first")
    if found.rejected:
        raise NotPromoted(f"{place}{digest(asked)} is rejected there ({found.rejected}); {best}")
    if found not in fit:
        do = "run again later" if found.healthy_seconds else f"release it in {rule.environment} first"
        raise NotPromoted(f"{place}{digest(asked)} {_short(rule, found)}; {best}: {do}")


def _short(rule: PromoteFrom, it: Candidate) -> str:
    if not it.healthy_seconds:
        return "was never Healthy there"
    lasted = duration_text(int(it.healthy_seconds))
    return f"was Healthy there for {lasted}, and must be for {duration_text(rule.verified_for)}"


def _waiting(rule: PromoteFrom, there: Sequence[Candidate]) -> str:
    newest = next((it for it in there if not it.rejected), None)
    return f"{newest.digest} {_short(rule, newest)}" if newest else "its ledger holds no image that is not rejected"


def _when(record: Record | None) -> str:
    if record is None:
        return ""
    by = record.provenance.get("actor")
    return record.finished[:19] + "Z" + (f" by {by}" if by else "")
