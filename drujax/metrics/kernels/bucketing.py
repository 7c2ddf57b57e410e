"""Size buckets: runs images of any size through few compiled programs.

An image is padded at the bottom and right to a height of 64, 256, 1024, ... and a width of 128, 256, 512, ..., and its
true size is passed at run time; the padding costs almost nothing (see tiles.py). So a folder of mixed sizes compiles a
handful of programs. An image's result cannot depend on its batch: its bucket depends on its own size only, and the
batch size is constant, one on CPU (where more is not faster) and `CHUNK` elsewhere, filled with empty images.
"""

import collections
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
from jaxtyping import Shaped

from drujax.metrics.kernels.tiles import tile_size

CHUNK = 8  # images per call on an accelerator
IN_FLIGHT = 4  # calls dispatched at a time, per device

Mode = Literal["edge", "symmetric"]  # of np.pad


class Padded(NamedTuple):
    """An image padded to its bucket, once per padding mode, and its true size."""

    array: Shaped[np.ndarray, "n _ _"]
    height: int
    width: int


def bucket(length: int, step: int, factor: int) -> int:
    """Returns the smallest of step, step * factor, step * factor^2, ... that is at least `length`."""
    while step < length:
        step *= factor
    return step


def pad_to_bucket(image: Shaped[np.ndarray, "h w"], border: int, *modes: Mode, unit: int = 1) -> Padded:
    """Pads `image` by `border` pixels, once for each of `modes`, and with zeros to its bucket.

    The array consists of whole tiles of `unit` (see tiles.py) plus the border.
    """
    h, w = image.shape
    tile = tile_size(unit)
    height, width = bucket(h, tile[0], 4), bucket(w, tile[1], 2)
    array = np.zeros((len(modes), height + 2 * border, width + 2 * border), image.dtype)
    for part, mode in zip(array, modes, strict=True):
        part[: h + 2 * border, : w + 2 * border] = np.pad(image, border, mode=mode)
    return Padded(array, h, w)


def images_per_call() -> int:
    """Returns the batch size for images of one bucket."""
    return 1 if jax.default_backend() == "cpu" else CHUNK


def run(program: Callable[..., Any], images: Iterable[Padded], *constants: float) -> Iterator[Any]:
    """Yields the results of `program(array, height, width, *constants)` for each image, as NumPy arrays, in order.

    `program` is compiled once per bucket, independently of the constants. Calls are distributed over the local devices
    and dispatched ahead, while the host processes earlier results.
    """
    devices, chunk = jax.local_devices(), images_per_call()
    in_flight: collections.deque[tuple[Any, int]] = collections.deque()
    for number, group in enumerate(_groups(images, chunk)):
        if len(in_flight) >= IN_FLIGHT * len(devices):
            yield from _results(*in_flight.popleft())
        arguments = [np.stack(parts) for parts in zip(*_filled(group, chunk), strict=True)]
        arguments += [np.full(chunk, constant, np.float32) for constant in constants]
        placed = jax.device_put(arguments, devices[number % len(devices)])
        in_flight.append((_compiled(program, chunk)(*placed), len(group)))
    while in_flight:
        yield from _results(*in_flight.popleft())


@functools.cache
def _compiled(program: Callable[..., Any], chunk: int) -> Callable[..., Any]:
    if chunk > 1:
        return jax.jit(jax.vmap(program))

    def single(*arguments):  # vmap would turn dynamic slices into gathers
        return jax.tree.map(lambda x: x[None], program(*(argument[0] for argument in arguments)))

    return jax.jit(single)


def _groups(images: Iterable[Padded], chunk: int) -> Iterator[list[Padded]]:
    """Groups up to `chunk` consecutive images of the same bucket."""
    group: list[Padded] = []
    for image in images:
        if group and (len(group) == chunk or image.array.shape != group[0].array.shape):
            yield group
            group = []
        group.append(image)
    if group:
        yield group


def _filled(group: list[Padded], chunk: int) -> list[tuple[np.ndarray, np.int32, np.int32]]:
    full = group + [Padded(np.zeros_like(group[0].array), 1, 1)] * (chunk - len(group))
    return [(image.array, np.int32(image.height), np.int32(image.width)) for image in full]


def _results(result: Any, count: int) -> Iterator[Any]:
    arrays = jax.device_get(result)
    for place in range(count):
        yield jax.tree.map(lambda x, place=place: x[place], arrays)
