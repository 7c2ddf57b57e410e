"""Rows and tables of many models' light."""

import numpy as np
import pytest

from drujax.data.scenes import SITUATIONS, pair, situation
from drujax.errors import UsageError
from drujax.metrics import brisque
from drujax.score import light_table
from drujax.score.light_table import (
    COLUMNS,
    FAULTS,
    NO_REFERENCE,
    TRUTH,
    dark_rows,
    painted_rows,
    pair_rows,
    shown,
    summary,
)
from tests.support.enhancers import lift


def identity(batch):
    return batch


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(light_table, "SIZE", (96, 152))


def test_dark_pictures():
    picture = situation("moon", 0, (100, 120))[0]
    (row,) = dark_rows(identity, [("night", picture)])
    assert row["picture"] == "night"
    assert row["brisque"] == pytest.approx(brisque(picture)[0])
    assert row["unevenness"] == 0
    (row,) = dark_rows(identity, [("too small for NIQE", picture[:50, :50])])
    assert row["niqe"] is None


def test_pairs():
    dark, bright = pair(3, 1, (64, 64))
    (row,) = pair_rows(lift, [("scene", dark, bright)])
    assert set(TRUTH) <= set(row)
    assert row["way"] > 0
    with pytest.raises(UsageError, match="the model changes the size of pictures, 64x64 to 60x64"):
        next(pair_rows(lambda batch: batch[:, :, :60], [("scene", dark, bright)]))


def test_painted_scenes():
    rows = list(painted_rows(lift, [("lit town", 0), ("lit town", 1), ("fog", 0), ("bright", 0)]))
    assert [row["kind"] for row in rows] == ["lit town", "lit town", "fog", "bright"]
    assert set(rows[0]) == {"picture", "kind", *TRUTH, *FAULTS} - {"bright_change"}
    assert rows[0]["fade_fall"] == 0
    assert "noise_gain" not in rows[1]
    assert "fade_fall" not in rows[2]
    assert set(rows[3]) == {"picture", "kind", "bright_change"}
    assert rows[3]["bright_change"] > 5


def test_every_column_is_known_and_every_faded_scene_exists():
    assert set(COLUMNS) == {*NO_REFERENCE, *TRUTH, *FAULTS}
    assert {*light_table.FADED, *light_table.PROBED} <= set(SITUATIONS)


def test_means_leave_out_what_does_not_apply():
    rows = [
        {"model": "a", "psnr": 10.0, "black_lift": None},
        {"model": "a", "psnr": 20.0, "black_lift": 3.0},
        {"model": "b", "psnr": np.nan},
    ]
    first, second = summary(rows, ("psnr", "black_lift", "way"))
    assert first == {"model": "a", "count": 2, "psnr": 15.0, "black_lift": 3.0}
    assert second == {"model": "b", "count": 1, "psnr": None, "black_lift": None}
    assert shown(first) == {"model": "a", "PSNR": "15.00", "black": "3.0"}
    assert shown(second) == {"model": "b", "PSNR": "-", "black": "-"}
