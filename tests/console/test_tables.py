"""Rows for people and for programs."""

import csv
import io
import json

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


def test_json_keeps_the_numbers_and_takes_more():
    decoded = json.loads(tables.render(ROWS, "json", mean={"mean_luma": 3.5}))
    assert decoded == {"images": ROWS, "mean": {"mean_luma": 3.5}}


def test_csv_reads_back():
    rows = list(csv.DictReader(io.StringIO(tables.render(ROWS, "csv"))))
    assert [row["image"] for row in rows] == ["a.png", "long, name.png"]
    assert float(rows[1]["quartile_means_2"]) == 1 / 3


def test_what_has_no_value_is_a_dash():
    rows = [{"image": "a.png", "brisque": None}, {"image": "b.png", "brisque": 17.0}]
    assert tables.render(rows, "table").splitlines() == ["image  brisque", "a.png        -", "b.png    17.00"]


def test_no_rows():
    assert tables.render([], "table") == ""
    assert tables.render([], "csv") == ""
    assert json.loads(tables.render([], "json")) == {"images": []}
