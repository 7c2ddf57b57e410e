"""The bytes of a picture file <-> Picture; drujax.pictures.io adds the file.

What each kind of picture becomes:

* grey (1, 8 or 16 bits): RGB with three equal channels, written as grey again as long as they are equal;
* palette: RGB, with alpha where the palette or a colour key is transparent; colours under alpha 0 are kept;
* CMYK: RGB, through the embedded ICC profile to sRGB where there is one. The profile described CMYK and is dropped;
* 16 bits a channel: kept by PNG and TIFF, rounded to 8 for the other formats;
* animations and files of several pages: refused.

JPEG and WebP are written at quality 95, JPEG with the source's chroma subsampling (4:4:4 from other formats); a
lossless WebP stays lossless.
"""

import io
import re
import struct
import zlib
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageCms, JpegImagePlugin, PngImagePlugin, UnidentifiedImageError

from drujax.errors import UsageError
from drujax.pictures import exif, sixteen_bit
from drujax.pictures.picture import Picture

READ = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "TGA")  # TGA, which has no signature, comes last
QUALITY = 95

# What Pillow's decoders raise on damaged files.
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, TypeError)
TOO_LARGE = (Image.DecompressionBombError, Image.DecompressionBombWarning)

PNG_COLOUR_CHUNKS = (b"gAMA", b"cHRM", b"sRGB")
DESCRIPTION_TAGS = (  # what is kept of a TIFF's own tags
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
)
TIFF_XMP = 700
XMP_ORIENTATION = re.compile(rb"(tiff:Orientation(?:=\"|>))[1-8]")
LOSSLESS_TIFF = ("raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits", "zstd", "lzma")


def decode(content: bytes) -> Picture:
    """The picture that the bytes of a file hold. Raises UsageError (a line without the file's name)."""
    if not content:
        raise UsageError("the file is empty")
    try:
        with Image.open(io.BytesIO(content), formats=READ) as image:
            _refuse_unsuitable(image)
            return _picture(image, content)
    except UsageError:
        raise
    except TOO_LARGE as error:
        pixels = re.search(r"\d+", str(error))
        raise _too_large(int(pixels[0]) if pixels else 0) from error
    except UnidentifiedImageError as error:
        raise UsageError(f"not a picture of a known kind ({', '.join(READ)})") from error
    except DAMAGE as error:
        raise UsageError(f"damaged picture ({error})") from error


def encode(picture: Picture, format: str, quality: int | None = None) -> bytes:
    """The bytes of a file of `format` (Pillow's name) that holds `picture`. Raises UsageError (as decode does).

    `quality` 1 to 100 of JPEG and WebP: by default 95, and lossless for what was a lossless WebP.
    """
    samples = _samples(picture, format)
    options = _metadata(picture, format, grey=samples.ndim == 2 or samples.shape[2] == 2)
    options |= _coding(picture, format, quality)
    try:
        if samples.dtype == np.uint16 and samples.ndim == 3:
            return sixteen_bit.encode(samples, format, options)
        file = io.BytesIO()
        Image.fromarray(samples).save(file, format, **options)
    except (OSError, ValueError, struct.error) as error:
        raise UsageError(f"cannot be written as {format} ({error})") from error
    return file.getvalue()


# ----- reading


def _refuse_unsuitable(image: Image.Image) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    width, height = image.size
    if limit is not None and width * height > limit:  # Pillow itself only warns up to twice the limit
        raise _too_large(width * height)
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # MPO: a camera's JPEG with previews or depth maps behind the photo
        kind = "pages" if image.format == "TIFF" else "frames of an animation"
        raise UsageError(f"has {frames} {kind}; only still pictures are enhanced (extract them first)")
    if image.mode in ("F", "LAB"):
        raise UsageError(f"pixels of Pillow's mode {image.mode} are not supported; save it as RGB first")


