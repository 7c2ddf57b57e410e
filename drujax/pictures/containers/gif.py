"""GIF: still pixels and comments are read by Pillow, frames by libvips, which writes both, with 256 colours a frame.

XMP and the colour profile are application extensions.
"""

import dataclasses
import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from drujax.errors import UsageError
from drujax.pictures import vips
from drujax.pictures.containers import plain
from drujax.pictures.containers.frames import Animation, animation_of, frames_of
from drujax.pictures.picture import Metadata, Picture
from drujax.pictures.stored import Stored, Written
from drujax.runtime.atomic_write import hidden

HOLDS = frozenset({"icc_profile", "xmp", "comments"})
EXTENSION, APPLICATION, COMMENT, IMAGE = 0x21, 0xFF, 0xFE, 0x2C
HEADER = 13  # bytes before the colour table
XMP, ICC = b"XMP DataXMP", b"ICCRGBG1012"
ABOUT_ANIMATION = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
# XMP is stored in one piece, without lengths; this trailer leads a reader that expects them to the end of the block.
TRAILER = b"\1" + bytes(range(255, -1, -1))
# Dithering would flicker where frames differ; each frame has a palette of its own; equal frames are kept.
SAVING = {"dither": 0.0, "effort": 7, "interpalette_maxerror": 0.0, "keep_duplicate_frames": True}
MOST = 256  # colours
BEYOND = "colours beyond 256 a frame"
PARTLY = "partial transparency"


def read(content: bytes) -> Stored:
    """Returns the picture of a GIF file. Raises UsageError; Several for an animation."""
    stored = _described(content, plain.read(content, ("GIF",)))
    samples = stored.samples
    if samples.ndim == 3 and samples.shape[2] == 4 and (samples[..., 3] == 255).all():  # its transparency is unused
        stored = dataclasses.replace(stored, samples=samples[..., :3])
    return stored


def read_animation(content: bytes) -> tuple[Animation, Callable[[], Iterator[Stored]]]:
    """Returns the times of the frames, and what yields them. Raises UsageError."""
    first = _described(content, plain.read(content, ("GIF",), animated=True))
    repeats = next((data for name, data in _applications(content) if name in ABOUT_ANIMATION), b"")
    number = int.from_bytes(repeats[2:4], "little")  # how often it is shown again; 0 for ever
    animation = animation_of("gif", content, plays=(number and number + 1) if len(repeats) >= 4 else 1)

    def stored() -> Iterator[Stored]:
        for samples in frames_of("gif", content):
            yield dataclasses.replace(first, samples=samples)

    return animation, stored


def write(samples: np.ndarray, picture: Picture, quality: int | None = None) -> Written:
    """Returns the GIF file of `samples`, (h, w, 3) or (h, w, 4), with the metadata of `picture`. Raises UsageError."""
    file = io.BytesIO()
    image = vips.interpreted(vips.library().Image.new_from_array(np.ascontiguousarray(samples)))
    image.set_type(vips.library().GValue.gint_type, "loop", 1)  # so that it is marked as no animation
    try:
        encoded = image.gifsave_buffer(keep="none", **SAVING)
    except vips.library().Error as error:
        raise UsageError(f"cannot be written as GIF ({vips.reason(error)})") from error
    _add_metadata(io.BytesIO(encoded), file, picture)
    return Written(file.getvalue(), _lost(samples))


def write_animation(
    path: Path, frames: Iterator[np.ndarray], described: Metadata, animation: Animation, quality: int | None = None
) -> tuple[str, ...]:
    """Writes frames (h, w, 3) or (h, w, 4), all of one kind. Raises UsageError."""
    raw, (width, height), channels, lost = hidden(path), animation.size, 3, ()
    try:
        with raw.open("wb") as file:  # libvips takes all frames as one tall picture, which memory need not hold
            for samples in frames:
                channels = samples.shape[2]
                lost += tuple(phrase for phrase in _lost(samples) if phrase not in lost)
                file.write(np.ascontiguousarray(samples).data)
        count = len(animation.durations)
        image = vips.library().Image.rawload(str(raw), width, height * count, channels)
        image = _timed(vips.interpreted(image), animation)
        with vips.saved("gif", image, path, page_height=height, **SAVING) as encoded, path.open("wb") as file:
            _add_metadata(encoded, file, described)
    finally:
        raw.unlink(missing_ok=True)
    return lost


