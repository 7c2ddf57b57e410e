"""Draws the report of a probability network as a PNG, using Pillow only."""

import io
from typing import Any

from PIL import Image, ImageDraw, ImageFont

SIDE, MARGIN, GAP = 320, 56, 40  # of a panel, around the panels, between them; pixels
INK, GRID, BLUE, ORANGE, GREY = "#222222", "#dddddd", "#3b6ea8", "#d9822b", "#999999"


def draw(report: dict[str, Any]) -> bytes:
    """Draws a PNG: the reliability diagram of the held-out images, and the histograms of RP_d and RP_b."""
    width = 2 * MARGIN + 3 * SIDE + 2 * (GAP + MARGIN)
    image = Image.new("RGB", (width, SIDE + 2 * MARGIN + 20), "white")
    canvas = ImageDraw.Draw(image)
    _Reliability(canvas, 0).draw(report)
    _Histogram(canvas, 1).draw(report["rp_dark"], "RP_d of train_dark", BLUE)
    _Histogram(canvas, 2).draw(report["rp_bright"], "RP_b of train_bright", ORANGE)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


class _Panel:
    """A square with axes 0..1, the panel number `column`."""

    def __init__(self, canvas: ImageDraw.ImageDraw, column: int):
        self.canvas = canvas
        self.left, self.top = MARGIN + column * (SIDE + GAP + MARGIN), MARGIN
        self.font = ImageFont.load_default(13)

    def at(self, x: float | int, y: float | int) -> tuple[float, float]:
        return float(self.left + x * SIDE), float(self.top + (1 - y) * SIDE)

    def bar(self, x0: float | int, x1: float | int, height: float | int, colour: str) -> None:
        (left, top), (right, bottom) = self.at(x0, height), self.at(x1, 0)
        if height > 0:
            self.canvas.rectangle((left + 1, top, right - 1, bottom), fill=colour)

    def text(self, x: float | int, y: float | int, words: str, anchor: str) -> None:
        self.canvas.text((x, y), words, fill=INK, font=self.font, anchor=anchor)

    def frame(self, title: str, below: str, top_of_y: str) -> None:
        for tick in (0, 0.25, 0.5, 0.75, 1):
            self.canvas.line((*self.at(tick, 0), *self.at(tick, 1)), fill=GRID)
            self.canvas.line((*self.at(0, tick), *self.at(1, tick)), fill=GRID)
            self.text(self.at(tick, 0)[0], self.top + SIDE + 6, f"{tick:g}", "mt")
        self.text(self.left - 6, self.top, top_of_y, "rm")
        self.text(self.left - 6, self.top + SIDE, "0", "rm")
        self.text(self.left, self.top - 12, title, "ls")
        self.text(self.left + SIDE / 2, self.top + SIDE + 28, below, "mt")

    def close(self) -> None:
        self.canvas.rectangle((*self.at(0, 1), *self.at(1, 0)), outline=INK)


class _Reliability(_Panel):
    def draw(self, report: dict[str, Any]) -> None:
        error = report["expected_calibration_error"]
        title = "held-out images: none" if error is None else f"held-out accuracy; calibration error {error:.4f}"
        self.frame(title, "confidence", "1")
        for bin_ in report["reliability"]:
            self.bar(bin_["lower"], bin_["upper"], bin_["accuracy"], BLUE)
        self.canvas.line((*self.at(0, 0), *self.at(1, 1)), fill=GREY)
        for bin_ in report["reliability"]:
            x, y = self.at(bin_["confidence"], bin_["accuracy"])
            self.canvas.ellipse((x - 4, y - 4, x + 4, y + 4), fill=ORANGE)
        self.close()


class _Histogram(_Panel):
    def draw(self, histogram: dict[str, Any], name: str, colour: str) -> None:
        counts, edges = histogram["counts"], histogram["edges"]
        highest = max([*counts, 1])
        self.frame(self._title(histogram, name), name, str(highest))
        for count, left, right in zip(counts, edges[:-1], edges[1:], strict=True):
            self.bar(left, right, count / highest, colour)
        self.close()

    def _title(self, histogram: dict[str, Any], name: str) -> str:
        if histogram["mean"] is None:
            return f"{name}: no images"
        return f"mean {histogram['mean']:.3f}, std {histogram['std']:.3f}, {histogram['saturated']:.0%} above 0.99"
