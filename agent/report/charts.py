"""Charts as SVG: sharp on paper, in the page's colours, with a title that a screen reader tells. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np
from numpy.typing import NDArray

WIDTH = 560
HEIGHT = 240
LEFT, RIGHT, TOP, BOTTOM = 70, 10, 14, 40


@dataclass(frozen=True, slots=True)
class Axis:
    """A linear axis of a chart: values from `low` to `high` lie between two places."""

    low: float
    high: float
    begin: float
    end: float

    def at(self, value: float) -> float:
        """Return the place of a value, kept inside the axis."""
        share = (min(max(value, self.low), self.high) - self.low) / ((self.high - self.low) or 1.0)
        return round(self.begin + share * (self.end - self.begin), 1)

    def ticks(self, count: int = 5) -> list[float]:
        """Return round values on the axis, about so many."""
        span = self.high - self.low
        if span <= 0:
            return [self.low]
        raw = span / count
        power = 10.0 ** np.floor(np.log10(raw))
        step = next(float(power * factor) for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
        first = np.ceil(self.low / step - 1e-9)
        return [float(first + number) * step for number in range(int(span / step + 1e-9) + 1)]


@dataclass(slots=True)
class Chart:
    """A chart in the making.

    Attributes:
        title: what it shows, in words, for those who cannot see it.
        x: the horizontal axis.
        y: the vertical one.
    height: of the drawing; its width is `WIDTH`.
    parts: what was drawn.
    """

    title: str
    x: Axis
    y: Axis
    height: int
    parts: list[str] = field(default_factory=list)

    @classmethod
    def over(cls, title: str, x: tuple[float, float], y: tuple[float, float], *, height: int = HEIGHT) -> Chart:
        """Return an empty chart over two ranges."""
        return cls(title, Axis(*x, LEFT, WIDTH - RIGHT), Axis(*y, height - BOTTOM, TOP), height)

    def frame(self, x_name: str, y_name: str, *, x_ticks: Iterable[float] | None = None) -> None:
        """Draw both axes with their ticks and names."""
        for value in self.y.ticks():
            y = self.y.at(value)
            self.parts.append(f'<path class="grid" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>')
            self.text(LEFT - 6, y + 4, _short(value), anchor="end")
        for value in self.x.ticks(6) if x_ticks is None else x_ticks:
            self.text(self.x.at(value), self.height - BOTTOM + 16, _short(value))
        self.text((LEFT + WIDTH - RIGHT) / 2, self.height - 6, x_name)
        middle = (TOP + self.height - BOTTOM) / 2
        self.parts.append(
            f'<text transform="translate(13 {middle}) rotate(-90)" text-anchor="middle">{escape(y_name)}</text>'
        )

    def text(self, x: float, y: float, words: str, *, anchor: str = "middle", kind: str = "") -> None:
        """Write words."""
        named = f' class="{kind}"' if kind else ""
        self.parts.append(f'<text{named} x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(words)}</text>')

    def line(self, xs: Sequence[float], ys: Sequence[float], kind: str) -> None:
        """Draw a line through points."""
        points = " ".join(f"{self.x.at(x):g},{self.y.at(y):g}" for x, y in zip(xs, ys, strict=True))
        self.parts.append(f'<polyline class="{kind}" points="{points}"/>')

    def band(self, xs: Sequence[float], low: Sequence[float], high: Sequence[float], kind: str) -> None:
        """Fill the room between two lines."""
        there = [f"{self.x.at(x):g},{self.y.at(y):g}" for x, y in zip(xs, high, strict=True)]
        back = [f"{self.x.at(x):g},{self.y.at(y):g}" for x, y in zip(xs, low, strict=True)]
        self.parts.append(f'<polygon class="{kind}" points="{" ".join([*there, *reversed(back)])}"/>')

    def bar(self, x: tuple[float, float], y: tuple[float, float], kind: str, words: str = "") -> None:
        """Draw a bar; `words` are told where a mouse rests on it."""
        left, right = self.x.at(x[0]), self.x.at(x[1])
        bottom, top = self.y.at(y[0]), self.y.at(y[1])
        told = f"<title>{escape(words)}</title>" if words else ""
        size = f'width="{max(right - left, 0.6):.4g}" height="{max(bottom - top, 0.6):.4g}"'
        self.parts.append(f'<rect class="{kind}" x="{left:g}" y="{top:g}" {size}>{told}</rect>')

    def mark(self, x: float, y: float, kind: str, words: str = "") -> None:
        """Draw a small triangle on a point."""
        at_x, at_y = self.x.at(x), self.y.at(y)
        told = f"<title>{escape(words)}</title>" if words else ""
        self.parts.append(f'<path class="{kind}" d="M{at_x} {at_y - 9}l5 8h-10z">{told}</path>')

    def dot(self, x: float, y: float, kind: str) -> None:
        """Draw a small square on a point."""
        self.parts.append(
            f'<rect class="{kind}" x="{self.x.at(x) - 2.5:g}" y="{self.y.at(y) - 2.5:g}" width="5" height="5"/>'
        )

    def upright(self, x: float, words: str, *, anchor: str = "start") -> None:
        """Draw an upright line with a word beside its top."""
        at = self.x.at(x)
        self.parts.append(f'<path class="limit" d="M{at} {TOP}V{self.height - BOTTOM}"/>')
        self.text(at + (4 if anchor == "start" else -4), TOP + 9, words, anchor=anchor)

    def level(self, y: float, words: str) -> None:
        """Draw a level line with words at its right end."""
        at = self.y.at(y)
        self.parts.append(f'<path class="limit" d="M{LEFT} {at}H{WIDTH - RIGHT}"/>')
        self.text(WIDTH - RIGHT, at - 4, words, anchor="end")

    def svg(self) -> str:
        """Return it as SVG."""
        return (
            f'<svg class="chart" viewBox="0 0 {WIDTH} {self.height}" role="img" aria-label="{escape(self.title)}">'
            f"{''.join(self.parts)}</svg>"
        )


def spark(lines: Sequence[tuple[str, Sequence[float]]], title: str, points_max: int = 120) -> str:
    """Return small lines over windows, without axes: what belongs beside a picture."""
    every = [value for _, values in lines for value in values]
    if not every:
        return ""
    low, high = min(every), max(every)
    longest = max(len(values) for _, values in lines)
    x, y = Axis(0, max(longest - 1, 1), 2, 158), Axis(low, high, 97, 3)
    drawn = []
    for kind, values in lines:
        places = thinned(len(values), points_max)
        points = " ".join(f"{x.at(place):g},{y.at(values[place]):g}" for place in places)
        drawn.append(f'<polyline class="{kind}" points="{points}"/>')
    return (
        f'<svg class="spark" viewBox="0 0 160 100" role="img" aria-label="{escape(title)}">{"".join(drawn)}</svg>'
    )


def thinned(count: int, most: int) -> list[int]:
    """Return places of a list of `count`, at most so many, evenly spread, with both ends."""
    if count <= most:
        return list(range(count))
    places: list[int] = np.linspace(0, count - 1, most).round().astype(int).tolist()
    return places


def histogram(values: NDArray[np.float64], low: float, high: float, bins: int) -> NDArray[np.int64]:
    """Return counts of values between two ends; what lies beyond is counted in the outermost bins."""
    counts, _ = np.histogram(np.clip(values, low, high), bins=bins, range=(low, high))
    return counts.astype(np.int64)


def _short(value: float) -> str:
    """Return a tick's value without needless digits."""
    if abs(value) >= 10_000 and value == round(value):
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.6g}" if abs(value) > 1e-12 else "0"
