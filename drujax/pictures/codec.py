"""Converts between the bytes of a picture file and Picture; drujax.pictures.io reads and writes the file.

How each kind of picture is read:

* grey (1 to 16 bits): RGB with three equal channels, written as grey again as long as they are equal;
* palette: RGB, with alpha where the palette or a colour key is transparent; colours under alpha 0 are kept;
* CMYK: sRGB, through the embedded ICC profile if there is one, which is then dropped;
* more than 8 bits per channel: 16, kept by PNG and TIFF, rounded to 10 or 12 for AVIF and HEIC, to 8 for others;
* animations and files of several pages: refused here (`drujax.pictures.series` reads them); reduced copies of the
  picture are dropped.

JPEG is written with the source's quality and chroma subsampling (4:4:4 from other formats), WebP at quality 95; a
lossless WebP or AVIF stays lossless. Metadata that a format cannot hold are reported (`encode_noting`), and colours
whose profile it cannot hold are converted to sRGB.
"""

import dataclasses
from types import ModuleType

import numpy as np

from drujax.errors import UsageError
from drujax.pictures import color_profile, exif, foreign, to_srgb, xmp
from drujax.pictures.containers import avif, bmp, gif, heif, jp2, jpeg, jxl, plain, png, tga, tiff, webp
from drujax.pictures.containers.depths import LOWER_HALF, eight_bits
from drujax.pictures.holding import held
from drujax.pictures.picture import Picture
from drujax.pictures.stored import Described, Stored, Written

# Readers and writers by Pillow's name of the format. Pixels are read by libvips where Pillow supports only 8 bits or
# refuses files that every viewer shows, and by Pillow where libvips's wheel has no codec.
CONTAINERS: dict[str, ModuleType] = {
    #             pixels read by      pixels written by   metadata by
    "PNG": png,  # libvips            libvips             png.py
    "JPEG": jpeg,  # libvips          libvips, Pillow     jpeg.py
    "WEBP": webp,  # Pillow           Pillow              Pillow
    "TIFF": tiff,  # libvips, Pillow  libvips             tiff.py
    "BMP": bmp,  # Pillow             Pillow              Pillow, bmp.py
    "GIF": gif,  # Pillow             libvips             Pillow, gif.py
    "AVIF": avif,  # libvips, Pillow  libvips, Pillow     libvips, Pillow
    "TGA": tga,  # Pillow             Pillow              -
    "JPEG2000": jp2,  # Pillow        Pillow              jp2.py
    "JXL": jxl,  # pillow-jxl-plugin, for all
    "HEIF": heif,  # pillow-heif, for all
}
SIXTEEN_BIT = ("PNG", "TIFF", "AVIF", "HEIF")
SIXTEEN_BIT_GREY = ("JPEG2000",)
COLORED = ("WEBP", "GIF")  # without grey
OPAQUE = ("JPEG", "BMP")
DECLARING = ("AVIF", "HEIF")  # with colours like those of cICP, which are not written
BEGINNING = 64  # bytes by which `format_of` tells a format


class NotAPicture(UsageError):
    """The bytes are not those of a picture that is read."""


def decode(content: bytes) -> Picture:
    """Decodes the bytes of a picture file. Raises UsageError, without the file's name."""
    format = kind_of(content)
    return as_picture(CONTAINERS[format].read(content), format)


def encode(picture: Picture, format: str, quality: int | None = None) -> bytes:
    """Encodes `picture` in `format` (Pillow's name). Raises UsageError (as decode does), also for invalid arrays.

    `quality`, 1 to 100, applies to JPEG, WebP, AVIF, HEIC and JPEG XL; see `write_picture`.
    """
    return encode_noting(picture, format, quality).content


def encode_noting(picture: Picture, format: str, quality: int | None = None) -> Written:
    """Encodes like `encode`, and lists what the file does not hold, a phrase each, such as "EXIF"."""
    _check(picture, quality)
    container = CONTAINERS[format]
    check_colors(picture, format)
    converted = ()
    if picture.icc_profile and "icc_profile" not in container.HOLDS:
        picture, converted = to_srgb.converted(picture)
    samples = samples_of(picture, format)
    dropped = converted + ((LOWER_HALF,) if samples.dtype != picture.rgb.dtype else ())
    picture, unheld = held(picture, container.HOLDS, grey=samples.ndim == 2 or samples.shape[2] == 2)
    written = container.write(samples, picture, quality)
    return Written(written.content, dropped + unheld + written.dropped)


def check_colors(picture: Picture, format: str) -> None:
    """Raises UsageError for colours that a format could hold, but is not written with."""
    if format in DECLARING and not picture.icc_profile and not color_profile.has_profile(picture.chunks):
        raise UsageError(f"has HDR colours (PQ or HLG), which are not written as {format}; choose .png")


# ----- reading


