"""Dark pictures in files of all formats, kinds and sizes, with metadata, written by Pillow and libvips."""

import importlib.util
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageCms, ImageDraw

from drujax.data.scenes import pair
from drujax.pictures import vips

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></x:xmpmeta>'
SCENES = 6  # different ones
FRAMES = 4  # of animations, and pages


class Kind(NamedTuple):
    """A kind of file: its suffix, and what writes one from a dark picture of 8 bits."""

    suffix: str
    write: Callable[[Path, Image.Image], None]
    needs: str | None = None  # a module


def write_files(folder: Path, count: int, largest: int, *, seed: int = 0) -> list[Path]:
    """Writes `count` files of all kinds in turn, of 1 x 1 to `largest` pixels a side; returns their paths."""
    random = np.random.default_rng(seed)
    scenes = [pair(seed, index, (180, 320))[0] for index in range(SCENES)]
    kinds, paths = list(available().items()), []
    folder.mkdir(parents=True)
    for number in range(count):
        name, kind = kinds[number % len(kinds)]
        width, height = (int(round(np.exp(random.uniform(0, np.log(largest))))) for _ in range(2))
        image = Image.fromarray(scenes[number % SCENES]).resize((width, height))
        path = folder / f"{number:04d}_{name}{kind.suffix}"
        kind.write(path, image)
        paths.append(path)
    return paths


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0131], exif[0x010F] = "a program", "a maker"
    exif.get_ifd(0x8769)[0x9003] = "2026:01:01 00:00:00"
    return exif


def _profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _saved(mode: str | None = None, **options: Any) -> Callable[[Path, Image.Image], None]:
    def write(path: Path, image: Image.Image) -> None:
        given: dict[str, Any] = {name: value() if callable(value) else value for name, value in options.items()}
        as_mode(image, mode or "RGB").save(path, **given)

    return write


def as_mode(image: Image.Image, mode: str) -> Image.Image:
    """Returns a picture in another mode of Pillow; where that has an opacity, with one that varies."""
    if mode in ("RGBA", "LA"):
        image = image.convert(mode)
        image.putalpha(Image.linear_gradient("L").resize(image.size))
        return image
    if mode == "I;16":
        return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    if mode == "P":
        return image.quantize(64)
    return image.convert(mode)


def _deep(saver: str, **options: Any) -> Callable[[Path, Image.Image], None]:
    """Writes 16 bits (of AVIF fewer) with levels between those of 8 bits."""

    def write(path: Path, image: Image.Image) -> None:
        samples = np.asarray(image).astype(np.uint16) * 257 + 100
        getattr(vips.interpreted(vips.of_array(samples)), f"{saver}save")(str(path), **options)

    return write