def _too_large(pixels: int) -> UsageError:
    return UsageError(f"too large ({pixels} pixels; the limit is {Image.MAX_IMAGE_PIXELS})")


def _picture(image: Image.Image, content: bytes) -> Picture:
    format = "JPEG" if image.format == "MPO" else str(image.format)
    samples = sixteen_bit.decode(content, image)
    colour_key = image.info.get("transparency") if samples is not None else None
    cmyk = image.mode == "CMYK"
    image.load()
    if samples is None:
        samples = _decoded(image)

    orientation, exif_block = _exif(image, format)
    rgb, alpha = _split(_turned(samples, orientation))
    if colour_key is not None and alpha is None:
        alpha = np.where((rgb == colour_key).all(axis=-1), 0, np.iinfo(rgb.dtype).max).astype(rgb.dtype)
    xmp = image.info.get("xmp")
    return Picture(
        rgb=rgb,
        alpha=alpha,
        format=format,
        grey=samples.ndim == 2 or samples.shape[2] == 2,
        icc_profile=None if cmyk else image.info.get("icc_profile"),
        exif=exif_block,
        xmp=XMP_ORIENTATION.sub(rb"\g<1>1", xmp) if xmp else None,
        dpi=_resolution(image),
        text={key: str(value) for key, value in getattr(image, "text", {}).items() if key != "XML:com.adobe.xmp"},
        encoding=_encoding(image, content),
    )


def _decoded(image: Image.Image) -> np.ndarray:
    """The pixels, (h, w) or (h, w, 2 | 3 | 4), of a picture that Pillow decodes without loss."""
    mode = image.mode
    if mode.startswith("I"):
        samples = np.asarray(image)
        if samples.min() < 0 or samples.max() > np.iinfo(np.uint16).max:
            raise UsageError("grey values of more than 16 bits are not supported")
        samples = samples.astype(np.uint16)
        key = image.info.get("transparency")
        if key is None:
            return samples
        return np.stack([samples, np.where(samples == key, 0, np.iinfo(np.uint16).max).astype(np.uint16)], axis=-1)
    if mode == "CMYK":
        return np.asarray(_cmyk_to_srgb(image))
    if mode in ("1", "L", "LA", "La"):
        return np.asarray(image.convert("LA" if image.has_transparency_data else "L"))
    return np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"))


def _cmyk_to_srgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if not profile:
        return image.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError) as error:
        raise UsageError(f"its CMYK colour profile cannot be used ({error}); save it as RGB first") from error
    assert converted is not None  # only None with inPlace
    return converted


def _turned(samples: np.ndarray, orientation: int) -> np.ndarray:
    """`samples` as stored, turned upright: EXIF orientations 2-4 mirror or turn by 180 degrees, 5-8 also transpose."""
    if orientation >= 5:
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return samples


