"""Maps inputs to outputs, before anything is read."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from drujax.errors import UsageError, describe
from drujax.pictures.discovery import CONVERT, NoPictures, Skipped, expand, pictures_of
from drujax.pictures.formats import (
    FILMS_WRITTEN,
    FORMATS,
    OTHER_PICTURES,
    film_suffix,
    is_film,
    missing_extra,
    output_format,
    output_suffix,
)

MARK = "_enhanced"

# Reasons for skipping a picture.
TWICE = "given twice"
RESULT = "results of an earlier run"
OUTPUT = "in the output folder"


@dataclasses.dataclass(frozen=True)
class Job:
    """A picture or film to read from `source` and to write to `target`, unless it already has an `error`.

    `note` explains an unexpected target name.
    """

    source: Path
    target: Path
    error: str | None = None
    note: str | None = None


def plan_jobs(
    inputs: Sequence[str | Path],
    output: str | Path | None = None,
    *,
    suffix: str | None = None,
    format: str | None = None,
    recursive: bool = True,
    skipped: Skipped | None = None,
    also_read: Sequence[Path] = (),
) -> list[Job]:
    """Plans which pictures are enhanced and where the results are written.

    A folder stands for all pictures in it. Without `output` the results are written next to their inputs as
    <stem>_enhanced<suffix>. With several inputs or a folder, `output` is a folder: one folder is mirrored in it,
    several folders become its subfolders, and files are written directly into it (files of equal names into subfolders
    that distinguish them). With one file, `output` is a file, or a folder if it is an existing one, ends in / or has no
    suffix. Results have the formats of their inputs, or `format`; if two would then have the same name (a.gif and
    a.png), one becomes a.gif.png. Films are taken by name, not from folders; what is not written (AVI) becomes
    Matroska.

    Duplicates and results of an earlier run are skipped.

    Args:
        inputs: files, folders and patterns.
        output: file or folder.
        suffix: added to the results' names before the dot; by default "_enhanced" without `output`, else nothing.
        format: "png", "jpg", ... instead of each input's own format.
        recursive: search subfolders, too.
        skipped: collects what is skipped; with several inputs also those that have no pictures or cannot be read.
        also_read: further files that no result may replace, such as a mask.

    Raises:
        UsageError: an input does not exist, there are no pictures, the output contradicts the other options, or every
            job has an error.
    """
    skipped = Skipped() if skipped is None else skipped
    naming = _Naming(output, suffix, format)
    paths = _unique(expand(inputs), skipped)
    if not paths:
        raise UsageError("INPUT: give at least one picture or folder")
    if len(paths) > 1:
        paths = [path for path in paths if not _is_output_folder(path, naming.path, skipped)]
    alone = len(paths) == 1 and not paths[0].is_dir()
    naming.check(several=not alone, film=alone and is_film(paths[0]))
    pairs = _located(paths, naming, recursive=recursive, skipped=skipped)
    pairs = _without_results(pairs, {MARK, naming.mark}, skipped)
    planned = [Job(source, naming.target(source, below)) for source, below in pairs]
    jobs = _without_collisions(planned, naming, also_read)
    if not jobs:
        reasons = [*map(describe, skipped.failures.values()), *([str(skipped)] if len(skipped) else [])]
        raise NoPictures(f"INPUT: no pictures to enhance: {'; '.join(reasons)}")
    errors = [job.error for job in jobs if job.error is not None]
    if len(errors) == len(jobs) or (errors and len(paths) == 1 and _same_folder(paths[0], naming.path)):
        raise UsageError(errors[0] + (f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""))
    return jobs


def by_kind(jobs: Sequence[Job]) -> tuple[list[Job], list[Job]]:
    """Returns the jobs of pictures, and those of films."""
    return [job for job in jobs if not is_film(job.source)], [job for job in jobs if is_film(job.source)]


class _Naming:
    """The results' names, by the options."""

    def __init__(self, path: str | Path | None, suffix: str | None, format: str | None):
        if path is not None and not str(path):
            raise UsageError("-o: must not be empty; the current folder is .")
        self._ends_in_slash = path is not None and str(path).endswith(("/", os.sep))
        self.path = Path(os.path.expanduser(path)) if path is not None else None
        self.mark = (MARK if path is None else "") if suffix is None else suffix
        self._given_suffix, self._format = suffix, format
        self._file = False
        if suffix is not None and ("/" in suffix or os.sep in suffix):
            raise UsageError(f"--suffix: {suffix!r} must not contain a path separator; -o names a folder.")
        if suffix is not None and suffix.lower() in FORMATS:
            raise UsageError(f"--suffix: {suffix} is a file type; --format={suffix[1:].lower()} chooses it.")

    def check(self, *, several: bool, film: bool) -> None:
        """Decides whether the output is a file. Raises UsageError if that contradicts the other options."""
        path = self.path
        if path is None:
            return
        named = path.suffix != "" and not path.is_dir() and not self._ends_in_slash
        if several and path.is_file():
            raise UsageError(f"-o: {path} is a file, but several pictures need a folder.")
        if several and named and path.suffix.lower() in (*FORMATS, *FILMS_WRITTEN):
            raise UsageError(f"-o: {path} names one file, but several pictures need a folder ({path}/ would be one).")
        self._file = named and not several
        if not self._file:
            return
        if self._given_suffix:
            raise UsageError(f"--suffix: -o {path} is the whole name already; give one of them.")
        if film:
            if path.suffix.lower() not in FILMS_WRITTEN:
                raise UsageError(
                    f"-o: {path}: cannot write a film with suffix {path.suffix!r}. Choices: "
                    f"{', '.join(FILMS_WRITTEN)}. The name of a folder ends in /."
                )
            return
        try:
            own = output_format(path)
        except UsageError as error:
            raise UsageError(f"-o: {error} The name of a folder ends in /.") from None
        if self._format is not None and own != FORMATS[f".{self._format}"]:
            raise UsageError(f"--format: {self._format} contradicts -o {path}; give one of them.")

    def target(self, source: Path, below: Path, *, keep_suffix: bool = False) -> Path:
        """Returns the target of `source`; `below` is its path inside an output folder.

        `keep_suffix` keeps the source's suffix in the name, before the new one.
        """
        if self._file:
            assert self.path is not None
            return self.path
        film = is_film(source)
        suffix = film_suffix(source) if film else output_suffix(source)
        if not film and self._format is not None and FORMATS.get(suffix.lower()) != FORMATS[f".{self._format}"]:
            suffix = f".{self._format}"
        name = (source.name if keep_suffix else source.stem) + self.mark + suffix
        return source.with_name(name) if self.path is None else self.path / below.with_name(name)


