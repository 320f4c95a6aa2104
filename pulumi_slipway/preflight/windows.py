"""Whether an environment takes releases now; no Pulumi in it."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from pulumi_slipway.core.action import Action
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.model import Phase
from pulumi_slipway.core.plan import Way
from pulumi_slipway.release.prepare import Prepared
from pulumi_slipway.settings import Environment
from pulumi_slipway.settings.run import OVERRIDE

GITLAB_FREEZE = "CI_DEPLOY_FREEZE"
"""What GitLab sets in the jobs of a project's deploy freeze."""


class NoReleaseNow(UserError):
    """The environment takes releases at other times only."""


def closed(environment: Environment, now: datetime, environ: Mapping[str, str]) -> str:
    """Why the environment takes no release now, and from when on it does; empty where it takes one."""
    if environ.get(GITLAB_FREEZE):
        return f"GitLab's deploy freeze: {GITLAB_FREEZE} is set"
    frozen = [it for it in environment.freeze if it.begin <= now < it.end]
    if frozen:
        last = max(frozen, key=lambda it: it.end)
        return f"{last.reason}, until {_shown(last.end)}"
    if not environment.windows or any(it.open(now) for it in environment.windows):
        return ""
    opening = [it for window in environment.windows if (it := window.opens(now))]
    after = f"the next one opens {_shown(min(opening))}" if opening else "none opens again"
    return f"no window is open, {after}"


def refuse_releases(
    prepared: Mapping[str, Prepared], asked: Iterable[str], action: Action, override: str, why: str
) -> str:
    """Raises NoReleaseNow where this run would bring a release to its users; what it says instead where it may.

    Nothing else waits: a rollback, an abort, a change of the settings that is no release, and a release that is under
    way, whose run was killed.
    """
    moving = [key for key in asked if key in prepared and _moves(prepared[key], action)]
    if not why or not moving:
        return ""
    if override:
        return f"releases {', '.join(moving)} all the same ({why}), for {OVERRIDE} says: {override}"
    raise NoReleaseNow(
        f"takes no release of {', '.join(moving)} now ({why}): run this job again then; with {OVERRIDE}=<why> it is "
        "released all the same, and the ledger keeps the reason; rollback and abort need none"
    )


def _moves(prepared: Prepared, action: Action) -> bool:
    plan, flying = prepared.plan, prepared.world.observed.in_flight
    if action not in (Action.DEPLOY, Action.PROMOTE) or plan.way is Way.HOLD:
        return False
    return flying is None or flying.release.id != plan.release.id or flying.outcome is not Phase.PROGRESSING


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M %Z}"
