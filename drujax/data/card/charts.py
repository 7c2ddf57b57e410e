"""Histograms as SVG, in the colours of the page that holds them."""

from html import escape

from drujax.data.card.content import Histogram

WIDTH, HEIGHT = 420, 150  # of the plot area
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 22, 24


def svg(histogram: Histogram) -> str:
    """Draws stacked bars; the colour of a series is the class `series-NAME` of its first word."""
    totals = [sum(counts) for counts in zip(*histogram.series.values(), strict=True)]
    highest = max([*totals, 1])
    parts = [*_axes(histogram, highest), *_bars(histogram, highest), *_marks(histogram)]
    width, height = LEFT + WIDTH + RIGHT, TOP + HEIGHT + BOTTOM
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(_described(histogram))}">'
        f"{''.join(parts)}</svg>"
    )


def _bars(histogram: Histogram, highest: int) -> list[str]:
    step = WIDTH / (len(histogram.edges) - 1)
    below, parts = [0] * (len(histogram.edges) - 1), []
    for name, counts in histogram.series.items():
        for i, count in enumerate(counts):
            if count:
                height, bottom = count / highest * HEIGHT, below[i] / highest * HEIGHT
                left, right = histogram.edges[i], histogram.edges[i + 1]
                parts.append(
                    f'<rect class="series-{escape(name.split()[-1])}" x="{LEFT + i * step + 0.5:.2f}" '
                    f'y="{TOP + HEIGHT - bottom - height:.2f}" width="{step - 1:.2f}" height="{height:.2f}">'
                    f"<title>{escape(name)}, {left:g} to {right:g}: {count}</title></rect>"
                )
                below[i] += count
    return parts


def _axes(histogram: Histogram, highest: int) -> list[str]:
    first, last = histogram.edges[0], histogram.edges[-1]
    parts = []
    for value in _ticks(first, last):
        x = LEFT + (value - first) / (last - first) * WIDTH
        parts.append(f'<text x="{x:.1f}" y="{TOP + HEIGHT + 16}" text-anchor="middle">{value:g}</text>')
    for y, value in ((TOP + HEIGHT, 0), (TOP, highest)):
        parts.append(f'<line class="axis" x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{value}</text>')
    return parts


def _marks(histogram: Histogram) -> list[str]:
    first, last = histogram.edges[0], histogram.edges[-1]
    parts = []
    for name, value in histogram.marks.items():
        x = LEFT + (value - first) / (last - first) * WIDTH
        parts.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{TOP + HEIGHT}"/>')
        parts.append(f'<text x="{x:.1f}" y="{TOP - 6}" text-anchor="middle">{escape(name)} {value:g}</text>')
    return parts


def _ticks(first: float, last: float) -> list[float]:
    """Returns at most seven round numbers."""
    step = next(step for step in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if (last - first) / step < 7)
    return [round(first + i * step, 6) for i in range(int((last - first) / step + 1e-6) + 1)]


def _described(histogram: Histogram) -> str:
    totals = ", ".join(f"{sum(counts)} {name}" for name, counts in histogram.series.items())
    return f"{histogram.title}: {totals}"
