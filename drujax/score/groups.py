"""Which pictures are variants of one scene: the CSV file of `drujax score --groups`."""

from collections.abc import Callable, Sequence
from pathlib import Path

from drujax.data.sources import Candidate, read_assignments
from drujax.errors import UsageError


def read_groups(
    table: Path, paths: Sequence[Path], inputs: Sequence[Path], on_unknown: Callable[[str], None]
) -> dict[str, str]:
    """Reads the group of each picture that `table` names.

    Args:
        table: CSV with the columns `file` (or `id`) and `group`; a file is named by its path, its path inside a given
            folder, its name or its stem, whichever is unique.
        paths: the pictures.
        inputs: the files and folders that they were found in.
        on_unknown: called with a line about names that match no picture.

    Returns:
        Path -> group; pictures without one are missing.

    Raises:
        UsageError: the file is missing or invalid (see `drujax.data.sources.read_assignments`).
    """
    if not table.is_file():
        raise UsageError(f"groups: file not found: {table}")
    candidates = [Candidate(str(path), _root(path, inputs), path) for path in dict.fromkeys(paths)]
    try:
        groups, unmatched = read_assignments(table, "group", candidates)
    except UsageError as error:
        raise UsageError(f"groups: {error}") from None
    if unmatched:
        on_unknown(f"{table} names {len(unmatched)} pictures that are not scored here (first: {next(iter(unmatched))})")
    return groups


def _root(path: Path, inputs: Sequence[Path]) -> str:
    """Returns the given folder that contains `path`; empty for a file that was given itself."""
    return next((str(folder) for folder in inputs if folder != path and path.is_relative_to(folder)), "")
