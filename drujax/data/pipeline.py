"""Training batches: unpaired dark and bright images, as random crops (the official EnlightenGAN) or whole.

The examples are one endless stream, epoch after epoch, and example k depends on (seed, k) alone: workers, threads and
processes only decide who computes it, and a run resumes by naming its step. An epoch is max(|dark|, |bright|) examples.
Darkening and normalisation are left to the jitted step, so that only bytes travel.
"""

import collections
import contextlib
import functools
import itertools
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int, Shaped, UInt8
from PIL import Image

from drujax.data.dataset import Dataset, Split
from drujax.errors import UsageError, unknown

PAIRINGS = ("random", "official")
VIEWS = ("crop", "whole")
Batch = Mapping[str, Shaped[np.ndarray, "b ..."]]


@runtime_checkable
class Batches(Protocol):
    """An iterator of batches; `close` ends its threads and workers."""

    def __iter__(self) -> Iterator[Batch]: ...
    def __next__(self) -> Batch: ...
    def close(self) -> None: ...


CACHE_BYTES = 2**30  # decoded pictures kept in memory, in all workers together
ENDLESS = sys.maxsize // 2  # examples; grain adds to their number
BATCHES_AHEAD = 4  # decoded batches waiting, in each worker
MIN_DARKENING, MAX_DARKENING = 200, 400  # hundredths, both included


