"""The charts of a release: its steps, the share of each version, what its checks measured."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from pulumi_slipway.core.model import CheckResult, Event, Moment, Record
from pulumi_slipway.report.svg import WIDTH, Scale, clock, element, picture, round_ticks, text, time_ticks, title
from pulumi_slipway.report.words import happened, lasting

LEFT, RIGHT = 190, WIDTH - 70
"""The charts over the time of the release share these edges, so that they can be read below each other."""
ROW = 24
TAIL = 0.04
"""What follows the last moment, as a share of the whole: where things came to is to be seen."""


class Span(NamedTuple):
    """A moment of the release, in seconds from its start, and the next one."""

    moment: Moment
    begin: float
    end: float


def spans(record: Record, now: datetime) -> tuple[Span, ...]:
    """Each moment until the next; the last one ends with the record, or now."""
    start = datetime.fromisoformat(record.started)
    ended = datetime.fromisoformat(record.finished) if record.finished else now
    at = [(datetime.fromisoformat(moment.at) - start).total_seconds() for moment in record.timeline]
    ends = [*at[1:], max((ended - start).total_seconds(), *at[-1:])] if at else []
    return tuple(map(Span, record.timeline, at, ends))


def steps(record: Record, now: datetime) -> str:
    """The moments of the release, one below the other, each as long as it took until the next."""
    named = tuple(moment for moment in record.timeline if moment.event or moment.text)
    drawn = spans(replace(record, timeline=named), now)
    if not drawn:
        return ""
    across, bottom = _across(drawn), ROW * len(drawn) + 8
    parts = [_times(across, drawn[-1].end, 4, bottom)]
    for row, (moment, begin, end) in enumerate(drawn):
        middle = 4 + ROW * row + ROW / 2
        what = happened(moment, record.steps)
        tooltip = title(f"{moment.at}: {what}, {lasting(end - begin)}")
        width = across(end) - across(begin)
        kind = _kind(moment)
        bar = (
            element("rect", tooltip, x=across(begin), y=middle - 7, width=width, height=14, rx=3, class_=kind)
            if width >= 3
            else element("circle", tooltip, cx=across(begin) + width / 2, cy=middle, r=4.5, class_=kind)
        )
        parts += [text(0, middle + 4, _short(what), "label"), bar]
        if end > begin:
            parts.append(text(WIDTH, middle + 4, lasting(end - begin), "quiet", "end"))
    return picture(bottom + 20, f"{len(drawn)} moments of the release over time", parts)


def shares(record: Record, colours: Mapping[str, str], names: Mapping[str, str], now: datetime) -> str:
    """Which share of the pods that users reach ran which release."""
    drawn = spans(record, now)
    if not any(span.moment.pods for span in drawn):
        return ""
    top, bottom = 8, 168
    across, up = _across(drawn), Scale(0, 100, bottom, top)
    parts = [_times(across, drawn[-1].end, top, bottom)]
    for percent in (0, 50, 100):
        parts.append(text(LEFT - 8, up(percent) + 4, f"{percent} %", "quiet", "end"))
    for index, (moment, begin, end) in enumerate(drawn):
        right = across(across.high) if index == len(drawn) - 1 else across(end)
        whole, below = sum(moment.pods.values()), 0.0
        for release in sorted(moment.pods, key=list(colours).index):
            share = 100 * moment.pods[release] / whole if whole else 0.0
            what = happened(moment, record.steps) or moment.at
            tooltip = f"{what}: {moment.pods[release]} of {whole} pods run {release}, {share:.3g} %"
            parts.append(
                element(
                    "rect",
                    title(tooltip),
                    x=across(begin),
                    y=up(below + share),
                    width=max(right - across(begin), 0.5),
                    height=up(below) - up(below + share),
                    class_=f"share {colours[release]}",
                )
            )
            below += share
    for row, (release, colour) in enumerate(colours.items()):
        y = 16 + 34 * row
        parts += [
            element("rect", x=0, y=y - 9, width=11, height=11, rx=2, class_=colour),
            text(18, y, release, "label"),
            text(18, y + 14, names.get(release, ""), "quiet"),
        ]
    height = max(bottom + 20, 34 * len(colours) + 10)
    return picture(height, "share of each release over time", parts)


def values(check: CheckResult) -> str:
    """What a check measured, against its thresholds; empty where there are no two numbers."""
    measured = [(datetime.fromisoformat(at), value, status) for at, value, status in check.values]
    numbers = [value for _, value, _ in measured if value is not None]
    if len(numbers) < 2:
        return ""
    left, top, bottom = 60, 12, 150
    low, high = _bounds([*numbers, *check.threshold.values()])
    start = measured[0][0]
    took = max((measured[-1][0] - start).total_seconds(), 1.0)
    across, up = Scale(0, took, left, RIGHT), Scale(low, high, bottom, top)
    parts = [_times(across, took, top, bottom)]
    for tick in round_ticks(low, high):
        parts += [
            element("line", x1=left, x2=RIGHT, y1=up(tick), y2=up(tick), class_="grid"),
            text(left - 8, up(tick) + 4, f"{tick:.4g}", "quiet", "end"),
        ]
    for name, limit in check.threshold.items():
        y, edge = up(limit), top if name == "max" else bottom
        parts += [
            element("rect", x=left, y=min(y, edge), width=RIGHT - left, height=abs(edge - y), class_="forbidden"),
            element("line", x1=left, x2=RIGHT, y1=y, y2=y, class_="threshold"),
            text(RIGHT + 6, y + 4, f"{name} {limit:.4g}", "limit"),
        ]
    dots = []
    run: list[str] = []  # of numbers, until one is missing
    for at, value, status in [*measured, (start, None, "")]:
        x = across((at - start).total_seconds())
        if value is not None:
            run.append(f"{x:.1f},{up(value):.1f}")
            tooltip = title(f"{at:%H:%M:%S}: {value:.6g}, {status}")
            dots.append(element("circle", tooltip, cx=x, cy=up(value), r=3.5, class_=f"dot {status.lower()}"))
            continue
        if len(run) > 1:
            parts.append(element("polyline", points=" ".join(run), class_="line"))
        run = []
        if status:
            tooltip = title(f"{at:%H:%M:%S}: no value, {status}")
            dots.append(element("rect", tooltip, x=x - 3, y=bottom - 3, width=6, height=6, class_=status.lower()))
    return picture(bottom + 20, f"values of {check.name} over time", [*parts, *dots])


def measurements(check: CheckResult) -> str:
    """A check's measurements as a row of dots, each in the colour of its status."""
    dots = [
        element("circle", title(f"{at[11:19]}: {status}"), cx=5 + 11 * i, cy=5, r=4, class_=status.lower())
        for i, (at, _, status) in enumerate(check.values)
    ]
    width = 11 * len(dots) or 1
    said = f"{len(dots)} measurements"
    return element("svg", *dots, viewBox=f"0 0 {width} 10", width=width, height=10, role="img", aria_label=said)


