"""Reads the checkpoints of others into plain arrays, whatever file format they come in, without running their code."""

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

# Where training programs put the weights among other things. As in BasicSR, an average of them is preferred.
WRAPPERS = ("state_dict", "model_state_dict", "params_ema", "params", "model", "generator", "net")

_SAFETENSORS = {
    **{"F16": "f2", "F32": "f4", "F64": "f8", "BF16": BFLOAT16, "C64": "c8", "BOOL": "?"},
    **{"I8": "i1", "I16": "i2", "I32": "i4", "I64": "i8", "U8": "u1", "U16": "u2", "U32": "u4", "U64": "u8"},
}

# What damaged files make the standard library and NumPy raise.
_DAMAGE = (ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, struct.error)


def read_checkpoint(path: str | Path, *, part: str | None = None) -> dict[str, np.ndarray]:
    """The arrays of a checkpoint by their foreign names, in the file's order.

    Reads, told apart by their content: PyTorch's `.pth/.pt` in both formats (zip, and the stream of torch < 1.6),
    `.npz` and `.safetensors`. No code in a file is executed, and no allocation exceeds what the file's size justifies.

    Args:
        path: the file.
        part: which entry of a PyTorch checkpoint to read when it holds several networks.

    Returns:
        Arrays in C order with the stored type; bfloat16, which NumPy lacks, is widened to float32. A PyTorch
        checkpoint is searched for its state dictionary (see `WRAPPERS`); what is no tensor, as the epoch, is left out.

    Raises:
        UsageError: the file is of another kind, damaged, or names code that a state dictionary does not need.
        OSError: it cannot be read.
    """
    path = Path(path)
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
        raise UsageError(f"{path}: the file is damaged: {error}") from error  # zipfile was sent before its start
    except _DAMAGE as error:
        raise UsageError(f"{path}: the file is damaged: {error}") from error


def _read_archive(path: Path, part: str | None) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if any(name.endswith("/data.pkl") for name in names):
        with torch.open_zip(path) as (root, fetch):
            return {name: fetch(tensor) for name, tensor in _state(root, part).items()}
    if not any(name.endswith(".npy") for name in names):
        raise UsageError("it is a zip archive, but neither PyTorch's nor NumPy's")
    _refuse_part(part)
    with zipfile.ZipFile(path) as archive:
        left = max(torch.EXPANSION * path.stat().st_size, 1 << 26)
        arrays = {}
        for member in archive.infolist():
            left -= member.file_size
            if left < 0:
                raise Damaged(f"its arrays claim more than {torch.EXPANSION} times the file's size")
            arrays[member.filename.removesuffix(".npy")] = _read_npy(archive, member)
    return arrays


def _read_npy(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """The array of one member, after a check that it has the bytes that its head claims."""
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    if dtype.hasobject:
        raise UsageError(f"{member.filename} holds Python objects, which only pickle could read")
    if math.prod(shape) * dtype.itemsize > member.file_size:
        raise Damaged(f"{member.filename} claims more elements than it has")
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
            raise UsageError(f"{name} has the type {entry['dtype']}, which NumPy lacks")
        elements = np.frombuffer(entry["data"], "<u2" if kind == BFLOAT16 else f"<{kind}")
        arrays[name] = torch.native(elements.reshape(entry["shape"]), kind)
    return arrays


def _refuse_part(part: str | None) -> None:
    if part is not None:
        raise UsageError(f"it has no parts, of which {part!r} could be one")


def _state(root: Any, part: str | None) -> dict[str, Tensor]:
    """The state dictionary in what a PyTorch checkpoint holds."""
    if part is not None:
        if not isinstance(root, dict) or part not in root:
            held = f"; it holds {', '.join(map(str, root))}" if isinstance(root, dict) else ""
            raise UsageError(f"it has no part {part!r}{held}")
        root = root[part]
    for _ in range(8):  # wrapped deeper than that is nobody's weights
        if not isinstance(root, dict):
            break
        tensors = {str(name): value for name, value in root.items() if isinstance(value, Tensor)}
        if tensors:
            return tensors
        dictionaries = {name: value for name, value in root.items() if isinstance(value, dict)}
        networks = [n for n, d in dictionaries.items() if any(isinstance(value, Tensor) for value in d.values())]
        usual = [name for name in WRAPPERS if name in networks]
        if not usual and len(networks) > 1:
            raise UsageError(f"it holds several networks ({', '.join(map(str, networks))}): say which part is meant")
        usual = usual or networks or [name for name in WRAPPERS if name in dictionaries]
        if not usual:
            break
        root = root[usual[0]]
    raise UsageError("it holds no state dictionary (names and tensors)")


def _kind_of(head: bytes) -> str:
    """What a file is that is no checkpoint, as far as its first bytes tell."""
    text = head.lstrip().lower()
    if not head:
        return "the file is empty"
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "it is a web page, not a checkpoint: the download gave a page (a log-in, a warning) in its place"
    if text.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer, not the file itself: fetch it with `git lfs pull`"
    if head.startswith(b"\x89HDF"):
        return "it is an HDF5 (Keras) file; choices: PyTorch .pth/.pt, .npz, .safetensors"
    if head[257:262] == b"ustar":
        return "it is a PyTorch checkpoint older than 0.1.10 (tar): save it again with a newer PyTorch"
    return "it is none of the known kinds of checkpoint: PyTorch .pth/.pt, .npz, .safetensors"
