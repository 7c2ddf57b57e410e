"""A film file, from which exactly the frames that are asked for are decoded.

A frame's number is its place, from 0, in the order in which the frames are shown.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from jaxtyping import UInt8

from drujax.errors import UsageError
from drujax.films.conversion import to_rgb
from drujax.films.counting import Counting
from drujax.films.opening import open_film
from drujax.films.seeking import Seeking
from drujax.films.timeline import read_timeline


class Film:
    """A film file; a context manager.

    Raises:
        UsageError: it is not a film, or its codec is unknown. The message begins with the path.
    """

    def __init__(self, path: Path):
        self.path = path
        container, stream = open_film(path)
        self._aspect = stream.sample_aspect_ratio
        self._rate = stream.average_rate
        self._named = stream.frames or round((container.duration or 0) / av.time_base * self.rate)
        timeline = read_timeline(container, stream)
        if timeline is None:
            container.close()
        self._frames = Counting(path) if timeline is None else Seeking(path, container, stream, timeline)

    def __enter__(self) -> "Film":
        return self

    def __exit__(self, *_exception) -> None:
        self._frames.close()

    @property
    def length(self) -> int | None:
        """The number of frames; None if it is not known without decoding."""
        return self._frames.length

    @property
    def expected(self) -> int:
        """About how many frames there are, for showing progress."""
        return self._named if self.length is None else self.length

    @property
    def damage(self) -> str | None:
        """Why not all frames of the film are known; if `length` is None, only found while decoding."""
        return self._frames.damage

    @property
    def rate(self) -> float:
        """Frames a second, on average; 24 if it is not known."""
        return float(self._rate or 24)

    def pictures(self, numbers: Iterable[int]) -> Iterator[tuple[int, UInt8[np.ndarray, "h w 3"] | str]]:
        """Yields the frames of these numbers, upright with square pixels, or a reason why one cannot be read.

        Not quite in ascending order: of frames between two keyframes, those that cannot be read come last.

        Raises:
            UsageError: the film's colours cannot be converted. The message begins with the path.
        """
        for number, frame in self._frames.frames(sorted(set(numbers))):
            yield number, frame if isinstance(frame, str) else self.picture(frame)

    def picture(self, frame: Any) -> UInt8[np.ndarray, "h w 3"]:
        """Converts a frame of this film. Raises as `pictures` does."""
        try:
            return to_rgb(frame, self._aspect)
        except UsageError as error:
            raise UsageError(f"{self.path}: {error}") from None

    def sweep(self) -> Iterator[tuple[int, Any]]:
        """Yields frames of PyAV in order with their numbers, for an overview; not all of them, and damaged ones too."""
        return self._frames.sweep()
