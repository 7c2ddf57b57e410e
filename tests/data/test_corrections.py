import dataclasses
import json
import os

import numpy as np
import pytest

from drujax.data.corrections import correct, read_corrections
from drujax.data.dataset import Dataset
from drujax.data.description import read_description
from drujax.data.labels import Labelled
from drujax.data.prepare import prepare
from drujax.data.sources import from_folders
from drujax.errors import UsageError
from tests.support.small_datasets import label_table as table
from tests.support.small_datasets import records


def run(source, out, **options):
    return prepare([source], out, crop=16, quiet=True, **options)


def hesitant(confident, labels, groups, uncertain):
    """F_dark/bright: bright with probability 0.75, then dark with 0.75, and so on."""
    del confident, labels, groups
    return np.array([(0.25, 0.75), (0.75, 0.25)] * len(uncertain), np.float32)[: len(uncertain)]


@pytest.fixture
def pictures(tmp_path, save_pictures):
    return save_pictures(tmp_path / "p", dark=10, bright=5, uncertain=8)


def test_corrected_labels_are_manual_and_keep_the_probability(tmp_path, pictures):
    run(pictures, tmp_path / "d", labels="classifier", label_uncertain=hesitant)
    rows = {"p/uncertain0.png": "dark", "uncertain1.png": "dark", "uncertain2": "out"}
    corrections = table(tmp_path / "c.csv", rows)
    summary = run(pictures, tmp_path / "e", labels="classifier", label_uncertain=hesitant, corrections=[corrections])
    before, after = records(tmp_path / "d"), records(tmp_path / "e")
    overruled, confirmed = after["p/uncertain0.png"][1], after["p/uncertain1.png"][1]
    assert (overruled.label, overruled.label_origin, overruled.classifier_probability) == ("dark", "manual", 0.25)
    assert (confirmed.label, confirmed.label_origin, confirmed.classifier_probability) == ("dark", "manual", 0.75)
    assert before.keys() - after.keys() == {"p/uncertain2.png"}
    assert summary.left_out == {"by correction": 1}
    assert sum(counts.get("manual", 0) for counts in summary.splits.values()) == 2
    corrected = {"p/uncertain0.png", "p/uncertain1.png"}
    assert {n: after[n] for n in after.keys() - corrected} == {n: before[n] for n in after.keys() - corrected}


def test_corrections_do_not_change_what_the_classifier_is_trained_on(tmp_path, pictures):
    seen = []

    def label_uncertain(confident, labels, groups, uncertain):
        seen.append((len(confident), labels.tolist(), list(groups), len(uncertain)))
        return hesitant(confident, labels, groups, uncertain)

    corrections = table(
        tmp_path / "c.csv", {"bright0.png": "dark", "dark0.png": "out", "dark1.png": "bright", "uncertain0.png": "dark"}
    )
    for out, tables in (("d", []), ("e", [corrections])):
        run(pictures, tmp_path / out, labels="classifier", label_uncertain=label_uncertain, corrections=tables)
    assert seen[0] == seen[1]
    found = records(tmp_path / "e")
    assert found["p/bright0.png"][0] == "train_dark"
    assert dataclasses.astuple(found["p/bright0.png"][1])[4:8] == ("bright", "dark", "manual", None)
    assert found["p/dark1.png"][0] == "train_bright"


def test_labels_of_the_classifier_can_be_reused(tmp_path, pictures):
    first = {"labels": "classifier", "classifier": {"backbone": "resnet18"}}
    run(pictures, tmp_path / "d", label_uncertain=hesitant, **first)
    corrections = [table(tmp_path / "c.csv", {"uncertain0.png": "out"})]
    run(pictures, tmp_path / "trained", label_uncertain=hesitant, corrections=corrections, **first)
    run(pictures, tmp_path / "reused", reuse=tmp_path / "d", corrections=corrections, **first)
    run(pictures, tmp_path / "again", reuse=tmp_path / "reused", **first)  # also of pictures that are left out
    assert records(tmp_path / "reused") == records(tmp_path / "trained")
    assert records(tmp_path / "again") == records(tmp_path / "d")
    assert read_description(tmp_path / "reused") == read_description(tmp_path / "trained")
    with pytest.raises(UsageError, match=r"reuse: .*d was prepared with other settings \(split seed 0, now 1\)"):
        run(pictures, tmp_path / "f", reuse=tmp_path / "d", seed=1, **first)
    run(pictures, tmp_path / "q")
    with pytest.raises(UsageError, match=r"reuse: .*q holds no classified.csv; it was not labelled by the classifier"):
        run(pictures, tmp_path / "f", reuse=tmp_path / "q", **first)
    assert not (tmp_path / "f").exists()


