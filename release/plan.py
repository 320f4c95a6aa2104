"""Decides a rolling release: a pure function from what is observed and wanted to what this run does."""

from errors import UserError
from release.model import Observed, Phase, Plan, Release
from settings import Action


class NothingToDo(UserError):
    """The action has nothing to act on."""


def plan(workload: str, observed: Observed, desired: Release, action: Action) -> Plan:
    """The plan of one run.

    | action   | observed                                           | plan                                    |
    |----------|----------------------------------------------------|-----------------------------------------|
    | deploy   | no Deployment                                      | Progressing: first release              |
    | deploy   | another release                                    | Progressing: release                    |
    | deploy   | the release, unfinished or not in the ledger       | Progressing: wait on                    |
    | deploy   | the release, complete and recorded Healthy         | Healthy: hold                           |
    | rollback | a Healthy record of another release than the live  | Progressing: back to the newest of them |
    | rollback | none                                               | refused                                 |
    | abort    | the live release unfinished                        | as rollback                             |
    | abort    | the live release complete                          | refused: nothing is in flight           |
    | promote  | anything                                           | refused: rolling has no pause           |

    Raises NothingToDo where the action has nothing to act on.
    """
    if action is Action.PROMOTE:
        raise NothingToDo(
            f"workload {workload}: SLIPWAY_ACTION=promote: nothing is Paused: a rolling release has no pause; "
            "run without SLIPWAY_ACTION to deploy"
        )
    if action is Action.ABORT and observed.track is not None and observed.track.complete:
        raise NothingToDo(
            f"workload {workload}: SLIPWAY_ACTION=abort: no release is in flight: {observed.track.release} is "
            "complete; use SLIPWAY_ACTION=rollback to go back to the release before it"
        )
    if action in (Action.ROLLBACK, Action.ABORT):
        target = rollback_target(workload, observed)
        return _towards(observed, target, f"back to {target.id}")
    return _towards(observed, desired, f"release {desired.id}")


def rollback_target(workload: str, observed: Observed) -> Release:
    """The newest release recorded Healthy that is not the live one; raises NothingToDo where there is none."""
    live = observed.track.release if observed.track else None
    for record in observed.healthy():
        if record.release.id != live:
            return record.release
    raise NothingToDo(
        f"workload {workload}: nothing to roll back to: its ledger holds no Healthy release besides "
        f"{live or 'none'}; deploy an image with SLIPWAY_IMAGE"
    )


def _towards(observed: Observed, target: Release, what: str) -> Plan:
    track = observed.track
    if track is None:
        return Plan(Phase.PROGRESSING, target, f"first {what}")
    if track.release != target.id:
        return Plan(Phase.PROGRESSING, target, f"{what} in place of {track.release or 'an unknown template'}")
    if not track.complete:
        return Plan(Phase.PROGRESSING, target, f"{what} is under way: {track.available} of {track.wanted} available")
    last = observed.ledger[-1] if observed.ledger else None
    if last is None or last.release.id != target.id or last.outcome is not Phase.HEALTHY:
        return Plan(Phase.PROGRESSING, target, f"{what} is complete, to be recorded")
    return Plan(Phase.HEALTHY, target, f"{target.id} is live")
