"""Builds the dataset (sec. 3.1 of the paper): pictures -> QAB partitions -> labels -> splits by group -> ArrayRecord.

The stages are those of `prepare`, in its order. What takes long is kept until the dataset is complete: painted scenes,
measurements, the classifier's answers, shards. An interrupted build continues there, and gives the same bytes.
"""

import collections
import dataclasses
import functools
import hashlib
import importlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import __version__ as pillow_version

from drujax.data.corrections import write_classified
from drujax.data.description import existing, write_description
from drujax.data.execution import BeamRunner, Execution, run_on_beam
from drujax.data.grouping import Copies, merge_copies
from drujax.data.labelling import label, reused, unmatched_note
from drujax.data.labels import Labelled, LabelUncertain, Measured
from drujax.data.measurements import Measurements, hash_files, measure_files
from drujax.data.qab import HIGH, LOW, classify
from drujax.data.records import SPLITS, TABLE, Metadata, write_table
from drujax.data.sources import Candidate, Scenes, file_hash, from_folders, read_assignments
from drujax.data.splits import Side
from drujax.data.summary import Summary, summarise
from drujax.data.writer import Planned, Shard, ShardFolder, plan_shards, stored_size, write_alone, write_shards
from drujax.errors import UsageError, describe
from drujax.pictures import vips
from drujax.pictures.discovery import Skipped
from drujax.runtime.atomic_write import replacing
from drujax.runtime.version import __version__
from drujax.runtime.work_folder import work_folder, work_path


def prepare(
    source: Sequence[Path] | Scenes,
    out: Path,
    *,
    groups: Sequence[Path] = (),
    merge: bool = True,
    labels: str | Path = "qab",
    label_uncertain: LabelUncertain | None = None,
    classifier: Mapping[str, Any] | None = None,
    reuse: Path | None = None,
    corrections: Sequence[Path] = (),
    crop: int = 320,
    seed: int = 0,
    low: float = LOW,
    high: float = HIGH,
    processes: int = 1,
    beam: BeamRunner | None = None,
    quiet: bool = False,
) -> Summary:
    """Writes the dataset folder `out` atomically; leaves it untouched if it holds exactly this dataset.

    Args:
        source: folders of pictures, or synthetic scenes.
        out: the folder to write.
        groups: CSV files (file,group); a file that none lists is a group of its own.
        merge: merges groups with identical files or nearly identical pictures (see `drujax.data.grouping`); synthetic
            scenes are independent and never merged.
        labels: "qab", "classifier" (needs `label_uncertain`) or a CSV (file,label).
        label_uncertain: F_dark/bright of eq. 3.
        classifier: identifies F_dark/bright (backbone, weights), as part of the dataset's settings, with the "licence"
            that its weights impose on what they label, if any.
        reuse: a dataset with the same settings but for corrections: labels="classifier" takes its labels instead of
            calling `label_uncertain`.
        corrections: CSV files (file,label) that override the labels: dark, bright, or out (left out of the dataset).
        crop: pictures with a shorter side are enlarged to it (bicubic).
        seed: of the split.
        low: B_low of eq. 1.
        high: B_high of eq. 1.
        processes: that read and encode pictures; 1: threads of this one. More need a program that is guarded by
            `if __name__ == "__main__":`.
        beam: reads and encodes the pictures on Apache Beam instead.
        quiet: shows no progress.

    Raises:
        UsageError: no picture is readable or labelled, a CSV file is invalid, or `out` holds something else.
        OSError: the dataset cannot be written; what was done is kept for the next call.
    """
    if crop < 1:
        raise UsageError(f"crop: must be >= 1, got {crop}")
    classify(np.zeros(4), low, high)  # rejects invalid bounds before the long work
    # Here, so that a missing extra is reported before the long work; and because tfds, while it is being imported,
    # breaks the finalisers of multiprocessing (etils replaces `__import__` for that time).
    importlib.import_module("drujax.data.builder")
    how = Execution(processes, beam, quiet)
    scenes = source if isinstance(source, Scenes) else None
    ignored = Skipped()
    files = hash_files([] if scenes else from_folders(source, ignored), quiet=quiet)  # pyright: ignore[reportArgumentType]
    settings = {
        "source": dataclasses.asdict(scenes) if scenes else files.key,
        "groups": [file_hash(table) for table in groups] or None,
        "labels": labels if isinstance(labels, str) else file_hash(labels),
        "classifier": dict(classifier or {}),
        "corrections": [file_hash(table) for table in corrections] or None,
        "split seed": seed,
        "crop": crop,
        "low": low,
        "high": high,
        **({} if scenes else {"merge copies": merge}),
    }
    settings = json.loads(json.dumps(settings))  # as they will be read back
    found = existing(out, settings)
    if found and not work_path(out).exists():
        return found
    classified = reused(reuse, settings) if reuse and labels == "classifier" else None
    with work_folder(out, _programs()) as work:
        if found := existing(out, settings):  # written by another process in the meantime
            return found
        if scenes:
            files = hash_files(scenes.paint(work / "scenes", processes=processes, quiet=quiet), quiet=quiet)
        group_of, notes = _read_groups(groups, files.candidates)
        measured = measure_files(files, group_of, crop, (low, high), work, how)
        pictures, copies = measured.pictures, Copies()
        if not scenes:  # which are independent
            pictures, copies = _group(measured, frozenset(group_of.values()), merge=merge)
        if label_uncertain is not None and classifier:
            label_uncertain = functools.partial(_remembered, label_uncertain, work, settings)
        labelling = label(pictures, labels, label_uncertain, classified, corrections, seed)
        kept = labelling.kept(pictures)
        splits, left_out = distribute(kept, labelling.labelled, labelling.sides)
        if len(kept) < len(pictures):
            left_out["by correction"] = len(pictures) - len(kept)
        planned = _plan(splits, labelling.labelled, measured, crop)
        summary = summarise(
            {split: [record.metadata for record in records] for split, records in planned.items()},
            files.per_source(),
            pictures,
            copies,
            left_out,
            [*measured.skipped, *(describe(error) for error in ignored.failures.values())],
            [*notes, *_notes(ignored, copies, merge=merge), *labelling.notes],
        )
        dataset = _write(work, plan_shards(planned), how)
        write_description(dataset, settings, summary, labelling.corrections)
        if labels == "classifier":
            write_classified(dataset, labelling.before)
        os.replace(dataset, out)
    return summary


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


