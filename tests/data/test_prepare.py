import dataclasses
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from drujax.data.dataset import Dataset
from drujax.data.description import labels_licence
from drujax.data.labels import Labelled, Measured
from drujax.data.prepare import distribute, prepare
from drujax.data.records import SPLITS
from drujax.data.scenes import paint
from drujax.data.sources import Candidate, Scenes
from drujax.data.splits import assign_sides
from drujax.errors import UsageError
from tests.support.small_datasets import build as run
from tests.support.small_datasets import records
from tests.support.textures import texture


def lengths(out):
    return {split: len(Dataset.open(out).split(split)) for split in SPLITS}


def test_confident_pictures_are_split_and_uncertain_ones_left_out(tmp_path, save_pictures):
    summary = run([save_pictures(tmp_path / "p", dark=10, bright=5, uncertain=3)], tmp_path / "d")
    assert lengths(tmp_path / "d") == {"train_dark": 7, "train_bright": 5, "test_dark": 2, "val_dark": 1}
    assert summary.splits["train_dark"] == {"pictures": 7, "groups": 7, "dark": 7, "qab": 7}
    assert summary.left_out == {"without a label (uncertain)": 3}
    assert (summary.enlarged, summary.skipped, summary.notes) == (0, [], [])
    assert "left out: 3 without a label (uncertain)" in str(summary)
    assert not [path for path in tmp_path.iterdir() if path.name not in ("p", "d")]


def test_the_bounds_and_the_seed_are_options(tmp_path, save_pictures):
    source = [save_pictures(tmp_path / "p", dark=10, bright=5, uncertain=3)]
    run(source, tmp_path / "wide", low=110.0, high=150.0)
    assert sum(lengths(tmp_path / "wide").values()) == 18
    run(source, tmp_path / "zero", seed=0)
    run(source, tmp_path / "one", seed=1)
    splits = [{name: split for name, (split, _) in records(tmp_path / out).items()} for out in ("zero", "one")]
    assert splits[0] != splits[1]


pictures = st.lists(
    st.tuples(
        st.sampled_from("abcdefgh"),
        st.sampled_from(["dark", "bright", "uncertain"]),
        st.sampled_from(["dark", "bright", None]),
    ),
    max_size=30,
)


@given(pictures, st.integers(0, 3))
def test_no_group_is_on_both_sides(drawn, seed):
    measured, labelled = [], {}
    for number, (group, partition, label) in enumerate(drawn):
        name = f"s/{number}"
        measured.append(Measured(Candidate(name, "s", Path(name)), group, (0.0,) * 4, partition, (20, 20)))
        label = label if partition == "uncertain" else partition
        if label:
            labelled[name] = Labelled(label, "qab")
    dark = {picture.group for picture in measured if picture.partition == "dark"}
    perhaps = {picture.group for picture in measured if picture.partition == "uncertain"} - dark
    splits, left_out = distribute(measured, labelled, assign_sides(dark, seed) | assign_sides(perhaps, seed))
    groups = {split: {picture.group for picture in pictures} for split, pictures in splits.items()}
    train = groups["train_dark"] | groups["train_bright"]
    assert not groups["test_dark"] & groups["val_dark"]
    assert not train & (groups["test_dark"] | groups["val_dark"])
    assert sum(map(len, splits.values())) + sum(left_out.values()) == len(drawn)
    assert sum(len(splits[split]) for split in SPLITS if split != "train_bright") == sum(
        label.label == "dark" for label in labelled.values()
    )
    if len(dark) >= 2:
        assert groups["train_dark"]
        assert groups["test_dark"]


