"""The results of a table's rows, from the folders of their jobs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from experiments._figures.page import image_uri
from experiments._tables import scoring
from experiments._tables.jobs import Job
from experiments._tables.report import Result
from experiments._tables.studies import Row


def collect(
    todo: Mapping[tuple[Row, int], Sequence[Job]], impossible: Mapping[str, str], workdir: Path
) -> tuple[list[Result], dict[str, list[str]]]:
    """Returns the results in the order of the rows, and for the page the first pictures of each, as data addresses.

    Args:
        todo: row and seed -> its jobs, the last of which scores it.
        impossible: keys of jobs that cannot be done -> why.
        workdir: of the jobs, all others of which are done.
    """
    results, shown = [], {}
    for row in dict.fromkeys(row for row, _ in todo):
        of_seeds = [jobs for (other, _), jobs in todo.items() if other is row]
        reason = next((impossible[job.key] for jobs in of_seeds for job in jobs if job.key in impossible), "")
        if reason:
            results.append(Result(row, reason=reason))
            continue
        folders = [jobs[-1].folder(workdir) for jobs in of_seeds]
        results.append(Result(row, _scores(folders), _hours(of_seeds, workdir)))
        shown[row.name] = [image_uri(picture) for picture in scoring.shown_pictures(folders[0])]
    return results, shown


def _scores(folders: Sequence[Path]) -> dict[str, np.ndarray]:
    """Score by column, seeds x pictures."""
    read = [scoring.read_scores(folder) for folder in folders]
    columns = [name for name in read[0][0] if name != "picture"]
    return {column: np.array([[row[column] for row in rows] for rows in read], float) for column in columns}


def _hours(of_seeds: Sequence[Sequence[Job]], workdir: Path) -> float | None:
    """The time of all that was trained for a row, each part once; None if nothing was."""
    trained = {job.key: job for jobs in of_seeds for job in jobs[:-1]}.values()
    return sum(job.seconds(workdir) for job in trained) / 3600 if trained else None
