"""The description of a dataset in its folder: the settings that it was built with, its summary, its corrections."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drujax.data.summary import Summary
from drujax.errors import UsageError

DESCRIPTION = "dataset.json"


def write_description(
    dataset: Path, settings: Mapping[str, Any], summary: Summary, corrections: Mapping[str, str]
) -> None:
    """Writes the description; `corrections` are by id: dark, bright or out."""
    content = {"settings": settings, "summary": dataclasses.asdict(summary), "corrections": corrections}
    (dataset / DESCRIPTION).write_text(json.dumps(content, indent=1) + "\n")


def read_description(dataset: Path) -> dict[str, Any]:
    """Reads the "settings", the "summary" and the "corrections" (id -> dark, bright or out) of a dataset."""
    return {"corrections": {}} | json.loads((dataset / DESCRIPTION).read_text())


def labels_licence(dataset: Path) -> str | None:
    """Returns the licence that F_dark/bright's initial weights impose on a dataset; None if they do not.

    It is "licence" in the `classifier` of `drujax.data.prepare.prepare`.
    """
    if not (dataset / DESCRIPTION).is_file():
        return None
    return read_description(dataset)["settings"].get("classifier", {}).get("licence")


def existing(out: Path, settings: Mapping[str, Any]) -> Summary | None:
    """Returns the summary of the same dataset in `out`, None if `out` is empty. Raises UsageError for anything else."""
    if not out.exists():
        return None
    if not out.is_dir():
        raise UsageError(f"out: {out} is a file")
    if not any(out.iterdir()):
        return None
    if not (out / DESCRIPTION).is_file():
        raise UsageError(f"out: {out} is not empty and holds no dataset; choose a new folder")
    description = read_description(out)
    if changes := changed_settings(description["settings"], settings):
        raise UsageError(f"out: {out} holds another dataset ({changes}); remove it or choose a new folder")
    summary = Summary(**description["summary"])
    return dataclasses.replace(summary, notes=[*summary.notes, f"{out} held this dataset already; nothing was written"])


def changed_settings(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Lists the settings of `now` that were other before; empty if none was."""
    changed = [name for name, value in now.items() if before.get(name) != value]
    return "; ".join(f"{name} {before.get(name)!r}, now {now[name]!r}" for name in changed)
