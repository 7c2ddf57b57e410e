"""JPEG XL, by pillow-jxl-plugin (extra `jxl`): 8 bits a channel, and 16 of grey."""

import dataclasses

import numpy as np

from drujax.errors import UsageError
from drujax.pictures import exif
from drujax.pictures.containers.plugins import plugin
from drujax.pictures.picture import Metadata, Picture
from drujax.pictures.stored import Stored, Written, check_size, damaged

HOLDS = frozenset({"exif", "xmp"})
QUALITY = 95
KIND = "JPEG XL"
CODESTREAM, CONTAINER = b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"
CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "I;16": 1}
SRGB = "RGB_D65_SRG_Rel_SRG".encode("utf-16-be")  # in the name of the profile that libjxl makes for sRGB
GREY = "Gra_D65_Rel_SRG".encode("utf-16-be")


def read(content: bytes) -> Stored:
    """Returns the picture of a JPEG XL file. Raises UsageError."""
    decoder = plugin("pillow_jxl", KIND).Decoder(num_threads=-1)
    try:
        recompressed, info, data, profile, boxes = decoder(content)
    except (ValueError, OSError, RuntimeError) as error:
        raise damaged(str(error).strip() or type(error).__name__) from error
    if recompressed:  # a JPEG, whose bytes are kept
        from drujax.pictures.containers import jpeg

        return dataclasses.replace(jpeg.read(bytes(data)), encoding={})
    check_size(info.width, info.height)
    if info.mode not in CHANNELS:
        raise UsageError(f"a JPEG XL of {info.mode} samples, which pillow-jxl-plugin does not read as they are; save it "
                         "as PNG or TIFF first")
    dtype = np.uint16 if info.mode == "I;16" else np.uint8
    samples = np.frombuffer(data, dtype).reshape(info.height, info.width, CHANNELS[info.mode])
    profile = bytes(profile) if profile and SRGB not in bytes(profile) and GREY not in bytes(profile) else None
    block = next((bytes(box.data)[4:] for box in boxes if box.box_type == b"Exif"), None)
    xmp = next((bytes(box.data) for box in boxes if box.box_type == b"xml "), None)
    metadata = Metadata(icc_profile=profile, exif=exif.PREFIX + block if block else None, xmp=xmp)
    notes = ("content credentials, which an edited picture invalidates",) if _has(boxes, b"jumb") else ()
    # The decoder has turned the picture upright.
    return Stored(samples[..., 0] if samples.shape[2] == 1 else samples, metadata, orientation=1, notes=notes)


def write(samples: np.ndarray, picture: Picture, quality: int | None = None) -> Written:
    """Returns the JPEG XL file of `samples` with the metadata of `picture`. Raises UsageError."""
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    modes = {number: mode for mode, number in CHANNELS.items() if mode != "I;16"}
    mode = "I;16" if samples.dtype == np.uint16 else modes[channels]
    height, width = samples.shape[:2]
    encoder = plugin("pillow_jxl", KIND).Encoder(
        mode=mode,
        lossless=False,
        quality=QUALITY if quality is None else quality,
        decoding_speed=0,
        effort=7,
        use_container=True,
        use_original_profile=False,
        num_threads=-1,
    )
    block = picture.exif.removeprefix(exif.PREFIX) if picture.exif else None
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
    except (ValueError, OSError, RuntimeError) as error:
        raise UsageError(f"cannot be written as JPEG XL ({error})") from error
    return Written(bytes(content))


def _has(boxes: list, name: bytes) -> bool:
    return any(box.box_type == name for box in boxes)
