"""Sources that are made before the dataset is built: frames of films, and photographs as anime pictures."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

from drujax.data.films.crops import Crops
from drujax.errors import UsageError
from experiments._prepare import films as films_command
from experiments._prepare import photos as photos_command


@dataclasses.dataclass(frozen=True)
class Films:
    """Films whose frames become a source (docs/films.md)."""

    # Folder of films, or one film.
    source: Path | None = None
    # JSON object: title -> frame numbers. Without it frames of each shot are chosen.
    frame_list: Path | None = None
    # squares: three of the frame's height. whole: the frame.
    crops: Crops = "squares"


@dataclasses.dataclass(frozen=True)
class Photos:
    """Photographs that become a source of anime pictures (docs/translators.md)."""

    # Folder of photographs, or tfds:NAME:SPLIT.
    source: str | None = None
    # Network: scenimefy, cartoongan or animegan_v2.
    translator: str = "cartoongan"
    # Its weights: a file, a folder, or a name that drujax models lists.
    weights: str | None = None


@dataclasses.dataclass(frozen=True)
class Made:
    """Sources that were made.

    Attributes:
        folders: of pictures.
        groups: tables of their groups.
        complete: whether all films and photographs could be read.
    """

    folders: list[Path]
    groups: list[Path]
    complete: bool


def make_sources(folder: Path, films: Films, photos: Photos) -> Made:
    """Makes the pictures in `folder`/films and `folder`/photos; those that were made before are kept.

    Raises:
        UsageError: an invalid argument, or nothing can be read.
        OSError: a picture cannot be written.
    """
    folders, groups, complete = [], [], True
    if films.source is not None:
        from drujax.data.films import extract_films

        out = folder / "films"
        with _arguments_of("films", films="source", frame_list="frame-list", crops="crops"):
            extraction = extract_films(films.source, out, frame_list=films.frame_list, crops=films.crops)
        complete = films_command.report(extraction)
        if not any(film.pictures for film in extraction.films):
            raise UsageError(f"films.source: no frame of {films.source} shows more than one colour or text")
        folders.append(out)
        groups.append(extraction.groups)
    elif films != Films():
        raise UsageError("films.source: needed by --films.frame-list and --films.crops")
    if photos.source is not None:
        from drujax.runtime.compile_cache import enable_compilation_cache
        from drujax.translators import translate_photos

        enable_compilation_cache()
        out = folder / "photos"
        with _arguments_of("photos", source="source", translator="translator", weights="weights"):
            summary = translate_photos(photos.source, out, translator=photos.translator, weights=photos.weights)
        complete = photos_command.report(summary) and complete
        folders.append(out)
    elif photos != Photos():
        raise UsageError("photos.source: needed by --photos.translator and --photos.weights")
    return Made(folders, groups, complete)


@contextlib.contextmanager
def _arguments_of(group: str, **names: str) -> Iterator[None]:
    """Names the arguments of a function, at the beginning of its errors, as options of a group."""
    try:
        yield
    except UsageError as error:
        argument, colon, rest = str(error).partition(": ")
        if argument not in names:
            raise
        raise UsageError(f"{group}.{names[argument]}{colon}{rest}") from error