def test_groups_from_a_table_and_bright_pictures_of_test_scenes(tmp_path, save_pictures):
    """Five scenes of two dark and one bright picture: one scene is for testing, one for validation, and their bright
    pictures are left out.
    """
    source = save_pictures(tmp_path / "p", dark=10, bright=6)
    lines = [f"dark{i}.png,scene{i // 2}" for i in range(10)] + [f"bright{i}.png,scene{i}" for i in range(5)]
    groups = tmp_path / "groups.csv"
    groups.write_text("file,group\n" + "\n".join(lines))
    summary = run([source], tmp_path / "d", groups=[groups])
    assert lengths(tmp_path / "d") == {"train_dark": 6, "train_bright": 4, "test_dark": 2, "val_dark": 2}
    assert summary.left_out == {"bright ones of test and val groups": 2}
    split_of, found = {}, records(tmp_path / "d")
    for name, (split, metadata) in found.items():
        side = split.split("_")[0]
        assert split_of.setdefault(metadata.group, side) == side, name
    assert found["p/bright5.png"][1].group == "p/bright5.png"


@pytest.mark.parametrize(
    "names",
    [
        ("file", "{stem}.png"),
        ("file", "p/{stem}.png"),
        ("file", ".\\{stem}.png"),
        ("file", "{folder}/{stem}.png"),
        ("file", "{stem}"),
        ("id", "{stem}"),
        ("id", "p/{stem}.png"),
    ],
)
def test_a_table_may_name_pictures_in_many_ways(tmp_path, save_pictures, names):
    column, form = names
    source = save_pictures(tmp_path / "p", dark=4)
    groups = tmp_path / "groups.csv"
    rows = [form.format(stem=f"dark{i}", folder=source) for i in range(4)]
    groups.write_text(f"group,{column}\n" + "\n".join(f"g{i % 2},{row}" for i, row in enumerate(rows)), "utf-8-sig")
    run([source], tmp_path / "d", groups=[groups])
    assert {name: metadata.group for name, (_, metadata) in records(tmp_path / "d").items()} == {
        f"p/dark{i}.png": f"g{i % 2}" for i in range(4)
    }


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("file,scene\ndark0.png,a", "no column group; its columns are file, scene"),
        ("picture,group\ndark0.png,a", "no column file; its columns are picture, group"),
        ("file,group\ndark0.png,a\ndark0.png,b", "line 3: 'dark0.png' has two values of group: a, b"),
        ("file,group\nother.png,a", r"names none of the 6 pictures \(for example p/bright0.png\)"),
        ("file,group\n", "names none of the 6 pictures"),
        ("", "no column file"),
        ("file,group\nx/twin.png,a\ntwin,b", r"line 3: 'twin' matches 2 pictures \(p/x/twin.png, p/y/twin.png ...\)"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path, save_pictures, save_picture, table, message):
    source = save_pictures(tmp_path / "p", dark=3, bright=1)
    for folder in ("x", "y"):
        save_picture(source / folder / "twin.png", 20)
    groups = tmp_path / "groups.csv"
    groups.write_text(table)
    with pytest.raises(UsageError, match=message):
        run([source], tmp_path / "d", groups=[groups])
    assert not (tmp_path / "d").exists()


def test_names_that_match_no_picture_are_noted(tmp_path, save_pictures):
    groups = tmp_path / "groups.csv"
    groups.write_text("file,group\ndark0.png,a\nlost.png,a\ndark1.png,\n")
    summary = run([save_pictures(tmp_path / "p", dark=3, bright=1)], tmp_path / "d", groups=[groups])
    assert summary.notes == [f"{groups} names 1 pictures that are not in the sources (first: lost.png)"]
    assert records(tmp_path / "d")["p/dark1.png"][1].group == "p/dark1.png"


def test_labels_by_hand(tmp_path, save_pictures):
    labels = tmp_path / "labels.csv"
    rows = [f"uncertain{i}.png,{'dark' if i < 5 else 'bright'}" for i in range(7)] + ["dark0.png,bright"]
    labels.write_text("file,label\n" + "\n".join(rows))
    summary = run([save_pictures(tmp_path / "p", dark=2, uncertain=7)], tmp_path / "d", labels=labels)
    assert lengths(tmp_path / "d") == {"train_dark": 3, "train_bright": 3, "test_dark": 1, "val_dark": 1}
    assert summary.left_out == {"without a label (dark)": 1}
    found = records(tmp_path / "d")
    assert {metadata.label_origin for _, metadata in found.values()} == {"manual"}
    assert (found["p/dark0.png"][1].partition, found["p/dark0.png"][1].label) == ("dark", "bright")
    labels.write_text("file,label\ndark0.png,drak")
    with pytest.raises(UsageError, match=r"label: unknown value 'drak'. Did you mean dark\? Choices: dark, bright."):
        run([tmp_path / "p"], tmp_path / "e", labels=labels)


