"""Translates photographs into a folder of PNGs: decoding, translating and encoding overlap; a rerun continues.

Photographs are read in windows of a fixed number in a fixed order, and those of a window that have one working size are
translated together. So the batches, and with them the last bits of the network's sums, depend on the source alone and
not on what an interrupted run left: a rerun gives the bytes of an uninterrupted one, on the same kind of machine.
"""

import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from drujax.console.progress import Progress
from drujax.errors import UsageError, check_at_least, describe
from drujax.pictures.discovery import Skipped
from drujax.pictures.io import write_picture
from drujax.pictures.picture import Picture
from drujax.runtime.atomic_write import remove_leftovers, write_atomically
from drujax.translators.photos import TFDS, Photo, find_photos
from drujax.translators.sizes import LIMIT, reduced
from drujax.translators.translator import Running, Translator
from drujax.translators.weights import Loaded, load

DESCRIPTION = "translation.json"  # settings of the translation, in its folder
WINDOW = 32  # photographs in memory that wait for others of their size
THREADS = max(2, os.cpu_count() or 2)
LEAST_LIMIT = 64  # pixels

T = TypeVar("T")
R = TypeVar("R", covariant=True)


@dataclass(frozen=True)
class Summary:
    """What was translated; `str` formats it as lines.

    Attributes:
        out: the folder.
        translated: pictures written by this run.
        kept: pictures that were there.
        failures: a line for each photograph that cannot be read, beginning with its file or record.
        skipped: what else was left out of a folder, in one line; empty if nothing was.
    """

    out: Path
    translated: int
    kept: int
    failures: tuple[str, ...]
    skipped: str

    def __str__(self) -> str:
        lines = [f"{self.out}: {self.translated} pictures translated"]
        lines += [f"kept from an earlier run: {self.kept}"] if self.kept else []
        lines += [f"skipped as unreadable: {len(self.failures)}"] if self.failures else []
        return "\n".join([*lines, *([f"note: {self.skipped}"] if self.skipped else [])])


def translate_photos(
    source: str | Path,
    out: str | Path,
    *,
    translator: str = "cartoongan",
    weights: str | Path | None = None,
    limit_size: int = LIMIT,
    data_dir: Path | None = None,
    quiet: bool = False,
) -> Summary:
    """Translates the photographs of `source` to anime pictures, one PNG each in the folder `out`.

    Pictures have the size of their photographs, as far as `limit_size` allows. Those that exist are kept.

    Args:
        source: a folder, or tfds:NAME:SPLIT; see `drujax.translators.photos.find_photos`.
        out: the folder to write. Subfolders and names are those of the photographs, with the suffix .png.
        translator: its name in `drujax.translators.registry`.
        weights: see `drujax.translators.weights.load`.
        limit_size: larger photographs are reduced to this short side in pixels, panoramas further.
        data_dir: where tfds keeps its datasets.
        quiet: shows no progress.

    Raises:
        UsageError: an invalid argument, `out` holds something else, or there is too little memory.
        OSError: a picture cannot be written.
    """
    check_at_least(LEAST_LIMIT, limit_size=limit_size)
    out, skipped = Path(out), Skipped()
    loaded = load(translator, weights)
    _check_apart(source, out)
    photos = find_photos(source, data_dir=data_dir, skipped=skipped)
    _claim(out, _settings(source, loaded, limit_size))
    failures = [describe(error) for error in skipped.failures.values()]
    there = {photo.name for photo in photos if (out / photo.name).is_file()}
    windows = [window for window in _batched(photos, WINDOW) if not there.issuperset(photo.name for photo in window)]
    translated = 0
    with Progress("translating", total=len(photos), done=len(there), unit="photo", quiet=quiet) as progress:

        def fail(photo: Photo, error: Exception) -> None:
            failures.append(f"{photo.origin}: {describe(error).removeprefix(f'{photo.origin}: ')}")
            progress.say(f"skipped: {failures[-1]}")

        stage = _Stage(Translator(loaded), out, there, limit_size, fail)
        for translated, _ in enumerate(stage.run([photo for window in windows for photo in window]), start=1):
            progress.to(len(there) + translated)
    return Summary(out, translated, len(there), tuple(failures), str(skipped) if len(skipped) else "")


