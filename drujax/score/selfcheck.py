"""Verifies Ma and PI end to end, forests included, against published scores (`drujax selfcheck`).

Neither the forests nor the images may be redistributed, but the scores may. So the user supplies model.mat and a folder
with some of the images, which are recognised by the hash of their pixels, whatever their file names.
"""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from drujax.errors import UsageError
from drujax.metrics.ma import features, load, predictions, weighted
from drujax.metrics.niqe import niqe
from drujax.metrics.pi import combine
from drujax.pictures.discovery import pictures_of
from drujax.pictures.io import read_picture
from drujax.weights.formats.forests import Forest

OCTAVE = "official code in Octave (mxzhuang/parallel-perceptual-index)"
MATLAB = "official code in MATLAB (IQA-PyTorch, ResultsCalibra)"
PYIQA = "IQA-PyTorch (ResultsCalibra)"
SKIMAGE, TID = "sample data of scikit-image", "IQA-PyTorch, ResultsCalibra/dist_dir"

# Tolerances of scores printed with ten decimals and with four. The latter also come from other arithmetic: a feature
# that crosses a threshold changes one tree of 2000, and so a score by up to 1e-3.
EXACT, PUBLISHED = 1e-8, 2e-3


class Row(NamedTuple):
    """A known score: of the prediction of `forest` 1 to 3, or of the metric itself if None."""

    metric: str
    arguments: dict[str, Any]
    expected: float
    tolerance: float
    source: str
    forest: int | None = None


class Known(NamedTuple):
    """An image with known scores, and its origin."""

    name: str
    origin: str
    rows: tuple[Row, ...]


class Outcome(NamedTuple):
    """A known score and drujax's score."""

    picture: str
    row: Row
    score: float

    @property
    def agrees(self) -> bool:
        """Whether the scores agree within the tolerance; False for NaN."""
        return abs(self.score - self.row.expected) <= self.row.tolerance


def check(pictures: Path, weights: str | Path | None, on_error: Callable[[Path, Exception], None]) -> Iterator[Outcome]:
    """Yields the outcomes for all known images in a folder, and for their known derived versions.

    Args:
        pictures: a folder, or one image file.
        weights: as in `ma`.
        on_error: called with each file that cannot be read, and its error.

    Raises:
        UsageError: the folder has no known image; the weights cannot be downloaded, or are of another model.
    """
    found = dict(_known_pictures(pictures, on_error))
    if not found:
        names = ", ".join(f"{known.name} ({known.origin})" for known in KNOWN.values())
        raise UsageError(f"pictures: no image with known scores found in {pictures}; known are: {names}")
    forests = load(weights)
    for digest, picture in found.items():
        for row in KNOWN[digest].rows:
            yield Outcome(KNOWN[digest].name, row, _score(row, picture, forests))


def _score(row: Row, picture: UInt8[np.ndarray, "h w 3"], forests: tuple[Forest, Forest, Forest]) -> float:
    parts = predictions(features(picture, **row.arguments), forests)
    if row.forest is not None:
        return float(parts[0, row.forest - 1])
    scores = weighted(parts)
    if row.metric == "pi":
        scores = combine(scores, niqe(picture, **row.arguments))
    return float(scores[0])


def _known_pictures(folder: Path, on_error: Callable[[Path, Exception], None]) -> Iterator[tuple[str, np.ndarray]]:
    for path in pictures_of(folder):
        try:
            rgb = read_picture(path).rgb
        except (UsageError, OSError) as error:
            on_error(path, error)
            continue
        if rgb.dtype != np.uint8:
            continue
        for picture in (rgb, _blurred(rgb)):
            digest = hashlib.sha256(np.ascontiguousarray(picture).tobytes()).hexdigest()
            if digest in KNOWN:
                yield digest, picture


