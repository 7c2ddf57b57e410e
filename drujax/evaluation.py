"""How good an enhancer is: against synthetic scenes whose bright truth is known, and by the light of real pictures."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8

from drujax.data.qab import mean_luma
from drujax.data.scenes import pair
from drujax.images import to_float
from drujax.metrics.fidelity import psnr, ssim
from drujax.metrics.light import clipped

Enhance = Callable[[np.ndarray], np.ndarray]  # uint8 b h w 3 -> the same
UNCHANGED = 0.12  # a bright picture may change its mean luma by this share


def score_scenes(
    enhance: Enhance, count: int, *, size: int, seed: int, on_progress: Callable[[int], None]
) -> dict[str, Any]:
    """Mean PSNR (dB) and SSIM of dark scenes, as they are and enhanced, against the same scenes in bright light.

    Args:
        enhance: uint8 b h w 3 -> the same.
        count: number of scenes.
        size: side of the squares they are painted on.
        seed: of the scenes; another one than that of scenes it was trained on.
        on_progress: told how many scenes are done.
    """
    scores: dict[str, list[np.ndarray]] = {"input": [], "enhanced": []}
    for index in range(count):
        dark, bright = pair(seed, index, (size, size))
        truth = to_float(bright[None])
        for name, picture in (("input", dark[None]), ("enhanced", enhance(dark[None]))):
            x = to_float(picture)
            scores[name].append(np.concatenate([psnr(x, truth), ssim(x, truth)]))
        on_progress(index + 1)
    result: dict[str, Any] = {"count": count, "size": size, "seed": seed}
    for name, parts in scores.items():
        means = np.mean(parts, axis=0)
        result[name] = {"psnr": float(means[0]), "ssim": float(means[1])}
    return result


def light_statistics(
    enhance: Enhance, pictures: Iterable[UInt8[np.ndarray, "_ _ 3"]], *, on_progress: Callable[[int], None]
) -> dict[str, Any]:
    """What enhancing does to the light of real pictures.

    Args:
        enhance: uint8 b h w 3 -> the same.
        pictures: of any sizes.
        on_progress: told how many pictures are done.

    Returns:
        "count"; "mean_luma" (0..255) and "clipped" (share of pixels with a channel at 255), each of "input" and
        "enhanced" as means over the pictures; "luma_change": |enhanced / input - 1| of the mean luma, as "mean" and
        "max" over the pictures, and the share "unchanged" of pictures where it is at most 12 %.
    """
    luma: dict[str, list[float]] = {"input": [], "enhanced": []}
    blown: dict[str, list[float]] = {"input": [], "enhanced": []}
    for count, picture in enumerate(pictures, start=1):
        for name, rgb in (("input", picture), ("enhanced", enhance(picture[None])[0])):
            luma[name].append(float(mean_luma(rgb)))
            blown[name].append(float(clipped(rgb)[0, 1]))
        on_progress(count)
    if not luma["input"]:
        return {"count": 0}
    change = np.abs(np.array(luma["enhanced"]) - luma["input"]) / np.maximum(luma["input"], 1.0)
    return {
        "count": len(change),
        "mean_luma": {name: float(np.mean(values)) for name, values in luma.items()},
        "clipped": {name: float(np.mean(values)) for name, values in blown.items()},
        "luma_change": {
            "mean": float(change.mean()),
            "max": float(change.max()),
            "unchanged": float((change <= UNCHANGED).mean()),
        },
    }


def spread(length: int, at_most: int | None) -> Sequence[int]:
    """`at_most` positions spread evenly over 0..length-1; all of them where it is None."""
    if at_most is None or at_most >= length:
        return range(length)
    return [position * length // at_most for position in range(at_most)]
