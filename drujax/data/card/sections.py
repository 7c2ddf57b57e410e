"""The content of a card, in the order in which it is read."""

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from drujax.data.card.audit import Audit
from drujax.data.card.build_record import BuildRecord
from drujax.data.card.content import Block, Code, Histogram, Section, Table, Verdict
from drujax.data.card.run_results import RunResults
from drujax.data.card.sheets import sheet
from drujax.data.dataset import Dataset
from drujax.data.labels import LABELS
from drujax.data.qab import PARTITIONS
from drujax.data.records import SPLITS, Metadata

# Sec. 3.1 of the paper. Its validation pictures, if any, are not mentioned.
PAPER = {
    "pictures": 18804,
    "confidently dark (QAB)": 2958,
    "confidently bright (QAB)": 1848,
    "uncertain (QAB)": 13998,
    "labelled dark": 10303,
    "labelled bright": 8501,
    "train_dark + val_dark": 8240,
    "test_dark": 2063,
    "train_bright": 8501,
}
LUMA_EDGES = np.linspace(0, 255, 52).tolist()  # bins of 5 levels
CONFIDENCE_EDGES = np.linspace(0.5, 1, 21).round(4).tolist()
NAMED = 5  # examples in a sentence


class Facts(NamedTuple):
    """All that the card is made from.

    Attributes:
        dataset: with its pictures.
        description: settings and summary of the build (dataset.json).
        build: the command and the licences.
        audit: checks of the records.
        run: of a training run, or None.
    """

    dataset: Dataset
    description: Mapping[str, Any]
    build: BuildRecord
    audit: Audit
    run: RunResults | None


def sections(facts: Facts) -> list[Section]:
    """Returns the sections of the card."""
    parts = [counts, labels, brightness, checks, probabilities, pictures, licences, rebuild]
    return [section for part in parts if (section := part(facts)) is not None]


def counts(facts: Facts) -> Section:
    """Pictures of each source, QAB class and split, beside the paper's."""
    tables = {split: facts.dataset.table(split) for split in SPLITS}
    rows = [row for table in tables.values() for row in table]
    classes = Counter(row.partition for row in rows)
    own = {
        "pictures": len(rows),
        "confidently dark (QAB)": classes["dark"],
        "confidently bright (QAB)": classes["bright"],
        "uncertain (QAB)": classes["uncertain"],
        "labelled dark": sum(row.label == "dark" for row in rows),
        "labelled bright": sum(row.label == "bright" for row in rows),
        "train_dark + val_dark": len(tables["train_dark"]) + len(tables["val_dark"]),
        "test_dark": len(tables["test_dark"]),
        "train_bright": len(tables["train_bright"]),
    }
    low, high = (facts.description["settings"][name] for name in ("low", "high"))
    summary = facts.description["summary"]
    left_out = [f"{count} {reason}" for reason, count in summary["left_out"].items()]
    sources = sorted({row.source for row in rows})
    blocks: list[Block] = [
        f"{len(rows)} pictures from {_some(sources)}.",
        f"A picture is confidently dark if the mean luma (0..255) of any of its quarters is below {low:g}, confidently "
        f"bright if that of all quarters is above {high:g}, and else uncertain (eqs. 1-2).",
        Table(
            ["", "this dataset", "share", "paper", "share"],
            [[n, own[n], _share(own[n], len(rows)), PAPER[n], _share(PAPER[n], PAPER["pictures"])] for n in PAPER],
        ),
        Table(["split", "source", *PARTITIONS, "total", "groups"], list(_by_source(tables))),
    ]
    if left_out:
        blocks.append(f"Left out of the splits: {', '.join(left_out)}.")
    blocks.append(
        f"Enlarged to a short side of {facts.description['settings']['crop']} pixels: {summary['enlarged']}. "
        f"Skipped as unreadable: {len(summary['skipped'])}."
    )
    return Section("Counts", blocks)