def _read_groups(tables: Sequence[Path], candidates: Sequence[Candidate]) -> tuple[dict[str, str], list[str]]:
    """Reads the groups by candidate id; also returns notes on the tables."""
    group_of: dict[str, str] = {}
    notes = []
    for table in tables:
        found, unmatched = read_assignments(table, "group", candidates)
        for name, group in found.items():
            if group_of.setdefault(name, group) != group:
                raise UsageError(f"{table}: {name} is of group {group}, but of {group_of[name]} in another table")
        notes += [unmatched_note(table, unmatched)] if unmatched else []
    return group_of, notes


def _group(measured: Measurements, named: frozenset[str], *, merge: bool) -> tuple[list[Measured], Copies]:
    """Finds copies, and merges the groups that hold them."""
    regrouped, copies = merge_copies(measured.pictures, measured.digests, measured.fingerprints, named)
    return (regrouped if merge else measured.pictures), copies


def _remembered(label_uncertain: LabelUncertain, work: Path, settings: Mapping[str, Any], *arguments) -> np.ndarray:
    """Returns what `label_uncertain` answered to the same question in an interrupted build, or answers now."""
    asked = {name: value for name, value in settings.items() if name != "corrections"}  # which come after
    key = hashlib.sha256(json.dumps(asked).encode()).hexdigest()
    answer = work / f"classifier-{key}.npy"
    if not answer.is_file():
        with replacing(answer) as temporary, temporary.open("wb") as file:
            np.save(file, label_uncertain(*arguments))
    return np.load(answer)


def _plan(
    splits: Mapping[str, Sequence[Measured]], labelled: Mapping[str, Labelled], measured: Measurements, crop: int
) -> dict[str, list[Planned]]:
    """Plans the records of each split."""
    files = {p.candidate.id: number for number, p in enumerate(measured.pictures)}

    def planned(picture: Measured) -> Planned:
        number = files[picture.candidate.id]
        metadata = _metadata(picture, labelled[picture.candidate.id], crop)
        enlarged = metadata.height * metadata.width if metadata.resized else 0
        size = max(int(measured.bytes[number]), enlarged)
        return Planned(metadata, picture.candidate, measured.digests[number], size)

    return {split: [planned(picture) for picture in splits[split]] for split in SPLITS}


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


def _write(work: Path, shards: Sequence[Shard], how: Execution) -> Path:
    """Writes the records and their table to the folder `dataset` in `work`; returns it."""
    dataset = work / "dataset"
    folder = ShardFolder(dataset, work / "written")
    if how.beam is not None:
        run_on_beam(functools.partial(write_alone, folder), folder.missing(shards), work / "tasks", how.beam)
    else:
        write_shards(folder, shards, processes=how.processes, quiet=how.quiet)
    folder.describe(shards)
    rows = {split: [r.metadata for shard in shards if shard.split == split for r in shard.records] for split in SPLITS}
    write_table(dataset / TABLE, rows)
    return dataset


def _notes(ignored: Skipped, copies: Copies, *, merge: bool) -> list[str]:
    notes = [str(ignored)] if len(ignored) else []
    if copies:
        how = "merged because" if merge else "not merged although"
        notes.append(f"groups {how} they contain copies of each other's pictures: {copies}")
    return notes


def _programs() -> str:
    """Names what decides about the bytes of a dataset besides its settings: another version may decode otherwise."""
    libvips = ".".join(str(vips.library().version(part)) for part in range(3))
    return f"drujax {__version__}, Pillow {pillow_version}, libvips {libvips}"
