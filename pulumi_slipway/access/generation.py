"""Which bound token is in use, and when the next one is due: a pure decision, the clock is an argument.

A *generation* is one Secret with one token bound to it. Its name carries the moment of issue, so the newest is known
from the names alone, and it expires a fixed time after. Deleting the Secret revokes the token.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pulumi_slipway.core.keys import EXPIRES_ANNOTATION, LIFETIME_ANNOTATION

_STAMP = "%Y%m%d%H%M%S"
_SKEW = timedelta(minutes=5)
"""How far a clock that issued a generation may be ahead of ours."""


@dataclass(frozen=True, order=True)
class Generation:
    """One token of an account: the name of its Secret follows from the account and the moment of issue (UTC)."""

    account: str
    issued: datetime
    lifetime: int

    @property
    def name(self) -> str:
        """The Secret's name."""
        return f"{self.account}-token-{self.issued.astimezone(UTC).strftime(_STAMP)}"

    @property
    def expires(self) -> datetime:
        """When the API server refuses the token by itself."""
        return self.issued + timedelta(seconds=self.lifetime)

    @property
    def annotations(self) -> dict[str, str]:
        """What the Secret says of its token."""
        return {
            LIFETIME_ANNOTATION: str(self.lifetime),
            EXPIRES_ANNOTATION: self.expires.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


def read(account: str, name: str, annotations: Mapping[str, str] | None) -> Generation | None:
    """The generation that a Secret stands for; None where it is not one of this account's."""
    stamp = re.fullmatch(rf"{re.escape(account)}-token-(\d{{14}})", name, re.ASCII)
    lifetime = re.fullmatch(r"\d{1,9}", (annotations or {}).get(LIFETIME_ANNOTATION, ""), re.ASCII)
    if not stamp or not lifetime:
        return None
    try:
        issued = datetime.strptime(stamp.group(1), _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None
    return Generation(account, issued, int(lifetime.group()))


def decide(account: str, seen: Iterable[Generation], now: datetime, lifetime: int, renew_before: int) -> Generation:
    """The generation to use from now on: the newest seen while it is good for long enough, else a new one.

    The deploy account may write Secrets in its namespace, so what they say is not trusted further than this: one that
    claims to come from the future or to live longer than the settings allow is never kept.
    """
    now = now.astimezone(UTC).replace(microsecond=0)
    past = [generation for generation in seen if generation.issued <= now + _SKEW]
    newest = max(past, key=lambda generation: generation.issued, default=None)
    if newest is None:
        return Generation(account, now, lifetime)
    if newest.lifetime <= lifetime and newest.expires - now >= timedelta(seconds=renew_before):
        return newest
    # A clock that stands behind the one that issued the last would else name the new one as if it were older.
    return Generation(account, max(now, newest.issued + timedelta(seconds=1)), lifetime)
