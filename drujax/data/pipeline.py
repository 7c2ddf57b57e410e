"""Training batches: unpaired dark and bright images, as random crops (the official EnlightenGAN) or whole.

The examples are one endless stream, epoch after epoch. Example k depends on (seed, k) only, whichever worker, thread or
process computes it, so a run resumes from its step number. An epoch is max(|dark|, |bright|) examples. The jitted step
darkens and normalises, so batches are transferred as uint8.
"""

import collections
import contextlib
import functools
import itertools
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

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


CACHE_BYTES = 2**30  # of decoded images kept in memory, over all workers
ENDLESS = sys.maxsize // 2  # examples; half the largest integer, because grain adds to it
BATCHES_AHEAD = 4  # decoded batches waiting per worker
MIN_DARKENING, MAX_DARKENING = 200, 400  # hundredths, both included


def train_batches(
    dataset: Dataset,
    *,
    size: int,
    batch_size: int,
    seed: int,
    view: str = "crop",
    short_side: int | None = None,
    flips: bool = True,
    pairing: str = "random",
    one_dark: bool = False,
    start_step: int = 0,
    workers: int = 0,
    process: tuple[int, int] = (0, 1),
) -> Batches:
    """Returns endless training batches from `start_step` on, independent of `workers`.

    Args:
        dataset: its train_dark and train_bright are used.
        size: side s of the square images.
        batch_size: examples b per step, over all processes.
        seed: of the order, pairs, crops, flips and darkening.
        view: "crop": random crops; "whole": whole images, resized (Lanczos, aspect ratio not kept), as in the official
            Zero-DCE++ and CLIP-LIT.
        short_side: shorter side to which images are resized (Lanczos) before cropping; None: their own size.
        flips: flips half of the images horizontally, and half vertically.
        pairing: "random": the dark and the bright images are each reshuffled after every pass; "official": image i mod
            |dark| is always paired with i mod |bright|, and the pairs are shuffled each epoch.
        one_dark: uses only the first dark image, as the released RUAS trainer does.
        start_step: step of the first batch.
        workers: decoding processes; 0 decodes in threads of this one. A program that uses workers must be guarded by
            `if __name__ == "__main__":`.
        process: (index, count) of the training processes (hosts); each gets its slice of every batch.

    Returns:
        Batches {"dark": UInt8 b s s 3, "bright": UInt8 b s s 3, "darkening": Float32 b (1, or in half of the cases one
        of 2.00 ... 4.00), "dark_index": Int32 b, "bright_index": Int32 b}; the indices are positions in train_dark and
        train_bright.

    Raises:
        UsageError: a split is empty, an image is smaller than the crop, or an argument is out of range.
    """
    index, count = process
    for name, value, known in (("pairing", pairing, PAIRINGS), ("view", view, VIEWS)):
        if value not in known:
            raise unknown(name, value, known)
    _check(dataset, size, batch_size, view, short_side, count, seed=seed, start_step=start_step, workers=workers)
    import grain

    local = batch_size // count
    splits = {"dark": dataset.train_dark, "bright": dataset.train_bright}
    images = ImageCache(splits, CACHE_BYTES // max(1, workers), Resizing(size, view, short_side))
    examples = Examples(
        images,
        size=size,
        seed=seed,
        flips=flips,
        pairing=pairing,
        dark=1 if one_dark else len(dataset.train_dark),
        first=index * local,
        local=local,
        stride=batch_size,
    )
    # Batching before splitting the work among workers keeps the stream the same for any number of them.
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
    """Transfers batches to the devices, sharded along the leading axis by `sharding`, `buffer` batches ahead.

    Each process passes its own slice of the batch and gets the global array. Closing the result closes `batches`.
    """
    import jax

    ahead: collections.deque[dict[str, Any]] = collections.deque()
    with contextlib.closing(batches):
        for batch in batches:
            ahead.append({name: jax.make_array_from_process_local_data(sharding, a) for name, a in batch.items()})
            if len(ahead) > buffer:
                yield ahead.popleft()
        yield from ahead


def fixed_examples(
    dataset: Dataset, n: int, size: int, view: str = "crop", short_side: int | None = None
) -> UInt8[np.ndarray, "n {size} {size} 3"]:
    """Returns centre crops of up to `n` fixed dark images for sample grids, from val, then test, then train.

    They are resized as in `train_batches`; images smaller than the crop are left out.
    """
    splits = (dataset.val_dark, dataset.test_dark, dataset.train_dark)
    resize = Resizing(size, view, short_side)
    images = (resize(split.image(index)) for split in splits for index in range(len(split)))
    shown = (_centre(image, size) for image in images if min(image.shape[:2]) >= size)
    images = list(itertools.islice(shown, n))
    return np.stack(images) if images else np.zeros((0, size, size, 3), np.uint8)


class Resizing(NamedTuple):
    """How images are resized before they are cropped; see `train_batches`."""

    size: int
    view: str = "crop"
    short_side: int | None = None

    def __call__(self, image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h2 w2 3"]:
        height, width, _ = image.shape
        if self.view == "whole":
            height = width = self.size
        elif self.short_side is not None:
            scale = self.short_side / min(height, width)
            height, width = (max(self.short_side, round(scale * side)) for side in (height, width))
        if image.shape[:2] == (height, width):
            return image
        return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))


