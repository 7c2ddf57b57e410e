"""The table of `experiments.calibration` as Markdown and CSV."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from drujax.console.tables import as_csv, markdown
from experiments._calibration.measures import Value
from experiments._calibration.pictures import TrainingPictures

Measured = Mapping[str, Value]
# Title, measure, decimals.
CLASS_COLUMNS = (
    ("confident: accuracy", "accuracy", 3),
    ("ECE", "ece", 3),
    ("NLL", "nll", 3),
    ("uncertain: accuracy", "uncertain_accuracy", 3),
    ("ECE", "uncertain_ece", 3),
    ("NLL", "uncertain_nll", 2),
    ("Brier", "uncertain_brier", 3),
    ("T", "temperature", 2),
    ("T wanted", "wanted", 2),
)
LIGHT_COLUMNS = (
    ("ρ dark", "rho_dark", 2),
    ("ρ uncertain", "rho_uncertain", 2),
    ("ρ bright", "rho_bright", 2),
    ("ρ uncertain, given luma", "rho_given_luma", 2),
    ("order, one kind of light", "order_kind", 3),
    ("order, any light", "order_any", 3),
    ("saturated", "saturated", 2),
    ("saturated, uncertain", "uncertain_saturated", 2),
)


def as_markdown(
    rows: Mapping[str, Measured],
    reasons: Mapping[str, str],
    agreement: Mapping[str, Mapping[str, float]],
    notes: Sequence[str],
) -> str:
    """Formats the tables.

    Args:
        rows: what was measured of each network.
        reasons: why a network has no row.
        agreement: rank correlation of P(bright) between networks.
        notes: said below.
    """
    parts = [
        "# Calibration of relativistic probabilities",
        "Against the true class:",
        markdown(_cells(rows, reasons, CLASS_COLUMNS)),
        "Against the true illumination:",
        markdown(_cells(rows, reasons, LIGHT_COLUMNS)),
    ]
    if len(agreement) > 1:
        shown = [[name, *(_number(value, 2) for value in of.values())] for name, of in agreement.items()]
        parts += [
            "Rank correlation of P(bright) between networks, uncertain pictures:",
            markdown([["", *agreement], *shown]),
        ]
    return "\n\n".join([*parts, "\n".join(f"- {note}" for note in notes)]) + "\n"


def csv_of(rows: Mapping[str, Measured], reasons: Mapping[str, str]) -> str:
    """Formats a line for each network, each measure with its interval."""
    names = list(next(iter(rows.values()), {}))
    lines: list[dict[str, Any]] = []
    for row in {**rows, **reasons}:
        line: dict[str, Any] = {"network": row, "reason": reasons.get(row, "")}
        for name in names:
            value = rows[row][name] if row in rows else Value(math.nan)
            line |= {name: _digits(value.mean), f"{name}_low": _digits(value.low), f"{name}_high": _digits(value.high)}
        lines.append(line)
    return as_csv(lines) + "\n"


def csv_of_pictures(training: TrainingPictures, probabilities: Mapping[str, Float[np.ndarray, " n"]]) -> str:
    """Formats a line for each training picture: its class of QAB, mean luma, illumination and P(bright) by network."""
    lines = [
        {
            "id": row.id,
            "partition": row.partition,
            "luma": f"{training.luma[index]:.2f}",
            "illumination": f"{training.illumination[index]:.4f}",
            **{name: f"{of[index]:.5f}" for name, of in probabilities.items()},
        }
        for index, row in enumerate(training.rows)
    ]
    return as_csv(lines) + "\n"


def _cells(
    rows: Mapping[str, Measured], reasons: Mapping[str, str], columns: Sequence[tuple[str, str, int]]
) -> list[list[str]]:
    head = ["", *(title for title, _, _ in columns)]
    lines = [[name, *(_shown(of[key], digits) for _, key, digits in columns)] for name, of in rows.items()]
    return [head, *lines, *([name, *("–" for _ in columns)] for name in reasons)]


def _shown(value: Value, digits: int) -> str:
    if math.isnan(value.low):
        return _number(value.mean, digits)
    return f"{_number(value.mean, digits)} ± {(value.high - value.low) / 2:.{digits}f}"


def _number(value: float, digits: int) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def _digits(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.5f}"
