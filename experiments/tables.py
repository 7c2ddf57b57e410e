"""The paper's tables, and the controls that tell where the effect of relativistic probabilities comes from.

    python -m experiments.tables table1 --data=D --preset=laptop            # Table 1: all methods and backbones
    python -m experiments.tables table2 --data=D --backbone=resnet18        # confident, uncertain and all pictures
    python -m experiments.tables table3 --data=D --noise 0.15 0.3           # unreliable labels, and labels flipped
    python -m experiments.tables controls --data=D --seeds=8 --noise 0 0.3  # is it the weighting? (docs/controls.md)
    python -m experiments.tables table1 --data=D --dry-run                  # what is missing, and how long it takes

Trains, enhances and scores what is missing, and writes WORKDIR/<table>.md, .csv and .html. What is done is kept
under a hash of options, data and program (WORKDIR/jobs), so the same command resumes after any stop, and several
processes may share a WORKDIR (one for each GPU, chosen by CUDA_VISIBLE_DEVICES). A row whose weights are missing gets a
dash and the reason. Pictures are the network's own, as `drujax enhance --plain --strength=1`.
"""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from drujax.console import command_line
from drujax.errors import UsageError, unknown

if TYPE_CHECKING:
    from experiments._tables.jobs import Job
    from experiments._tables.report import Table
    from experiments._tables.studies import Row
    from experiments._tables.work import Setting

STUDIES = ("table1", "table2", "table3", "controls")


@dataclasses.dataclass(frozen=True)
class Config:
    """The paper's tables, from trainings to a page."""

    # table1, table2, table3 or controls.
    study: Annotated[str, tyro.conf.Positional]
    # Dataset made by experiments.prepare.
    data: Path
    # Folder of the tables and of all jobs.
    workdir: Path = Path("runs/tables")
    # Recipe of the trainings: paper, laptop (narrow networks, small crops), small (smaller still, for many seeds), or
    # debug (to try the command).
    preset: Literal["paper", "laptop", "small", "debug"] = "paper"
    # Steps of every training; those of the preset by default.
    steps: int | None = None
    # Seeds of every training, 0 to N-1.
    seeds: int = 1
    # More seeds for some rows, ROW=N.
    more_seeds: tuple[str, ...] = ()
    # Rows of the table; all by default.
    rows: tuple[str, ...] = ()
    # Probability network of table2, table3 and controls.
    backbone: str = "resnet18"
    # Weight files, NAME=FILE: a backbone, vgg16 (self-feature-preserving loss) or nima. Others are downloaded.
    weights: tuple[str, ...] = ()
    # Shares of the training labels that are flipped (table3, controls).
    noise: tuple[float, ...] = ()
    # Shares of the uncertain pictures that are trained on (controls).
    uncertain: tuple[float, ...] = (1.0,)
    # Weightings of controls.
    arms: tuple[str, ...] = ("rp", "mean", "normalised", "shuffled", "luma")
    # Scores: psnr, ssim, luma_correlation, chroma_distance (which need the truth), brisque, piqe, niqe, pi, nima; all
    # that the pictures allow by default.
    metrics: tuple[str, ...] = ()
    # Pictures that are scored: a split of the dataset, or pictures whose truth is known: pairs (--pairs) or painted
    # scenes.
    split: Literal["test_dark", "val_dark", "pairs", "scenes"] = "test_dark"
    # CSV of pairs, with the columns dark and bright (files beside it), or group and file as in experiments.evaluate.
    pairs: Path | None = None
    # Maximum number of pictures, evenly spaced; by default all, or 64 painted scenes.
    pictures: int | None = None
    # Shorter side to which these are resized before they are enhanced and scored, as --recipe.short-side does for
    # training (192 in the laptop preset); by default their own size.
    short_side: int | None = None
    # Print what is missing and about how long it takes (measured by a few steps of each kind), and stop.
    dry_run: bool = False


@command_line.flags_in_errors(Config)
def main(config: Config) -> int:
    """Makes the table; returns 1 if a row has no result."""
    rows = chosen_rows(config)
    import numpy as np

    from drujax.runtime.compile_cache import enable_compilation_cache
    from experiments._tables import dark_pictures, jobs, probabilities, work
    from experiments._tables.report import Table
    from experiments._tables.results import collect

    dataset = work.dataset_of(config.data)
    enable_compilation_cache()
    setting, missing = setting_of(config)

    # Jobs of each row and seed: first those of seed 0 of all rows.
    seeds = {row: seeds_of(config, row.name) if row.train is not None else 1 for row in rows}
    todo = {
        (row, seed): work.jobs_of(row, seed, setting)
        for seed in range(max(seeds.values()))
        for row in rows
        if seed < seeds[row]
    }
    ordered = list({job.key: job for of_row in todo.values() for job in of_row}.values())
    if config.dry_run:
        print(plan(ordered, config.workdir))
        return 0
    try:
        impossible = jobs.do_all(ordered, config.workdir, lambda line: print(line, flush=True))
    except jobs.Stopped as stopped:
        return stopped.code

    # Report.
    results, shown = collect(todo, impossible, config.workdir)
    pictures = work.pictures(setting)
    groups = dark_pictures.groups(pictures)
    title = {"controls": "Controls of the weighting"}.get(config.study, f"Table {config.study[-1]}")
    below = about(config, len(pictures), len(np.unique(groups)), missing)
    weights = probabilities.of_rows(todo, config.workdir, dataset)
    truth = config.split in ("pairs", "scenes")
    table = Table(title, results, setting.metrics, groups, below, truth, weights)
    write(config, table, shown)
    return 1 if impossible else 0


