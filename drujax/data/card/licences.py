"""Licence notes of the sources: what a file in the source's folder says, or what the user says."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from drujax.errors import UsageError, unknown

NOT_STATED = "not stated"
# In this order; the first kind that is there counts. A README counts only if it mentions a licence.
NAMES = (r"licen[cs]es?(\.\w+)?", r"copying(\.\w+)?", r"notice(\.\w+)?", r"readme(\.\w+)?")
LONGEST = 300  # characters that are quoted
READ = 1 << 16  # bytes of a file that are read


def licence_notes(
    sources: Collection[str], folders: Mapping[str, Path], given: Mapping[str, str], known: Mapping[str, str]
) -> dict[str, str]:
    """Returns a note for each source: `given`, else what a file in its folder says, else `known`, else NOT_STATED."""
    found = {source: note for source in sources if source in folders and (note := _of_folder(folders[source]))}
    return {source: {**known, **found, **given}.get(source, NOT_STATED) for source in sorted(sources)}


def parsed_notes(arguments: Sequence[str], sources: Collection[str]) -> dict[str, str]:
    """Parses SOURCE:TEXT arguments, by source.

    Raises:
        UsageError: one is not of this form, or names none of the `sources`.
    """
    notes = {}
    for argument in arguments:
        source, colon, text = (part.strip() for part in argument.partition(":"))
        if not (source and colon and text):
            raise UsageError(f"licence: must be SOURCE:TEXT, got {argument!r}")
        if source not in sources:
            raise unknown("licence", source, sources)
        notes[source] = text
    return notes


def _of_folder(folder: Path) -> str | None:
    files = sorted(file for file in folder.iterdir() if file.is_file())
    for name in NAMES:
        for file in files:
            if re.fullmatch(name, file.name, re.IGNORECASE) and (note := _quoted(file)):
                return f"{file.name}: {note}"
    return None


def _quoted(file: Path) -> str:
    """The beginning of a licence; of a README, the first line that mentions one, and the text of its section."""
    with file.open("rb") as content:
        lines = [" ".join(line.split()) for line in content.read(READ).decode("utf-8", "replace").splitlines()]
    if file.name.lower().startswith("readme"):
        mention = next((i for i, line in enumerate(lines) if re.search(r"\blicen[cs]e", line, re.IGNORECASE)), None)
        if mention is None:
            return ""
        lines = lines[mention:]
        if lines[0].startswith("#"):
            ends = [i for i, line in enumerate(lines[1:], 1) if line.startswith("#")]
            lines = lines[1 : ends[0] if ends else None]
        else:
            lines = lines[:1]
    text = " ".join(line for line in lines if line)
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rsplit(" ", 1)[0] + " …"