def _across(drawn: Sequence[Span]) -> Scale:
    whole = max(drawn[-1].end, 0.1)
    return Scale(0, whole * (1 + TAIL), LEFT, RIGHT)


def _times(across: Scale, seconds: float, top: float, bottom: float) -> str:
    """The lines and names of round times."""
    parts = []
    for tick in time_ticks(seconds):
        x = across(tick)
        parts += [
            element("line", x1=x, x2=x, y1=top, y2=bottom, class_="grid"),
            text(x, bottom + 15, clock(tick), "quiet", "middle"),
        ]
    return "".join(parts)


def _bounds(numbers: Sequence[float]) -> tuple[float, float]:
    """What the axis shows: all of them and some room, from 0 where they are near it."""
    low, high = min(numbers), max(numbers)
    room = (high - low) * 0.15 or abs(high) * 0.1 or 1.0
    return (0.0 if 0 <= low <= high - low else low - room), high + room


def _kind(moment: Moment) -> str:
    """The colour of a moment: how it ended, or what it was about."""
    match moment.event:
        case Event.OUTCOME:
            return f"bar {str(moment.outcome).lower()}"
        case Event.ROLLED_BACK | Event.SWITCHED_BACK:
            return "bar degraded"
    return "bar step" if moment.event is Event.STEP else "bar"


def _short(what: str) -> str:
    return what if len(what) <= 28 else f"{what[:27]}…"