def test_the_classifier_learns_from_the_training_side_and_labels_the_uncertain(tmp_path, save_pictures):
    source = save_pictures(tmp_path / "p", dark=10, bright=5, uncertain=10)
    seen = {}

    def label_uncertain(confident, labels, groups, uncertain):
        seen["groups"] = list(groups)
        seen["confident"], seen["labels"], seen["uncertain"] = len(confident), labels.tolist(), len(uncertain)
        assert confident[0].shape == uncertain[-1].shape == (20, 24, 3)
        np.testing.assert_array_equal(uncertain[2:4][1], uncertain[3])
        for picture, label in zip(confident, labels, strict=True):
            assert (picture.mean() > 128) == label
        bright = np.array([0.1 if i % 2 else 0.9 for i in range(len(uncertain))])
        return np.stack([1 - bright, bright], axis=1)

    classifier = {"backbone": "resnet18", "licence": "theirs"}
    summary = run([source], tmp_path / "d", labels="classifier", label_uncertain=label_uncertain, classifier=classifier)
    assert labels_licence(tmp_path / "d") == "theirs"
    found = records(tmp_path / "d")
    trained = [f"p/bright{i}.png" for i in range(5)]
    trained += sorted(name for name, (split, _) in found.items() if split == "train_dark" and "/dark" in name)
    assert seen == {"confident": 12, "labels": [1] * 5 + [0] * 7, "groups": trained, "uncertain": 10}
    for name, (split, metadata) in found.items():
        if metadata.partition == "uncertain":
            odd = int(name.removeprefix("p/uncertain")[0]) % 2
            assert (metadata.label, metadata.label_origin) == ("dark" if odd else "bright", "classifier")
            assert metadata.classifier_probability == pytest.approx(0.9)
            assert split.endswith(metadata.label)
        else:
            assert (metadata.label, metadata.label_origin) == (metadata.partition, "qab")
            assert metadata.classifier_probability is None
    assert summary.left_out == {}
    assert sum(counts.get("classifier", 0) for counts in summary.splits.values()) == 10
    run([source], tmp_path / "q")
    for name, (split, _) in records(tmp_path / "q").items():
        assert found[name][0] == split


def test_a_classifier_needs_both_classes(tmp_path, save_pictures):
    with pytest.raises(UsageError, match="labels: classifier has no confidently bright picture to train on"):
        run(
            [save_pictures(tmp_path / "p", dark=5, uncertain=2)],
            tmp_path / "d",
            labels="classifier",
            label_uncertain=max,
        )


def test_small_pictures_are_counted_and_thin_strips_skipped(tmp_path, save_picture, save_pictures):
    source = save_pictures(tmp_path / "p", dark=2, bright=1)
    save_picture(source / "small.png", 20, (8, 9))
    save_picture(source / "dot.png", 20, (1, 1))
    save_picture(source / "strip.png", 20, (5, 4000))
    summary = run([source], tmp_path / "d", crop=24)
    assert summary.enlarged == 6
    assert records(tmp_path / "d")["p/dot.png"][1].height == 24
    save_picture(source / "endless.png", 20, (1, 40000))
    summary = run([source], tmp_path / "e", crop=24)
    assert len(summary.skipped) == 1
    assert summary.skipped[0].startswith(
        f"{source / 'endless.png'}: 40000x1 pixels enlarged to a short side of 24 would"
    )


