"""Sources of pictures (folders, synthetic scenes), and CSV files that assign groups or labels."""

import csv
import dataclasses
import functools
import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import UInt8

from drujax.console.progress import Progress
from drujax.data.scenes import paint
from drujax.errors import UsageError
from drujax.pictures import codec
from drujax.pictures.color import to_float, to_uint8
from drujax.pictures.discovery import Skipped, find_pictures
from drujax.pictures.io import read_picture
from drujax.pictures.picture import Picture
from drujax.runtime.atomic_write import remove_leftovers, write_atomically
from drujax.runtime.parallel import ordered_map


@dataclasses.dataclass(frozen=True, slots=True)
class Candidate:
    """A picture file that may enter the dataset."""

    id: str  # source/path inside it
    source: str
    path: Path

    def rgb(self) -> UInt8[np.ndarray, "h w 3"]:
        """Decodes the picture, upright, in 8 bits.

        Raises:
            UsageError: the file is not a readable picture.
        """
        return as_uint8(read_picture(self.path).rgb)


def as_uint8(rgb: np.ndarray) -> UInt8[np.ndarray, "h w 3"]:
    """Converts samples of 8 or 16 bits to 8 bits, rounded."""
    return rgb if rgb.dtype == np.uint8 else to_uint8(to_float(rgb))


def from_folders(folders: Sequence[Path], skipped: Skipped | None = None) -> list[Candidate]:
    """Lists the pictures of each folder.

    A source is named after its folder; a second folder of the same name becomes NAME-2, and so on.

    Args:
        folders: searched recursively.
        skipped: collects skipped files.

    Raises:
        UsageError: a folder does not exist, is given twice or lies inside another, or there are no pictures.
    """
    if not folders:
        raise UsageError("source: give at least one folder of pictures, or scenes")
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"source: folder not found: {folder}")
    _check_disjoint(folders)
    candidates = [
        Candidate(f"{source}/{as_text(path.relative_to(folder).as_posix())}", source, path)
        for folder, source in zip(folders, source_names(folders), strict=True)
        for path in find_pictures(folder, skipped=skipped)
    ]
    if not candidates:
        raise UsageError(f"source: no pictures in {', '.join(str(folder) for folder in folders)}")
    ids = [candidate.id for candidate in candidates]
    if len(set(ids)) < len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        raise UsageError(f"source: two pictures would have the id {twice}; rename one of them")
    return candidates


def _check_disjoint(folders: Sequence[Path]) -> None:
    """Raises UsageError for a folder whose pictures would count twice."""
    found = [folder.resolve() for folder in folders]
    for i, inner in enumerate(found):
        for j, outer in enumerate(found):
            if i != j and inner.is_relative_to(outer):
                how = "is given twice" if inner == outer else f"lies inside {folders[j]}"
                raise UsageError(f"source: {folders[i]} {how}; its pictures would count twice")


def source_names(folders: Sequence[Path]) -> list[str]:
    """Returns a unique name for each folder."""
    return unique_names([as_text(folder.resolve().name) or "root" for folder in folders])


def unique_names(own: Sequence[str]) -> list[str]:
    """Numbers names that occur again (NAME-2); a numbered one never equals another's own."""
    names: list[str] = []
    for name in own:
        numbered = (f"{name}-{number}" for number in itertools.count(2))
        names.append(name if name not in names else next(n for n in numbered if n not in names and n not in own))
    return names


