"""Reads PyTorch's two file formats without PyTorch: the zip archive (torch >= 1.6) and the older stream.

The zip archive holds `NAME/data.pkl`, a pickle in which each tensor refers to a storage by key, and the storages as
files `NAME/data/KEY`. The stream consists of magic number, protocol version, system description, the pickle and the
list of keys (each pickled), then for each key the number of elements (int64) and the elements. Storages are in the byte
order given by the member `byteorder` or by the system description.
"""

import contextlib
import io
import math
import mmap
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from drujax.weights.formats.pickles import BFLOAT16, Damaged, Tensor, read_pickle

STREAM_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # pickled int 0x1950a86a20f9469cfc6c
# Tensors may share or repeat stored values. Files that claim to expand by more than this factor are bombs.
EXPANSION = 100

Fetch = Callable[[Tensor], np.ndarray]
Order = Literal["<", ">"]


@contextlib.contextmanager
def open_zip(path: Path) -> Iterator[tuple[Any, Fetch]]:
    """Opens a zip checkpoint: yields its pickled object, and a function that fetches a tensor's data.

    Raises (here or in that function): Damaged, zipfile.BadZipFile, UsageError (see `read_pickle`).
    """
    with zipfile.ZipFile(path) as archive:
        members = {member.filename.partition("/")[2]: member for member in archive.infolist()}
        length = path.stat().st_size

        def member(name: str) -> bytes:
            found = members.get(name)
            if found is None:
                raise Damaged(f"{name} is missing")
            # PyTorch does not compress, so no member can be larger than the file.
            if found.compress_type != zipfile.ZIP_STORED or max(found.file_size, found.compress_size) > length:
                raise Damaged(f"{name} is compressed or larger than the file")
            return archive.read(found)

        order = _order(member("byteorder") if "byteorder" in members else b"little")

        def stored(key: str, itemtype: np.dtype) -> np.ndarray:
            return np.frombuffer(member(f"data/{key}"), itemtype)

        root, _ = read_pickle(io.BytesIO(member("data.pkl")))
        yield root, _fetcher(stored, order, length)


@contextlib.contextmanager
def open_stream(path: Path) -> Iterator[tuple[Any, Fetch]]:
    """Opens a checkpoint in the old format: yields its pickled object, and a function that fetches a tensor's data.

    Raises (here or in that function): Damaged, UsageError (see `read_pickle`).
    """
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        (_, _), (protocol, _), (system, _), (root, kinds), (keys, _) = (read_pickle(view) for _ in range(5))
        if protocol != 1001 or not isinstance(system, dict) or not isinstance(keys, list):
            raise Damaged("its header is not of protocol version 1001")
        order = _order(b"little" if system.get("little_endian", True) else b"big")
        places, position = {}, view.tell()
        for key in map(str, keys):
            (count,) = struct.unpack(f"{order}q", view[position : position + 8])
            places[key] = (position + 8, count)
            position += 8 + count * _itemtype(kinds[key], order).itemsize
            if count < 0 or position > len(view):
                raise Damaged("it is truncated")

        def stored(key: str, itemtype: np.dtype) -> np.ndarray:
            start, count = places[key]
            return np.fromfile(path, itemtype, count, offset=start)

        yield root, _fetcher(stored, order, len(view))


def _fetcher(stored: Callable[[str, np.dtype], np.ndarray], order: Order, length: int) -> Fetch:
    loaded: dict[str, np.ndarray] = {}
    left = EXPANSION * length

    def fetch(tensor: Tensor) -> np.ndarray:
        nonlocal left
        storage = tensor.storage
        itemtype = _itemtype(storage.kind, order)
        left -= math.prod(tensor.shape) * itemtype.itemsize
        if storage.key not in loaded:
            loaded[storage.key] = stored(storage.key, itemtype)
            left -= loaded[storage.key].nbytes
        if left < 0:
            raise Damaged(f"its tensors exceed {EXPANSION} times the file's size")
        elements = loaded[storage.key][storage.start : storage.start + storage.size]
        if loaded[storage.key].dtype != itemtype or elements.size != storage.size:
            raise Damaged(f"storage {storage.key} does not have the type and size that its tensors declare")
        return _values(tensor, elements)

    return fetch


def _values(tensor: Tensor, elements: np.ndarray) -> np.ndarray:
    if 0 in tensor.shape:
        return native(np.empty(tensor.shape, elements.dtype), tensor.storage.kind)
    strides = [s * elements.itemsize for s in tensor.strides]
    view = np.lib.stride_tricks.as_strided(elements[tensor.offset :], tensor.shape, strides, writeable=False)
    return native(view, tensor.storage.kind)


def native(elements: np.ndarray, kind: str) -> np.ndarray:
    """Converts to C order and native byte order; bfloat16, given as 16-bit integers, becomes float32."""
    if kind == BFLOAT16:  # the upper half of a float32
        return np.asarray(elements.astype(np.uint32, order="C") << 16).view(np.float32)
    return np.ascontiguousarray(elements, elements.dtype.newbyteorder("=")).reshape(elements.shape)


def _itemtype(kind: str, order: Order) -> np.dtype:
    return np.dtype("u2" if kind == BFLOAT16 else kind).newbyteorder(order)


def _order(name: bytes) -> Order:
    if name.strip() not in (b"little", b"big"):
        raise Damaged(f"byte order {name!r} is unknown")
    return "<" if name.strip() == b"little" else ">"
