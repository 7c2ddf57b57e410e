"""Builds the dataset (sec. 3.1 of the paper): pictures -> QAB partitions -> labels -> splits by group -> ArrayRecord.

The side of every group is fixed before the classifier is trained: groups with a confidently dark picture, and groups
that may turn out dark because of an uncertain one, are each split by drujax.data.splits. So the test pictures of
`labels="qab"` are also test pictures of "classifier", and F_dark/bright is not trained on pictures of test or val
groups.
"""

import collections
import dataclasses
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from drujax.console.progress import Progress
from drujax.data.grouping import merge_copies
from drujax.data.labels import Labelled, LabelUncertain, Measured, by_brightness, by_classifier, by_hand
from drujax.data.near_copies import fingerprint
from drujax.data.qab import HIGH, LOW, classify, quartile_means
from drujax.data.records import SPLITS, Metadata
from drujax.data.sources import Candidate, Scenes, file_hash, from_folders, read_assignments
from drujax.data.splits import Side, assign_sides
from drujax.data.summary import Summary, summarise
from drujax.data.writer import stored_size, write_records, written_whole
from drujax.errors import UsageError, describe
from drujax.pictures.discovery import Skipped

DESCRIPTION = "dataset.json"  # settings and summary of the dataset, in its folder


def prepare(
    source: Sequence[Path] | Scenes,
    out: Path,
    *,
    groups: Path | None = None,
    merge: bool = True,
    labels: str | Path = "qab",
    label_uncertain: LabelUncertain | None = None,
    classifier: Mapping[str, Any] | None = None,
    crop: int = 320,
    seed: int = 0,
    low: float = LOW,
    high: float = HIGH,
    quiet: bool = False,
) -> Summary:
    """Writes the dataset folder `out` atomically; leaves it untouched if it holds exactly this dataset.

    Args:
        source: folders of pictures, or synthetic scenes.
        out: the folder to write.
        groups: CSV (file,group); a file that is not listed is a group of its own.
        merge: merges groups with identical files or nearly identical pictures (see `drujax.data.grouping`); synthetic
            scenes are independent and never merged.
        labels: "qab", "classifier" (needs `label_uncertain`) or a CSV (file,label).
        label_uncertain: F_dark/bright of eq. 3.
        classifier: identifies F_dark/bright (backbone, weights), as part of the dataset's settings, with the "licence"
            that its weights impose on what they label, if any.
        crop: pictures with a shorter side are enlarged to it (bicubic).
        seed: of the split.
        low: B_low of eq. 1.
        high: B_high of eq. 1.
        quiet: shows no progress.

    Raises:
        UsageError: no picture is readable or labelled, a CSV file is invalid, or `out` holds something else.
    """
    if crop < 1:
        raise UsageError(f"crop: must be >= 1, got {crop}")
    ignored = Skipped()
    candidates = [] if isinstance(source, Scenes) else from_folders(source, ignored)
    hashes = {candidate.id: _hash_or_reason(candidate.path) for candidate in candidates}
    settings = {
        "source": dataclasses.asdict(source) if isinstance(source, Scenes) else _hash(hashes),
        "groups": file_hash(groups) if groups else None,
        "labels": labels if isinstance(labels, str) else file_hash(labels),
        "classifier": dict(classifier or {}),
        "split seed": seed,
        "crop": crop,
        "low": low,
        "high": high,
    }
    if not isinstance(source, Scenes):
        settings["merge copies"] = merge
    settings = json.loads(json.dumps(settings))  # as they will be read back
    if existing := _existing(out, settings):
        return existing
    with written_whole(out) as folder:
        if existing := _existing(out, settings):  # written by another process in the meantime
            return existing
        if isinstance(source, Scenes):
            candidates = source.paint(folder / "scenes", quiet=quiet)
        group_of, notes = _read_groups(groups, candidates)
        pictures, skipped = _measure(candidates, group_of, crop, (low, high), quiet=quiet)
        skipped += [describe(error) for error in ignored.failures.values()]
        notes += [str(ignored)] if len(ignored) else []
        if not isinstance(source, Scenes):
            pictures, note = _merged(pictures, hashes, frozenset(group_of.values()), merge=merge)
            notes += note
        labelled, sides, unmatched = _label(pictures, labels, label_uncertain, seed)
        notes += unmatched
        splits, left_out = distribute(pictures, labelled, sides)
        planned = {split: [_metadata(p, labelled[p.candidate.id], crop) for p in splits[split]] for split in SPLITS}
        summary = summarise(planned, left_out, skipped, notes)
        paths = {picture.candidate.id: picture.candidate for picture in pictures}
        write_records(folder, planned, paths, quiet=quiet)
        description = {"settings": settings, "summary": dataclasses.asdict(summary)}
        (folder / DESCRIPTION).write_text(json.dumps(description, indent=1) + "\n")
        if isinstance(source, Scenes):
            shutil.rmtree(folder / "scenes")
    return summary