class ImageCache:
    """Caches up to `limit` bytes of decoded and resized images of some splits."""

    def __init__(self, splits: Mapping[str, Split], limit: int, resize: Resizing):
        self.splits, self._limit, self._resize = splits, limit, resize
        self._start()

    def _start(self) -> None:
        self._kept: dict[tuple[str, int], np.ndarray] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def __getstate__(self) -> tuple[Mapping[str, Split], int, Resizing]:
        return self.splits, self._limit, self._resize  # a worker process starts empty

    def __setstate__(self, state: tuple[Mapping[str, Split], int, Resizing]) -> None:
        self.splits, self._limit, self._resize = state
        self._start()

    def image(self, split: str, index: int) -> UInt8[np.ndarray, "h w 3"]:
        kept = self._kept.get((split, index))
        if kept is not None:
            return kept
        image = self._resize(self.splits[split].image(index))
        # Each image is used once per epoch, so evicting old images for new ones would only lose hits.
        with self._lock:
            if (split, index) not in self._kept and self._bytes + image.nbytes <= self._limit:
                self._kept[split, index] = image
                self._bytes += image.nbytes
        return image


class Examples:
    """Maps a position in one process's stream to an example; it owns `local` of every `stride` examples, from `first`
    on.
    """

    def __init__(
        self,
        images: ImageCache,
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
        self._images = images
        self._lengths = dark, len(images.splits["bright"])
        self._size, self._seed, self._flips = size, seed, flips
        self._pairing = pairing
        self._first, self._local, self._stride = first, local, stride

    def __call__(self, position: int) -> dict[str, np.ndarray | np.number]:
        step, row = divmod(int(position), self._local)
        k = step * self._stride + self._first + row
        dark, bright = pair(k, *self._lengths, self._seed, self._pairing)
        rng = np.random.default_rng((self._seed, k))
        dark_crop = _random_crop(self._images.image("dark", dark), self._size, rng)
        bright_crop = _random_crop(self._images.image("bright", bright), self._size, rng)
        # The official code flips each image horizontally at random, then both together horizontally and vertically.
        dark_flip, bright_flip, both, vertical, darken = (rng.random(5) < 0.5).tolist()
        if not self._flips:
            dark_flip = bright_flip = both = vertical = False
        hundredths = rng.integers(MIN_DARKENING, MAX_DARKENING, endpoint=True)
        return {
            "dark": _flip(dark_crop, horizontal=dark_flip ^ both, vertical=vertical),
            "bright": _flip(bright_crop, horizontal=bright_flip ^ both, vertical=vertical),
            "darkening": np.float32(hundredths / 100 if darken else 1.0),
            "dark_index": np.int32(dark),
            "bright_index": np.int32(bright),
        }


def pair(k: int, dark: int, bright: int, seed: int, pairing: str) -> tuple[int, int]:
    """Returns the positions of the dark and the bright image of example `k`, of `dark` and `bright` images."""
    if pairing == "official":
        longer = max(dark, bright)
        position = int(_order(seed, 2, k // longer, longer)[k % longer])
        return position % dark, position % bright
    return int(_order(seed, 0, k // dark, dark)[k % dark]), int(_order(seed, 1, k // bright, bright)[k % bright])


@functools.lru_cache(maxsize=16)
def _order(seed: int, stream: int, epoch: int, length: int) -> Int[np.ndarray, " length"]:
    return np.random.default_rng((seed, stream, epoch, length)).permutation(length)


def _random_crop(image: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    top = rng.integers(image.shape[0] - side, endpoint=True)
    left = rng.integers(image.shape[1] - side, endpoint=True)
    return image[top : top + side, left : left + side]


def _flip(image: np.ndarray, *, horizontal: bool, vertical: bool) -> np.ndarray:
    return image[:: -1 if vertical else 1, :: -1 if horizontal else 1]


def _centre(image: np.ndarray, side: int) -> np.ndarray:
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    return image[top : top + side, left : left + side]


def _check(
    dataset: Dataset, size: int, batch_size: int, view: str, short_side: int | None, processes: int, **counts: int
) -> None:
    for name, count in counts.items():
        if count < 0:
            raise UsageError(f"{name}: must be >= 0, got {count}")
    if batch_size < 1:
        raise UsageError(f"batch_size: must be >= 1, got {batch_size}")
    if batch_size % processes:
        raise UsageError(f"batch_size: must be a multiple of the {processes} processes, got {batch_size}")
    check_images(dataset, size, view, short_side)


def check_images(dataset: Dataset, size: int, view: str, short_side: int | None = None) -> None:
    """Raises UsageError if `train_batches` cannot provide images of that size."""
    if size < 1:
        raise UsageError(f"size: must be >= 1, got {size}")
    if short_side is not None and view == "crop" and short_side < size:
        raise UsageError(f"short_side: must be >= size ({size}), got {short_side}")
    for name in ("train_dark", "train_bright"):
        table = dataset.table(name)
        if not table:
            raise UsageError(f"{dataset.path}: no pictures in {name}; unpaired training needs dark and bright ones.")
        as_they_are = view == "crop" and short_side is None
        small = [row for row in table if min(row.height, row.width) < size] if as_they_are else []
        if small:
            raise UsageError(
                f"size: crops of {size} do not fit into {len(small)} pictures of {name} (first: {small[0].id}, "
                f"{small[0].width}x{small[0].height}); prepare the dataset with --crop={size} or reduce the size."
            )


def _let_grain_read_its_flags() -> None:
    """Marks absl's flags as parsed, because grain's workers read them (github.com/google/grain/issues/1355)."""
    from absl import flags

    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