# ----- reading


def _described(content: bytes, stored: Stored) -> Stored:
    """Adds what the application extensions hold."""
    blocks, notes = {}, []
    for name, data in _applications(content):
        if name == XMP:
            packet, trailer, _ = data.partition(TRAILER)
            blocks["xmp"] = packet if trailer else _joined(data)
        elif name == ICC:
            blocks["icc_profile"] = _joined(data)
        elif name not in ABOUT_ANIMATION:
            notes.append(f"GIF extension {name.decode('latin-1')}")
    metadata = dataclasses.replace(stored.metadata, **blocks)
    return dataclasses.replace(stored, metadata=metadata, notes=tuple(dict.fromkeys(notes)))


def _applications(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields (name, sub-blocks as stored) of the application extensions."""
    content += bytes(16)  # so that indices into a truncated file are valid
    position = 13 + _table_size(content[10])
    while position + 16 < len(content):
        if content[position] == EXTENSION:
            start = position + 2
        elif content[position] == IMAGE:
            start = position + 11 + _table_size(content[position + 9])
        else:
            return
        end = start
        while end < len(content) and content[end]:
            end += 1 + content[end]
        if content[position : position + 3] == bytes([EXTENSION, APPLICATION, 11]):
            yield content[start + 1 : start + 12], content[start + 12 : end]
        position = end + 1


def _table_size(flags: int) -> int:
    """Returns the size of a colour table in bytes."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _joined(data: bytes) -> bytes:
    """Joins sub-blocks, each of which follows its length."""
    parts, position = [], 0
    while position < len(data):
        parts.append(data[position + 1 : position + 1 + data[position]])
        position += 1 + data[position]
    return b"".join(parts)


# ----- writing


def _lost(samples: np.ndarray) -> tuple[str, ...]:
    """Names what a frame of GIF does not hold."""
    partly = samples.shape[2] == 4 and bool(((samples[..., 3] != 0) & (samples[..., 3] != 255)).any())
    return ((PARTLY,) if partly else ()) + ((BEYOND,) if _colours(samples) > MOST else ())


def _colours(samples: np.ndarray) -> int:
    """Returns the number of different visible colours."""
    visible = samples.reshape(-1, samples.shape[2])
    visible = visible[visible[:, 3] > 0] if samples.shape[2] == 4 else visible
    packed = visible[:, :3].astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    return np.unique(packed).size


def _timed(image: Any, animation: Animation) -> Any:
    """Returns a lazy image with the times in its metadata, in milliseconds, as libvips takes them."""
    kinds = vips.library().GValue
    delays = [round(duration * 1000) for duration in animation.durations]
    image.set_type(kinds.array_int_type, "delay", delays)
    image.set_type(kinds.gint_type, "loop", animation.plays)
    return image


def _add_metadata(encoded: io.BufferedIOBase, file: io.BufferedIOBase, described: Metadata) -> None:
    """Copies a file, with extensions behind the header."""
    header = encoded.read(HEADER)
    file.write(header + encoded.read(_table_size(header[10])))
    for comment in described.comments:
        file.write(bytes([EXTENSION, COMMENT]) + _split(comment))
    if described.icc_profile:
        file.write(bytes([EXTENSION, APPLICATION, len(ICC)]) + ICC + _split(described.icc_profile))
    if described.xmp:
        file.write(bytes([EXTENSION, APPLICATION, len(XMP)]) + XMP + described.xmp + TRAILER + b"\0")
    shutil.copyfileobj(encoded, file, 1 << 20)


def _split(data: bytes) -> bytes:
    """Returns data as sub-blocks, each after its length."""
    parts = (data[start : start + 255] for start in range(0, len(data), 255))
    return b"".join(bytes([len(part)]) + part for part in parts) + b"\0"
