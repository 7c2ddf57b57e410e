"""A file that drujax can use but does not ship; `drujax.weights.download` gets it."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class File:
    """A file that drujax can use but does not ship.

    Attributes:
        name: in `drujax models`.
        what: one line about its content.
        url: its address; for `manual` files the download page.
        filename: name in the cache.
        size: in bytes, rounded as on its host: printed, not checked; None if unknown.
        sha256: the digest or its beginning; None if unknown (then that of the first download is recorded and checked).
        licence: an SPDX identifier, or in words.
        manual: whether it cannot be downloaded by a program.
    """

    name: str
    what: str
    url: str
    filename: str
    size: int | None
    sha256: str | None
    licence: str
    manual: bool = False


def github_file(
    name: str, what: str, repository: str, commit: str, path: str, filename: str, *, licence: str, **known: Any
) -> File:
    """Describes the file `path` of a GitHub `repository` (owner/name) at `commit`; `known` are `size` and `sha256`."""
    url = f"https://raw.githubusercontent.com/{repository}/{commit}/{path}"
    return File(name, what, url, filename, known.get("size"), known.get("sha256"), licence)


def hub_file(
    name: str, what: str, model: str, revision: str, path: str, filename: str, *, licence: str, **known: Any
) -> File:
    """Describes the file `path` of a `model` (owner/name) on the Hugging Face hub; `known` are `size` and `sha256`."""
    url = f"https://huggingface.co/{model}/resolve/{revision}/{path}"
    return File(name, what, url, filename, known.get("size"), known.get("sha256"), licence)
