"""The canvas: an image in unit coordinates, and the basic shapes that scenes consist of.

The stage has height 1 (y runs down from 0 to 1) and width `STAGE` (x = 0 is the centre). An image of any size shows the
part of the stage that fits its aspect ratio: the full height, or the full width if it is wider than the stage. Shapes
are independent of pixels, so a scene is the same at every resolution. Edges are anti-aliased by coverage, the fraction
of a pixel that the shape covers, computed from the signed distance of the pixel's centre to the edge.
"""

from collections.abc import Sequence

import numpy as np

STAGE = 2.4

Where = tuple[slice, slice]


def smoothstep(low: float, high: float, x: np.ndarray) -> np.ndarray:
    """0 below `low`, 1 above `high`, and a smooth transition between."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


class Canvas:
    """Float32 image `rgb`, (3, h, w), sRGB values in 0..1; `x` and `y` are pixel centres, `px` the size of a pixel.

    Colours are arrays that broadcast to (3, h, w) of the painted region.
    """

    def __init__(self, size: tuple[int, int]):
        h, w = size
        self.px = min(1.0 / h, STAGE / w)
        self.x = ((np.arange(w) + 0.5 - w / 2) * self.px).astype(np.float32)
        self.y = ((np.arange(h) + 0.5 - h / 2) * self.px + 0.5).astype(np.float32)
        self.rgb = np.zeros((3, h, w), np.float32)

    def cells(self, left: float, top: float, right: float, bottom: float) -> Where | None:
        """Returns the pixels that a box touches, plus one on each side; None if it lies outside the image."""
        h, w = self.rgb.shape[1:]
        x0, y0 = float(self.x[0]), float(self.y[0])
        columns = slice(max(int((left - x0) / self.px) - 1, 0), max(min(int((right - x0) / self.px) + 3, w), 0))
        rows = slice(max(int((top - y0) / self.px) - 1, 0), max(min(int((bottom - y0) / self.px) + 3, h), 0))
        if columns.start >= columns.stop or rows.start >= rows.stop:
            return None
        return rows, columns

    def below(self, y: float) -> Where | None:
        """Returns all pixels at or below the height `y`."""
        return self.cells(float(self.x[0]), y, float(self.x[-1]), float(self.y[-1]))

    def blend(self, where: Where, coverage: np.ndarray, colour: np.ndarray) -> None:
        """Blends `colour` over the pixels `where` with opacity `coverage` (0..1).

        A colour of the size of the image is cropped to `where`; others must broadcast to it.
        """
        h, w = self.rgb.shape[1:]
        if colour.shape[1] == h:
            colour = colour[:, where[0]]
        if colour.shape[2] == w:
            colour = colour[:, :, where[1]]
        view = self.rgb[:, where[0], where[1]]
        view += coverage * (colour - view)

    def sees(self, left: float, right: float) -> bool:
        """Whether left..right overlaps the frame."""
        return right >= float(self.x[0]) - self.px and left <= float(self.x[-1]) + self.px

    def part(self, where: Where) -> "Canvas":
        """Returns a black canvas for the pixels `where`."""
        piece = object.__new__(Canvas)
        piece.px, piece.x, piece.y = self.px, self.x[where[1]], self.y[where[0]]
        piece.rgb = np.zeros((3, piece.y.size, piece.x.size), np.float32)
        return piece

    def span(self, axis: np.ndarray, low: float, high: float) -> np.ndarray:
        """Returns the fraction of each pixel of `axis` (a part of x or y) that lies in low..high."""
        half = self.px / 2
        return np.clip((np.minimum(axis + half, high) - np.maximum(axis - half, low)) / self.px, 0.0, 1.0)

    def edge(self, distance: np.ndarray, soft: float = 0.0) -> np.ndarray:
        """Returns coverage from a signed distance (positive inside), blurred over at least `soft` stage units."""
        return np.clip(distance / max(self.px, soft) + 0.5, 0.0, 1.0)

    def rect(
        self, left: float, top: float, right: float, bottom: float, colour: np.ndarray, opacity: float = 1.0
    ) -> None:
        """Draws an axis-aligned rectangle."""
        where = self.cells(left, top, right, bottom)
        if where is not None:
            across = self.span(self.x[where[1]], left, right)
            down = self.span(self.y[where[0]], top, bottom)
            self.blend(where, (opacity * down)[:, None] * across, colour)

    def polygon(
        self, points: Sequence[tuple[float, float]], colour: np.ndarray, opacity: float = 1.0, soft: float = 0.0
    ) -> None:
        """Draws a convex polygon, with corners in either orientation."""
        corners = np.asarray(points, np.float64)
        where = self.cells(*(corners.min(0) - soft), *(corners.max(0) + soft))
        if where is None:
            return
        ahead = np.roll(corners, -1, axis=0) - corners
        length = np.hypot(ahead[:, 0], ahead[:, 1])
        corners, ahead, length = corners[length > 0], ahead[length > 0], length[length > 0]
        normal = np.stack([-ahead[:, 1], ahead[:, 0]], 1) / length[:, None]
        middle = corners.mean(0)
        normal *= np.where(((middle - corners) * normal).sum(1) < 0, -1.0, 1.0)[:, None]
        offset = -(corners * normal).sum(1)
        x, y = self.x[where[1]], self.y[where[0]][:, None]
        inside = None
        for (nx, ny), c in zip(normal.astype(np.float32), offset.astype(np.float32), strict=True):
            distance = nx * x + (ny * y + c)
            inside = distance if inside is None else np.minimum(inside, distance)
        if inside is not None:
            self.blend(where, opacity * self.edge(inside, soft), colour)

    def line(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        width: float,
        colour: np.ndarray,
        opacity: float = 1.0,
    ) -> None:
        """Draws a straight line; below a pixel's width it fades instead of breaking up."""
        (x0, y0), (x1, y1) = start, end
        where = self.cells(min(x0, x1) - width, min(y0, y1) - width, max(x0, x1) + width, max(y0, y1) + width)
        length = float(np.hypot(x1 - x0, y1 - y0))
        if where is None or length == 0:
            return
        ux, uy = np.float32((x1 - x0) / length), np.float32((y1 - y0) / length)
        dx, dy = self.x[where[1]] - np.float32(x0), (self.y[where[0]] - np.float32(y0))[:, None]
        across = self.span(dx * -uy + dy * ux, -width / 2, width / 2)
        along = self.span(dx * ux + dy * uy, 0.0, length)
        self.blend(where, (opacity * across) * along, colour)

    def curve(self, left: float, right: float, height: np.ndarray, width: float, colour: np.ndarray) -> None:
        """Draws a curve along `height` (one y per image column) from left to right."""
        where = self.cells(left, float(height.min()) - width, right, float(height.max()) + width)
        if where is not None:
            y = height[where[1]]
            steep = np.hypot(1.0, np.gradient(height)[where[1]] / self.px) if height.size > 1 else 1.0
            across = self.span((self.y[where[0]][:, None] - y) / steep, -width / 2, width / 2)
            self.blend(where, across * self.span(self.x[where[1]], left, right), colour)

    def ellipse(
        self,
        centre: tuple[float, float],
        rx: float,
        ry: float,
        colour: np.ndarray,
        opacity: float = 1.0,
        soft: float = 0.0,
    ) -> None:
        """Draws an axis-aligned ellipse."""
        cx, cy = centre
        where = self.cells(cx - rx - soft, cy - ry - soft, cx + rx + soft, cy + ry + soft)
        if where is not None:
            dx, dy = (self.x[where[1]] - cx) / rx, ((self.y[where[0]] - cy) / ry)[:, None]
            inside = (1.0 - np.sqrt(dx * dx + dy * dy)) * min(rx, ry)
            self.blend(where, opacity * self.edge(inside, soft), colour)

    def ground(self, height: np.ndarray, colour: np.ndarray, opacity: float = 1.0, soft: float = 0.0) -> None:
        """Fills everything below `height` (one y per column). A `colour` with rows has one per image row."""
        where = self.below(float(height.min()) - soft)
        if where is None:
            return
        steep = np.hypot(1.0, np.gradient(height) / self.px) if height.size > 1 else 1.0
        inside = (self.y[where[0]][:, None] - height) / steep
        self.blend(where, opacity * self.edge(inside, soft), colour)

    def band(self, upper: np.ndarray, lower: np.ndarray, colour: np.ndarray, opacity: float = 1.0) -> None:
        """Fills the region between two heights (one y per column each)."""
        where = self.cells(float(self.x[0]), float(upper.min()), float(self.x[-1]), float(lower.max()))
        if where is not None:
            y, half = self.y[where[0]][:, None], self.px / 2
            down = np.clip((np.minimum(y + half, lower) - np.maximum(y - half, upper)) / self.px, 0.0, 1.0)
            self.blend(where, opacity * down, colour)

    def spindle(
        self,
        top: float,
        bottom: float,
        middle: np.ndarray,
        half_width: np.ndarray,
        colour: np.ndarray,
        opacity: float = 1.0,
    ) -> None:
        """Fills a vertical shape: `half_width` to each side of the x `middle` (both one per row)."""
        rows = self.cells(float(self.x[0]), top, float(self.x[-1]), bottom)
        if rows is None:
            return
        centre, half = middle[rows[0]], half_width[rows[0]]
        where = self.cells(float((centre - half).min()), top, float((centre + half).max()), bottom)
        if where is None:
            return
        low, high = (centre - half)[:, None], (centre + half)[:, None]
        x, margin = self.x[where[1]], self.px / 2
        across = np.clip((np.minimum(x + margin, high) - np.maximum(x - margin, low)) / self.px, 0.0, 1.0)
        self.blend(where, across * (opacity * self.span(self.y[where[0]], top, bottom)[:, None]), colour)

    def glow(self, centre: tuple[float, float], radius: float, colour: np.ndarray, strength: float) -> None:
        """Adds the glow around a lamp by screen blending, so that nothing saturates."""
        if strength <= 0:
            return
        cx, cy = centre
        where = self.cells(cx - radius, cy - radius, cx + radius, cy + radius)
        if where is not None:
            dx, dy = (self.x[where[1]] - cx) / radius, ((self.y[where[0]] - cy) / radius)[:, None]
            fall = np.clip(1.0 - (dx * dx + dy * dy), 0.0, 1.0)
            view = self.rgb[:, where[0], where[1]]
            view += (strength * fall * fall * fall) * colour * np.clip(1.0 - view, 0.0, 1.0)

    def rows(self, stops: Sequence[float], colours: np.ndarray) -> np.ndarray:
        """Returns a vertical gradient for the whole image, (3, h, 1): `colours` (n, 3) at the heights `stops`."""
        return np.stack([np.interp(self.y, stops, c) for c in np.asarray(colours).T]).astype(np.float32)[:, :, None]

    def to_uint8(self) -> np.ndarray:
        """Converts to uint8, (h, w, 3)."""
        return np.ascontiguousarray(np.rint(np.clip(self.rgb, 0.0, 1.0) * 255.0).astype(np.uint8).transpose(1, 2, 0))