def setting_of(config: Config) -> "tuple[Setting, dict[str, str]]":
    """Returns what all rows share, and the metrics that are missing, each with the reason."""
    from experiments._tables import studies, work

    wanted = config.metrics or (*studies.TRUTH, *studies.NO_REFERENCE)
    if not config.metrics and config.split not in ("pairs", "scenes"):
        wanted = tuple(studies.NO_REFERENCE)
    setting = work.Setting(
        data=config.data,
        preset=config.preset,
        backbone=config.backbone,
        options=() if config.steps is None else (f"--recipe.steps={config.steps}",),
        weights=dict(command_line.name_value_pairs(config.weights, "weights")),
        split=config.split,
        pairs=config.pairs,
        pictures=config.pictures,
        short_side=config.short_side,
        metrics=wanted,
    )
    metrics, missing = work.available_metrics(wanted, setting)
    if not metrics:
        raise UsageError(f"metrics: none of {', '.join(wanted)} is available ({next(iter(missing.values()))})")
    return dataclasses.replace(setting, metrics=metrics), missing


def chosen_rows(config: Config) -> "list[Row]":
    """Returns the rows of --rows, or all of the study. Raises UsageError for an unknown study, row or arm."""
    from experiments._tables import studies

    if config.study not in STUDIES:
        raise unknown("study", config.study, STUDIES)
    if config.short_side is not None and config.short_side < 16:
        raise UsageError(f"short-side: must be >= 16, got {config.short_side}")
    if wrong := [arm for arm in config.arms if arm not in studies.ARMS]:
        raise unknown("arms", wrong[0], studies.ARMS)
    if wrong := [metric for metric in config.metrics if metric not in studies.METRICS]:
        raise unknown("metrics", wrong[0], studies.METRICS)
    rows = {
        "table1": lambda: studies.TABLE1,
        "table2": lambda: studies.table2(config.backbone),
        "table3": lambda: studies.table3(config.backbone, config.noise),
        "controls": lambda: studies.controls(config.backbone, config.arms, config.noise or (0.0,), config.uncertain),
    }[config.study]()
    by_name = {row.name: row for row in rows}
    for name in (*config.rows, *(name for name, _ in command_line.name_value_pairs(config.more_seeds, "more-seeds"))):
        if name not in by_name:
            raise unknown("rows", name, by_name)
    return [by_name[name] for name in config.rows] if config.rows else list(rows)


def seeds_of(config: Config, row: str) -> int:
    """Returns the number of seeds of a row. Raises UsageError for a number that is none."""
    for name, number in command_line.name_value_pairs(config.more_seeds, "more-seeds"):
        if name == row:
            if not number.isdecimal() or not int(number):
                raise UsageError(f"more-seeds: {name}={number}: give a number >= 1")
            return int(number)
    if config.seeds < 1:
        raise UsageError(f"seeds: must be >= 1, got {config.seeds}")
    return config.seeds


def plan(ordered: "Sequence[Job]", workdir: Path) -> str:
    """Returns a line for each job: done, or about how many hours; the time of a kind is measured once."""
    seconds: dict[str, float] = {job.kind: job.seconds(workdir) for job in ordered if job.is_done(workdir)}
    lines, total, unknown_kinds = [], 0.0, set()
    for job in ordered:
        if job.is_done(workdir):
            lines.append(f"done         {job.name}")
            continue
        if job.kind not in seconds and job.estimate is not None:
            seconds[job.kind] = job.estimate()
        if job.kind in seconds:
            total += seconds[job.kind]
            lines.append(f"{seconds[job.kind] / 3600:6.2f} hours {job.name}")
        else:
            unknown_kinds.add(job.kind)
            lines.append(f"     ? hours {job.name}")
    without = f", without {', '.join(sorted(unknown_kinds))}, of which none is done yet" if unknown_kinds else ""
    return "\n".join([*lines, f"{total / 3600:.2f} hours to go{without}"])


def write(config: Config, table: "Table", shown: Mapping[str, Sequence[str]]) -> None:
    """Writes the table in its three forms, and prints it."""
    from drujax.runtime.atomic_write import write_atomically
    from experiments._tables import report

    base = config.workdir / config.study
    text = report.markdown(table)
    write_atomically(base.with_suffix(".md"), text.encode())
    write_atomically(base.with_suffix(".csv"), report.as_csv(table).encode())
    write_atomically(base.with_suffix(".html"), report.page(table, shown).encode())
    print(f"{text}\n{base}.md, .csv, .html")


def about(config: Config, pictures: int, scenes: int, missing: Mapping[str, str]) -> list[str]:
    """Returns what is said below a table of its pictures, its intervals, and metrics that are missing."""
    from experiments._tables.report import TITLES

    steps = f", {config.steps} steps" if config.steps else ""
    kinds = {
        "scenes": f"{pictures} painted scenes under a dark lighting, against the same by day",
        "pairs": f"{pictures} pairs, the darker picture against the brighter",
    }
    kind = kinds.get(config.split, f"{pictures} pictures of {config.split}, {scenes} scenes")
    size = f", resized to a shorter side of {config.short_side} pixels" if config.short_side else ""
    return [
        f"{kind}{size}; trained on {config.data.name}, preset {config.preset}{steps}.",
        "± is half of the 95 % interval (bootstrap over seeds and scenes); it says nothing of other seeds with one.",
        *(f"No {TITLES[name]}: {why}" for name, why in missing.items()),
    ]


def run(arguments: Sequence[str]) -> int:
    """Makes a table as command-line arguments say."""
    return main(command_line.parse(Config, arguments, program="experiments.tables"))


if __name__ == "__main__":
    sys.exit(command_line.run(lambda: run(sys.argv[1:]), "experiments.tables"))