def train_batches(
    dataset: Dataset,
    *,
    size: int,
    batch_size: int,
    seed: int,
    view: str = "crop",
    flips: bool = True,
    pairing: str = "random",
    one_dark: bool = False,
    start_step: int = 0,
    workers: int = 0,
    process: tuple[int, int] = (0, 1),
) -> Batches:
    """Endless training batches from step `start_step` on; the same ones whatever `workers`.

    Args:
        dataset: its train_dark and train_bright are used.
        size: side s of the square pictures.
        batch_size: examples b of a step, in all processes together.
        seed: of the order, pairs, crops, flips and darkening.
        view: "crop": random crops; "whole": the whole pictures, resized (Lanczos) without keeping their aspect, as the
            official Zero-DCE++ and CLIP-LIT train on them.
        flips: mirrors half of the pictures sideways and half upside down.
        pairing: "random": the dark and the bright images are each reshuffled after every pass; "official":
            picture i mod |dark| always comes with i mod |bright|, and the pairs are shuffled each epoch.
        one_dark: no dark picture but the first, as the released RUAS is trained.
        start_step: the step whose batch comes first.
        workers: processes that decode; 0 decodes in threads of this one. A program that asks for workers must be
            guarded by `if __name__ == "__main__":`.
        process: (index, count) of the training processes (hosts); each gets its slice of every batch.

    Returns:
        Batches {"dark": UInt8 b s s 3, "bright": UInt8 b s s 3, "darkening": Float32 b (1, or in half of the cases one
        of 2.00 ... 4.00), "dark_index": Int32 b, "bright_index": Int32 b}; the indices are positions in train_dark and
        train_bright.

    Raises:
        UsageError: a split is empty, a picture is smaller than the crop, an argument is out of range.
    """
    index, count = process
    for name, value, known in (("pairing", pairing, PAIRINGS), ("view", view, VIEWS)):
        if value not in known:
            raise unknown(name, value, known)
    _check(dataset, size, batch_size, view, count, seed=seed, start_step=start_step, workers=workers)
    import grain

    local = batch_size // count
    splits = {"dark": dataset.train_dark, "bright": dataset.train_bright}
    pictures = PictureCache(splits, CACHE_BYTES // max(1, workers), size if view == "whole" else None)
    examples = Examples(
        pictures,
        size=size,
        seed=seed,
        flips=flips,
        pairing=pairing,
        dark=1 if one_dark else len(dataset.train_dark),
        first=index * local,
        local=local,
        stride=batch_size,
    )
    # Batching before the order is split among workers keeps the stream the same for any number of them.
    stream = grain.MapDataset.range(start_step * local, ENDLESS).map(examples).batch(local)
    threads = min(BATCHES_AHEAD, os.cpu_count() or 1)
    batches = stream.to_iter_dataset(grain.ReadOptions(num_threads=threads, prefetch_buffer_size=BATCHES_AHEAD))
    if workers:
        _let_grain_read_its_flags()
        batches = batches.mp_prefetch(grain.MultiprocessingOptions(num_workers=workers))
    return iter(batches)


def epoch_length(dataset: Dataset) -> int:
    """Returns the number of examples of an epoch: the size of the larger training split."""
    return max(len(dataset.train_dark), len(dataset.train_bright))


def to_devices(batches: Batches, sharding: Any, buffer: int = 2) -> Iterator[dict[str, Any]]:
    """Puts the batches on the devices as arrays of `sharding` (over the leading axis), `buffer` batches ahead.

    Each of several processes passes its own slice of the batch and gets the global array. Closing the result closes
    `batches`.
    """
    import jax

    ahead: collections.deque[dict[str, Any]] = collections.deque()
    with contextlib.closing(batches):
        for batch in batches:
            ahead.append({name: jax.make_array_from_process_local_data(sharding, a) for name, a in batch.items()})
            if len(ahead) > buffer:
                yield ahead.popleft()
        yield from ahead


def fixed_examples(dataset: Dataset, n: int, size: int, view: str = "crop") -> UInt8[np.ndarray, "n {size} {size} 3"]:
    """Up to `n` dark pictures for sample grids, always the same, of val, then test, then train: their centre, or them
    whole as `view` says. Those smaller than the crop are left out.
    """
    splits = (dataset.val_dark, dataset.test_dark, dataset.train_dark)
    pictures = (split.image(index) for split in splits for index in range(len(split)))
    if view == "crop":
        shown = (_centre(picture, size) for picture in pictures if min(picture.shape[:2]) >= size)
    else:
        shown = (_resized(picture, size) for picture in pictures)
    pictures = list(itertools.islice(shown, n))
    return np.stack(pictures) if pictures else np.zeros((0, size, size, 3), np.uint8)


class PictureCache:
    """The decoded pictures of some splits, kept in memory as long as all of them together fit into `limit` bytes.

    With `size` they are resized to squares of that side first.
    """

    def __init__(self, splits: Mapping[str, Split], limit: int, size: int | None = None):
        self.splits, self._limit, self._size = splits, limit, size
        self._start()

    def _start(self) -> None:
        self._kept: dict[tuple[str, int], np.ndarray] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def __getstate__(self) -> tuple[Mapping[str, Split], int, int | None]:
        return self.splits, self._limit, self._size  # a worker process starts empty

    def __setstate__(self, state: tuple[Mapping[str, Split], int, int | None]) -> None:
        self.splits, self._limit, self._size = state
        self._start()

    def picture(self, split: str, index: int) -> UInt8[np.ndarray, "h w 3"]:
        kept = self._kept.get((split, index))
        if kept is not None:
            return kept
        picture = self.splits[split].image(index)
        if self._size is not None:
            picture = _resized(picture, self._size)
        # Every picture comes once an epoch, so throwing out old ones for new ones would never hit.
        with self._lock:
            if (split, index) not in self._kept and self._bytes + picture.nbytes <= self._limit:
                self._kept[split, index] = picture
                self._bytes += picture.nbytes
        return picture


class Examples:
    """Position in the stream of one process -> example. It owns `local` of every `stride` examples, from `first` on."""

    def __init__(
        self,
        pictures: PictureCache,
        *,
        size: int,
        seed: int,
        flips: bool,
        pairing: str,
        dark: int,
        first: int,
        local: int,
        stride: int,
    ):
        self._pictures = pictures
        self._lengths = dark, len(pictures.splits["bright"])
        self._size, self._seed, self._flips = size, seed, flips
        self._pairing = pairing
        self._first, self._local, self._stride = first, local, stride

    def __call__(self, position: int) -> dict[str, np.ndarray | np.number]:
        step, row = divmod(int(position), self._local)
        k = step * self._stride + self._first + row
        dark, bright = pair(k, *self._lengths, self._seed, self._pairing)
        rng = np.random.default_rng((self._seed, k))
        dark_crop = _random_crop(self._pictures.picture("dark", dark), self._size, rng)
        bright_crop = _random_crop(self._pictures.picture("bright", bright), self._size, rng)
        # The official code flips each picture sideways by its own coin, then both by one coin sideways and upside down.
        dark_flip, bright_flip, both, vertical, darken = (rng.random(5) < 0.5).tolist()
        if not self._flips:
            dark_flip = bright_flip = both = vertical = False
        hundredths = rng.integers(MIN_DARKENING, MAX_DARKENING, endpoint=True)
        return {
            "dark": _flip(dark_crop, sideways=dark_flip ^ both, upside_down=vertical),
            "bright": _flip(bright_crop, sideways=bright_flip ^ both, upside_down=vertical),
            "darkening": np.float32(hundredths / 100 if darken else 1.0),
            "dark_index": np.int32(dark),
            "bright_index": np.int32(bright),
        }


def pair(k: int, dark: int, bright: int, seed: int, pairing: str) -> tuple[int, int]:
    """Returns which of `dark` dark and of `bright` bright images are paired in example `k`."""
    if pairing == "official":
        longer = max(dark, bright)
        position = int(_order(seed, 2, k // longer, longer)[k % longer])
        return position % dark, position % bright
    return int(_order(seed, 0, k // dark, dark)[k % dark]), int(_order(seed, 1, k // bright, bright)[k % bright])


@functools.lru_cache(maxsize=16)
def _order(seed: int, stream: int, epoch: int, length: int) -> Int[np.ndarray, " length"]:
    return np.random.default_rng((seed, stream, epoch, length)).permutation(length)


def _random_crop(picture: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    top = rng.integers(picture.shape[0] - side, endpoint=True)
    left = rng.integers(picture.shape[1] - side, endpoint=True)
    return picture[top : top + side, left : left + side]


def _flip(picture: np.ndarray, *, sideways: bool, upside_down: bool) -> np.ndarray:
    return picture[:: -1 if upside_down else 1, :: -1 if sideways else 1]


def _resized(picture: np.ndarray, side: int) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS))


def _centre(picture: np.ndarray, side: int) -> np.ndarray:
    top, left = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
    return picture[top : top + side, left : left + side]


def _check(dataset: Dataset, size: int, batch_size: int, view: str, processes: int, **counts: int) -> None:
    for name, count in counts.items():
        if count < 0:
            raise UsageError(f"{name}: must be >= 0, got {count}")
    if batch_size < 1:
        raise UsageError(f"batch_size: must be >= 1, got {batch_size}")
    if batch_size % processes:
        raise UsageError(f"batch_size: must be a multiple of the {processes} processes, got {batch_size}")
    check_pictures(dataset, size, view)


def check_pictures(dataset: Dataset, size: int, view: str) -> None:
    """Raises UsageError if `train_batches` could not make images of that size."""
    if size < 1:
        raise UsageError(f"size: must be >= 1, got {size}")
    for name in ("train_dark", "train_bright"):
        table = dataset.table(name)
        if not table:
            raise UsageError(f"{dataset.path}: no pictures in {name}; unpaired training needs dark and bright ones.")
        small = [row for row in table if min(row.height, row.width) < size] if view == "crop" else []
        if small:
            raise UsageError(
                f"size: crops of {size} do not fit into {len(small)} pictures of {name} (first: {small[0].id}, "
                f"{small[0].width}x{small[0].height}); prepare the dataset with --crop={size} or train on less."
            )


def _let_grain_read_its_flags() -> None:
    """grain's workers read absl flags, which nobody has parsed here (github.com/google/grain/issues/1355)."""
    from absl import flags

    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