def labels(facts: Facts) -> Section:
    """Where the labels came from, and how sure the classifier was."""
    tables = {split: facts.dataset.table(split) for split in SPLITS}
    origins = {split: Counter(row.label_origin for row in table) for split, table in tables.items()}
    names = ("qab", "classifier", "manual")
    rows = [[split, *(found[name] for name in names), sum(found.values())] for split, found in origins.items()]
    rows.append(["total", *map(sum, zip(*(row[1:] for row in rows), strict=True))])
    blocks: list[Block] = [
        "A label is the QAB class of a confident picture (qab), the more likely class by F_dark/bright (classifier), "
        "or was given by a person (manual).",
        Table(["split", *names, "total"], rows),
    ]
    everything = [row for table in tables.values() for row in table]
    contrary = [row for row in everything if row.partition not in ("uncertain", row.label)]
    if contrary:
        blocks.append(f"{len(contrary)} confident pictures have the other label ({_some(r.id for r in contrary)}).")
    sure = {
        label: [p for r in everything if r.label == label and (p := r.classifier_probability) is not None]
        for label in LABELS
    }
    if any(sure.values()):
        blocks.append(
            Histogram(
                "Probability of the label, by the classifier",
                CONFIDENCE_EDGES,
                {f"labelled {name}": _counted(values, CONFIDENCE_EDGES) for name, values in sure.items()},
                {},
                f"{sum(p < 0.6 for values in sure.values() for p in values)} of "
                f"{sum(map(len, sure.values()))} below 0.6: worth a look by a person",
            )
        )
    return Section("Labels", blocks)


def brightness(facts: Facts) -> Section:
    """Histograms of the luma of each split."""
    low, high = (facts.description["settings"][name] for name in ("low", "high"))
    marks = {"B_low": low, "B_high": high}
    blocks: list[Block] = []
    for name, measure in (("Mean luma", _mean), ("Luma of the darkest quarter", _darkest)):
        for split in SPLITS:
            if table := facts.dataset.table(split):
                series = {
                    partition: _counted([measure(row) for row in table if row.partition == partition], LUMA_EDGES)
                    for partition in PARTITIONS
                }
                middle = f"median {np.median([measure(row) for row in table]):.0f}"
                blocks.append(
                    Histogram(f"{name}, {split}", LUMA_EDGES, series, marks, f"{len(table)} pictures, {middle}")
                )
    return Section("Brightness", blocks)


def checks(facts: Facts) -> Section:
    """Leaks between the sides of the split, and copies."""
    found = facts.audit
    rows = [row for split in SPLITS for row in facts.dataset.table(split)]
    sizes = Counter(row.group for row in rows)
    several = sum(size > 1 for size in sizes.values())
    leaking = found.leaking_groups
    leaks = f"{len(leaking)} of {len(sizes)} groups have pictures on more than one side of the split"
    blocks: list[Block] = [
        Verdict("bad" if leaking else "good", leaks + (f": {_some(leaking)}" if leaking else "")),
        _copies("Equal picture files", found.equal, facts, otherwise="bad"),
    ]
    if found.near is None:
        blocks.append(
            "Nearly equal pictures of different groups were not searched for here (experiments.prepare card "
            "--near-copies does); those that the build merged into groups are among its notes below."
        )
    else:
        blocks.append(_copies("Nearly equal pictures of different groups", found.near, facts, otherwise="look"))
    blocks.append(
        f"The sides are training, validation and test. {several} groups hold several pictures, the largest "
        f"{max(sizes.values(), default=0)}. All {len(rows)} stored pictures were read."
    )
    return Section("Checks", blocks)


def probabilities(facts: Facts) -> Section | None:
    """Relativistic probabilities of a run; None without one."""
    if facts.run is None:
        return None
    report, changes = facts.run.report, facts.run.changes
    accuracy, error = (report[name] for name in ("accuracy", "expected_calibration_error"))
    measured = "nothing was held out" if accuracy is None else f"held-out accuracy {accuracy:.4f}"
    measured += "" if error is None else f", expected calibration error {error:.4f}"
    blocks: list[Block] = [
        f"The probability network is {report['backbone']}; {measured}. RP near 1 for all pictures would weight them "
        "as Vanilla EnlightenGAN does."
    ]
    if changes is not None:
        moved = changes["dark_to_bright"] + changes["bright_to_dark"]
        blocks.append(
            f"The run changed {moved} of {changes['pictures']} labels: {changes['dark_to_bright']} dark pictures are "
            f"trained on as bright, {changes['bright_to_dark']} bright ones as dark."
        )
    for name in LABELS:
        found = report[f"rp_{name}"]
        note = "no pictures"
        if found["mean"] is not None:
            note = (
                f"mean {found['mean']:.3f}, standard deviation {found['std']:.3f}, {found['saturated']:.0%} above 0.99"
            )
        title = f"RP_{name[0]} of train_{name}"
        blocks.append(Histogram(title, found["edges"], {title: found["counts"]}, {}, note))
    training = facts.dataset.train_dark + facts.dataset.train_bright
    for name in LABELS:
        rp = facts.run.rp[name]
        split = training.where(lambda row, rp=rp: row.id in rp)
        if len(split):
            caption = f"RP_{name[0]}"
            blocks.append(
                sheet(
                    f"train_{name} of the run, by {caption}: lowest to highest",
                    split,
                    lambda row, rp=rp: rp[row.id],
                    lambda row, rp=rp, caption=caption: f"{caption} {rp[row.id]:.3f}",
                )
            )
    return Section("Relativistic probabilities", blocks)