def format_of(beginning: bytes) -> str | None:
    """Returns Pillow's name of the format of a file that begins so; None for one without a signature of its own."""
    if beginning.startswith(png.SIGNATURE):
        return "PNG"
    if beginning.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if beginning[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    if beginning[:4] == b"RIFF" and beginning[8:12] == b"WEBP":
        return "WEBP"
    if beginning[4:8] == b"ftyp" and any(brand in beginning[8:BEGINNING] for brand in (b"avif", b"avis")):
        return "AVIF"
    if beginning[4:8] == b"ftyp" and beginning[8:12] in heif.BRANDS:
        return "HEIF"
    if beginning.startswith((jp2.CONTAINER, jp2.CODESTREAM)):
        return "JPEG2000"
    if beginning.startswith((jxl.CONTAINER, jxl.CODESTREAM)):
        return "JXL"
    return None


def upright(described: Described) -> tuple[Described, int]:
    """Returns the description of the picture turned upright, and the orientation, 1..8, by which to turn it."""
    metadata, notes = described.metadata, described.notes
    from_exif, block = exif.upright(metadata.exif) if metadata.exif else (None, None)
    from_xmp, packet = xmp.upright(metadata.xmp) if metadata.xmp else (None, None)
    if metadata.exif and block is None:
        notes += ("EXIF, which is damaged",)
    orientation = described.orientation or from_exif or from_xmp or 1
    dpi = metadata.dpi[::-1] if orientation >= 5 and metadata.dpi else metadata.dpi
    metadata = dataclasses.replace(metadata, exif=block, xmp=packet, dpi=dpi)
    return described._replace(metadata=metadata, notes=notes, orientation=None), orientation


def kind_of(content: bytes) -> str:
    """Returns Pillow's name of the format of a file. Raises NotAPicture."""
    if not content:
        raise NotAPicture("the file is empty")
    if format := format_of(content[:BEGINNING]):
        return format
    if why := foreign.refusal(content):
        raise NotAPicture(why)
    format = plain.format_of(content)
    if format is None:
        raise NotAPicture(f"not a picture of a known kind ({', '.join(CONTAINERS)})")
    return format


def as_picture(stored: Stored, format: str) -> Picture:
    """Returns the picture of a stored one, turned upright."""
    described, orientation = upright(Described(stored.metadata, stored.notes, stored.orientation, stored.encoding))
    rgb, alpha = _split(_turned(stored.samples, orientation))
    return Picture(
        rgb=rgb,
        alpha=alpha,
        format=format,
        grey=stored.samples.ndim == 2 or stored.samples.shape[2] == 2,
        encoding=described.encoding,
        notes=described.notes,
        **described.metadata.blocks,
    )


def _turned(samples: np.ndarray, orientation: int) -> np.ndarray:
    """Turns `samples` upright: EXIF orientations 2-4 mirror or rotate by 180 degrees, 5-8 also transpose."""
    if orientation >= 5:
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return samples


def _split(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Splits grey, grey-alpha, RGB or RGBA samples into rgb and alpha (or None)."""
    if samples.ndim == 2:
        samples = samples[..., None]
    channels = samples.shape[2]
    alpha = np.ascontiguousarray(samples[..., -1]) if channels in (2, 4) else None
    colours = samples[..., :1] if channels < 3 else samples[..., :3]
    return np.ascontiguousarray(np.broadcast_to(colours, (*samples.shape[:2], 3))), alpha


# ----- writing


def _check(picture: Picture, quality: int | None) -> None:
    """Raises UsageError for arrays that would be written as something else, and for an invalid quality."""
    rgb, alpha = picture.rgb, picture.alpha
    if rgb.dtype not in (np.uint8, np.uint16) or rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.size == 0:
        raise UsageError(f"rgb: must be uint8 or uint16 of shape (h, w, 3), got {rgb.dtype} of {rgb.shape}")
    if alpha is not None and (alpha.dtype != rgb.dtype or alpha.shape != rgb.shape[:2]):
        raise UsageError(f"alpha: must be {rgb.dtype} of shape {rgb.shape[:2]}, got {alpha.dtype} of {alpha.shape}")
    if quality is not None and quality not in range(1, 101):
        raise UsageError(f"quality: must be a whole number from 1 to 100, got {quality!r}")


def samples_of(picture: Picture, format: str) -> np.ndarray:
    """Returns the array to write: (h, w) for grey, (h, w, 2) grey-alpha, (h, w, 3) or (h, w, 4)."""
    rgb, alpha = picture.rgb, picture.alpha
    grey = picture.grey and format not in COLORED and bool((rgb == rgb[..., :1]).all())
    if (
        rgb.dtype == np.uint16
        and format not in SIXTEEN_BIT
        and not (format in SIXTEEN_BIT_GREY and grey and alpha is None)
    ):
        rgb = eight_bits(rgb)
        alpha = eight_bits(alpha) if alpha is not None else None
    if alpha is not None and format in OPAQUE:
        if (alpha != np.iinfo(alpha.dtype).max).any():
            raise UsageError(f"{format} cannot hold the picture's transparency; choose .png, .webp or .tif")
        alpha = None
    # Pillow does not read TIFFs of 16-bit grey with alpha.
    if grey and not (format == "TIFF" and rgb.dtype == np.uint16 and alpha is not None):
        return rgb[..., 0] if alpha is None else np.stack([rgb[..., 0], alpha], axis=-1)
    return rgb if alpha is None else np.concatenate([rgb, alpha[..., None]], axis=-1)
