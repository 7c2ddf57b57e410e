"""The repository's documents, and their commands, paths and links."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    path.relative_to(REPOSITORY).as_posix()
    for path in (*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md"), *REPOSITORY.glob(".github/**/*.md"))
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def read(document: str) -> str:
    return (REPOSITORY / document).read_text(encoding="utf-8")


def code_spans(text: str) -> list[str]:
    """Inline code, also across two lines, with the escaped bars of tables unescaped."""
    spans = re.findall(r"`([^`]+)`", FENCE.sub("", text))
    return [" ".join(span.split()).replace(r"\|", "|") for span in spans]


def commands(text: str) -> Iterator[list[str]]:
    """Words of each `drujax ...` and `python -m ...`, in blocks and in sentences, but not in tables (`[-o OUT]`)."""
    blocks = [block.replace("\\\n", " ") for language, block in FENCE.findall(text) if language == "sh"]
    lines = [line for block in blocks for line in block.splitlines()]
    for part in [part for line in [*lines, *code_spans(text)] for part in line.split(" && ")]:
        if re.match(r"([A-Z_]+=\w+ )*(drujax [a-z-]|\S*python -m )", part) and " [" not in part:
            words = shlex.split(re.split(r" [<>]", part)[0], comments=True)
            yield [word for word in words if not re.fullmatch(r"[A-Z_]+=\w+", word)]


def usages(text: str) -> dict[str, str]:
    """`drujax NAME ...` in the first column of a table, by name."""
    rows = re.findall(r"^\| `(drujax ([a-z]+)[^`]*)` \|", text, re.MULTILINE)
    return {name: usage for usage, name in rows}


def links(text: str) -> list[str]:
    """Targets of links and pictures that are not URLs."""
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", text)) if "://" not in target]


def anchors(text: str) -> set[str]:
    """The anchors (`#...`) that GitHub derives from the headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