def test_unlabelled_pictures_enter_by_correction(tmp_path, pictures):
    run(pictures, tmp_path / "d")
    rows = {f"uncertain{i}.png": "dark" if i < 4 else "bright" for i in range(6)}
    summary = run(pictures, tmp_path / "e", corrections=[table(tmp_path / "c.csv", rows)])
    assert summary.left_out == {"without a label (uncertain)": 2}
    before, after = records(tmp_path / "d"), records(tmp_path / "e")
    assert {name: after[name] for name in before} == before
    for name in after.keys() - before.keys():
        assert dataclasses.astuple(after[name][1])[4] == "uncertain"
        assert (after[name][1].label_origin, after[name][1].classifier_probability) == ("manual", None)
    assert len(after) == len(before) + 6


def test_only_uncertain_pictures(tmp_path, save_pictures):
    source = save_pictures(tmp_path / "p", uncertain=2)
    corrections = table(tmp_path / "c.csv", {"uncertain0.png": "dark"})
    run(source, tmp_path / "d", corrections=[corrections])
    assert records(tmp_path / "d").keys() == {"p/uncertain0.png"}
    corrections = table(tmp_path / "c.csv", {"uncertain0.png": "out"})
    with pytest.raises(UsageError, match="corrections: none of the 2 pictures has a label, or all are left out"):
        run(source, tmp_path / "e", corrections=[corrections])


def test_corrections_are_settings_of_the_dataset(tmp_path, pictures):
    corrections = table(tmp_path / "c.csv", {"uncertain0.png": "dark", "dark0.png": "out"})
    run(pictures, tmp_path / "d", corrections=[corrections])
    stored = json.loads((tmp_path / "d" / "dataset.json").read_text())
    assert stored["corrections"] == {"p/uncertain0.png": "dark", "p/dark0.png": "out"}
    assert "nothing was written" in run(pictures, tmp_path / "d", corrections=[corrections]).notes[-1]
    table(corrections, {"uncertain0.png": "dark"})
    for tables in ([corrections], []):
        with pytest.raises(UsageError, match=r"d holds another dataset \(corrections "):
            run(pictures, tmp_path / "d", corrections=tables)


def test_names_that_match_no_picture_are_noted(tmp_path, pictures):
    corrections = table(tmp_path / "c.csv", {"lost.png": "dark", "uncertain0.png": "dark"})
    summary = run(pictures, tmp_path / "d", corrections=[corrections])
    assert summary.notes == [f"{corrections} names 1 pictures that are not in the sources (first: lost.png)"]


def test_several_tables_must_agree(tmp_path, pictures):
    tables = [
        table(tmp_path / "1.csv", {"uncertain0.png": "dark", "uncertain1.png": "dark"}),
        table(tmp_path / "2.csv", {"p/uncertain1.png": "dark", "uncertain2.png": "out"}),
        table(tmp_path / "3.csv", {"uncertain2.png": "bright"}),
    ]
    found, unmatched = read_corrections(tables[:2], from_folders([pictures]))
    assert found == {"p/uncertain0.png": "dark", "p/uncertain1.png": "dark", "p/uncertain2.png": "out"}
    assert unmatched == {}
    with pytest.raises(UsageError, match=r"3.csv: p/uncertain2.png is bright, but out in another table of corrections"):
        run(pictures, tmp_path / "d", corrections=tables)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\nuncertain0.png,brigth", r"c.csv: label: unknown value 'brigth'. Did you mean bright\? Choices: "),
        ("file,lable\nuncertain0.png,dark", "c.csv: no column label; its columns are file, lable"),
        ("file,label\nlost.png,dark", "c.csv: names none of the 23 pictures"),
        ("file,label\nuncertain0.png,dark\nuncertain0.png,out", "c.csv, line 3: 'uncertain0.png' has two values"),
    ],
)
def test_a_wrong_table_is_refused_before_the_classifier_is_trained(tmp_path, pictures, text, message):
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(UsageError, match=message):
        run(
            pictures, tmp_path / "d", labels="classifier", label_uncertain=pytest.fail, corrections=[tmp_path / "c.csv"]
        )
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("name", ['a, "b".png', "line\nbreak.png", "back\\slash.png", b"caf\xe9.png", "空.png"])
def test_any_file_name_can_be_corrected_by_its_id(tmp_path, save_pictures, name):
    source = save_pictures(tmp_path / "p", dark=2, uncertain=1)
    os.rename(source / "uncertain0.png", os.path.join(os.fsencode(source), os.fsencode(name)))
    (renamed,) = [c.id for c in from_folders([source]) if "dark" not in c.id]
    run(source, tmp_path / "d", corrections=[table(tmp_path / "c.csv", {renamed: "bright"})])
    assert [row.id for row in Dataset.open(tmp_path / "d").table("train_bright")] == [renamed]


def test_probabilities_are_those_of_the_label():
    before = {"a": Labelled("dark", "classifier", 0.875), "b": Labelled("dark", "qab"), "c": Labelled("bright", "qab")}
    assert correct(before, {"a": "bright", "b": "out", "d": "dark"}) == {
        "a": Labelled("bright", "manual", 0.125),
        "c": Labelled("bright", "qab"),
        "d": Labelled("dark", "manual"),
    }
