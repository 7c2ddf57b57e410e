"""HEIC, by pillow-heif (extra `heif`): 8, 10 and 12 bits a channel."""

import io
import threading
from typing import Any

import numpy as np

from drujax.errors import UsageError
from drujax.pictures import color_profile, exif
from drujax.pictures.containers.depths import coded, sixteen_bits
from drujax.pictures.containers.plugins import DAMAGE, plugin, reason
from drujax.pictures.picture import Metadata, Picture
from drujax.pictures.stored import Stored, Written, check_single, check_size, damaged

HOLDS = frozenset({"icc_profile", "exif", "xmp"})
QUALITY = 90
KIND = "HEIC"
BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
DEEPEST = 12  # bits
_DEPTH = threading.Lock()  # pillow-heif's depth is a setting of the whole process
MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def read(content: bytes) -> Stored:
    """Returns the picture of a HEIC file, which libheif turns upright. Raises UsageError; Several for several."""
    heif = plugin("pillow_heif", KIND)
    try:
        file = heif.open_heif(io.BytesIO(content), convert_hdr_to_8bit=False)
        check_size(*file.size)
        check_single(len(file), "pictures")
        depth, mode, info = file.info["bit_depth"], file.mode, file.info
        samples = np.asarray(file)
    except UsageError:
        raise
    except DAMAGE as error:
        raise damaged(reason(error)) from error
    deep = samples.dtype == np.uint16
    channels = len(mode.partition(";")[0].replace("I", "L"))
    samples = samples.reshape(*samples.shape[:2], -1)[..., :channels]
    block, profile = info.get("exif"), info.get("icc_profile")
    nclx = {} if profile else info.get("nclx_profile") or {}
    codes = (int(nclx.get(name, 2)) for name in ("color_primaries", "transfer_characteristics"))
    metadata = Metadata(
        chunks=color_profile.declared(*codes),
        exif=exif.PREFIX + block.removeprefix(exif.PREFIX) if block else None,
        icc_profile=profile or None,
        xmp=info.get("xmp") or None,
    )
    samples = sixteen_bits(samples, depth) if deep else samples
    encoding = {"depth": depth, "chroma": info.get("chroma") or 444}
    notes = tuple(phrase for name, phrase in FURTHER.items() if info.get(name))
    samples = samples[..., 0] if samples.shape[2] == 1 else samples
    return Stored(np.ascontiguousarray(samples), metadata, orientation=1, encoding=encoding, notes=notes)


FURTHER = {"depth_images": "the depth map", "aux": "auxiliary pictures (a gain map or mattes)"}


def write(samples: np.ndarray, picture: Picture, quality: int | None = None) -> Written:
    """Returns the HEIC file of `samples` with the metadata of `picture`; 16 bits become 12, or 10 as in its HEIC.

    Raises UsageError.
    """
    heif = plugin("pillow_heif", KIND)
    own = picture.encoding if picture.format == "HEIF" else {}
    deep = samples.dtype == np.uint16
    depth = own.get("depth", DEEPEST) if deep else 8
    if samples.ndim == 3 and samples.shape[2] == 2:  # HEIC has no grey with alpha
        samples = samples[..., [0, 0, 0, 1]]
    samples = np.ascontiguousarray(coded(samples, depth) if deep else samples)
    mode = MODES[1 if samples.ndim == 2 else samples.shape[2]] + (";16" if deep else "")
    named = {"exif": picture.exif, "icc_profile": picture.icc_profile, "xmp": picture.xmp}
    options: dict[str, Any] = {name: data for name, data in named.items() if data}
    file = io.BytesIO()
    with _DEPTH:
        before, heif.options.SAVE_HDR_TO_12_BIT = heif.options.SAVE_HDR_TO_12_BIT, depth == DEEPEST
        try:
            image = heif.from_bytes(mode=mode, size=samples.shape[1::-1], data=samples.tobytes())
            image.save(file, quality=QUALITY if quality is None else quality, chroma=own.get("chroma", 444), **options)
        except DAMAGE as error:
            raise UsageError(f"cannot be written as HEIC ({reason(error)})") from error
        finally:
            heif.options.SAVE_HDR_TO_12_BIT = before
    lost = f"the lowest {16 - depth} of its 16 bits a channel"
    return Written(file.getvalue(), (lost,) if deep and picture.format not in ("AVIF", "HEIF") else ())
