"""What an enhanced file must have in common with its input, as other programs see both."""

import contextlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from drujax.pictures import vips

# Kinds of pixels that enhancing cannot keep, and what they become.
BECOMES = {("PNG", "P"): ("RGB", "RGBA"), ("JPEG", "CMYK"): ("RGB",)}
BLOCKS = ("icc_profile", "xmp", "comment")
TAGS = (0x0131, 0x010F)
RESOLUTION = 0.02  # dots per inch, of rounding to dots per metre


class Seen(NamedTuple):
    """What Pillow and libvips see of a file."""

    format: str | None
    frames: list[tuple[tuple[int, int], str, float]]  # size, mode, duration
    loop: int | None
    depth: int | None
    blocks: dict[str, Any]
    tags: dict[int, Any]
    dpi: tuple[float, float] | None
    luma: float


def seen(path: Path) -> Seen:
    """Reads a file. Raises what Pillow raises."""
    with contextlib.suppress(ImportError):
        import pillow_heif  # pyright: ignore[reportMissingImports]

        pillow_heif.register_heif_opener()
    with contextlib.suppress(ImportError):
        import pillow_jxl  # pyright: ignore[reportMissingImports]  # noqa: F401
    with Image.open(path) as image:
        frames, means = [], []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            image.load()
            shown = image.info.get("duration") if getattr(image, "n_frames", 1) > 1 else None
            frames.append((image.size, _mode(image), float(shown or 0)))
            means.append(_luma(image))
        image.seek(0)
        info, exif = image.info, image.getexif()
        depth = None
        if image.format == "AVIF":
            depth = vips.library().Image.heifload(str(path)).get("bits-per-sample")
        blocks = {name: info.get(name) for name in BLOCKS if name != "comment" or image.format in ("GIF", "JPEG")}
        if image.format == "JXL" or (image.format == "GIF" and len(frames) > 1):
            blocks = {}
        tags = {tag: exif.get(tag) for tag in TAGS}
        given = info.get("dpi") if image.format in ("JPEG", "PNG", "TIFF", "BMP") else None
        dpi = (float(given[0]), float(given[1])) if given else None
        loop = info.get("loop") if len(frames) > 1 else None
        return Seen(image.format, frames, loop, depth, blocks, tags, dpi, float(np.mean(means)))


def differences(before: Path, after: Path) -> list[str]:
    """Returns a phrase for each thing that differs though it should not; none if the file is as it should be."""
    try:
        one, other = seen(before), seen(after)
    except Exception as error:  # whatever a damaged file makes Pillow raise
        return [f"cannot be read ({type(error).__name__}: {error})"]
    found = []
    if one.format != other.format:
        found.append(f"format {one.format} became {other.format}")
    if len(one.frames) != len(other.frames):
        found.append(f"{len(one.frames)} frames became {len(other.frames)}")
    for number, (mine, theirs) in enumerate(zip(one.frames, other.frames, strict=False)):
        allowed = (mine[1], *BECOMES.get((one.format or "", mine[1]), ()))
        if mine[0] != theirs[0]:
            found.append(f"frame {number}: size {mine[0]} became {theirs[0]}")
        if theirs[1] not in allowed:
            found.append(f"frame {number}: mode {mine[1]} became {theirs[1]}")
        if abs(mine[2] - theirs[2]) > 0.5:
            found.append(f"frame {number}: {mine[2]} ms became {theirs[2]}")
    pairs = (("loop", one.loop, other.loop), ("depth", one.depth, other.depth))
    pairs += tuple((name, one.blocks[name], other.blocks.get(name)) for name in one.blocks)
    pairs += tuple((f"EXIF {tag:#06x}", one.tags[tag], other.tags[tag]) for tag in TAGS)
    found += [f"{name} {_short(mine)} became {_short(theirs)}" for name, mine, theirs in pairs if mine != theirs]
    if one.dpi and not (other.dpi and np.allclose(one.dpi, other.dpi, rtol=1e-3, atol=RESOLUTION)):
        found.append(f"resolution {one.dpi} became {other.dpi}")
    if other.luma < one.luma - 1:
        found.append(f"became darker ({one.luma:.1f} to {other.luma:.1f})")
    return found


def _mode(image: Image.Image) -> str:
    if image.format == "GIF":
        return "GIF"  # of which Pillow chooses the mode by frame
    if image.format == "WEBP" and getattr(image, "n_frames", 1) > 1:
        return "WEBP"
    return "I;16" if image.mode.startswith("I;16") else image.mode


def _luma(image: Image.Image) -> float:
    if image.mode.startswith("I;16"):
        return float(np.asarray(image).mean() / 257)
    return float(np.asarray(image.convert("RGB").convert("L")).mean())


def _short(value: Any) -> str:
    return f"{len(value)} bytes" if isinstance(value, bytes) else repr(value)