def test_unreadable_pictures_are_reported_and_skipped(tmp_path, save_pictures):
    source = save_pictures(tmp_path / "p", dark=3, bright=1)
    (source / "text.png").write_text("no picture")
    (source / "cut.png").write_bytes((source / "dark0.png").read_bytes()[:300])
    summary = run([source], tmp_path / "d")
    assert [line.split(": ")[0] for line in summary.skipped] == [str(source / "cut.png"), str(source / "text.png")]
    assert all(line.count(str(source)) == 1 for line in summary.skipped)
    assert sum(lengths(tmp_path / "d").values()) == 4


def test_without_pictures_there_is_no_dataset(tmp_path, save_pictures):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="source: no pictures in .*empty"):
        run([tmp_path / "empty"], tmp_path / "d")
    with pytest.raises(UsageError, match="source: folder not found: .*nowhere"):
        run([tmp_path / "nowhere"], tmp_path / "d")
    with pytest.raises(UsageError, match="source: give at least one folder of pictures, or scenes"):
        run([], tmp_path / "d")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_text("no picture")
    with pytest.raises(UsageError, match="source: none of the 1 pictures can be read .first: .*a.png: not a picture"):
        run([tmp_path / "bad"], tmp_path / "d")
    with pytest.raises(UsageError, match="labels: all 2 pictures are uncertain by QAB"):
        run([save_pictures(tmp_path / "p", uncertain=2)], tmp_path / "d")
    with pytest.raises(UsageError, match="crop: must be >= 1, got 0"):
        run([tmp_path / "p"], tmp_path / "d", crop=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad", "empty", "p"]


def test_a_single_picture_makes_a_dataset_that_says_what_it_lacks(tmp_path, save_pictures):
    summary = run([save_pictures(tmp_path / "p", dark=1)], tmp_path / "d")
    assert lengths(tmp_path / "d")["train_dark"] == 1
    assert summary.notes == ["no pictures in train_bright, test_dark, val_dark"]


def test_folders_of_one_name_are_two_sources(tmp_path, save_pictures):
    run([save_pictures(tmp_path / side / "frames", dark=2) for side in "ab"], tmp_path / "d")
    assert records(tmp_path / "d").keys() == {f"{s}/dark{i}.png" for s in ("frames", "frames-2") for i in range(2)}


def test_numbered_sources_never_clash_with_other_names(tmp_path, save_pictures):
    """p/x, q/x and r/x-2: the second is not called x-2, too."""
    run([save_pictures(tmp_path / name, dark=2) for name in ("p/x", "q/x", "r/x-2", "s/x")], tmp_path / "d")
    found = records(tmp_path / "d")
    assert found.keys() == {f"{source}/dark{i}.png" for source in ("x", "x-3", "x-2", "x-4") for i in range(2)}
    assert {metadata.source for _, metadata in found.values()} == {"x", "x-3", "x-2", "x-4"}


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["p", "p"], "p is given twice; its pictures would count twice"),
        (["p", "p/../p"], "is given twice"),
        (["p/sub", "p"], "p/sub lies inside .*p; its pictures would count twice"),
        (["q", "p", "p/sub"], "p/sub lies inside .*p; its pictures"),
    ],
)
def test_folders_that_share_pictures_are_refused(tmp_path, save_pictures, folders, message):
    for folder in ("p", "p/sub", "q"):
        save_pictures(tmp_path / folder, dark=2)
    with pytest.raises(UsageError, match=message):
        run([tmp_path / folder for folder in folders], tmp_path / "d")


def test_names_that_are_not_utf8_are_escaped(tmp_path, save_pictures):
    source = save_pictures(tmp_path / "p", dark=3)
    os.rename(source / "dark0.png", os.fsencode(source) + b"/caf\xe9.png")
    run([source], tmp_path / "d")
    assert records(tmp_path / "d").keys() == {"p/caf\\xe9.png", "p/dark1.png", "p/dark2.png"}
    shutil.copy(source / "dark1.png", source / "caf\\xe9.png")
    with pytest.raises(UsageError, match=r"two pictures would have the id p/caf.xe9.png; rename one of them"):
        run([source], tmp_path / "e")


