"""WebP: still pixels by Pillow; of animations, frames are read by libvips, and each is written as a WebP of its own."""

import dataclasses
import io
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from drujax.errors import UsageError
from drujax.pictures import exif
from drujax.pictures.containers import plain
from drujax.pictures.containers.frames import Animation, animation_of, changed, frames_of
from drujax.pictures.picture import Metadata, Picture
from drujax.pictures.stored import Stored, Written

QUALITY = 95
HOLDS = frozenset({"icc_profile", "exif", "xmp"})
LOSSLESS = b"VP8L"
KNOWN = (b"VP8 ", LOSSLESS, b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP ")
CONTENT_CREDENTIALS = b"C2PA"
FRAME_HEADER = 16  # bytes of an animation's frame before the chunks in it
ICC_FLAG, ALPHA_FLAG, EXIF_FLAG, XMP_FLAG, ANIMATION_FLAG = 0x20, 0x10, 0x08, 0x04, 0x02
NOT_BLENDED = 2  # of a frame: it replaces what is there
LONGEST = 2**24 - 1  # milliseconds


def read(content: bytes) -> Stored:
    """Returns the picture of a WebP file. Raises UsageError; Several for an animation."""
    return _described(content, animated=False)


def read_animation(content: bytes) -> tuple[Animation, Callable[[], Iterator[Stored]]]:
    """Returns the times of the frames, and what yields them. Raises UsageError."""
    first = _described(content, animated=True)
    header = next((content[at : at + 6] for name, at, _ in _chunks(content) if name == b"ANIM"), bytes(6))
    animation = animation_of("webp", content, plays=int.from_bytes(header[4:], "little"))

    def stored() -> Iterator[Stored]:
        for samples in frames_of("webp", content):
            yield dataclasses.replace(first, samples=samples)

    return animation, stored


def _described(content: bytes, *, animated: bool) -> Stored:
    names = list(dict.fromkeys(name for name, _, _ in _chunks(content)))
    stored = plain.read(content, ("WEBP",), encoding={"lossless": LOSSLESS in names}, animated=animated)
    return dataclasses.replace(stored, notes=tuple(_not_kept(name) for name in names if name not in KNOWN))


def write(samples: np.ndarray, picture: Picture, quality: int | None = None) -> Written:
    """Returns the WebP file of `samples` with the metadata of `picture`. Raises UsageError."""
    metadata = {name: data for name, data in _metadata(picture).items() if data}
    return Written(_encoded(samples, **_options(picture, quality), **metadata))


def write_animation(
    path: Path, frames: Iterator[np.ndarray], described: Picture, animation: Animation, quality: int | None = None
) -> tuple[str, ...]:
    """Writes frames (h, w, 3) or (h, w, 4), all of one kind, each as the part that changes. Raises UsageError."""
    options, before, own = _options(described, quality), None, _metadata(described)
    width, height = animation.size
    with path.open("wb") as file:
        for samples, duration in zip(frames, animation.durations, strict=True):
            if before is None:
                flags = ANIMATION_FLAG | (ALPHA_FLAG if samples.shape[2] == 4 else 0)
                named = (("icc_profile", ICC_FLAG), ("exif", EXIF_FLAG), ("xmp", XMP_FLAG))
                flags |= sum(flag for name, flag in named if own[name])
                file.write(b"RIFF" + bytes(4) + b"WEBP")
                file.write(_chunk(b"VP8X", bytes([flags, 0, 0, 0]) + _three(width - 1) + _three(height - 1)))
                file.write(_chunk(b"ICCP", own["icc_profile"]) if own["icc_profile"] else b"")
                file.write(_chunk(b"ANIM", bytes(4) + struct.pack("<H", min(animation.plays, 65535))))
            place = changed(before, samples, even=True)
            still = _encoded(np.ascontiguousarray(place.of(samples)), **options)
            pixels = b"".join(
                still[at - 8 : end] for name, at, end in _chunks(still) if name in (b"ALPH", b"VP8 ", LOSSLESS)
            )
            numbers = (place.left // 2, place.top // 2, place.width - 1, place.height - 1)
            header = b"".join(map(_three, (*numbers, min(round(duration * 1000), LONGEST))))
            file.write(_chunk(b"ANMF", header + bytes([NOT_BLENDED]) + pixels))
            before = samples
        file.write(_chunk(b"EXIF", own["exif"]) if own["exif"] else b"")
        file.write(_chunk(b"XMP ", own["xmp"]) if own["xmp"] else b"")
        size = file.tell() - 8
        file.seek(4)
        file.write(struct.pack("<I", size))
    return ()


def _options(picture: Picture, quality: int | None) -> dict[str, Any]:
    options: dict[str, Any] = {"quality": QUALITY, "exact": True}  # exact: keep the colours under alpha 0
    if quality is not None:
        return options | {"quality": quality}
    return options | (dict(picture.encoding) if picture.format == "WEBP" else {})


def _metadata(picture: Metadata) -> dict[str, bytes]:
    exif_block = picture.exif.removeprefix(exif.PREFIX) if picture.exif else b""
    return {"icc_profile": picture.icc_profile or b"", "exif": exif_block, "xmp": picture.xmp or b""}


def _encoded(samples: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    try:
        Image.fromarray(samples).save(file, "WEBP", **options)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot be written as WEBP ({error})") from error
    return file.getvalue()


def _three(number: int) -> bytes:
    return number.to_bytes(3, "little")


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def _not_kept(name: bytes) -> str:
    if name == CONTENT_CREDENTIALS:
        return "content credentials, which an edited picture invalidates"
    return f"WebP chunk {name.decode('latin-1')}"


def _chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yields the name of each chunk, also of those in frames, and where its data begin and the padded ones end."""
    position, end = 12, 8 + int.from_bytes(content[4:8], "little")  # what follows is not part of the file
    while position + 8 <= min(end, len(content)):
        name, size = struct.unpack_from("<4sI", content, position)
        yield name, position + 8, position + 8 + size + size % 2
        position += 8 + (FRAME_HEADER if name == b"ANMF" else size + size % 2)
