"""Extracts frames of films as PNGs, with a table of the groups that must stay on one side of a split."""

import collections
import csv
import dataclasses
import io
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from drujax.console.progress import Progress
from drujax.console.tables import table
from drujax.data.films.crops import check_crops, crop
from drujax.data.films.frame_list import find_films, match_titles, read_frame_list
from drujax.data.films.record import FilmRecord, Record
from drujax.data.films.sampling import Choice, choose_frames
from drujax.data.sources import as_text, file_hash
from drujax.errors import UsageError
from drujax.films.decoding import Film
from drujax.pictures import codec
from drujax.pictures.picture import Picture
from drujax.runtime.atomic_write import remove_leftovers, write_atomically
from drujax.runtime.fingerprint import fingerprint

GROUPS = "groups.csv"
CHOICE = 1  # version of how frames are chosen without a list
WAITING = 16  # frames that wait to be written, at most


@dataclasses.dataclass(frozen=True)
class Extracted:
    """The frames of one film. `left_out` counts candidates by reason, `shots` is None with a frame list."""

    film: str
    folder: str
    frames: int
    pictures: int
    unreadable: int
    shots: int | None
    left_out: Mapping[str, int]


@dataclasses.dataclass(frozen=True)
class Extraction:
    """What was extracted; `str` formats it as a table.

    Attributes:
        films: in the order of their names.
        skipped: a line for each film and each frame that could not be read.
        notes: further lines.
        groups: CSV (file,group) of all pictures in the folder.
    """

    films: list[Extracted]
    skipped: list[str]
    notes: list[str]
    groups: Path

    def __str__(self) -> str:
        rows = [
            {
                "film": film.film,
                "shots": film.shots,
                "frames": film.frames,
                "pictures": film.pictures,
                "unreadable": film.unreadable,
                "folder": film.folder,
            }
            for film in self.films
        ]
        left_out: collections.Counter[str] = collections.Counter()
        for film in self.films:
            left_out.update(film.left_out)
        lines = [f"left out: {count} {reason}" for reason, count in sorted(left_out.items())]
        return "\n".join([table(rows), *lines, *(f"note: {note}" for note in self.notes), f"groups: {self.groups}"])


def extract_films(
    films: Path, out: Path, *, frame_list: Path | None = None, crops: str = "squares", quiet: bool = False
) -> Extraction:
    """Writes frames of films as PNGs: `out`/FILM/NUMBER_CROP.png; and `out`/groups.csv.

    A stopped run continues when it is repeated, and a complete one writes nothing. Films may be added later.

    Args:
        films: a film, or a folder of films, searched recursively.
        out: a new folder, or that of an earlier run with the same list and crops.
        frame_list: JSON with the frames of each title (`frame_list`); a frame is a group. Without it frames of every
            shot are chosen (`sampling`), and a shot is a group.
        crops: "squares" or "whole" (`crops`).
        quiet: shows no progress.

    Raises:
        UsageError: there is no film, none can be read, the list is invalid or fits no film, or `out` holds something
            else.
        OSError: a picture cannot be written.
    """
    check_crops(crops)
    files = find_films(films)
    wanted, skipped, notes = _wanted(frame_list, files)
    settings = {"frame list": file_hash(frame_list) if frame_list else None, "crops": crops, "choice": CHOICE}
    record = Record(out, settings)
    remove_leftovers(out)
    extracted = []
    for path, listed in wanted.items():
        name = as_text(path.name if path == films else path.relative_to(films).as_posix())
        try:
            with Film(path) as film:
                chosen = _recorded(record, name, film, listed, quiet=quiet)
                unreadable = _write(film, out / chosen.folder, chosen.choice, crops, quiet=quiet)
                skipped += [f"{path}: {film.damage}"] if film.damage else []
        except UsageError as error:
            skipped.append(str(error))
            continue
        skipped += [
            f"{path}: frame {number}: {why}" for number, why in sorted(unreadable.items()) if why != film.damage
        ]
        extracted.append(_summary(name, out, chosen, len(unreadable)))
    if not extracted:
        raise UsageError(f"films: none of {len(wanted)} can be read (first: {skipped[-1]})")
    _write_groups(out, record)
    return Extraction(extracted, skipped, notes, out / GROUPS)