def test_skipped_files_are_noted(tmp_path, save_pictures):
    source = save_pictures(tmp_path / "p", dark=3)
    (source / "layers.psd").write_bytes(b"8BPS")
    (note,) = [note for note in run([source], tmp_path / "d").notes if "skipped" in note]
    assert note.startswith("1 file skipped: 1 .psd")


def test_pictures_of_every_source_are_counted(tmp_path, save_pictures):
    first = save_pictures(tmp_path / "first", dark=10, bright=2, uncertain=3)
    second = save_pictures(tmp_path / "second", bright=4)
    (second / "bad.png").write_text("no picture")
    (tmp_path / "third").mkdir()
    (tmp_path / "third" / "worse.png").write_text("no picture")
    summary = run([first, second, tmp_path / "third"], tmp_path / "d")
    assert summary.sources == {
        "first": {
            "pictures": 15, "dark": 10, "bright": 2, "uncertain": 3,
            "train_dark": 7, "val_dark": 1, "test_dark": 2, "train_bright": 2,
        },
        "second": {"pictures": 5, "unreadable": 1, "bright": 4, "train_bright": 4},
        "third": {"pictures": 1, "unreadable": 1},
    }  # fmt: skip
    shown = [line.split() for line in str(summary).splitlines()]
    assert ["source", "pictures", "unreadable", "dark", "bright", "uncertain", *SPLITS] in shown
    assert ["second", "5", "1", "0", "4", "0", "0", "4", "0", "0"] in shown


def test_copies_in_several_sources_are_counted_in_pairs(tmp_path):
    """a and b share two files, one of which is also in c, twice; a smaller JPEG of another one of a is in c."""
    files = {"a": (0, 1, 2), "b": (0, 1, 5), "c": (1, 6)}
    for source, seeds in files.items():
        (tmp_path / source).mkdir()
        for seed in seeds:
            texture(seed, top=60).save(tmp_path / source / f"{seed}.png")
    texture(1, top=60).save(tmp_path / "c" / "again.png")
    texture(2, top=60).resize((96, 54)).save(tmp_path / "c" / "small.jpg", quality=80)
    summary = run([tmp_path / source for source in files], tmp_path / "d")
    assert summary.shared == [
        {"sources": ["a", "b"], "equal": 2, "nearly": 0, "example": ["a/0.png", "b/0.png"]},
        {"sources": ["a", "c"], "equal": 2, "nearly": 1, "example": ["a/1.png", "c/1.png"]},
        {"sources": ["b", "c"], "equal": 2, "nearly": 0, "example": ["b/1.png", "c/1.png"]},
    ]
    line = "copies between a and c: 2 pairs of equal files, 1 of nearly equal pictures, for example a/1.png and c/1.png"
    assert line in str(summary).splitlines()
    again = run([tmp_path / source for source in files], tmp_path / "d")
    assert again.shared == summary.shared


def test_unreadable_copies_are_all_skipped(tmp_path, save_pictures):
    source = save_pictures(tmp_path / "p", dark=3, bright=1)
    for name in ("bad.png", "twin.png"):
        (source / name).write_text("no picture")
    (source / "gone.png").symlink_to(source / "nowhere.png")
    summary = run([source], tmp_path / "d")
    skipped = [line.removeprefix(f"{source}/") for line in summary.skipped]
    assert [line.split(":")[0] for line in skipped] == ["bad.png", "gone.png", "twin.png"]
    assert skipped[0].removeprefix("bad") == skipped[2].removeprefix("twin")
    assert skipped[1] == "gone.png: no such file or directory"


@pytest.fixture
def doubled(tmp_path):
    """20 night scenes with two copies each: the file itself, and a smaller JPEG of it."""
    source = tmp_path / "p"
    for folder in ("", "copies", "small"):
        (source / folder).mkdir(parents=True, exist_ok=True)
    for index in range(20):
        night = texture(index, top=60)
        night.save(source / f"{index}.png")
        night.save(source / "copies" / f"{index}.png")
        night.resize((96, 54)).save(source / "small" / f"{index}.jpg", quality=80)
    return source


