"""Finds the picture files that inputs name: patterns, folders with subfolders and links; records what is skipped."""

import collections
import glob
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from drujax.errors import UsageError
from drujax.pictures.formats import FORMATS, OTHER_PICTURES, VIDEOS, missing_extra

# Reasons for skipping something in a folder.
CONVERT = "convert to PNG or JPEG first"
EXTRACT = "video: only enhance takes it, by name"
NOT_A_PICTURE = "not pictures"
HIDDEN = "hidden"
SPECIAL = "not regular files"
SEARCHED = "linked, but searched already"
ABOVE = "linked, but above this folder"

SUFFIXES_SHOWN = 5
LITTER = ("thumbs.db", "desktop.ini")  # hidden by Windows


class NoPictures(UsageError):
    """There are no pictures where they were looked for."""


class Skipped:
    """Skipped files and folders, each with its reason; `str` summarises them in one line.

    `failures` are folders that gave no pictures because of an error, such as unreadable ones.
    """

    def __init__(self):
        self._reasons: dict[str, tuple[str, str]] = {}
        self.failures: dict[str, Exception] = {}

    def add(self, path: str | Path, reason: str, *, folder: bool = False) -> None:
        """Adds a file, or a folder with its contents; a path that was added before keeps its first reason."""
        kind = "folder" if folder else Path(path).suffix.lower() or "without suffix"
        self._reasons.setdefault(str(path), (kind, reason))

    def fail(self, folder: str | Path, error: Exception) -> None:
        """Adds a folder that gave no pictures, and its error."""
        self.failures.setdefault(str(folder), error)

    def __len__(self) -> int:
        return len(self._reasons)

    def __str__(self) -> str:
        """For instance: 7 files skipped: 4 .heic, 1 .psd (convert to PNG or JPEG first), 2 .png (hidden)."""
        by_reason: dict[str, list[str]] = collections.defaultdict(list)
        for kind, reason in self._reasons.values():
            by_reason[reason].append(kind)
        folders = sum(kind == "folder" for kind, _ in self._reasons.values())
        counts = [_counted(len(self) - folders, "file"), _counted(folders, "folder")]
        parts = (f"{_by_kind(kinds)} ({reason})" for reason, kinds in by_reason.items())
        return f"{' and '.join(filter(None, counts))} skipped: {', '.join(parts)}"


def expand(inputs: Iterable[str | Path]) -> list[Path]:
    """Returns the files and folders that the `inputs` name.

    Expands patterns (`*.png`, `ep*/**/*.png`), which not every shell does, and a leading ~, unless a file of exactly
    that name exists.

    Raises:
        UsageError: there is no such file or folder.
    """
    found = []
    for given in inputs:
        path, text = Path(given), str(given)
        if not os.path.lexists(path):
            path = Path(os.path.expanduser(text))
            if glob.has_magic(text) and not os.path.lexists(path):
                matches = sorted(glob.glob(str(path), recursive=True))
                if not matches:
                    raise UsageError(f"{text}: no file matches this pattern.")
                found += map(Path, matches)
                continue
        if not path.exists():
            raise UsageError(f"{text}: {_missing(path)}.")
        found.append(path)
    return found


def find_pictures(folder: str | Path, *, recursive: bool = True, skipped: Skipped | None = None) -> list[Path]:
    """Returns the picture files (by suffix) under `folder`, sorted.

    Links are followed; a folder with several links is searched once. Hidden files and folders are left out.

    Args:
        folder: where to search.
        recursive: search subfolders, too.
        skipped: collects what is skipped, and subfolders that cannot be read.

    Raises:
        OSError: `folder`, or without `skipped` a subfolder, cannot be read.
    """
    folder = Path(folder)
    skips = Skipped() if skipped is None else skipped
    pictures: list[Path] = []
    searched: set[tuple[int, int]] = set()
    folders, links = [folder], []
    while folders or links:
        # Links come last, so that files in `folder` itself are found directly and not through a link.
        here = folders.pop() if folders else links.pop(0)
        try:
            status = os.stat(here)
            identity = (status.st_dev, status.st_ino)
            if identity in searched:
                skips.add(here, SEARCHED, folder=True)
                continue
            if here != folder and here.is_symlink() and _leads_up(here):
                skips.add(here, ABOVE, folder=True)
                continue
            searched.add(identity)
            with os.scandir(here) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            if here == folder or skipped is None:
                raise
            skips.fail(here, error)
            continue
        for entry in found:
            path = here / entry.name
            if not _is_folder(entry):
                if reason := _reason(path):
                    skips.add(path, reason)
                elif path.suffix.lower() in FORMATS:
                    pictures.append(path)
            elif entry.name.startswith("."):
                skips.add(path, HIDDEN, folder=True)
            elif recursive:
                (links if entry.is_symlink() else folders).append(path)
    return sorted(pictures)


def pictures_of(path: str | Path, *, recursive: bool = True, skipped: Skipped | None = None) -> list[Path]:
    """Returns the picture files that `path` names: itself, or those in the folder.

    Raises:
        UsageError: there is no such file or folder, or no picture in it.
        OSError: as `find_pictures`.
    """
    path = Path(path)
    if not path.exists():
        raise UsageError(f"{path}: {_missing(path)}.")
    skipped = Skipped() if skipped is None else skipped
    before = len(skipped)
    found = find_pictures(path, recursive=recursive, skipped=skipped) if path.is_dir() else [path]
    if not found:
        why = f"; {skipped}" if len(skipped) > before else ""
        raise NoPictures(f"{path}: no pictures in this folder ({', '.join(FORMATS)}){why}.")
    return found


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _leads_up(link: Path) -> bool:
    """Whether `link` points to a folder that contains it."""
    return os.path.realpath(link.parent).startswith(os.path.join(os.path.realpath(link), ""))


def _reason(path: Path) -> str | None:
    """Returns the reason for skipping a file; None for pictures, and for hidden files that are not reported."""
    suffix = path.suffix.lower()
    if path.name.startswith("."):
        return HIDDEN if suffix in FORMATS or suffix in OTHER_PICTURES else None
    if suffix in OTHER_PICTURES:
        return CONVERT
    if extra := missing_extra(suffix):
        return f"need pip install 'drujax[{extra}]'"
    if suffix in VIDEOS:
        return EXTRACT
    if suffix not in FORMATS:
        return NOT_A_PICTURE if path.name.lower() not in LITTER else None
    try:
        regular = stat.S_ISREG(path.stat().st_mode)
    except OSError:  # a dangling link, reported when it is read
        return None
    return None if regular else SPECIAL


def _missing(path: Path) -> str:
    if path.is_symlink():
        return "a link to a file or folder that does not exist"
    if str(path) == "-":
        return "no such file or folder; pictures are read from files, not from standard input"
    if str(path).startswith(("http:/", "https:/")):
        return "no such file or folder; download the picture first"
    return "no such file or folder"


def _by_kind(kinds: list[str]) -> str:
    counts = collections.Counter(kinds).most_common()
    shown = [_counted(count, kind) if kind == "folder" else f"{count} {kind}" for kind, count in counts]
    rest = sum(count for _, count in counts[SUFFIXES_SHOWN:])
    return ", ".join(shown[:SUFFIXES_SHOWN] + ([f"{rest} others"] if rest else []))


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count > 1 else ''}" if count else ""
