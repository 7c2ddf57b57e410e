"""Builds a dataset of dark and bright anime scenery.

    python -m experiments.prepare --source=frames/ --source=backgrounds/ --groups=groups.csv --out=data/
    python -m experiments.prepare --source=frames/ --labels=classifier --out=data/  # the paper's way, sec. 3.1
    python -m experiments.prepare --source=scenes --count=400 --out=data/           # synthetic scenes
    python -m experiments.prepare --source=backgrounds/ --films.source=FILMS --photos.source=photos/ --out=data/
    python -m experiments.prepare films --films=FILMS --out=frames/                 # pictures from films, before that
    python -m experiments.prepare photos --source=photos/ --out=pseudo/             # photographs -> anime pictures
    python -m experiments.prepare review --data=data/ --out=review.html             # a page to correct labels on
    python -m experiments.prepare --source=frames/ --labels=classifier --reuse=data/ --corrections=corrections.csv \\
        --out=corrected/
    python -m experiments.prepare card --data=data/ --run=runs/mine                 # DATASET.md and dataset.html again

With --labels=qab about 100 pictures of 640x360 a second on two cores. Ends with a table of what went where, and
writes the dataset's card, DATASET.md and dataset.html, beside the records. A build that was interrupted continues where
it was when the same command is run again.
"""

import dataclasses
import sys
from pathlib import Path
from typing import Annotated

import tyro

from drujax.console import command_line
from drujax.data.card.licences import parsed_notes
from drujax.data.prepare import prepare
from drujax.data.qab import HIGH, LOW
from drujax.data.sources import Scenes, source_names
from drujax.runtime.parallel import cores
from drujax.uncertainty.config import ProbabilityRecipe
from experiments._prepare import card, films, photos, review
from experiments._prepare.arguments import beam_runner, existing, sources
from experiments._prepare.labels import Classifier, labelling
from experiments._prepare.made import Films, Photos, make_sources

SUBCOMMANDS = {"films": films, "photos": photos, "review": review, "card": card}


@dataclasses.dataclass(frozen=True)
class Config:
    """Builds a dataset of dark and bright anime scenery.

    Subcommands (prepare films --help): films and photos make pictures of films and photographs, review makes a page to
    correct labels on, card writes the dataset's card.
    """

    # Folder to write; an error if it holds anything but this dataset.
    out: Path
    # Folder of pictures, searched recursively (repeatable); or the word "scenes": synthetic scenes.
    source: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    # Films whose frames are a source, too; and photographs, as anime pictures.
    films: Films = Films()
    photos: Photos = Photos()
    # Folder for the pictures that are made of films and photographs; <out>-sources by default.
    made: Path | None = None
    # CSV (file,group): the pictures of a group stay on one side of the split. A file that is not listed is a group of
    # its own. Repeatable; frames of films have their groups in any case.
    groups: Annotated[tuple[Path, ...], tyro.conf.UseAppendAction] = ()
    # Merges groups with identical files or nearly identical pictures (recompressed, resized, or drawn under another
    # illumination), so that no copy of a training picture is tested on.
    merge_copies: bool = True
    # qab: the confidently dark and bright pictures only. classifier: F_dark/bright, trained on those, labels the
    # uncertain ones. A CSV (file,label): the pictures it names.
    labels: str = "qab"
    # CSV (file,label) of labels that override the others: dark, bright, or out (left out); see "prepare review".
    # Repeatable.
    corrections: Annotated[tuple[Path, ...], tyro.conf.UseAppendAction] = ()
    # Backbone of F_dark/bright.
    classifier: str = "resnet18"
    # Initial weights of F_dark/bright: imagenet (downloaded once), none (random), or a checkpoint file, also one of the
    # quantised forms.
    pretrained: str = "imagenet"
    # Training of F_dark/bright.
    recipe: ProbabilityRecipe = ProbabilityRecipe()
    # Dataset with the same settings but for corrections: its labels by F_dark/bright are taken, instead of training it
    # again.
    reuse: Path | None = None
    # Pictures with a shorter side are enlarged to this side (pixels).
    crop: int = 320
    # Seed of the split, and of the synthetic scenes.
    seed: int = 0
    # Dark: the mean luma (0..255) of any quarter of the picture is below this.
    low: float = LOW
    # Bright: the mean luma of every quarter is above this.
    high: float = HIGH
    # SOURCE:TEXT, the licence of a source's pictures, for the dataset's card (repeatable). Else what LICENSE, NOTICE or
    # README in its folder says.
    licence: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    # Number of synthetic scenes (--source=scenes).
    count: int = 400
    # Size of the synthetic scenes, HEIGHTxWIDTH.
    size: str = "360x640"
    # Processes that read and encode pictures; default: one for each core.
    processes: int | None = None
    # Reads and encodes the pictures on this runner of Apache Beam instead (DirectRunner, FlinkRunner, SparkRunner,
    # DataflowRunner); sources and --out must be paths that all its machines share.
    beam_runner: str | None = None
    # Option of the Beam pipeline, NAME=VALUE (repeatable), like direct_num_workers=2.
    beam_options: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()


def main(arguments: list[str]) -> int:
    """Does what a subcommand does, or prepares a dataset."""
    if arguments and arguments[0] in SUBCOMMANDS:
        return SUBCOMMANDS[arguments[0]].main(arguments[1:])
    return build(arguments)


@command_line.flags_in_errors(Config)
def build(arguments: list[str]) -> int:
    """Prepares a dataset, and writes its card; returns 1 if pictures were skipped as unreadable."""
    config = command_line.parse(Config, arguments, program="prepare")
    made = make_sources(config.made or config.out.with_name(f"{config.out.name}-sources"), config.films, config.photos)
    source = sources(config.source, made.folders, count=config.count, size=config.size, seed=config.seed)
    folders = {} if isinstance(source, Scenes) else dict(zip(source_names(source), source, strict=True))
    licences = parsed_notes(config.licence, sources=folders or ["scenes"])
    summary = prepare(
        source,
        config.out,
        groups=[*(existing("--groups", table) for table in config.groups), *made.groups],
        merge=config.merge_copies,
        corrections=[existing("--corrections", table) for table in config.corrections],
        crop=config.crop,
        seed=config.seed,
        low=config.low,
        high=config.high,
        processes=cores() if config.processes is None else config.processes,
        beam=beam_runner(config.beam_runner, config.beam_options),
        **labelling(config.labels, config.reuse, Classifier(config.classifier, config.pretrained, config.recipe)),
    )
    for line in summary.skipped:
        print(f"prepare: skipped: {line}", file=sys.stderr)
    print(summary)
    card.write_after_build(config.out, arguments, folders, licences)
    return 1 if summary.skipped or not made.complete else 0


if __name__ == "__main__":
    sys.exit(command_line.run(lambda: main(sys.argv[1:]), "prepare"))