def pictures(facts: Facts) -> Section:
    """Contact sheets of each split and QAB class."""
    blocks: list[Block] = [
        "Each row goes from the darkest to the lightest of its pictures, evenly spaced in rank. The numbers are the "
        "mean luma of the picture and, in brackets, that of its darkest quarter."
    ]
    for name in SPLITS:
        split = facts.dataset.split(name)
        for partition in PARTITIONS:
            part = split.where(lambda row, partition=partition: row.partition == partition)
            if len(part):
                blocks.append(sheet(f"{name}, {partition} ({len(part)})", part, _mean, _luma_caption))
    return Section("Pictures", blocks)


def licences(facts: Facts) -> Section:
    """What is known about the licence of each source."""
    rows = [[source, note] for source, note in sorted(facts.build.licences.items())]
    return Section(
        "Sources and licences",
        [
            "Share the recipe rather than the pictures where a licence is not stated.",
            Table(["source", "licence note"], rows),
        ],
    )


def rebuild(facts: Facts) -> Section:
    """The command, and the settings that identify the dataset."""
    settings, build = facts.description["settings"], facts.build
    blocks: list[Block] = []
    if build.command:
        blocks += [f"Built by drujax {build.version}, with paths as they were given:", Code(shlex.join(build.command))]
    else:
        blocks.append("The command was not recorded when this dataset was built; these are its settings.")
    blocks.append("A rebuild has the same settings; hashes are of the contents of the sources and tables.")
    rows = [[name, value] for name, value in _flat(settings)]
    blocks.append(Table(["setting", "value"], rows))
    blocks += [f"Note of the build: {note}." for note in facts.description["summary"]["notes"]]
    return Section("Rebuilding", blocks)


def _by_source(tables: Mapping[str, list[Metadata]]) -> Iterator[list[str | int]]:
    for split, table in tables.items():
        sources = sorted({row.source for row in table})
        for source in sources:
            yield [split, source, *_row([row for row in table if row.source == source])]
        if len(sources) > 1:
            yield ["total " + split, "", *_row(table)]
    yield ["total", "", *_row([row for table in tables.values() for row in table])]


def _row(table: list[Metadata]) -> list[int]:
    found = Counter(row.partition for row in table)
    return [*(found[partition] for partition in PARTITIONS), len(table), len({row.group for row in table})]


def _copies(
    title: str, pairs: list[tuple[Metadata, Metadata]], facts: Facts, *, otherwise: Literal["look", "bad"]
) -> Verdict:
    """Judges pairs of copies; `otherwise` is the word for such on two sides of the split."""
    crossing = [pair for pair in pairs if facts.audit.crosses(pair)]
    shown = _some(f"{one.id} and {other.id}" for one, other in (crossing or pairs))
    text = f"{title}: {len(pairs)} pairs, {len(crossing)} across sides of the split"
    return Verdict(otherwise if crossing else "good", text + (f" ({shown})" if pairs else ""))


def _share(count: int, of: int) -> str:
    return f"{count / of:.1%}" if of else ""


def _some(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:NAMED]) + ", …" * (len(names) > NAMED)


def _counted(values: list[float], edges: list[float]) -> list[int]:
    return np.histogram(values, edges)[0].tolist()


def _mean(row: Metadata) -> float:
    return sum(row.quartile_means) / 4


def _darkest(row: Metadata) -> float:
    return min(row.quartile_means)


def _luma_caption(row: Metadata) -> str:
    return f"{_mean(row):.0f} ({_darkest(row):.0f})"


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif value is not None:
            yield prefix + name, "x".join(map(str, value)) if isinstance(value, list) else str(value)
