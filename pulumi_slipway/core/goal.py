"""Which release a run is to bring about: a pure function of what is asked, what the ledger says and what is live."""

from dataclasses import dataclass

from pulumi_slipway.core.action import Action, variable
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.model import Observed, Phase, Record, Release


class NothingToDo(UserError):
    """The action has nothing to act on."""


@dataclass(frozen=True)
class Goal:
    """The release that is to be live, and how it may get there."""

    release: Release
    why: str
    """The beginning of a sentence for the job log."""
    rolls_back: bool = False
    """Back to what was Healthy before: no steps, no pause, checks only where the settings ask for them."""
    promotes: bool = False
    """A Paused release goes on."""
    holds: bool = False
    """Nothing is to be moved: only what is past its time is retired."""
    rejects: bool = False
    """The release is marked: no environment is to take it from here."""


def goal(workload: str, observed: Observed, desired: Release, action: Action, named: str = "") -> Goal:
    """The goal of one run. `named`: id of the release that a rollback is to go back to; empty: the one before.

    | action   | ledger                                          | goal                             |
    |----------|-------------------------------------------------|----------------------------------|
    | deploy   | anything                                        | the desired release              |
    | promote  | a release is under way                          | that one, past its pause         |
    | promote  | none is                                         | refused                          |
    | abort    | a release is under way, another is Healthy      | the newest Healthy one           |
    | abort    | none is under way, or none is Healthy           | refused                          |
    | rollback | a release is under way or the last one Degraded | the newest Healthy one before it |
    | rollback | the last one is Healthy                         | the newest Healthy one before it |
    | rollback | no Healthy one before it                        | refused                          |
    | rollback | a Healthy one has the id that is named          | that one                         |
    | rollback | none has                                        | refused                          |
    | settle   | anything                                        | what is there, held              |
    | reject   | a release is under way, or one is Healthy       | that one, held, and marked       |
    | reject   | no release                                      | refused                          |

    Raises NothingToDo where the action has nothing to act on.
    """
    flying, committed = observed.in_flight, observed.committed
    prefix = f"workload {workload}: SLIPWAY_ACTION={action}: "
    match action:
        case Action.PROMOTE:
            if flying is None:
                raise NothingToDo(f"{prefix}nothing is Paused: run without SLIPWAY_ACTION to deploy")
            if not flying.bound:
                raise NothingToDo(
                    f"{prefix}{flying.release.id} is under way by its ledger alone, no Deployment has it: deploy its "
                    f"image with {variable(workload)}={flying.release.image}"
                )
            return Goal(flying.release, f"promote {flying.release.id}", promotes=flying.outcome is Phase.PAUSED)
        case Action.ABORT:
            if flying is None:
                live = committed.release.id if committed else "nothing"
                raise NothingToDo(
                    f"{prefix}no release is in flight: {live} is live; {_further_back(workload, observed)}"
                )
            target = before(workload, observed, flying.release.id, prefix)
            return Goal(target, f"abort {flying.release.id}, back to {target.id}", rolls_back=True)
        case Action.ROLLBACK:
            last = observed.ledger[-1].release.id if observed.ledger else ""
            target = _of_id(observed, named, prefix) if named else before(workload, observed, last, prefix)
            stays = flying is None and committed is not None and committed.release.id == target.id
            done = f"{target.id} is live already"
            left = observed.ledger[-1].left if observed.ledger and not stays else ""
            again = ", which the rollback before this one had left" if left and left == target.image else ""
            if not named:
                done += f": {last} was rolled back; {_further_back(workload, observed)}"
            return Goal(target, done if stays else f"back to {target.id}{again}", rolls_back=True)
        case Action.REJECT:
            if flying is None and committed is None:
                raise NothingToDo(f"{prefix}its ledger holds no release to reject")
            held = flying if flying and flying.bound else committed
            return Goal(held.release if held else desired, "reject", holds=True, rejects=True)
        case Action.SETTLE:
            held = flying if flying and flying.bound else committed
            return Goal(held.release if held else desired, "settle", holds=True)
    return Goal(desired, f"release {desired.id}")


def _of_id(observed: Observed, named: str, prefix: str) -> Release:
    """The Healthy release of this id; raises NothingToDo where the ledger has none."""
    known = [record.release for record in observed.healthy()]
    if found := next((release for release in known if release.id == named), None):
        return found
    there = ", ".join(release.id for release in known) or "none"
    raise NothingToDo(f"{prefix}{named} is no Healthy release of its ledger, the newest first: {there}")


def _further_back(workload: str, observed: Observed) -> str:
    """What to do to get to the release before the live one."""
    older = [record.release for record in observed.healthy()[1:2]]
    if not older:
        return f"its ledger holds none before it: deploy another image with {variable(workload)}"
    if observed.ledger[-1].outcome is Phase.HEALTHY:
        return "SLIPWAY_ACTION=rollback goes back to the release before it"
    return f"to go back further, deploy that image: {variable(workload)}={older[0].image}"


def before(workload: str, observed: Observed, release: str, prefix: str = "") -> Release:
    """The newest Healthy release that is not this one; raises NothingToDo where there is none.

    A rejected one only where there is no other, unless it is live: users who are served by it are left where they are.
    """

    def rejected(record: Record) -> bool:
        return bool(record.rejected) and record != observed.committed

    others = (record for record in observed.healthy() if record.release.id != release)
    if found := min(others, key=rejected, default=None):  # the first of its kind: the newest
        return found.release
    besides = f" besides {release}" if observed.committed else ""
    raise NothingToDo(
        f"{prefix or f'workload {workload}: '}nothing to roll back to: its ledger holds no Healthy release{besides}; "
        f"deploy an image with {variable(workload)}"
    )
