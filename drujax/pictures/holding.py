"""Which metadata a format can hold, and phrases for what is dropped."""

import dataclasses
from collections.abc import Iterable
from typing import TypeVar

from drujax.pictures import color_profile, exif, photoshop
from drujax.pictures.picture import Metadata

TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")
PHRASES = {
    "icc_profile": "the colour profile",
    "exif": "EXIF",
    "xmp": "XMP",
    "xmp_extension": "the extended part of XMP",
    "photoshop": "Photoshop's image resources",
    "comments": "the comment",
    "dpi": "the resolution",
}
EMPTY = Metadata()
P = TypeVar("P", bound=Metadata)


def held(picture: P, holds: frozenset[str], *, grey: bool) -> tuple[P, tuple[str, ...]]:
    """Returns `picture` with only the metadata that a format `holds` (names of fields), and phrases for the rest.

    `grey` says that a single colour channel will be written.
    """
    dropped: list[str] = []
    if picture.chunks and "chunks" not in holds:
        picture, dropped = _without_chunks(picture, grey=grey)
    if picture.icc_profile and not _fits(picture.icc_profile, grey=grey):
        dropped.append(f"the colour profile, which describes {_space(picture.icc_profile)}")
        picture = dataclasses.replace(picture, icc_profile=None)
    for field, phrase in PHRASES.items():
        if getattr(picture, field) and field not in holds:
            if not _held_elsewhere(field, picture, holds):
                iptc = field == "photoshop" and photoshop.iptc_of(picture.photoshop or b"")
                dropped.append("IPTC" if iptc else phrase)
            picture = dataclasses.replace(picture, **{field: getattr(EMPTY, field)})
    return picture, tuple(dropped)


def text_keywords(chunks: Iterable[tuple[bytes, bytes]]) -> list[str]:
    """Returns the keywords of the text chunks of a PNG."""
    return [data.partition(b"\0")[0].decode("latin-1") for name, data in chunks if name in TEXT_CHUNKS]


def _without_chunks(picture: P, *, grey: bool) -> tuple[P, list[str]]:
    profile, replaced = color_profile.of_png(picture.chunks, grey=grey)
    lost = [chunk for chunk in picture.chunks if chunk[0] not in replaced]
    names = list(dict.fromkeys(name.decode("latin-1") for name, _ in lost if name not in TEXT_CHUNKS))
    keywords = list(dict.fromkeys(text_keywords(lost)))
    dropped = [f"PNG text ({', '.join(keywords)})"] if keywords else []
    dropped += [f"PNG chunk{'s' if len(names) > 1 else ''} {', '.join(names)}"] if names else []
    return dataclasses.replace(picture, chunks=(), icc_profile=picture.icc_profile or profile), dropped


def _fits(profile: bytes, *, grey: bool) -> bool:
    """Whether a profile fits pictures with one (`grey`) or three channels; damaged ones are assumed to."""
    space = color_profile.color_space(profile)
    return grey if space == b"GRAY" else space not in (b"CMYK", b"Lab ")


def _space(profile: bytes) -> str:
    return {b"GRAY": "grey pictures"}.get(color_profile.color_space(profile), "other kinds of pixels")


def _held_elsewhere(field: str, picture: Metadata, holds: frozenset[str]) -> bool:
    return field == "dpi" and "exif" in holds and picture.exif is not None and bool(exif.resolution_of(picture.exif))
