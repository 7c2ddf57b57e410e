"""Reads third-party checkpoints of several formats into plain arrays, without running code from them."""

import math
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from drujax.errors import UsageError
from drujax.weights.formats import torch
from drujax.weights.formats.pickles import BFLOAT16, Damaged, Tensor

# Keys under which training programs store the weights, in order of preference; as in BasicSR, averaged weights first.
WRAPPERS = ("state_dict", "model_state_dict", "params_ema", "params", "model", "generator", "net")

_SAFETENSORS = {
    **{"F16": "f2", "F32": "f4", "F64": "f8", "BF16": BFLOAT16, "C64": "c8", "BOOL": "?"},
    **{"I8": "i1", "I16": "i2", "I32": "i4", "I64": "i8", "U8": "u1", "U16": "u2", "U32": "u4", "U64": "u8"},
}

# Exceptions of the standard library and NumPy for damaged files.
_DAMAGE = (ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, struct.error)


def read_checkpoint(path: str | Path, *, part: str | None = None) -> dict[str, np.ndarray]:
    """Reads the arrays of a checkpoint, by their original names and in the file's order.

    Formats, recognised by content: PyTorch's `.pth/.pt` (zip, and the stream of torch < 1.6), `.npz`, `.safetensors`;
    also a folder of `.npy` files, named after the arrays.
    No code in a file is executed, and allocations are bounded by the file's size.

    Args:
        path: checkpoint file or folder.
        part: key of the PyTorch checkpoint to read, if it contains several networks.

    Returns:
        Arrays in C order with the stored dtype; bfloat16, which NumPy does not have, becomes float32. A PyTorch
        checkpoint is searched for its state dict (see `WRAPPERS`); entries that are not tensors are ignored.

    Raises:
        UsageError: the file is of another format, damaged, or names code that a state dict does not need.
        OSError: the file cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        _refuse_part(part)
        return _read_folder(path)
    with open(path, "rb") as file:
        head = file.read(512)
    try:
        if head.startswith(b"PK"):
            return _read_archive(path, part)
        if head.startswith(torch.STREAM_MAGIC):
            with torch.open_stream(path) as (root, fetch):
                return {name: fetch(tensor) for name, tensor in _state(root, part).items()}
        if head[8:9] == b"{":
            _refuse_part(part)
            return _read_safetensors(path)
        raise UsageError(_kind_of(head))
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    except OSError as error:
        if error.filename is not None:
            raise
        raise UsageError(
            f"{path}: the file is damaged: {error}"
        ) from error  # zipfile sought before the start of the file
    except _DAMAGE as error:
        raise UsageError(f"{path}: the file is damaged: {error}") from error


def _read_archive(path: Path, part: str | None) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if any(name.endswith("/data.pkl") for name in names):
        with torch.open_zip(path) as (root, fetch):
            return {name: fetch(tensor) for name, tensor in _state(root, part).items()}
    if not any(name.endswith(".npy") for name in names):
        raise UsageError("a zip archive, but neither PyTorch's nor NumPy's")
    _refuse_part(part)
    with zipfile.ZipFile(path) as archive:
        left = max(torch.EXPANSION * path.stat().st_size, 1 << 26)
        arrays = {}
        for member in archive.infolist():
            left -= member.file_size
            if left < 0:
                raise Damaged(f"its arrays exceed {torch.EXPANSION} times the file's size")
            arrays[member.filename.removesuffix(".npy")] = _read_npy(archive, member)
    return arrays


def _read_folder(folder: Path) -> dict[str, np.ndarray]:
    arrays = {}
    for path in sorted(folder.glob("*.npy")):
        try:
            arrays[path.stem] = np.asarray(np.load(path, allow_pickle=False), order="C")
        except (ValueError, EOFError) as error:
            raise UsageError(f"{path}: not an array, or damaged: {error}") from error
    if not arrays:
        raise UsageError(f"{folder}: a folder without .npy files; give a checkpoint file, or a folder of arrays")
    return arrays


def _read_npy(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """Reads the array of one member, after checking that it is as long as its header declares."""
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    if dtype.hasobject:
        raise UsageError(f"{member.filename} holds Python objects, which only pickle can read")
    if math.prod(shape) * dtype.itemsize > member.file_size:
        raise Damaged(f"{member.filename} declares more elements than it has")
    with archive.open(member) as file:
        return np.asarray(np.lib.format.read_array(file, allow_pickle=False), order="C")


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError, deserialize

    try:
        entries = deserialize(path.read_bytes())
    except SafetensorError as error:
        raise Damaged(str(error)) from error
    arrays = {}
    for name, entry in entries:
        kind = _SAFETENSORS.get(entry["dtype"])
        if kind is None:
            raise UsageError(f"{name} has dtype {entry['dtype']}, which NumPy does not support")
        elements = np.frombuffer(entry["data"], "<u2" if kind == BFLOAT16 else f"<{kind}")
        arrays[name] = torch.native(elements.reshape(entry["shape"]), kind)
    return arrays


def _refuse_part(part: str | None) -> None:
    if part is not None:
        raise UsageError(f"part {part!r}: only PyTorch checkpoints have parts")


def _state(root: Any, part: str | None) -> dict[str, Tensor]:
    """Finds the state dict in the object of a PyTorch checkpoint."""
    if part is not None:
        if not isinstance(root, dict) or part not in root:
            choices = f". Choices: {', '.join(map(str, root))}" if isinstance(root, dict) else ""
            raise UsageError(f"unknown part {part!r}{choices}")
        root = root[part]
    for _ in range(8):  # no real checkpoint is nested deeper
        if not isinstance(root, dict):
            break
        tensors = {str(name): value for name, value in root.items() if isinstance(value, Tensor)}
        if tensors:
            return tensors
        dictionaries = {name: value for name, value in root.items() if isinstance(value, dict)}
        networks = [n for n, d in dictionaries.items() if any(isinstance(value, Tensor) for value in d.values())]
        usual = [name for name in WRAPPERS if name in networks]
        if not usual and len(networks) > 1:
            raise UsageError(f"contains several networks ({', '.join(map(str, networks))}); choose one with --part")
        usual = usual or networks or [name for name in WRAPPERS if name in dictionaries]
        if not usual:
            break
        root = root[usual[0]]
    raise UsageError("no state dict (names and tensors) found")


def _kind_of(head: bytes) -> str:
    """Describes a file that is not a checkpoint, by its first bytes."""
    text = head.lstrip().lower()
    if not head:
        return "the file is empty"
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page, not a checkpoint: the download returned a log-in or warning page"
    if text.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the file itself: fetch it with `git lfs pull`"
    if head.startswith(b"\x89HDF"):
        return "HDF5 (Keras) files are not supported; choices: PyTorch .pth/.pt, .npz, .safetensors"
    if head[257:262] == b"ustar":
        return "a PyTorch checkpoint from before 0.1.10 (tar): save it again with a newer PyTorch"
    return "unknown checkpoint format; choices: PyTorch .pth/.pt, .npz, .safetensors"