def labels_licence(folder: Path) -> str | None:
    """Returns the licence that F_dark/bright's initial weights impose on the dataset in `folder`; None if they do not.

    It is "licence" in the `classifier` of `prepare`.
    """
    if not (folder / DESCRIPTION).is_file():
        return None
    return json.loads((folder / DESCRIPTION).read_text())["settings"].get("classifier", {}).get("licence")


def distribute(
    pictures: Sequence[Measured], labelled: Mapping[str, Labelled], sides: Mapping[str, Side]
) -> tuple[dict[str, list[Measured]], dict[str, int]]:
    """Assigns the pictures to splits; also counts those left out, by reason.

    Dark pictures go to the side of their group, bright ones to train_bright; except those whose scene is also among the
    test or val pictures, which are left out.
    """
    splits: dict[str, list[Measured]] = {split: [] for split in SPLITS}
    left_out: collections.Counter[str] = collections.Counter()
    dark_groups = {p.group for p in pictures if p.candidate.id in labelled and labelled[p.candidate.id].label == "dark"}
    for picture in pictures:
        label = labelled.get(picture.candidate.id)
        side = sides.get(picture.group, "train")
        if label is None:
            left_out[f"without a label ({picture.partition})"] += 1
        elif label.label == "dark":
            splits[f"{side}_dark"].append(picture)
        elif side != "train" and picture.group in dark_groups:
            left_out["bright ones of test and val groups"] += 1
        else:
            splits["train_bright"].append(picture)
    return splits, dict(left_out)


def _read_groups(table: Path | None, candidates: Sequence[Candidate]) -> tuple[dict[str, str], list[str]]:
    """Reads the groups by candidate id; also returns notes on the table."""
    if table is None:
        return {}, []
    group_of, unmatched = read_assignments(table, "group", candidates)
    return group_of, [_unmatched_note(table, unmatched)] if unmatched else []


def _measure(
    candidates: Sequence[Candidate],
    group_of: Mapping[str, str],
    crop: int,
    bounds: tuple[float, float],
    *,
    quiet: bool,
) -> tuple[list[Measured], list[str]]:
    """Measures the readable pictures; also returns a line for each unreadable one."""
    classify(np.zeros(4), *bounds)  # rejects invalid bounds before the long work

    def measure(candidate: Candidate) -> Measured | str:
        try:
            rgb = candidate.rgb()
            size = (rgb.shape[0], rgb.shape[1])
            stored_size(size, crop)
        except (UsageError, OSError) as error:
            return f"{candidate.path}: {str(error).removeprefix(f'{candidate.path}: ')}"
        means = quartile_means(rgb)
        group = group_of.get(candidate.id, candidate.id)
        return Measured(candidate, group, tuple(means.tolist()), classify(means, *bounds), size, fingerprint(rgb))

    found: list[Measured | str] = []
    progress = Progress("reading", total=len(candidates), unit="picture", quiet=quiet)
    with progress, ThreadPoolExecutor() as pool:
        for result in pool.map(measure, candidates):
            found.append(result)
            progress.to(len(found))
    pictures = [result for result in found if isinstance(result, Measured)]
    skipped = [result for result in found if isinstance(result, str)]
    if not pictures:
        raise UsageError(f"source: none of the {len(candidates)} pictures can be read (first: {skipped[0]}).")
    return pictures, skipped


