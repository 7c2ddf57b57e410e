"""Tables as text and as JSON."""

import csv
import io
import json

import pytest

from drujax.console import tables

ROWS = [
    {"image": "a.png", "partition": "dark", "mean_luma": 7.125, "quartile_means": [1.0, 2.5]},
    {"image": "long, name.png", "partition": "bright", "mean_luma": 200.0, "quartile_means": [199.0, 1 / 3]},
]


def test_table_aligns_words_left_and_numbers_right():
    assert tables.render(ROWS, "table").splitlines() == [
        "image           partition  mean_luma  quartile_means_1  quartile_means_2",
        "a.png           dark            7.12              1.00              2.50",
        "long, name.png  bright        200.00            199.00              0.33",
    ]


def test_json_keeps_full_precision_and_further_keys():
    decoded = json.loads(tables.render(ROWS, "json", mean={"mean_luma": 3.5}))
    assert decoded == {"images": ROWS, "mean": {"mean_luma": 3.5}}


def test_csv_reads_back():
    rows = list(csv.DictReader(io.StringIO(tables.render(ROWS, "csv"))))
    assert [row["image"] for row in rows] == ["a.png", "long, name.png"]
    assert float(rows[1]["quartile_means_2"]) == 1 / 3


def test_none_is_a_dash():
    rows = [{"image": "a.png", "brisque": None}, {"image": "b.png", "brisque": 17.0}]
    assert tables.render(rows, "table").splitlines() == ["image  brisque", "a.png        -", "b.png    17.00"]


def test_no_rows():
    assert tables.render([], "table") == ""
    assert tables.render([], "csv") == ""
    assert json.loads(tables.render([], "json")) == {"images": []}


def test_names_stay_on_one_line_and_wide_characters_keep_columns_aligned():
    rows = [{"image": "日本.png", "niqe": 1.0}, {"image": "a\n\x1b[31mb.png", "niqe": 10.0}]
    assert tables.table(rows).splitlines() == [
        "image              niqe",
        "日本.png           1.00",
        r"a\n\x1b[31mb.png  10.00",
    ]
    assert tables.as_csv(rows).splitlines()[2] == r"a\n\x1b[31mb.png,10.0"
    assert json.loads(tables.render(rows, "json"))["images"] == rows


def test_json_has_null_for_values_that_are_not_finite():
    text = tables.render([{"image": "a", "niqe": float("nan"), "ma": [1.0, float("inf")]}], "json", mean=float("-inf"))
    assert json.loads(text, parse_constant=pytest.fail) == {
        "images": [{"image": "a", "niqe": None, "ma": [1.0, None]}],
        "mean": None,
    }
