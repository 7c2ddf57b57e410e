"""Frame lists: which frames of which films, in the format that Scenimefy published (frameList.json).

A JSON object maps each film's title to the numbers of its frames, counted from 0 in the order in which they are shown.
"""

import difflib
import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from drujax.errors import UsageError
from drujax.pictures.formats import VIDEOS

SUFFIXES = VIDEOS | {".ts", ".mts", ".vob", ".3gp"}


def read_frame_list(file: Path) -> dict[str, list[int]]:
    """Reads a frame list: title -> frame numbers, ascending, each once.

    Raises:
        UsageError: it is not such a file; the line names the title.
        OSError: it cannot be read.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"), object_pairs_hook=_without_repetition)
    except (ValueError, RecursionError) as error:  # also UnicodeDecodeError, JSONDecodeError
        raise UsageError(f"{file}: not a frame list ({error})") from None
    if not isinstance(content, dict) or not content:
        raise UsageError(f"{file}: not a frame list: it must be a JSON object of titles and lists of frame numbers")
    return {title: _frames(f"{file}: {title!r}", frames) for title, frames in content.items()}


def find_films(films: Path) -> list[Path]:
    """Returns the film files (by suffix) in a folder and its subfolders, sorted; or the given file itself.

    Raises:
        UsageError: there is no such file or folder, or no film in it.
    """
    if films.is_file():
        return [films]
    if not films.is_dir():
        raise UsageError(f"films: folder not found: {films}")
    found = sorted(path for path in films.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    found = [path for path in found if not any(part.startswith(".") for part in path.relative_to(films).parts)]
    if not found:
        raise UsageError(f"films: no films in {films} ({', '.join(sorted(SUFFIXES))})")
    return found


def match_titles(titles: Iterable[str], files: Sequence[Path]) -> tuple[dict[str, Path], list[str]]:
    """Finds the file of each title: the one of that name without its suffix, or else of that name but for upper case,
    spaces and punctuation ("Someones Gaze" is `someone's_gaze.mkv`).

    Returns:
        Title -> file, and a line for each title without a file, or with several.
    """
    by_name = _by(lambda path: path.stem, files)
    by_letters = _by(lambda path: _letters(path.stem), files)
    found: dict[str, Path] = {}
    missing = []
    for title in titles:
        named = by_name.get(title) or by_letters.get(_letters(title), [])
        if len(named) == 1:
            found[title] = named[0]
        elif named:
            missing.append(f"{title}: several files have this title: {', '.join(path.name for path in named)}")
        else:
            missing.append(f"{title}: no film of this title{_nearest(title, by_letters)}")
    return found, missing


def _nearest(title: str, by_letters: Mapping[str, list[Path]]) -> str:
    letters = _letters(title)
    near = difflib.get_close_matches(letters, by_letters, n=1)
    near = near or [name for name in by_letters if letters and (letters in name or (name and name in letters))]
    return f". Did you mean {by_letters[near[0]][0].name}? Then rename it." if near else ""


def _by(key: Any, files: Sequence[Path]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for file in files:
        found.setdefault(key(file), []).append(file)
    return found


def _letters(title: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", title).casefold() if c.isalnum())


def _frames(where: str, frames: Any) -> list[int]:
    if not isinstance(frames, list):
        raise UsageError(f"{where}: must be a list of frame numbers, got {_shown(frames)}")
    for frame in frames:
        if not isinstance(frame, int) or isinstance(frame, bool) or frame < 0:
            raise UsageError(f"{where}: a frame number must be a whole number >= 0, got {_shown(frame)}")
    return sorted(set(frames))


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 40 else text[:36] + " ..."


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"it has {next(name for name in names if names.count(name) > 1)!r} twice")
    return content