def _label(
    pictures: Sequence[Measured], labels: str | Path, label_uncertain: LabelUncertain | None, seed: int
) -> tuple[dict[str, Labelled], dict[str, Side], list[str]]:
    """Returns the labels, the side of each group, and notes on the table of labels."""
    if isinstance(labels, Path):
        labelled, unmatched = by_hand(labels, pictures)
        notes = [_unmatched_note(labels, unmatched)] if unmatched else []
        dark = [p.group for p in pictures if p.candidate.id in labelled and labelled[p.candidate.id].label == "dark"]
        return labelled, assign_sides(dark, seed), notes
    dark = [picture.group for picture in pictures if picture.partition == "dark"]
    dark_groups = set(dark)
    perhaps = [p.group for p in pictures if p.partition == "uncertain" and p.group not in dark_groups]
    sides = assign_sides(dark, seed) | assign_sides(perhaps, seed)
    if labels == "qab":
        labelled = by_brightness(pictures)
        if not labelled:
            raise UsageError(
                f"labels: all {len(pictures)} pictures are uncertain by QAB; label them by classifier or a CSV file"
            )
        return labelled, sides, []
    if label_uncertain is None:
        raise ValueError(f"labels={labels!r} needs label_uncertain")
    return by_classifier(pictures, sides, label_uncertain), sides, []


def _metadata(picture: Measured, labelled: Labelled, crop: int) -> Metadata:
    height, width = stored_size(picture.size, crop)
    return Metadata(
        id=picture.candidate.id,
        group=picture.group,
        source=picture.candidate.source,
        quartile_means=picture.quartile_means,
        partition=picture.partition,
        label=labelled.label,
        label_origin=labelled.origin,
        classifier_probability=labelled.probability,
        height=height,
        width=width,
        resized=(height, width) != picture.size,
    )


def _existing(out: Path, settings: dict[str, Any]) -> Summary | None:
    """Returns the summary of the same dataset in `out`, None if `out` is empty. Raises UsageError for anything else."""
    if not out.exists():
        return None
    if not out.is_dir():
        raise UsageError(f"out: {out} is a file")
    if not any(out.iterdir()):
        return None
    if not (out / DESCRIPTION).is_file():
        raise UsageError(f"out: {out} is not empty and holds no dataset; choose a new folder")
    description = json.loads((out / DESCRIPTION).read_text())
    changed = [name for name, value in settings.items() if description["settings"].get(name) != value]
    if changed:
        changes = [f"{name} {description['settings'].get(name)!r}, now {settings[name]!r}" for name in changed]
        raise UsageError(f"out: {out} holds another dataset ({'; '.join(changes)}); remove it or choose a new folder")
    summary = Summary(**description["summary"])
    return dataclasses.replace(summary, notes=[*summary.notes, f"{out} held this dataset already; nothing was written"])


def _merged(
    pictures: list[Measured], hashes: Mapping[str, str], named: frozenset[str], *, merge: bool
) -> tuple[list[Measured], list[str]]:
    """Merges groups that hold copies, or only notes them."""
    regrouped, copies = merge_copies(pictures, hashes, named)
    if not copies:
        return pictures, []
    if merge:
        return regrouped, [f"groups merged because they contain copies of each other's pictures: {copies}"]
    return pictures, [f"groups not merged although they contain copies of each other's pictures: {copies}"]


def _hash_or_reason(file: Path) -> str:
    try:
        return file_hash(file)
    except OSError as error:
        return str(error)  # the picture will be skipped for this reason


def _hash(hashes: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(hashes).encode()).hexdigest()


def _unmatched_note(table: Path, names: Sequence[str]) -> str:
    return f"{table} names {len(names)} pictures that are not in the sources (first: {names[0]})"
