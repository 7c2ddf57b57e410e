"""Writes PyTorch checkpoints with any content, without PyTorch.

`Call("os.system", "true")` is pickled as a call of that name, `Tensor` as PyTorch's tensors are. The two files in
`data/` are PyTorch 2.13's own: see `test_readers.py`.
"""

import io
import pickle
import struct
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

KINDS = {"float32": "FloatStorage", "float16": "HalfStorage", "float64": "DoubleStorage", "int64": "LongStorage"}


class Call:
    """Pickled as the call of a global; `Call("collections.OrderedDict")` without arguments as well."""

    def __init__(self, name: str, *arguments: Any):
        self.name, self.arguments = name, arguments


class Name:
    """Pickled as a global that is not called."""

    def __init__(self, name: str):
        self.name = name

    def __call__(self):
        raise AssertionError("never called: pickle only wants it callable")


@dataclass
class Storage:
    key: str
    elements: np.ndarray
    size: int | None = None  # what the pickle claims, if not the truth
    view: tuple | None = None


@dataclass
class Tensor:
    storage: Storage
    shape: tuple
    strides: tuple
    offset: int = 0
    rest: tuple = (False, None)
    maker: str = "torch._utils._rebuild_tensor_v2"


def tensor(key: str, array: np.ndarray, **changes) -> Tensor:
    array = np.ascontiguousarray(array)
    strides = tuple(s // array.itemsize for s in array.strides)
    return Tensor(**{"storage": Storage(key, array.ravel()), "shape": array.shape, "strides": strides, **changes})


@dataclass
class _Written:
    content: bytes
    storages: dict[str, np.ndarray] = field(default_factory=dict)


class _Pickler(pickle._Pickler):  # the one in Python, whose steps can be replaced
    def __init__(self, file, *, views: bool):
        super().__init__(file, protocol=2)
        self.storages: dict[str, np.ndarray] = {}
        self.views = views  # the stream says of each storage of which other one it is a view, or None

    def save(self, obj, save_persistent_id=True):  # noqa: FBT002
        if isinstance(obj, Name):
            module, _, name = obj.name.rpartition(".")
            self.write(b"c" + f"{module}\n{name}\n".encode())
        elif isinstance(obj, Call):
            self.save_reduce(Name(obj.name), obj.arguments)
        elif isinstance(obj, Tensor):
            arguments = (obj.storage, obj.offset, obj.shape, obj.strides, *obj.rest)
            self.save_reduce(Name(obj.maker), arguments)
        else:
            super().save(obj, save_persistent_id)

    def persistent_id(self, obj):
        if not isinstance(obj, Storage):
            return None
        self.storages[obj.key] = obj.elements
        size = obj.elements.size if obj.size is None else obj.size
        kind = Name("torch." + KINDS[obj.elements.dtype.name])
        return ("storage", kind, obj.key, "cpu", size, *([obj.view] * self.views))


def pickled(content: Any, *, views: bool = False) -> _Written:
    stream = io.BytesIO()
    pickler = _Pickler(stream, views=views)
    pickler.dump(content)
    return _Written(stream.getvalue(), pickler.storages)


def write_zip(path: Path, content: Any, *, byteorder: str = "little", data: bytes | None = None) -> Path:
    written = pickled(content)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("checkpoint/data.pkl", written.content if data is None else data)
        archive.writestr("checkpoint/version", "3\n")
        archive.writestr("checkpoint/byteorder", byteorder)
        for key, elements in written.storages.items():
            order = "<" if byteorder == "little" else ">"
            archive.writestr(f"checkpoint/data/{key}", elements.astype(elements.dtype.newbyteorder(order)).tobytes())
    return path


def write_stream(path: Path, content: Any, *, cut: int | None = None) -> Path:
    """The format before torch 1.6; `cut` bytes are missing at the end."""
    written = pickled(content, views=True)
    heads = [0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}]
    parts = [pickled(head).content for head in heads] + [written.content, pickled(list(written.storages)).content]
    for elements in written.storages.values():
        parts += [struct.pack("<q", elements.size), elements.astype(elements.dtype.newbyteorder("<")).tobytes()]
    whole = b"".join(parts)
    path.write_bytes(whole[: -cut if cut else None])
    return path
