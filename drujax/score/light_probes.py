"""Faults that show in several enhanced pictures: of noise, of JPEG's blocks, of almost equal pictures, of a fade-in."""

import io
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from drujax.metrics.exposure import Luma
from drujax.pictures.color import luma

Rgb = UInt8[np.ndarray, "h w 3"]
Enhance = Callable[[np.ndarray], np.ndarray]  # uint8 b h w 3 -> the same

DARK = 48.0  # luma below which noise and blocks are measured
JPEG_QUALITY = 50
FADE = (0.1, 0.2, 0.35, 0.5, 0.7, 1.0)  # exposures of a fade-in


def probe(enhance: Enhance, dark: Rgb, enhanced: Rgb) -> dict[str, float | None]:
    """Measures how stable an enhancer is around one dark picture.

    Args:
        enhance: uint8 b h w 3 -> the same.
        dark: without noise and compression, as painted.
        enhanced: what `enhance` makes of it.

    Returns:
        "noise_gain", "block_gain", "jump": as the functions of these names define them.
    """
    return {
        "noise_gain": noise_gain(enhance, dark, enhanced),
        "block_gain": block_gain(enhance, dark, enhanced),
        "jump": jump(enhance, dark, enhanced),
    }


def noise_gain(enhance: Enhance, dark: Rgb, enhanced: Rgb) -> float | None:
    """How much more noise is lifted than the picture: 1 is as much.

    Noise of -1, 0 or 1 level, the same in the three channels, is added; the root mean square of the change of luma that
    it makes, enhanced over input, is divided by the gain of mean luma, both where the input's luma is below 48.
    """
    noise = np.random.default_rng(0).integers(-1, 2, (*dark.shape[:2], 1))
    noisy = np.clip(dark.astype(int) + noise, 0, 255).astype(np.uint8)
    return _relative_change(noisy, enhance(noisy[None])[0], dark, enhanced)


def _relative_change(changed: Rgb, changed_enhanced: Rgb, dark: Rgb, enhanced: Rgb) -> float | None:
    where = _y(dark) < DARK
    if where.sum() < 64:
        return None
    before, after = ((_y(a) - _y(b))[where] for a, b in ((changed, dark), (changed_enhanced, enhanced)))
    gain = max(float(_y(enhanced)[where].mean()), 1.0) / max(float(_y(dark)[where].mean()), 1.0)
    return float(np.sqrt((after**2).mean()) / max(float(np.sqrt((before**2).mean())), 1e-3) / gain)


def block_gain(enhance: Enhance, dark: Rgb, enhanced: Rgb) -> float | None:
    """How much more JPEG's blocks are lifted than the picture: 1 is as much.

    The picture is compressed at quality 50. `blockiness` of its dark part, enhanced over input, is divided by the gain
    of mean luma there.
    """
    compressed = jpeg(dark)
    where = _y(dark) < DARK
    before = blockiness(_y(compressed), where)
    if where.sum() < 4096 or before < 0.05:  # no blocks to speak of
        return None
    gain = max(float(_y(enhanced)[where].mean()), 1.0) / max(float(_y(dark)[where].mean()), 1.0)
    return blockiness(_y(enhance(compressed[None])[0]), where) / before / gain


def blockiness(y: Luma, where: np.ndarray) -> float:
    """Steps across the borders of 8 x 8 blocks beyond those inside them: the mean absolute difference, in levels."""
    steps = []
    for axis in (0, 1):
        step, inside = np.abs(np.diff(y, axis=axis)), np.delete(where, -1, axis)
        border = np.arange(step.shape[axis]) % 8 == 7
        border = border[:, None] if axis == 0 else border[None, :]
        if (inside & border).any() and (inside & ~border).any():
            steps.append(float(step[inside & border].mean() - step[inside & ~border].mean()))
    return max(0.0, sum(steps) / len(steps)) if steps else 0.0


def jpeg(rgb: Rgb) -> Rgb:
    """Compresses a picture as JPEG of quality 50, and reads it again."""
    stream = io.BytesIO()
    Image.fromarray(rgb).save(stream, "JPEG", quality=JPEG_QUALITY)
    return np.asarray(Image.open(stream))


def jump(enhance: Enhance, dark: Rgb, enhanced: Rgb) -> float:
    """Largest mean change of luma, in levels, between pictures that hardly differ.

    One level more in all channels; one more in blue; and a grey version of the picture against one with one level more
    in blue, since methods treat grey specially. A gain of 4 makes it 4.
    """
    grey = np.repeat(np.rint(_y(dark))[..., None], 3, -1).astype(np.uint8)
    bluer = np.array([0, 0, 1])

    def more(rgb: Rgb, by: np.ndarray | int) -> Rgb:
        return np.clip(rgb.astype(int) + by, 0, 255).astype(np.uint8)

    pairs = (
        (enhanced, enhance(more(dark, 1)[None])[0]),
        (enhanced, enhance(more(dark, bluer)[None])[0]),
        (enhance(grey[None])[0], enhance(more(grey, bluer)[None])[0]),
    )
    return max(float(np.abs(_y(a) - _y(b)).mean()) for a, b in pairs)


def fade_fall(enhance: Enhance, bright: Rgb) -> float:
    """Largest fall of the mean luma, in levels, while a bright scene fades in: 0 is right, the order stays.

    Args:
        enhance: uint8 b h w 3 -> the same.
        bright: the scene in full light; its levels are multiplied by 0.1 to 1.
    """
    frames = [np.rint(bright * exposure).astype(np.uint8) for exposure in FADE]
    luma_of = np.array([_y(enhance(frame[None])[0]).mean() for frame in frames])
    return float(max(0.0, np.max(luma_of[:-1] - luma_of[1:])))


def _y(rgb: Rgb) -> Float[np.ndarray, "h w"]:
    return luma(rgb.astype(np.float32))
