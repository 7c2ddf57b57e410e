"""docs/formats.md says what is kept of every format, with tests that exist."""

import re

from drujax.pictures import codec, formats
from tests.support.documents import REPOSITORY, code_spans, read

PAGE = "docs/formats.md"
NAMES = {"JPEG2000": "JPEG 2000", "JXL": "JPEG XL", "HEIF": "HEIC", "WEBP": "WebP"}


def rows() -> list[list[str]]:
    """The cells of the rows of its tables, without heads."""
    lines = [line.strip("| ").split(" | ") for line in read(PAGE).splitlines() if line.startswith("| ")]
    return [cells for cells in lines if cells[-1] != "shown by"]


def test_every_test_that_the_page_names_exists():
    sources = [path.read_text(encoding="utf-8") for path in (REPOSITORY / "tests").rglob("test_*.py")]
    defined = {name for source in sources for name in re.findall(r"def (test_\w+)\(", source)}
    named = [span for span in code_spans(read(PAGE)) if span.startswith("test_")]
    assert len(named) > 40
    assert [name for name in named if name not in defined] == []


def test_every_row_of_the_page_names_a_test():
    assert len(rows()) > 20
    assert [cells[0] for cells in rows() if not re.search(r"`test_\w+`", cells[-1])] == []


def test_the_page_has_every_format_that_is_written():
    first = [cells[0] for cells in rows()]
    for format in codec.CONTAINERS:
        assert any(cell.partition(",")[0] == NAMES.get(format, format) for cell in first), format
    assert set(formats.FORMATS.values()) == set(codec.CONTAINERS)