@dataclass(frozen=True)
class _Stage:
    """The stages of the pipeline, which run at the same time.

    Attributes:
        there: names of the pictures that exist.
        fail: called for each photograph that cannot be read.
    """

    translator: Translator
    out: Path
    there: set[str]
    limit: int
    fail: Callable[[Photo, Exception], None]

    def run(self, photos: Sequence[Photo]) -> Iterator[str]:
        """Translates whole windows of photographs; yields the name of each new picture when it is written."""
        for folder in {(self.out / photo.name).parent for photo in photos}:
            folder.mkdir(parents=True, exist_ok=True)
            remove_leftovers(folder)
        with ThreadPoolExecutor(THREADS) as readers, ThreadPoolExecutor(THREADS) as writers:
            read = _ahead(lambda photo: readers.submit(_read, photo, self.limit), photos, WINDOW)
            calls = _ahead(self._start, self._calls(read), 1)
            new = (pair for call in calls for pair in call if pair[0].name not in self.there)
            yield from _ahead(lambda pair: writers.submit(self._write, *pair), new, 2 * THREADS)

    def _calls(self, read: Iterator["_Read"]) -> Iterator[list["_Read"]]:
        """Groups the readable photographs of each window by working size, and these groups into calls."""
        for window in _batched(read, WINDOW):
            groups: dict[tuple[int, int], list[_Read]] = {}
            for one in window:
                if one.error is not None:
                    self.fail(one.photo, one.error)
                else:
                    working = self.translator.working_size((one.rgb.shape[0], one.rgb.shape[1]))
                    groups.setdefault(working, []).append(one)
            for working, group in sorted(groups.items()):
                for call in _batched(group, self.translator.per_call(working)):
                    if not all(one.photo.name in self.there for one in call):
                        yield call

    def _start(self, call: list["_Read"]) -> "_Call":
        return _Call([one.photo for one in call], self.translator.start([one.rgb for one in call]))

    def _write(self, photo: Photo, rgb: UInt8[np.ndarray, "h w 3"]) -> str:
        write_picture(self.out / photo.name, Picture(rgb=rgb))
        return photo.name


@dataclass(frozen=True, eq=False)
class _Read:
    """A photograph that was read, or the error; then it is empty."""

    photo: Photo
    rgb: UInt8[np.ndarray, "h w 3"]
    error: Exception | None = None


@dataclass(frozen=True, eq=False)
class _Call:
    """Photographs that are being translated."""

    photos: list[Photo]
    running: Running

    def result(self) -> list[tuple[Photo, UInt8[np.ndarray, "h w 3"]]]:
        return list(zip(self.photos, self.running.result(), strict=True))


def _read(photo: Photo, limit: int) -> _Read:
    try:
        rgb = photo.rgb()
        h, w = reduced((rgb.shape[0], rgb.shape[1]), limit)
    except (UsageError, OSError) as error:
        return _Read(photo, np.empty((0, 0, 3), np.uint8), error)
    if (h, w) != rgb.shape[:2]:
        rgb = np.asarray(Image.fromarray(rgb).resize((w, h), Image.Resampling.BICUBIC))
    return _Read(photo, rgb)


class _Pending(Protocol[R]):
    def result(self) -> R: ...


def _ahead(start: Callable[[T], _Pending[R]], items: Iterable[T], count: int) -> Iterator[R]:
    """Yields the results of the work that `start` begins on each item, in order, with `count` later ones begun."""
    pending: deque[_Pending[R]] = deque()
    for item in items:
        pending.append(start(item))
        if len(pending) > count:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def _batched(items: Iterable[T], count: int) -> Iterator[list[T]]:
    batch: list[T] = []
    for item in items:
        batch.append(item)
        if len(batch) == count:
            yield batch
            batch = []
    if batch:
        yield batch


def _settings(source: str | Path, loaded: Loaded, limit_size: int) -> dict[str, Any]:
    where = str(source) if str(source).startswith(TFDS) else str(Path(source).resolve())
    return {
        "source": where,
        "translator": loaded.name,
        "weights sha256": loaded.digest,
        "weights licence": loaded.licence,
        "limit size": limit_size,
    }


def _claim(out: Path, settings: dict[str, Any]) -> None:
    """Writes the settings into a new or empty folder. Raises UsageError if it holds anything made otherwise."""
    description = out / DESCRIPTION
    if not description.is_file():
        if out.exists() and (not out.is_dir() or any(not file.name.startswith(".") for file in out.iterdir())):
            raise UsageError(f"out: {out} holds something else; choose a new folder")
        out.mkdir(parents=True, exist_ok=True)
        write_atomically(description, (json.dumps(settings, indent=1) + "\n").encode())
        return
    try:
        found = json.loads(description.read_text(encoding="utf-8"))
        differing = [f"{name} {found.get(name)}" for name, value in settings.items() if found.get(name) != value]
    except (ValueError, AttributeError) as error:
        raise UsageError(f"{description}: damaged ({error}); delete the folder, or choose another") from error
    if differing:
        raise UsageError(f"out: {out} was made with {', '.join(differing)}; choose another folder")


def _check_apart(source: str | Path, out: Path) -> None:
    """Raises UsageError if the next run would take results for photographs."""
    if not str(source).startswith(TFDS) and out.resolve().is_relative_to(Path(source).resolve()):
        raise UsageError(f"out: {out} lies in the source {source}; its pictures would be translated again")