def test_copies_stay_on_one_side(doubled, tmp_path):
    summary = run([doubled], tmp_path / "d")
    scenes = {}
    for name, (split, metadata) in records(tmp_path / "d").items():
        scenes.setdefault(Path(name).stem, set()).add((metadata.group, split))
    assert len(scenes) == 20
    assert all(len(places) == 1 for places in scenes.values())
    assert summary.splits["test_dark"]["groups"] == 4
    assert summary.splits["test_dark"]["pictures"] == 12
    assert summary.notes[0] == (
        "groups merged because they contain copies of each other's pictures: 20 by equal files, "
        "20 by nearly equal pictures, for example p/0.png and p/copies/0.png"
    )


def test_merging_can_be_turned_off_and_warns(doubled, tmp_path):
    summary = run([doubled], tmp_path / "e", merge=False)
    with pytest.raises(UsageError, match=r"e holds another dataset \(merge copies False, now True\)"):
        run([doubled], tmp_path / "e")
    assert all(metadata.group == name for name, (_, metadata) in records(tmp_path / "e").items())
    assert summary.notes[0].startswith("groups not merged although they contain copies of each other's pictures: 20")


def test_copies_merge_the_groups_of_a_table(doubled, tmp_path):
    """Two films share scene 3, so their groups merge. Pictures without a row join the group of their copy."""
    groups = tmp_path / "groups.csv"
    lines = [f"p/{i}.png,film a" for i in range(4)] + [f"p/copies/{i}.png,film b" for i in range(3, 8)]
    groups.write_text("file,group\n" + "\n".join(lines))
    run([doubled], tmp_path / "d", groups=[groups])
    found = {name: metadata.group for name, (_, metadata) in records(tmp_path / "d").items()}
    assert {found[f"p/{folder}{i}.png"] for folder in ("", "copies/") for i in range(8)} == {"film a"}
    assert {found[f"p/small/{i}.jpg"] for i in range(8)} == {"film a"}
    assert found["p/small/9.jpg"] == found["p/copies/9.png"] == "p/9.png"


def test_flat_pictures_merge_only_with_identical_files(tmp_path):
    """Fades to black look the same in every film and must not merge them all."""
    source = tmp_path / "p"
    for film in "ab":
        for folder in ("named", "other"):
            (source / film / folder).mkdir(parents=True)
            for level in (0, 1, 40):
                Image.new("RGB", (24, 20), (level,) * 3).save(source / film / folder / f"{film}{level}.png")
    groups = tmp_path / "groups.csv"
    rows = [f"p/{film}/named/{film}{level}.png,{film}" for film in "ab" for level in (0, 1, 40)]
    groups.write_text("file,group\n" + "\n".join(rows))
    run([source], tmp_path / "d", groups=[groups])
    found = {name: metadata.group for name, (_, metadata) in records(tmp_path / "d").items()}
    assert {found[f"p/a/named/a{level}.png"] for level in (0, 1, 40)} == {"a"}
    assert {found[f"p/b/named/b{level}.png"] for level in (0, 1, 40)} == {"b"}
    for level in (0, 1, 40):
        assert found[f"p/a/other/a{level}.png"] == found[f"p/b/other/b{level}.png"] == f"p/a/other/a{level}.png"


def test_an_existing_dataset_is_not_changed(tmp_path, save_pictures):
    source = save_pictures(tmp_path / "p", dark=4, bright=2)
    first = run([source], tmp_path / "d")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "d").rglob("*")}
    again = run([source], tmp_path / "d")
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "d").rglob("*")}
    note = f"{tmp_path / 'd'} held this dataset already; nothing was written"
    assert again == dataclasses.replace(first, notes=[*first.notes, note])
    with pytest.raises(
        UsageError, match=r"d holds another dataset \(crop 16, now 18\); remove it or choose a new folder"
    ):
        run([source], tmp_path / "d", crop=18)
    (source / "dark0.png").unlink()
    with pytest.raises(UsageError, match=r"d holds another dataset \(source '.*', now '.*'\)"):
        run([source], tmp_path / "d")