def _unique(paths: list[Path], skipped: Skipped) -> list[Path]:
    """Removes duplicate paths."""
    unique: dict[str, Path] = {}
    for path in paths:
        if path is not unique.setdefault(_key(path), path):
            skipped.add(path, TWICE, folder=path.is_dir())
    return list(unique.values())


def _key(path: Path) -> str:
    """Normalises a path; a link differs from its target."""
    return os.path.normcase(os.path.abspath(path))


def _is_output_folder(path: Path, output: Path | None, skipped: Skipped) -> bool:
    if not _same_folder(path, output):
        return False
    skipped.add(path, "the output folder", folder=True)
    return True


def _same_folder(path: Path, other: Path | None) -> bool:
    return other is not None and path.is_dir() and other.is_dir() and os.path.samefile(path, other)


def _located(paths: list[Path], naming: _Naming, *, recursive: bool, skipped: Skipped) -> list[tuple[Path, Path]]:
    """Returns each picture with its path inside an output folder."""
    folders = [path for path in paths if path.is_dir()]
    files = [path for path in paths if not path.is_dir()]
    folder_names = [Path()] if len(folders) == 1 else _distinct(folders, by_name=True)
    names = [path.name for path in files]
    differ = len(set(map(os.path.normcase, names))) == len(names)
    parents = [Path()] * len(files) if differ else _distinct([path.parent for path in files], by_name=False)
    places = dict(zip(folders, folder_names, strict=True)) | dict(zip(files, parents, strict=True))
    located: dict[str, tuple[Path, Path]] = {}
    for path in paths:
        for source in _pictures(path, naming.path, recursive=recursive, alone=len(paths) == 1, skipped=skipped):
            below = places[path] / (source.relative_to(path) if path.is_dir() else source.name)
            if _key(source) in located:
                skipped.add(source, TWICE)
            else:
                located[_key(source)] = source, below
    return list(located.values())


