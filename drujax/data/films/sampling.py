"""Chooses frames of a film without a list: pictures of every shot, without black frames, credits and repetitions."""

import collections
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int16, UInt8
from PIL import Image
from scipy import ndimage

from drujax.console.progress import Progress
from drujax.data.grouping import Groups
from drujax.data.near_copies import Fingerprint, Fingerprints, find_near_copies, fingerprint
from drujax.films.decoding import Film
from drujax.films.letterbox import Bars, find_bars
from drujax.films.shots import find_shots
from drujax.pictures.color import luma

PART = 4.0  # seconds of a shot from which one frame is chosen: enough for a pan to show something new
FOR_BARS = 48  # frames from which bars are found
BLACK = 16.0  # level of luma that a black frame does not exceed, but for a two-hundredth of its pixels
SIDE = 360  # short side of the copies in which text is found, at most
GROUND = 10  # levels by which the ground behind text differs from a single colour
GROUND_SHARE = 0.6  # of the frame, at least
STROKE = 7  # pixels of such a copy: strokes of letters are thinner
THICK_SHARE = 0.005  # of the frame at most is thicker than strokes


@dataclasses.dataclass(frozen=True)
class Choice:
    """The frames of a film that are taken.

    Attributes:
        group: frame number -> name of its group.
        bars: cut off from each.
        shots: number of shots of the film.
        left_out: reason -> candidates left out.
    """

    group: dict[int, str]
    bars: Bars = Bars()
    shots: int | None = None
    left_out: Mapping[str, int] = dataclasses.field(default_factory=dict)


def choose_frames(film: Film, *, quiet: bool = False) -> Choice:
    """Chooses the frame in the middle of each shot, and of each part of long shots.

    Frames are left out if they are black, flat or text on a flat ground, or nearly equal to an earlier one. The frames
    of a shot are a group; shots with nearly equal frames, such as those of a conversation, are one group.

    Args:
        film: swept through once; then the candidates are decoded.
        quiet: shows no progress.

    Raises:
        UsageError: the film's colours cannot be converted. The message begins with the path.
    """
    with Progress(f"{film.path.name}: finding shots", total=film.expected, unit="frame", quiet=quiet) as progress:
        shots = find_shots(_reported(film.sweep(), progress))
    shot_of = {
        number: f"shot-{count:05d}"
        for count, shot in enumerate(shots, start=1)
        for number in shot.middles(PART * film.rate)
    }
    with Progress(f"{film.path.name}: choosing", total=len(shot_of), unit="frame", quiet=quiet) as progress:
        bars = _bars(film, sorted(shot_of))
        prints, left_out = _judge(film, shot_of, bars, progress)
    group, repeated = _without_repetitions(prints, shot_of)
    if repeated:
        left_out["nearly equal to another"] = repeated
    return Choice(group, bars, len(shots), left_out)


def _reported(frames: Iterable[tuple[int, Any]], progress: Progress) -> Iterator[tuple[int, Any]]:
    for number, frame in frames:
        progress.to(number)
        yield number, frame


def _bars(film: Film, numbers: Sequence[int]) -> Bars:
    spread = {numbers[len(numbers) * part // FOR_BARS] for part in range(FOR_BARS)} if numbers else set()
    return find_bars(rgb for _, rgb in film.pictures(spread) if not isinstance(rgb, str))


def _judge(
    film: Film, numbers: Iterable[int], bars: Bars, progress: Progress
) -> tuple[dict[int, Fingerprint], dict[str, int]]:
    """Returns the fingerprints of the frames that show something, and how many others there are, by reason."""
    left_out: collections.Counter[str] = collections.Counter()
    prints: dict[int, Fingerprint] = {}
    for done, (number, rgb) in enumerate(film.pictures(numbers), start=1):
        found = "unreadable" if isinstance(rgb, str) else _judged(bars.without(rgb))
        if isinstance(found, Fingerprint):
            prints[number] = found
        else:
            left_out[found] += 1
        progress.to(done)
    return prints, dict(left_out)


def _judged(rgb: UInt8[np.ndarray, "h w 3"]) -> Fingerprint | str:
    """Returns the fingerprint of a frame that shows something, or else why it is of no use."""
    if np.quantile(luma(rgb.astype(np.float32)), 0.995) <= BLACK:
        return "black"
    found = fingerprint(rgb)
    if found is None:
        return "of a single colour"
    return "text" if is_text(rgb) else found


def is_text(rgb: UInt8[np.ndarray, "h w 3"]) -> bool:
    """Whether there are only thin strokes on a ground of one colour: credits and captions, but not text on a picture.

    A frame without any strokes is text in this sense, too.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, SIDE / min(height, width))
    small = Image.fromarray(rgb).resize((round(width * scale), round(height * scale)), Image.Resampling.BOX)
    contrast = _contrast(np.asarray(small).astype(np.int16))
    if (contrast <= GROUND).mean() < GROUND_SHARE:
        return False
    # Half of the contrast nearby, because coding blurs the strokes.
    ink = (contrast > GROUND) & (2 * contrast > ndimage.maximum_filter(contrast, 2 * STROKE + 1))
    return bool(ndimage.binary_opening(ink, np.ones((STROKE, STROKE), bool)).mean() <= THICK_SHARE)


def _contrast(rgb: Int16[np.ndarray, "h w 3"]) -> Int16[np.ndarray, "h w"]:
    """The largest difference of a channel from the most common colour."""
    y = luma(rgb).astype(np.int16)
    most_common = rgb[y == np.bincount(y.ravel()).argmax()]
    return np.abs(rgb - np.median(most_common, axis=0).astype(np.int16)).max(axis=-1)


def _without_repetitions(prints: Mapping[int, Fingerprint], shot_of: Mapping[int, str]) -> tuple[dict[int, str], int]:
    """Returns the group of each frame that is not nearly equal to an earlier one, and the number of the others."""
    numbers = sorted(prints)
    groups = Groups(set(shot_of.values()), frozenset())
    repeated: set[int] = set()
    copies = find_near_copies(Fingerprints.of([prints[number] for number in numbers]))
    for first, second in sorted(copies, key=lambda pair: pair[::-1]):
        groups.merge(shot_of[numbers[first]], shot_of[numbers[second]])
        if first not in repeated:
            repeated.add(second)
    kept = [number for position, number in enumerate(numbers) if position not in repeated]
    return {number: groups.find(shot_of[number]) for number in kept}, len(repeated)
