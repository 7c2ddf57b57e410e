"""Files of several pictures enhanced: pages each for itself, frames with one light for each shot.

The light of a shot is the mean over frames from all of it, so what stands still stays the same in all frames: nothing
flickers, the end meets the beginning where an animation repeats, and files of changes stay small. A film's light
follows its frames instead (`drujax.enhance.film.temporal`), which are too many to be seen twice.
"""

import contextlib
import dataclasses
import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from drujax.enhance.composition import Gains
from drujax.enhance.light import Light, lit
from drujax.enhance.working_scale import Small, at_working_scale
from drujax.errors import UsageError
from drujax.films.shots import SIZE, Thumbnail, thumbnail_of, with_cuts
from drujax.pictures import vips
from drujax.pictures.color import luma
from drujax.pictures.picture import Picture
from drujax.pictures.series import Series
from drujax.pictures.tone_curve import curve_of

if TYPE_CHECKING:
    from drujax.enhance.amount import Amount
    from drujax.enhance.engine import Rounding
    from drujax.enhance.enhancer import Enhancer

# Frames of a shot, evenly spaced, over which the light is averaged; at most twice as many.
SEEN = 8


def enhanced_series(enhancer: "Enhancer", series: Series, amount: "Amount", rounding: "Rounding") -> Series:
    """See `Enhancer.series`."""
    if series.kind == "pages":
        on_device = _on_device()

        def enhanced(_: int, page: Picture) -> Picture:
            with on_device():
                return enhancer.picture(page, **amount._asdict())

        return dataclasses.replace(series, change=enhanced)
    if not enhancer.guided:
        raise UsageError(
            "an animation, which needs a model that gives gains (exposure-slim, enlightengan, ... without --plain); "
            "the network's own output differs from frame to frame"
        )
    starts, lights = _shots(series, lambda small: enhancer.light(small, amount))
    if not any(lights):
        return series

    def change(number: int, frame: Picture) -> Picture:
        light = lights[int(np.searchsorted(starts, number, side="right")) - 1]
        return frame if light is None else _lit(frame, light, amount, rounding)

    return dataclasses.replace(series, change=change)


def _on_device() -> Callable[[], contextlib.AbstractContextManager[Any]]:
    """Returns a context with this thread's default device; pages are written, and so enhanced, in other threads."""
    jax = sys.modules.get("jax")  # which other runtimes do not import
    if jax is None:
        return contextlib.nullcontext
    return functools.partial(jax.default_device, jax.config.jax_default_device)


def _shots(series: Series, light: Callable[[Small], Light | None]) -> tuple[list[int], list[Light | None]]:
    """Returns the first frame of each shot, and its light."""
    starts: list[int] = []
    lights: list[Light | None] = []
    shot = _Sample()
    for number, ((small,), first) in enumerate(with_cuts(_seen(series))):
        if first:
            if starts:
                lights.append(_mean([light(frame) for frame in shot.kept]))
            starts.append(number)
            shot = _Sample()
        shot.add(small)
    lights.append(_mean([light(frame) for frame in shot.kept]))
    return starts, lights


class _Sample:
    """Evenly spaced frames of a shot of unknown length, those of which something is visible."""

    def __init__(self) -> None:
        self._kept: list[Small | None] = []
        self._step, self._count = 1, 0

    def add(self, small: Small | None) -> None:
        if self._count % self._step == 0:
            self._kept.append(small)
        self._count += 1
        if len(self._kept) > 2 * SEEN:
            self._kept, self._step = self._kept[::2], 2 * self._step

    @property
    def kept(self) -> list[Small]:
        return [small for small in self._kept if small is not None]


def _seen(series: Series) -> Iterator[tuple[tuple[Small | None], Thumbnail]]:
    """Yields each frame at working scale, and its thumbnail."""
    for picture in series.pictures():
        curve = curve_of(picture, grey=picture.grey)
        image = vips.of_array(picture.rgb, picture.alpha)
        small = at_working_scale(image if curve is None else curve.encoded_image(image))
        yield (small,), _thumbnail(small)


def _thumbnail(small: Small | None) -> Thumbnail:
    return np.zeros(SIZE[::-1], np.uint8) if small is None else thumbnail_of(luma(small))


def _mean(lights: Sequence[Light | None]) -> Light | None:
    """The mean of log gains and of factors, where frames that are to stay as they are count with a factor of 0."""
    found = [light for light in lights if light is not None]
    if not found:
        return None
    gains = Gains(
        *(
            np.mean([np.asarray(part) for part in parts], 0)
            for parts in zip(*(gains for gains, _ in found), strict=True)
        )
    )
    return gains, sum(factor for _, factor in found) / len(lights)


def _lit(picture: Picture, light: Light, amount: "Amount", rounding: "Rounding") -> Picture:
    """Returns a frame with a light applied; a grey one stays grey."""
    curve = curve_of(picture, grey=picture.grey)
    before = vips.of_array(picture.rgb if curve is None else curve.encoded(picture.rgb))
    rgb = vips.pixels(lit(before, light, amount, rounding))
    rgb = rgb if curve is None else curve.decoded(rgb, picture.rgb.dtype)
    if picture.grey:
        rgb = np.repeat(np.rint(luma(rgb)).astype(rgb.dtype)[..., None], 3, axis=-1)
    return dataclasses.replace(picture, rgb=rgb)
