"""Picture files: pixels, depth, alpha, colour, metadata."""

from typing import TYPE_CHECKING

from drujax.runtime.lazy import exports

if TYPE_CHECKING:
    from drujax.pictures.arrays import as_images
    from drujax.pictures.color import luma, to_float, to_uint8, to_uint16
    from drujax.pictures.discovery import find_pictures
    from drujax.pictures.io import read_picture, write_picture
    from drujax.pictures.picture import Picture

__all__ = [
    "Picture",
    "as_images",
    "find_pictures",
    "luma",
    "read_picture",
    "to_float",
    "to_uint16",
    "to_uint8",
    "write_picture",
]

__getattr__, __dir__ = exports(
    __name__,
    __all__,
    {
        "arrays": ["as_images"],
        "color": ["luma", "to_float", "to_uint16", "to_uint8"],
        "discovery": ["find_pictures"],
        "io": ["read_picture", "write_picture"],
        "picture": ["Picture"],
    },
)
