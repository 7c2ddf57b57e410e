"""The page of `experiments.prepare review`: thumbnails in a self-contained HTML file.

Its texts, style and script are in review_page.html. Decisions are kept in the browser until they are saved as a CSV
file (file,label).
"""

import dataclasses
import hashlib
import io
import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from urllib.parse import quote

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from drujax.data.corrections import Correction
from drujax.data.qab import Partition
from drujax.data.records import Label, LabelOrigin

SIDE = 224  # the longer side of a thumbnail, in pixels
QUALITY = 75  # of its JPEG: about 7 kB
ORIGINS = {"qab": "brightness (QAB)", "classifier": "classifier", "manual": "table of labels"}


@dataclasses.dataclass(frozen=True)
class Entry:
    """A picture to review, with its label before any correction."""

    file: str  # the id of its record
    partition: Partition
    quartile_means: tuple[float, float, float, float]
    thumbnail: bytes  # JPEG
    label: Label | None = None
    origin: LabelOrigin | None = None
    probability: float | None = None  # of the label, by the classifier


def thumbnail(rgb: UInt8[np.ndarray, "h w 3"]) -> bytes:
    """Encodes a picture as a JPEG with a longer side of SIDE pixels; smaller pictures keep their size."""
    image = Image.fromarray(rgb)
    image.thumbnail((SIDE, SIDE), reducing_gap=3.0)
    content = io.BytesIO()
    image.save(content, "JPEG", quality=QUALITY)
    return content.getvalue()


def page_names(out: Path, count: int) -> list[Path]:
    """Names the pages: review.html, review-2.html, ..."""
    return [out, *(out.with_name(f"{out.stem}-{number}{out.suffix}") for number in range(2, count + 1))]


def page(
    entries: Sequence[Entry],
    corrections: Mapping[str, Correction],
    names: Sequence[Path],
    number: int,
    carried: Mapping[str, Correction],
) -> str:
    """Returns the HTML of a page.

    Args:
        entries: the pictures, in the order to show them.
        corrections: earlier decisions, by file.
        names: of all pages.
        number: of this page, from 0.
        carried: earlier corrections of pictures that are on no page, which are saved with this page's.
    """
    several = f"-{number + 1}" if len(names) > 1 else ""
    values = {
        "cards": "\n".join(_card(entry, corrections.get(entry.file, "")) for entry in entries),
        "carried": json.dumps(carried).replace("<", "\\u003c"),
        "csv": f"corrections{several}.csv",
        "each": ", and those of the other pages likewise" if several else "",
        "identity": _identity(entries, corrections, carried),
        "pages": _links(names, number),
        "title": "Dark or bright?" + (f" Page {number + 1} of {len(names)}" if several else ""),
    }
    template = (resources.files("experiments._prepare") / "review_page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], template)


def _card(entry: Entry, decision: str) -> str:
    uri = f"data:image/jpeg;base64,{b64encode(entry.thumbnail).decode()}"
    means = " ".join(f"{mean:.0f}" for mean in entry.quartile_means)
    return (
        f'<li role="option" tabindex="-1" aria-selected="false" data-file="{escape(entry.file)}"'
        f' data-label="{entry.label or ""}" data-decision="{decision}" data-means="{means}">'
        f'<img src="{uri}" alt="" decoding="async"><b></b>'
        f"<span>{escape(entry.file).replace('/', '/<wbr>')}</span><small>{_labelled(entry)}</small></li>"
    )


def _labelled(entry: Entry) -> str:
    """Says how the picture is labelled without a correction."""
    if entry.label is None or entry.origin is None:
        return "no label"
    if entry.probability is None:
        return f"{entry.label} by {ORIGINS[entry.origin]}"
    percent = min(99.9, np.floor(1000 * entry.probability) / 10)  # never claims certainty
    return f"{entry.label} by classifier, {percent:.1f} %"


def _links(names: Sequence[Path], number: int) -> str:
    if len(names) == 1:
        return ""
    links = [
        f'<a href="{quote(name.name)}"{" aria-current=page" if i == number else ""}>{i + 1}</a>'
        for i, name in enumerate(names)
    ]
    return f'<nav aria-label="Pages">Page {" ".join(links)}</nav>'


def _identity(entries: Sequence[Entry], *corrections: Mapping[str, Correction]) -> str:
    """Identifies the page's content, so that decisions are not applied to other pictures or labels."""
    rows = [(entry.file, entry.label, entry.probability) for entry in entries]
    return hashlib.sha256(json.dumps([rows, *map(dict, corrections)]).encode()).hexdigest()[:16]
