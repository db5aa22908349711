"""Series as an SVG drawing: one panel for each thing that grows, both axes logarithmic."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape

from .report import Series, duration

WIDTH, HEIGHT, COLUMNS = 510, 300, 2
LEFT, RIGHT, TOP, BOTTOM = 62, 36, 30, 76
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")  # told apart by the colour-blind as well


def text(x: float, y: float, content: str, anchor: str = "middle", size: int = 11, color: str = "#333") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{color}">'
        f"{escape(content)}</text>"
    )


def line(x1: float, y1: float, x2: float, y2: float, color: str = "#ddd") -> str:
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{color}"/>'


def decades(values: Iterable[float]) -> tuple[int, int]:
    """The powers of ten around the values, at least one apart."""
    logs = [math.log10(value) for value in values]
    low, high = math.floor(min(logs) + 1e-9), math.ceil(max(logs) - 1e-9)
    return low, max(high, low + 1)


def panel(title: str, shown: Sequence[Series], x: float, y: float) -> list[str]:
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    points = [point for series in shown for point in series.points]
    (x0, x1), (y0, y1) = decades(p[0] for p in points), decades(p[1] for p in points)

    def across(value: float) -> float:
        return x + LEFT + wide * (math.log10(value) - x0) / (x1 - x0)

    def up(value: float) -> float:
        return y + TOP + high * (1 - (math.log10(value) - y0) / (y1 - y0))

    drawn = [text(x + LEFT + wide / 2, y + 18, f"time by {title}", size=13)]
    for power in range(x0, x1 + 1):
        at = across(10.0**power)
        drawn += [line(at, y + TOP, at, y + TOP + high), text(at, y + TOP + high + 15, f"{10**power:,}")]
    for power in range(y0, y1 + 1):
        at = up(10.0**power)
        drawn += [line(x + LEFT, at, x + LEFT + wide, at), text(x + LEFT - 6, at + 4, duration(10.0**power), "end")]
    for index, series in enumerate(shown):
        color = COLORS[index % len(COLORS)]
        path = "L".join(f"{across(size):.1f} {up(seconds):.1f}" for size, seconds in series.points)
        drawn.append(f'<path d="M{path}" stroke="{color}" stroke-width="2" fill="none"/>')
        drawn += [
            f'<circle cx="{across(size):.1f}" cy="{up(seconds):.1f}" r="2.5" fill="{color}"/>'
            for size, seconds in series.points
        ]
        drawn.append(
            text(x + LEFT + (index % 2) * wide / 2, y + TOP + high + 32 + 14 * (index // 2),
                 f"— {series.what.replace('`', '')}", "start", color=color)
        )  # fmt: skip
    return drawn


def svg(found: Iterable[Series], caption: str) -> str:
    """The drawing; a series of one point is a dot.

    Raises:
        ValueError: there is nothing to draw.
    """
    panels: dict[str, list[Series]] = {}
    for series in found:
        panels.setdefault(series.panel, []).append(series)
    if not panels:
        raise ValueError("no series to draw")
    lines = -(-len(panels) // COLUMNS)
    width, height = WIDTH * min(COLUMNS, len(panels)), HEIGHT * lines + 24
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for index, (title, shown) in enumerate(panels.items()):
        drawn += panel(title, shown, WIDTH * (index % COLUMNS), HEIGHT * (index // COLUMNS))
    drawn += [text(width / 2, height - 8, caption, size=10), "</svg>"]
    return "\n".join(drawn) + "\n"