def _split(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """(rgb, alpha or None) of grey, grey-alpha, RGB or RGBA samples."""
    if samples.ndim == 2:
        samples = samples[..., None]
    channels = samples.shape[2]
    alpha = np.ascontiguousarray(samples[..., -1]) if channels in (2, 4) else None
    colours = samples[..., :1] if channels < 3 else samples[..., :3]
    return np.ascontiguousarray(np.broadcast_to(colours, (*samples.shape[:2], 3))), alpha


def _exif(image: Image.Image, format: str) -> tuple[int, bytes | None]:
    """(orientation still to be applied, EXIF block of the upright picture)."""
    if format == "TIFF":  # Pillow has turned it
        own, kept = image.getexif(), Image.Exif()
        for tag in DESCRIPTION_TAGS:
            if isinstance(own.get(tag), str):
                kept[tag] = own[tag]
        for group in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            if entries := own.get_ifd(group):
                kept.get_ifd(group).update(entries)
        return 1, exif.PREFIX + kept.tobytes().removeprefix(exif.PREFIX) if len(kept) else None
    block = image.info.get("exif")
    return exif.upright(block) if block else (1, None)


def _resolution(image: Image.Image) -> tuple[float, float] | None:
    horizontal, vertical = (float(value) for value in image.info.get("dpi", (0, 0)))
    return (horizontal, vertical) if horizontal > 0 and vertical > 0 else None


def _encoding(image: Image.Image, content: bytes) -> dict[str, Any]:
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        sampling = JpegImagePlugin.get_sampling(image)
        return {"subsampling": max(sampling, 0), "progressive": bool(image.info.get("progressive"))}
    if image.format == "WEBP":
        return {"lossless": b"VP8L" in content[:64]}
    if image.format == "TIFF":
        compression = str(image.info.get("compression", "raw"))
        return {"compression": compression if compression in LOSSLESS_TIFF else "tiff_adobe_deflate"}
    if isinstance(image, PngImagePlugin.PngImageFile):
        return {"chunks": tuple(chunk for chunk in sixteen_bit.png_chunks(content) if chunk[0] in PNG_COLOUR_CHUNKS)}
    return {}


# ----- writing


def _samples(picture: Picture, format: str) -> np.ndarray:
    """The array to be written: (h, w) for grey, (h, w, 2) grey-alpha, (h, w, 3) or (h, w, 4)."""
    rgb, alpha = picture.rgb, picture.alpha
    if rgb.dtype == np.uint16 and format not in ("PNG", "TIFF"):
        rgb = _eight_bits(rgb)
        alpha = _eight_bits(alpha) if alpha is not None else None
    if alpha is not None and format in ("JPEG", "BMP"):
        if (alpha != np.iinfo(alpha.dtype).max).any():
            raise UsageError(f"{format} cannot hold the picture's transparency; choose .png, .webp or .tif")
        alpha = None
    unreadable = format == "TIFF" and rgb.dtype == np.uint16 and alpha is not None  # by Pillow, as grey with alpha
    if picture.grey and not unreadable and (rgb == rgb[..., :1]).all():
        return rgb[..., 0] if alpha is None else np.stack([rgb[..., 0], alpha], axis=-1)
    return rgb if alpha is None else np.concatenate([rgb, alpha[..., None]], axis=-1)


def _eight_bits(samples: np.ndarray) -> np.ndarray:
    return ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _metadata(picture: Picture, format: str, *, grey: bool) -> dict[str, Any]:
    """The arguments of Pillow's writer that carry the metadata."""
    options: dict[str, Any] = {}
    profile = picture.icc_profile
    if profile and not (profile[16:20] == b"GRAY" and not grey):  # a grey profile does not describe colours
        options["icc_profile"] = profile
    if picture.exif:
        options["exif"] = picture.exif
    if picture.dpi:
        options["dpi"] = picture.dpi
    if format == "PNG":
        options["pnginfo"] = _png_info(picture)
    elif picture.xmp and format == "TIFF":
        options["tiffinfo"] = {TIFF_XMP: picture.xmp}
    elif picture.xmp:
        options["xmp"] = picture.xmp
    return options


def _png_info(picture: Picture) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    for name, data in picture.encoding.get("chunks", ()):
        info.add(name, data)
    for key, value in picture.text.items():
        info.add_text(key, value)
    if picture.xmp:
        info.add_itxt("XML:com.adobe.xmp", picture.xmp.decode("utf-8", "replace"))
    return info


def _coding(picture: Picture, format: str, quality: int | None) -> dict[str, Any]:
    own = picture.encoding if picture.format == format else {}
    if quality is not None and format in ("JPEG", "WEBP"):
        own = {name: value for name, value in own.items() if name != "lossless"} | {"quality": quality}
    if format == "JPEG":
        return {"quality": QUALITY, "subsampling": 0} | dict(own)
    if format == "WEBP":
        return {"quality": QUALITY, "exact": True} | dict(own)
    if format == "TIFF":
        return {"compression": "tiff_adobe_deflate"} | dict(own)
    return {}
