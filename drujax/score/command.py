"""The command `drujax score`."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from drujax.console import output, tables
from drujax.console.option_types import optional
from drujax.pictures.inputs import (
    MAX_PIXELS,
    Inputs,
    MaxPixels,
    Quiet,
    Recursive,
    Reports,
    limit_pixels,
    located_pictures,
)
from drujax.runtime.device_choice import Device, on_device

Rows = dict[Path, dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Score:
    """Measures image quality without a reference: the scores of each picture, their means and 95 % intervals."""

    inputs: Inputs
    # Metrics, separated by commas: brisque, niqe, piqe, ma, pi, nima.
    metrics: str = "brisque,niqe,piqe"
    # Implementation that the numbers agree with: pyiqa (IQA-PyTorch, as in the paper) or matlab (the authors'
    # releases); for nima pyiqa, idealo or idealo-technical (MobileNets, whose columns are named so: another scale).
    reference: str = "pyiqa"
    # Folder with other versions of the same pictures, under the same names, to compare with picture by picture.
    against: Annotated[Path | None, optional(Path, "DIR"), tyro.conf.arg(help_behavior_hint="")] = None
    # CSV (file,group) of pictures that are variants of one scene: intervals and the sign test then resample and count
    # groups. Without it all pictures count as independent, which makes intervals too narrow if they are not.
    groups: Annotated[Path | None, optional(Path, "CSV"), tyro.conf.arg(help_behavior_hint="")] = None
    # How the rows are printed.
    format: tables.Format = "table"
    recursive: Recursive = True
    # Device to compute on; auto is the fastest that JAX finds.
    device: Device = "auto"
    max_pixels: MaxPixels = MAX_PIXELS
    quiet: Quiet = False


def run(options: Score) -> int:
    """Prints the scores; returns the exit code, 1 if some pictures or metrics were left out.

    Raises:
        UsageError: a mistake in the options.
    """
    limit_pixels(options.max_pixels)
    reports = Reports(quiet=options.quiet)
    located = list(located_pictures(options.inputs, reports, recursive=options.recursive))
    with on_device(options.device):
        output.show(_report(options, located, reports))
    return reports.close()


def _report(options: Score, located: Sequence[tuple[Path, Path]], reports: Reports) -> str:
    from drujax.runtime.compile_cache import enable_compilation_cache
    from drujax.score import files, report
    from drujax.score.groups import read_groups

    enable_compilation_cache()
    paths, inputs = [path for path, _ in located], list(dict.fromkeys(given for _, given in located))
    groups = None if options.groups is None else read_groups(options.groups, paths, inputs, reports.say)
    names = [name.strip() for name in options.metrics.split(",") if name.strip()]
    measures = files.measures(names, options.reference, reports.fail)
    if options.against is None:
        rows = _scored("scoring", paths, measures, reports)
        return report.render(list(rows.values()), options.format, groups)
    pairs = files.pairs(located, options.against, reports.fail, reports.skipped)
    ours = _scored("scoring", [pair.picture for pair in pairs], measures, reports)
    theirs = _scored("scoring the others", [pair.other for pair in pairs], measures, reports)
    whole = [pair for pair in pairs if pair.picture in ours and pair.other in theirs]
    return report.render_pairs([(ours[p.picture], theirs[p.other]) for p in whole], options.format, groups)


def _scored(label: str, paths: Sequence[Path], measures: Sequence[Any], reports: Reports) -> Rows:
    """Returns the rows of scores by path."""
    from drujax.score.files import score_files

    rows = {}
    with reports.progress(label, len(paths)) as progress:
        for row in score_files(paths, measures, reports.fail):
            rows[Path(row["image"])] = row
            progress.to(len(rows))
    return rows