def as_text(name: str) -> str:
    """Escapes bytes that are not UTF-8, since records and tables are UTF-8."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


@dataclasses.dataclass(frozen=True)
class Scenes:
    """Synthetic scenes 0..count-1 of a seed, each under its own lighting and in a group of its own."""

    count: int
    size: tuple[int, int]  # h, w
    seed: int = 0

    def __post_init__(self):
        if self.count < 1 or min(self.size) < 1:
            raise UsageError(
                f"scenes: count and size must be >= 1, got {self.count} of {self.size[0]}x{self.size[1]} pixels"
            )

    def paint(self, folder: Path, *, processes: int = 1, quiet: bool = False) -> list[Candidate]:
        """Paints the scenes into `folder`, as `<index>.png`; those that are there already are not painted again."""
        folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder, age=0.0)
        painted = {path.name for path in folder.iterdir()}
        names = [f"{index:06d}.png" for index in range(self.count)]
        missing = [index for index, name in enumerate(names) if name not in painted]
        progress = Progress("painting", total=self.count, done=self.count - len(missing), unit="picture", quiet=quiet)
        paint_one = functools.partial(_paint_file, folder, self)
        with progress:
            for _ in ordered_map(paint_one, missing, processes=processes, total=len(missing)):
                progress.advance()
        return [Candidate(f"scenes/{name}", "scenes", folder / name) for name in names]


def _paint_file(folder: Path, scenes: Scenes, index: int) -> None:
    content = codec.encode(Picture(paint(scenes.seed, index, scenes.size)), "PNG")
    write_atomically(folder / f"{index:06d}.png", content)


def file_hash(file: Path) -> str:
    """Computes the SHA-256 of a file's content."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def read_assignments(
    table: Path, column: str, candidates: Sequence[Candidate], check: Callable[[str], None] = lambda value: None
) -> tuple[dict[str, str], dict[str, str]]:
    """Reads a `column` ("group", "label") of the CSV file `table`, by candidate id.

    The column `file`, or `id`, names a picture by id, path inside its source, file name, or stem, whichever is unique.
    Rows with an empty value are ignored.

    Args:
        table: a CSV file with a header.
        column: the column to read.
        candidates: the pictures.
        check: raises for a value that is not allowed.

    Returns:
        Candidate id -> value, and name -> value of the rows that match no candidate.

    Raises:
        UsageError: a column is missing, a name matches several pictures, a picture has two values, or no name matches.
    """
    names = _names(candidates)
    values: dict[str, str] = {}
    unmatched: dict[str, str] = {}
    for line, (name, value) in enumerate(_read_pairs(table, column), start=2):
        if not value:
            continue
        check(value)
        found = names.get(name) or names.get(name.replace("\\", "/").removeprefix("./"), [])
        if len(found) > 1:
            some = ", ".join(sorted(found)[:3])
            raise UsageError(
                f"{table}, line {line}: {name!r} matches {len(found)} pictures ({some} ...); give its path"
            )
        if not found:
            unmatched[name] = value
        elif values.setdefault(found[0], value) != value:
            raise UsageError(f"{table}, line {line}: {name!r} has two values of {column}: {values[found[0]]}, {value}.")
    if not values:
        raise UsageError(f"{table}: names none of the {len(candidates)} pictures (for example {candidates[0].id}).")
    return values, unmatched


def _names(candidates: Sequence[Candidate]) -> Mapping[str, list[str]]:
    """Maps every name that a table may use to the ids of matching pictures, by the most specific kind of name."""
    names: dict[str, list[str]] = {}
    kinds: list[Callable[[Candidate], str]] = [
        lambda c: c.id,
        lambda c: c.path.as_posix(),
        lambda c: c.id.removeprefix(c.source + "/"),
        lambda c: c.path.name,
        lambda c: str(PurePosixPath(c.id.removeprefix(c.source + "/")).with_suffix("")),
        lambda c: c.path.stem,
    ]
    for kind in kinds:
        found: dict[str, list[str]] = {}
        for candidate in candidates:
            found.setdefault(kind(candidate), []).append(candidate.id)
        names = found | names
    return names


def _read_pairs(table: Path, column: str) -> list[tuple[str, str]]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            header = rows.fieldnames or ()
            name = "file" if "file" in header else "id"
            missing = [wanted for wanted, there in (("file", name), (column, column)) if there not in header]
            if missing:
                raise UsageError(f"{table}: no column {missing[0]}; its columns are {', '.join(header)}.")
            return [((row[name] or "").strip(), (row[column] or "").strip()) for row in rows]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{table}: not a CSV file ({error}).") from None
