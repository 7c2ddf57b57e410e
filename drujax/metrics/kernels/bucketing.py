"""Pictures of any size through programs of a few sizes.

A picture is put into the corner of an array whose height is one of 64, 256, 1024, ... and whose width one of 128, 256,
512, ..., and its own size goes with it as a number; rows and columns without picture cost next to nothing (tiles.py).
So a folder of mixed sizes compiles a handful of programs, and a picture's result cannot depend on what it is batched
with: the size of its array follows from its own size alone, and a program always takes the same number of pictures, one
on a CPU (where more are no faster) and `CHUNK` elsewhere, the missing ones being empty.
"""

import collections
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
from jaxtyping import Shaped

from drujax.metrics.kernels.tiles import tile_size

CHUNK = 8  # pictures of one call on an accelerator
IN_FLIGHT = 4  # calls that are under way at once

Mode = Literal["edge", "symmetric"]  # of np.pad


class Boxed(NamedTuple):
    """A picture, once or several times, in an array of a bucket's size."""

    array: Shaped[np.ndarray, "n _ _"]
    height: int
    width: int


def bucket(length: int, step: int, factor: int) -> int:
    """The least of step, step * factor, step * factor^2, ... that is not under `length`."""
    while step < length:
        step *= factor
    return step


def boxed(picture: Shaped[np.ndarray, "h w"], border: int, *modes: Mode, unit: int = 1) -> Boxed:
    """`picture` once for each of `modes`, with a border of that kind, in the corner of an array for its bucket.

    The array has whole tiles of `unit` (see tiles.py) and the border.
    """
    h, w = picture.shape
    tile = tile_size(unit)
    height, width = bucket(h, tile[0], 4), bucket(w, tile[1], 2)
    array = np.zeros((len(modes), height + 2 * border, width + 2 * border), picture.dtype)
    for part, mode in zip(array, modes, strict=True):
        part[: h + 2 * border, : w + 2 * border] = np.pad(picture, border, mode=mode)
    return Boxed(array, h, w)


def pictures_at_once() -> int:
    """How many pictures of one size it is good to score in one call."""
    return 1 if jax.default_backend() == "cpu" else CHUNK


def run(program: Callable[..., Any], pictures: Iterable[Boxed], *constants: float) -> Iterator[Any]:
    """The results of `program(array, height, width, *constants)` for each picture, as NumPy arrays, in order.

    `program` is jitted here, once for each bucket, whatever the constants; several devices take turns. Calls are under
    way while the host goes on with earlier results.
    """
    devices, chunk = jax.local_devices(), pictures_at_once()
    under_way: collections.deque[tuple[Any, int]] = collections.deque()
    for number, group in enumerate(_groups(pictures, chunk)):
        if len(under_way) >= IN_FLIGHT * len(devices):
            yield from _results(*under_way.popleft())
        arguments = [np.stack(parts) for parts in zip(*_filled(group, chunk), strict=True)]
        arguments += [np.full(chunk, constant, np.float32) for constant in constants]
        placed = jax.device_put(arguments, devices[number % len(devices)])
        under_way.append((_compiled(program, chunk)(*placed), len(group)))
    while under_way:
        yield from _results(*under_way.popleft())


@functools.cache
def _compiled(program: Callable[..., Any], chunk: int) -> Callable[..., Any]:
    if chunk > 1:
        return jax.jit(jax.vmap(program))

    def single(*arguments):  # vmap would turn slices at a place told at run time into gathers
        return jax.tree.map(lambda x: x[None], program(*(argument[0] for argument in arguments)))

    return jax.jit(single)


def _groups(pictures: Iterable[Boxed], chunk: int) -> Iterator[list[Boxed]]:
    """Runs of at most `chunk` neighbours that share a bucket."""
    group: list[Boxed] = []
    for picture in pictures:
        if group and (len(group) == chunk or picture.array.shape != group[0].array.shape):
            yield group
            group = []
        group.append(picture)
    if group:
        yield group


def _filled(group: list[Boxed], chunk: int) -> list[tuple[np.ndarray, np.int32, np.int32]]:
    full = group + [Boxed(np.zeros_like(group[0].array), 1, 1)] * (chunk - len(group))
    return [(picture.array, np.int32(picture.height), np.int32(picture.width)) for picture in full]


def _results(result: Any, count: int) -> Iterator[Any]:
    arrays = jax.device_get(result)
    for place in range(count):
        yield jax.tree.map(lambda x, place=place: x[place], arrays)