def _frames(image: Image.Image, mode: str) -> list[Image.Image]:
    """A disc that moves over the picture."""
    found = []
    for number in range(FRAMES):
        frame = image.copy()
        left = image.width * number // (2 * FRAMES)
        ImageDraw.Draw(frame).ellipse((left, 0, left + image.width // 3, image.height // 3), fill=(60, 20, 20 + number))
        found.append(as_mode(frame, mode))
    return found


def _animated(mode: str = "RGB", **options: Any) -> Callable[[Path, Image.Image], None]:
    def write(path: Path, image: Image.Image) -> None:
        first, *others = _frames(image, mode)
        first.save(path, save_all=True, append_images=others, duration=[40, 80, 120, 60], loop=2, **options)

    return write


def _pages(path: Path, image: Image.Image) -> None:
    others = [image.resize((image.width // 2 + 1, image.height // 2 + 1)), image.convert("L"), as_mode(image, "RGBA")]
    image.save(path, save_all=True, append_images=others, compression="tiff_lzw")


def _heic(path: Path, image: Image.Image) -> None:
    from pillow_heif import from_pillow  # pyright: ignore[reportMissingImports]

    from_pillow(image).save(path, quality=90, exif=_exif().tobytes(), xmp=XMP)


def _jxl(path: Path, image: Image.Image) -> None:
    import pillow_jxl  # pyright: ignore[reportMissingImports]  # noqa: F401  # registers the format

    file = io.BytesIO()
    image.save(file, "JXL", lossless=True)
    path.write_bytes(file.getvalue())


METADATA: dict[str, Any] = {"exif": _exif, "icc_profile": _profile}
KINDS: dict[str, Kind] = {
    "jpeg": Kind(".jpg", _saved(quality=88, dpi=(300, 300), xmp=XMP, comment=b"a night", **METADATA)),
    "jpeg-422": Kind(".jpg", _saved(quality=92, subsampling=1)),
    "jpeg-progressive": Kind(".jpg", _saved(quality=80, progressive=True, subsampling=0)),
    "jpeg-grey": Kind(".jpg", _saved("L", quality=90)),
    "jpeg-cmyk": Kind(".jpg", _saved("CMYK", quality=90)),
    "png": Kind(".png", _saved(dpi=(72, 72), **METADATA)),
    "png-grey": Kind(".png", _saved("L")),
    "png-grey-alpha": Kind(".png", _saved("LA")),
    "png-alpha": Kind(".png", _saved("RGBA")),
    "png-palette": Kind(".png", _saved("P")),
    "png-grey16": Kind(".png", _saved("I;16")),
    "png-deep": Kind(".png", _deep("png", bitdepth=16)),
    "png-animated": Kind(".png", _animated()),
    "png-animated-alpha": Kind(".png", _animated("RGBA", disposal=1)),
    "webp": Kind(".webp", _saved(quality=90, xmp=XMP, **METADATA)),
    "webp-lossless": Kind(".webp", _saved("RGBA", lossless=True)),
    "webp-animated": Kind(".webp", _animated(quality=90)),
    "tiff": Kind(".tif", _saved(compression="tiff_lzw", dpi=(150, 150), **METADATA)),
    "tiff-grey": Kind(".tif", _saved("L")),
    "tiff-alpha": Kind(".tif", _saved("RGBA", compression="tiff_adobe_deflate")),
    "tiff-deep": Kind(".tif", _deep("tiff", compression="lzw")),
    "tiff-pages": Kind(".tif", _pages),
    "gif": Kind(".gif", _saved("P", comment=b"a night")),
    "gif-animated": Kind(".gif", _animated(disposal=2)),
    "bmp": Kind(".bmp", _saved(dpi=(96, 96))),
    "bmp-grey": Kind(".bmp", _saved("L")),
    "tga": Kind(".tga", _saved("RGBA", compression="tga_rle")),
    "tga-grey": Kind(".tga", _saved("L")),
    "avif": Kind(".avif", _saved(quality=90, subsampling="4:2:0", speed=9, xmp=XMP, **METADATA)),
    "avif-alpha": Kind(".avif", _saved("RGBA", quality=90, speed=9)),
    "avif-animated": Kind(".avif", _animated("RGBA", quality=90, speed=9)),
    "avif-10": Kind(".avif", _deep("heif", compression="av1", bitdepth=10, Q=90, effort=1)),
    "avif-12": Kind(".avif", _deep("heif", compression="av1", bitdepth=12, Q=90, effort=1)),
    "jpeg-2000": Kind(".jp2", _saved()),
    "jpeg-2000-alpha": Kind(".jp2", _saved("RGBA")),
    "jpeg-2000-grey16": Kind(".jp2", _saved("I;16")),
    "heic": Kind(".heic", _heic, "pillow_heif"),
    "jpeg-xl": Kind(".jxl", _jxl, "pillow_jxl"),
}


def available() -> dict[str, Kind]:
    """The kinds that can be written here, by name."""
    return {name: kind for name, kind in KINDS.items() if kind.needs is None or importlib.util.find_spec(kind.needs)}
