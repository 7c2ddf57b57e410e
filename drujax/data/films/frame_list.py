"""Frame lists: which frames of which films, in the format that Scenimefy published (frameList.json).

A JSON object maps each film's title to the numbers of its frames, counted from 0 in the order in which they are shown.
"""

import difflib
import json
import unicodedata
from collections.abc import Iterable, Sequence
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
    """Finds the file of each title: the one of that name without its suffix, or else one of that name but for upper
    case, spaces and punctuation ("Someones Gaze" is `someone's_gaze.mkv`). No file has two titles.

    Returns:
        Title -> file, and a line for each title without a file, or with several.
    """
    titles = list(titles)
    found: dict[str, Path] = {}
    several: dict[str, list[Path]] = {}
    for key in (str, _letters):
        free = [file for file in files if file not in found.values()]
        for title in (title for title in titles if title not in found):
            named = [file for file in free if key(title) and key(file.stem) == key(title)]
            if len(named) == 1:
                found[title] = named[0]
                free.remove(named[0])
            elif named:
                several[title] = named
    return found, [_missing(title, several.get(title, []), files) for title in titles if title not in found]


def _missing(title: str, several: Sequence[Path], files: Sequence[Path]) -> str:
    if several:
        return f"{title}: several files have this title: {', '.join(path.name for path in several)}"
    letters, names = _letters(title), {_letters(file.stem): file.name for file in files}
    near = difflib.get_close_matches(letters, names, n=1) if letters else []
    near = near or [name for name in names if letters and name and (letters in name or name in letters)]
    return f"{title}: no film of this title{f'. Did you mean {names[near[0]]}? Then rename it.' if near else ''}"


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