def _wanted(frame_list: Path | None, files: list[Path]) -> tuple[dict[Path, list[int] | None], list[str], list[str]]:
    """Returns the listed frames (None: to be chosen) of each film, titles without a film, and films without a title."""
    if frame_list is None:
        return dict.fromkeys(files), [], []
    listed = read_frame_list(frame_list)
    found, missing = match_titles(listed, files)
    if not found:
        raise UsageError(f"frame_list: no film has a title of {frame_list} (first: {missing[0]})")
    wanted: dict[Path, list[int] | None] = {
        path: listed[title] for title, path in sorted(found.items(), key=lambda item: item[1])
    }
    others = [path.name for path in files if path not in wanted]
    return wanted, missing, [f"not in {frame_list}: {', '.join(others)}"] if others else []


def _recorded(record: Record, name: str, film: Film, listed: list[int] | None, *, quiet: bool) -> FilmRecord:
    """Returns the film's record of an earlier run, or chooses its frames."""
    now = fingerprint(film.path)
    if (earlier := record.films.get(name)) is not None:
        if earlier.fingerprint != now:
            raise UsageError(f"{film.path}: has changed since its frames were extracted; choose a new --out")
        return earlier
    if listed is not None:
        choice = Choice({number: f"{number:06d}" for number in listed})
    else:
        choice = choose_frames(film, quiet=quiet)
    chosen = FilmRecord(now, record.new_folder(film.path.stem), choice)
    record.add(name, chosen)
    return chosen


def _write(film: Film, folder: Path, choice: Choice, crops: str, *, quiet: bool) -> dict[int, str]:
    """Writes the frames that are not there yet; returns the others with reasons."""
    folder.mkdir(exist_ok=True)
    remove_leftovers(folder)
    missing = [number for number in choice.group if not (folder / _last_name(number, crops)).exists()]
    unreadable: dict[int, str] = {}
    written = 0
    done = len(choice.group) - len(missing)
    progress = Progress(film.path.name, total=len(choice.group), done=done, unit="frame", quiet=quiet)
    with progress, ThreadPoolExecutor() as pool:
        waiting: collections.deque[Future[None]] = collections.deque()
        for number, rgb in film.pictures(missing):
            if isinstance(rgb, str):
                unreadable[number] = rgb
            else:
                waiting.append(pool.submit(_write_frame, folder, number, choice.bars.without(rgb), crops))
            # The first frame is written alone: cffi, which calls libvips, sets up its types when they are first used,
            # and can abort if two threads do.
            while len(waiting) > (WAITING if written else 0):
                waiting.popleft().result()
                written += 1
            done += 1
            progress.to(done)
        for future in waiting:
            future.result()
    return unreadable


def _write_frame(folder: Path, number: int, rgb: UInt8[np.ndarray, "h w 3"], crops: str) -> None:
    for name, picture in crop(rgb, crops).items():
        content = codec.encode(Picture(rgb=np.ascontiguousarray(picture)), "PNG")
        write_atomically(folder / _name(number, name), content)


def _name(number: int, crop: str) -> str:
    return f"{number:06d}_{crop}.png" if crop else f"{number:06d}.png"


def _last_name(number: int, crops: str) -> str:
    """The file that is written last of a frame, and so tells that all are there."""
    return _name(number, "centre" if crops == "squares" else "")


def _pictures(out: Path, film: FilmRecord) -> Iterator[tuple[str, str]]:
    """Yields the path in `out` and the group of each picture of a film that is there."""
    for path in sorted((out / film.folder).glob("[0-9]*.png")):
        group = film.choice.group.get(int(path.stem.partition("_")[0]))
        if group is not None:
            yield f"{film.folder}/{path.name}", f"{film.folder}/{group}"


def _write_groups(out: Path, record: Record) -> None:
    """Writes the table of all pictures in `out`, also of films that are no longer there."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "group"])
    writer.writerows(sorted(row for film in record.films.values() for row in _pictures(out, film)))
    write_atomically(out / GROUPS, text.getvalue().encode())


def _summary(name: str, out: Path, film: FilmRecord, unreadable: int) -> Extracted:
    choice = film.choice
    pictures = sum(1 for _ in _pictures(out, film))
    frames = len(choice.group) - unreadable
    return Extracted(name, film.folder, frames, pictures, unreadable, choice.shots, choice.left_out)