def _pictures(path: Path, output: Path | None, *, recursive: bool, alone: bool, skipped: Skipped) -> list[Path]:
    try:
        sources = pictures_of(path, recursive=recursive, skipped=skipped)
    except (UsageError, OSError) as error:
        if alone:
            raise
        skipped.fail(path, error)
        return []
    if output is None or not path.is_dir():
        return sources
    # An output folder inside the input holds results of an earlier run.
    inside = os.path.realpath(output)
    if inside == os.path.realpath(path) or not _is_within(inside, os.path.realpath(path)):
        return sources
    kept = {source: None for source in sources if not _is_within(os.path.realpath(source.parent), inside)}
    for source in sources:
        if source not in kept:
            skipped.add(source, OUTPUT)
    return list(kept)


def _is_within(path: str, folder: str) -> bool:
    return os.path.join(path, "").startswith(os.path.join(folder, ""))


def _distinct(folders: list[Path], *, by_name: bool) -> list[Path]:
    """Returns a short path for each folder: its name, or if names are equal, the path below the common parent."""
    absolute = [Path(os.path.abspath(folder)) for folder in folders]
    if by_name and len({os.path.normcase(path.name) for path in absolute}) == len(absolute):
        return [Path(path.name) for path in absolute]
    parts = [(path.drive.rstrip(":"), *path.parts[1:]) for path in absolute]
    common = len(os.path.commonprefix(parts))  # pyright: ignore[reportArgumentType]
    return [Path(*part[common:]) for part in parts]


def _without_results(pairs: list[tuple[Path, Path]], marks: set[str], skipped: Skipped) -> list[tuple[Path, Path]]:
    """Skips results of an earlier run: pictures whose name is that of another one and a mark."""
    names = {_key(source.with_name(name)) for source, _ in pairs for name in (source.stem, source.name)}
    kept = []
    for source, below in pairs:
        stems = (source.stem.removesuffix(mark) for mark in marks if mark and source.stem.endswith(mark))
        if any(stem and _key(source.with_name(stem)) in names for stem in stems):
            skipped.add(source, RESULT)
        else:
            kept.append((source, below))
    return kept


def _without_collisions(jobs: list[Job], naming: _Naming, also_read: Sequence[Path]) -> list[Job]:
    """Resolves equal targets by renaming, and marks jobs that would overwrite an input or another result as errors."""
    inputs = {_real(path): path for path in (*also_read, *(job.source for job in jobs))}
    # Jobs that keep their suffix come first: a.png is the result of a.png, not of a.gif.
    first = sorted(jobs, key=lambda job: job.source.suffix.lower() != job.target.suffix.lower())
    owners: dict[str, Path] = {}
    decided = {}
    for job in first:
        owner = owners.get(_real(job.target))
        if owner is not None and job.source.suffix.lower() != job.target.suffix.lower():
            below = job.target if naming.path is None else job.target.relative_to(naming.path)
            target = naming.target(job.source, below, keep_suffix=True)
            note = f"{job.source} becomes {target}, because {job.target} is the result of {owner}"
            job = dataclasses.replace(job, target=target, note=note)
            owner = owners.get(_real(target))
        job = dataclasses.replace(job, error=_error(job, owner, inputs, "-o" if naming.path else "--suffix"))
        if job.error is None:
            owners[_real(job.target)] = job.source
        decided[job.source] = job
    return [decided[job.source] for job in jobs]


def _error(job: Job, owner: Path | None, inputs: dict[str, Path], option: str) -> str | None:
    suffix = job.source.suffix.lower()
    if suffix in OTHER_PICTURES:
        return f"{job.source}: {suffix} is not read; {CONVERT}."
    for path in (job.source, job.target):
        if extra := missing_extra(path.suffix):
            return f"{path}: {path.suffix} needs pip install 'drujax[{extra}]'"
    if _real(job.target) in inputs:
        return f"{option}: {job.target} would overwrite the input {inputs[_real(job.target)]}; choose another output."
    if owner is not None:
        return f"{option}: {owner} and {job.source} would both be written to {job.target}; enhance them separately."
    return None


def _real(path: Path) -> str:
    return os.path.normcase(os.path.realpath(path))
