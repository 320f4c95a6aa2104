"""How long, when and which image, in few letters: for the report and for `status`."""


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


def reason(message: str, workload: str, release: str) -> str:
    """Why, without the words that stand beside it anyhow: whose release it is."""
    return message.removeprefix(f"workload {workload}: ").removeprefix(f"release {release}: ")
