"""What is extracted into a folder, kept in its films.json: the settings, and the frames chosen of each film.

Choosing takes minutes and writing takes longer, so a stopped run continues from here.
"""

import dataclasses
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from drujax.data.films.sampling import Choice
from drujax.data.sources import unique_names
from drujax.errors import UsageError
from drujax.films.letterbox import Bars
from drujax.runtime.atomic_write import write_atomically

FILE = "films.json"
LONGEST = 60  # characters of a folder's name, at most 4 bytes each


@dataclasses.dataclass(frozen=True)
class FilmRecord:
    """A film of which frames are extracted.

    Attributes:
        fingerprint: of the film file.
        folder: name of the folder of its pictures.
        choice: its frames.
    """

    fingerprint: str
    folder: str
    choice: Choice


class Record:
    """The record of the folder `out`, by the names of film files; `add` stores it.

    Args:
        out: a new or empty folder, or one with the record of an earlier run.
        settings: how frames are chosen and cropped.

    Raises:
        UsageError: `out` holds something else, or what other settings made.
        OSError: it cannot be created.
    """

    def __init__(self, out: Path, settings: Mapping[str, Any]):
        if out.exists() and not out.is_dir():
            raise UsageError(f"out: {out} is a file")
        out.mkdir(parents=True, exist_ok=True)
        self._file, self._settings = out / FILE, dict(settings)
        self.films: dict[str, FilmRecord] = {}
        if self._file.exists():
            self._load()
        elif any(not path.name.startswith(".") for path in out.iterdir()):
            raise UsageError(f"out: {out} is not empty and holds no frames of films; choose a new folder")
        else:
            self._save()

    def add(self, film: str, record: FilmRecord) -> None:
        self.films[film] = record
        self._save()

    def new_folder(self, title: str) -> str:
        """Returns the name of a new film's folder: letters and digits of its title, and a number if it is taken."""
        taken = [record.folder for record in self.films.values()]
        return unique_names([*taken, slug(title)])[-1]

    def _load(self) -> None:
        try:
            content = json.loads(self._file.read_text(encoding="utf-8"))
            settings, films = content["settings"], content["films"]
            self.films = {film: _record(**entry) for film, entry in films.items()}
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{self._file}: damaged ({error}); choose a new folder") from None
        for name, value in self._settings.items():
            if settings.get(name) != value:
                raise UsageError(f"out: {self._file.parent} was made with another {name}; choose a new folder")

    def _save(self) -> None:
        films = {film: dataclasses.asdict(record) for film, record in sorted(self.films.items())}
        content = {"settings": self._settings, "films": films}
        write_atomically(self._file, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def slug(title: str) -> str:
    """Returns the lower-case letters and digits of any script in `title`, joined by hyphens."""
    words: Iterable[str] = re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", title).casefold())
    return "-".join(words)[:LONGEST].strip("-") or "film"


def _record(fingerprint: str, folder: str, choice: Mapping[str, Any]) -> FilmRecord:
    group = {int(number): name for number, name in choice["group"].items()}
    return FilmRecord(
        fingerprint, folder, Choice(group, Bars(*choice["bars"]), choice["shots"], dict(choice["left_out"]))
    )