def _blurred(rgb: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """Downsamples by 4 and upsamples again (bicubic), as the two derived images of `KNOWN` were made."""
    picture = Image.fromarray(rgb)
    w, h = picture.size
    small = picture.resize((max(w // 4, 1), max(h // 4, 1)), Image.Resampling.BICUBIC)
    return np.asarray(small.resize((w, h), Image.Resampling.BICUBIC))


def _octave(name: str, origin: str, forests: tuple[float, float, float], ma: float, pi: float, noise: float) -> Known:
    """Builds the rows of an image; `noise` is NIQE's uncertainty from rounding noise in flat windows (half in PI)."""
    arguments = {"reference": "matlab", "protocol": "pi"}
    parts = [Row("ma", arguments, value, EXACT, OCTAVE, forest) for forest, value in enumerate(forests, start=1)]
    whole = Row("ma", arguments, ma, EXACT, OCTAVE), Row("pi", arguments, pi, EXACT + noise / 2, OCTAVE)
    return Known(name, origin, (*parts, *whole))


def _published(name: str, matlab: float, pyiqa: float) -> Known:
    rows = [
        Row("ma", {"reference": reference, "protocol": "plain"}, value, PUBLISHED, source)
        for reference, value, source in (("matlab", matlab, MATLAB), ("pyiqa", pyiqa, PYIQA))
    ]
    return Known(name, TID, tuple(rows))


# Keys are the sha256 of the 8-bit RGB pixels in row-major order.
KNOWN = {
    "623562fd24461c1d2bb30ae9aee545e7d4f12ed8c3cc8285b83f0f361fe0e606": _octave(
        "peppers", "chaoma99/sr-metric", (4.5678, 3.3416566667, 2.700600625), 3.1201397899, 7.7485682206, 6e-3
    ),
    "a8c429c18afa7b0fd5673e598d73a21225d94c864a71bbb3885126fdecb41071": _octave(
        "astronaut", SKIMAGE, (6.3306839583, 8.5446702083, 6.2675797917), 7.2392717683, 2.8907262476, 0.03
    ),
    "416b729128bfb2c3d1eb69bf9b1734a796293abc17939267b2dc94f8a5784031": _octave(
        "chelsea", SKIMAGE, (6.0658835417, 8.6689720833, 7.62793125), 7.9546342079, 2.3673394038, 1e-5
    ),
    "0ce2b51640b9c95f19617f03eabf40c3f0368589cc1ee1190b70966165ac184f": _octave(
        "coffee", SKIMAGE, (8.6596864583, 8.4842464583, 8.6216420833), 8.8349288776, 2.622365738, 3e-4
    ),
    "3d4435cc745752b7f9724df88c6e18817de3ce7e3d2d71c55f85f7831e68f197": _octave(
        "rocket", SKIMAGE, (8.7377722917, 8.2164508333, 8.8873991667), 8.8861891698, 3.9218047764, 5e-3
    ),
    "08fa210d949757b475b2bf8c7799d78e5de1795c02866a94d1c0d459826f9022": _octave(
        "astronaut, blurred",
        "derived from astronaut",
        (3.3752385417, 4.3522697917, 3.49119625),
        3.7172695234,
        6.6217007584,
        0.05,
    ),
    "da07708614263377e401ce442f1ad9a01ba52bd8a16eeea5ec89e07082111cbe": _octave(
        "coffee, blurred",
        "derived from coffee",
        (3.7659054167, 4.5539433333, 3.7044335417),
        3.9695657217,
        6.767602225,
        0.01,
    ),
    "26686ad14adaca00d5190e150bde3b4719c87f6a16e440aad702a216a650c193": _published("I03", 1.3894, 1.3932),
    "22452041caf37bdf7ec1ed9cb7148eeedae39aaa24b927204cbde2fa61575d74": _published("I04", 8.9394, 8.9419),
    "2dbf0ee9e37eb99dd2838e7caa5baa71997135ff18ebe748151b8d0e9f40f6e2": _published("I06", 8.9735, 8.9721),
    "00f829bd2d92e89215175c7453f82de703a06b780f55991fc97c16eeaba205f3": _published("I08", 6.829, 6.8309),
    "1d7ce4bd7ce8a85240ba03e5f56ef99f2ec2b82a7454960274fd2b997812bb81": _published("I19", 6.312, 6.3031),
}
