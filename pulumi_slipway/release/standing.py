"""Where users are, for a run that ends before its release does."""

import httpx2

from pulumi_slipway.core.errors import UserError, WorkloadError
from pulumi_slipway.core.model import Phase
from pulumi_slipway.release.interrupt import Interrupted
from pulumi_slipway.release.ledger import Book
from pulumi_slipway.release.live import Live


def standing(live: Live, book: Book, release: str, end: Exception | None) -> str:
    """One sentence. `end`: what ended the gate; None where none was at work."""
    users = _users(live)
    if isinstance(end, UserError) and not isinstance(end, Interrupted):
        return f"{users}; {end.what if isinstance(end, WorkloadError) else end}"
    why = "" if end is None or isinstance(end, Interrupted) else f" ({_why(end)})"
    last = book.last
    match last.outcome if last and last.release.id == release else None:
        case None:
            stands = f"is still to begin{why}: run again"
        case Phase.PROGRESSING:
            stands = (
                f"is under way{why}, and the cluster goes on with what has begun: run again to finish it, or with "
                "SLIPWAY_ACTION=abort to roll it back"
            )
        case outcome:
            stands = f"is {outcome}{why}"
    return f"{users}; release {release} {stands}"


def _why(end: Exception) -> str:
    if isinstance(end, httpx2.HTTPStatusError) and end.response.status_code == 401:
        return "this job's token is expired or revoked: `pulumi up` on the access stack as an administrator renews it"
    return " ".join(str(end).split())


def _users(live: Live) -> str:
    try:
        shares = live.shares()
    except httpx2.HTTPError as error:
        return f"where users are can't be read ({_why(error)})"
    total = sum(shares.values())
    parts = [f"release {it} ({count} of {total} pods)" for it, count in sorted(shares.items())]
    return f"users are on {' and '.join(parts)}" if parts else "no pod is ready behind the Service"
