"""How long, when, which image and what happened, in few letters: for the report and for `status`."""

from pulumi_slipway.core.model import Event, Moment


def lasting(seconds: float) -> str:
    """How long, in the two largest units: "1 h 5 min", "4.2 s"."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds >= 0.05 else "0 s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    first = next(i for i, (count, _) in enumerate(units) if count)
    return " ".join(f"{count} {unit}" for count, unit in units[first : first + 2] if count)


def digest(image: str) -> str:
    """What tells an image from others: the start of its digest, else the end of its name."""
    _, at, found = image.partition("@")
    return found.partition(":")[2][:8] if at else image.rpartition("/")[2][-20:]


def day_and_time(stamp: str) -> str:
    """11-25 13:40, of an ISO 8601 time."""
    return stamp[5:16].replace("T", " ")


def full(stamp: str) -> str:
    """2026-11-25 13:40:05 UTC, of an ISO 8601 time in UTC."""
    return f"{stamp[:19].replace('T', ' ')} UTC" if stamp else ""


def happened(moment: Moment, steps: int) -> str:  # noqa: PLR0911  a table
    """What a moment is about, of a release with so many steps; empty where only the pods are others."""
    match moment.event:
        case Event.BEGUN:
            return f"begun on {moment.track}"
        case Event.STEP:
            return ", ".join([f"step {moment.step}" + (f"/{steps}" if steps else ""), *_size(moment)])
        case Event.SCALED:
            return f"{moment.track} at {moment.replicas}"
        case Event.APPLIED:
            return f"{moment.track} takes {moment.release}"
        case Event.READY:
            return f"{moment.track} ready"
        case Event.REACHED:
            return f"users reach {moment.track}"
        case Event.SWITCHED_BACK:
            return f"back to {moment.track}"
        case Event.ROLLED_BACK:
            return "rolled back"
        case Event.OUTCOME:
            return str(moment.outcome)
    return moment.text or ""


def _size(moment: Moment) -> list[str]:
    if moment.weight is not None:
        return [f"{moment.weight} %"]
    return [f"{moment.replicas} pod{'' if moment.replicas == 1 else 's'}"] if moment.replicas else []
