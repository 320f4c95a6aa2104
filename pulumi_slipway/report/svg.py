"""Small parts of charts: elements whose text is escaped, scales, and round numbers on axes."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log10

from pulumi_slipway.core.foreign import shown

WIDTH = 800
"""Of every chart, in its own units: the page scales it."""
MULTIPLES = (1, 2, 2.5, 5, 10)
TIMES = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)


@dataclass(frozen=True)
class Scale:
    """Maps values to a chart's units, linearly."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        span = self.high - self.low
        return self.start + (self.end - self.start) * ((value - self.low) / span if span else 0.0)


def element(name: str, *content: str, **attributes: str | float) -> str:
    """An element with content that is markup already; `class_` is written `class`, `stroke_width` with a hyphen."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_safe(number(value) if isinstance(value, int | float) else value)}"'
        for key, value in attributes.items()
    )
    inner = "".join(content)
    return f"<{name}{written}>{inner}</{name}>" if inner else f"<{name}{written}/>"


def text(x: float, y: float, content: str, class_: str = "", anchor: str = "start") -> str:
    """A line of text; its content is escaped."""
    return element("text", _safe(content), x=x, y=y, class_=class_, text_anchor=anchor)


def title(content: str) -> str:
    """What is shown where the pointer rests; its content is escaped."""
    return element("title", _safe(content))


def _safe(content: str) -> str:
    return escape(shown(content))


def picture(height: float, label: str, parts: Sequence[str]) -> str:
    """A chart; `label` is what it shows, for who can't see it."""
    return element("svg", *parts, viewBox=f"0 0 {WIDTH} {number(height)}", role="img", aria_label=label)


def number(value: float) -> str:
    """A number without needless digits."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def round_ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round values within the bounds, about so many."""
    span = (high - low) / count
    if span <= 0:
        return [low]
    power = 10 ** floor(log10(span))
    step = next((m * power for m in MULTIPLES if m * power >= span), 10 * power)
    first = floor(low / step)
    return [i * step for i in range(first, first + 2 * count + 3) if low <= i * step <= high]


def time_ticks(seconds: float, count: int = 6) -> list[float]:
    """Round times from 0 on, about so many."""
    step = next((step for step in TIMES if step * count >= seconds), 86400 * (1 + seconds // (86400 * count)))
    return [i * step for i in range(int(seconds // step) + 1)]


def clock(seconds: float) -> str:
    """1:05 for a minute and five seconds, 1:00:00 for an hour."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
