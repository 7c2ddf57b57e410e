"""JPEG XL, by pillow-jxl-plugin (extra `jxl`): 8 bits a channel.

It reads 16 bits of grey, too, but would write them as if they were linear.
"""

import dataclasses

import numpy as np

from drujax.errors import UsageError
from drujax.pictures import exif
from drujax.pictures.containers.plugins import DAMAGE, plugin, reason
from drujax.pictures.picture import Metadata, Picture
from drujax.pictures.stored import Stored, Written, check_size, damaged

HOLDS = frozenset({"exif", "xmp"})
QUALITY = 95
KIND = "JPEG XL"
CODESTREAM, CONTAINER = b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"
CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "I;16": 1}
# In profiles that libjxl makes for what is declared as sRGB: the tag cicp, or of grey the name.
SRGB = (b"cicp\0\0\0\0\1\r", "Gra_D65_Rel_SRG".encode("utf-16-be"))
TIFF_HEADERS = (b"II*\0", b"MM\0*")


def read(content: bytes) -> Stored:
    """Returns the picture of a JPEG XL file. Raises UsageError."""
    decoder = plugin("pillow_jxl", KIND).Decoder(num_threads=-1)
    try:
        recompressed, info, data, profile, boxes = decoder(content)
    except DAMAGE as error:
        raise damaged(reason(error)) from error
    if recompressed:  # a JPEG, whose bytes are kept
        from drujax.pictures.containers import jpeg

        return dataclasses.replace(jpeg.read(bytes(data)), encoding={})
    check_size(info.width, info.height)
    if info.mode not in CHANNELS:
        raise UsageError(
            f"a JPEG XL of {info.mode} samples, which pillow-jxl-plugin does not read as they are; save it "
            "as PNG or TIFF first"
        )
    dtype = np.uint16 if info.mode == "I;16" else np.uint8
    samples = np.frombuffer(data, dtype).reshape(info.height, info.width, CHANNELS[info.mode])
    profile = bytes(profile or b"")
    if any(mark in profile for mark in SRGB):
        profile = b""
    block = next((bytes(box.data) for box in boxes if box.box_type == b"Exif"), b"")
    block = block[4:] if block[4:8] in TIFF_HEADERS else block  # after an offset, which some programs leave out
    xmp = next((bytes(box.data) for box in boxes if box.box_type == b"xml "), None)
    metadata = Metadata(icc_profile=profile or None, exif=exif.PREFIX + block if block else None, xmp=xmp)
    notes = ("content credentials, which an edited picture invalidates",) if _has(boxes, b"jumb") else ()
    # The decoder has turned the picture upright.
    return Stored(samples[..., 0] if samples.shape[2] == 1 else samples, metadata, orientation=1, notes=notes)


def write(samples: np.ndarray, picture: Picture, quality: int | None = None) -> Written:
    """Returns the JPEG XL file of `samples` with the metadata of `picture`. Raises UsageError."""
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    modes = {number: mode for mode, number in CHANNELS.items() if mode != "I;16"}
    quality = QUALITY if quality is None else quality
    height, width = samples.shape[:2]
    encoder = plugin("pillow_jxl", KIND).Encoder(
        mode=modes[channels],
        lossless=quality == 100,
        quality=quality,
        decoding_speed=0,
        effort=7,
        use_container=True,
        use_original_profile=quality == 100,  # lossy, it would cost accuracy and size
        num_threads=-1,
    )
    block = bytes(4) + picture.exif.removeprefix(exif.PREFIX) if picture.exif else None
    try:
        content = encoder(
            np.ascontiguousarray(samples).tobytes(),
            width,
            height,
            jpeg_encode=False,
            exif=block,
            jumb=None,
            xmp=picture.xmp,
            compress=False,
        )
    except DAMAGE as error:
        raise UsageError(f"cannot be written as JPEG XL ({reason(error)})") from error
    return Written(bytes(content))


def _has(boxes: list, name: bytes) -> bool:
    return any(box.box_type == name for box in boxes)
