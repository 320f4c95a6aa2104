"""Reads what ledgers of version 0.1 hold as sentences; since then the ledger holds fields, and nothing reads words."""

import re
from collections.abc import Sequence

from pulumi_slipway.core.model import HOME, Event, Moment, Phase, Pool, TrackName

_TRACK, _STEP = rf"(?P<track>{'|'.join(TrackName)})", r"step (?P<step>\d+)/(?P<steps>\d+)"
_EVENTS = (
    (Event.BEGUN, rf"begun on {_TRACK}"),
    (Event.STEP, rf"{_STEP}, (?P<weight>\d+) %"),
    (Event.STEP, rf"{_STEP}, (?P<replicas>\d+) pods?"),
    (Event.SCALED, rf"{_TRACK} at (?P<replicas>\d+)"),
    (Event.APPLIED, rf"{_TRACK} takes (?P<release>\w+)"),
    (Event.READY, rf"{_TRACK} ready"),
    (Event.REACHED, rf"users reach {_TRACK}"),
    (Event.SWITCHED_BACK, rf"back to (?P<pool>{'|'.join(Pool)})"),
    (Event.ROLLED_BACK, "taken back"),
    (Event.OUTCOME, rf"(?P<outcome>{'|'.join(Phase)})"),
)


def moment(what: str) -> Moment:
    """What was written down, without when and pods; `text` where it is none of the words of that version."""
    for event, words in _EVENTS:
        if found := re.fullmatch(words, what):
            said = found.groupdict()
            track = HOME[Pool(said["pool"])] if "pool" in said else said.get("track")
            return Moment(
                event,
                track=TrackName(track) if track else None,
                release=said.get("release"),
                replicas=_number(said.get("replicas")),
                step=_number(said.get("step")),
                weight=_number(said.get("weight")),
                outcome=Phase(said["outcome"]) if "outcome" in said else None,
            )
    return Moment(text=what)


def steps(message: str, whats: Sequence[str]) -> int:
    """How many steps a canary had, by what it waited for or did last; 0 where it is not said."""
    found = (re.match(r"step \d+(?:/| of )(\d+)", text) for text in (message, *reversed(whats)))
    return next((int(match[1]) for match in found if match), 0)


def reason(text: str) -> str:
    """Why a release failed or was rejected, without whose it is."""
    return re.sub(r"^(?:workload \S+: )?(?:release [0-9a-f]{10}:? )?", "", text)


def _number(text: str | None) -> int | None:
    return int(text) if text else None