def test_a_folder_that_holds_something_else_is_refused(tmp_path, save_pictures):
    source = save_pictures(tmp_path / "p", dark=4)
    with pytest.raises(UsageError, match="p is not empty and holds no dataset; choose a new folder"):
        run([source], source)
    with pytest.raises(UsageError, match="dark0.png is a file"):
        run([source], source / "dark0.png")
    (tmp_path / "d").mkdir()
    run([source], tmp_path / "d")
    assert sum(lengths(tmp_path / "d").values()) == 4


def test_a_failed_run_leaves_nothing(tmp_path, save_pictures):
    source = save_pictures(tmp_path / "p", dark=4, bright=2, uncertain=1)

    def fail(confident, labels, groups, uncertain):
        raise UsageError("weights are not there")

    with pytest.raises(UsageError, match="weights are not there"):
        run([source], tmp_path / "d", labels="classifier", label_uncertain=fail)
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_a_second_run_waits_for_the_first(tmp_path, save_pictures):
    source = save_pictures(tmp_path / "p", dark=4, bright=2, uncertain=1)
    summaries = {}

    def prepare_it(name, label_uncertain):
        summaries[name] = run([source], tmp_path / "d", labels="classifier", label_uncertain=label_uncertain)

    def label(confident, labels, groups, uncertain):
        second.start()
        second.join(timeout=0.5)  # it cannot end before this run does
        assert second.is_alive()
        return np.array([[1.0, 0.0]])

    second = threading.Thread(target=prepare_it, args=("second", None))  # has no classifier: it would fail if it wrote
    prepare_it("first", label)
    second.join()
    assert summaries["first"].notes == []
    assert summaries["second"].notes[-1] == f"{tmp_path / 'd'} held this dataset already; nothing was written"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d", "p"]


def test_synthetic_scenes(tmp_path):
    scenes = Scenes(count=12, size=(20, 24), seed=3)
    summary = run(scenes, tmp_path / "d")
    assert [path.name for path in (tmp_path / "d").glob("scenes")] == []
    dataset, found = Dataset.open(tmp_path / "d"), 0
    for split in SPLITS:
        for record in dataset.split(split):
            index = int(record.id.removeprefix("scenes/").removesuffix(".png"))
            np.testing.assert_array_equal(record.image, paint(3, index, (20, 24)))
            found += 1
    assert found + sum(summary.left_out.values()) == 12
    assert found > 0
    assert "held this dataset already" in run(scenes, tmp_path / "d").notes[-1]
    with pytest.raises(UsageError, match="holds another dataset"):
        run(dataclasses.replace(scenes, seed=4), tmp_path / "d")
    with pytest.raises(UsageError, match="scenes: count and size must be >= 1, got 0 of 20x24 pixels"):
        dataclasses.replace(scenes, count=0)


def test_the_shared_pictures_keep_their_variants_together(tmp_path, shared):
    """A few pictures of twelve real groups, each of one scene under different illumination."""
    folder = tmp_path / "anime"
    folder.mkdir()
    variants = shared / "images" / "variants.csv"
    names = [line.split(",")[1] for line in variants.read_text().splitlines()[1:26]]
    for name in names:
        (folder / f"{name}.jpg").symlink_to(shared / "images" / "anime" / f"{name}.jpg")
    summary = prepare([folder], tmp_path / "d", groups=[variants], low=100.0, high=110.0, quiet=True)
    assert len(summary.notes) == 1
    sides = {}
    for split, metadata in records(tmp_path / "d").values():
        assert metadata.group.startswith("v0")
        sides.setdefault(metadata.group, set()).add(split.split("_")[0])
    assert all(len(side) == 1 for side in sides.values())
    assert {next(iter(side)) for side in sides.values()} == {"train", "test", "val"}
