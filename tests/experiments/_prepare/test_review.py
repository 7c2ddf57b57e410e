import re
import shutil

import numpy as np
import pytest
from PIL import Image

from drujax.data.dataset import Split
from drujax.data.prepare import prepare
from drujax.errors import UsageError
from tests.support.review_pages import ReviewPage
from tests.support.small_datasets import label_table as table

AWKWARD = 'frames/c & <i>, "d".png'


def test_uncertain_pictures_come_least_certain_first(tmp_path, dataset, command, capsys):
    out = tmp_path / "review.html"
    assert command("review", f"--data={dataset}", f"--out={out}") == 0
    assert capsys.readouterr().out == f"{out}: 4 pictures\n"
    page = ReviewPage(out)
    assert page.files == [AWKWARD, "frames/b.png", "frames/e.png", "frames/a.png"]
    assert page.texts == [
        "bright by classifier, 52.0 %",
        "dark by classifier, 55.0 %",
        "dark by classifier, 80.0 %",
        "bright by classifier, 90.0 %",
    ]
    assert [card["data-label"] for card in page.cards] == ["bright", "dark", "dark", "bright"]
    assert {card["data-decision"] for card in page.cards} == {""}
    assert page.cards[0]["data-means"] == "90 89 90 90"
    assert page.carried == {}


def test_the_page_is_self_contained_and_small(tmp_path, dataset, command):
    out = tmp_path / "review.html"
    assert command("review", f"--data={dataset}", f"--out={out}") == 0
    page = ReviewPage(out)
    assert all(address.startswith("data:image/jpeg;") for address in page.addresses)
    text = out.read_text()
    assert "http" not in re.sub(r"base64,[\w+/=]*", "", text.replace("http-equiv", ""))
    assert "<i>" not in text
    assert {thumbnail.size for thumbnail in page.thumbnails} == {(224, 19)}
    # In the pictures' order, and recognisable.
    assert [round(np.asarray(t).mean() / 10) * 10 for t in page.thumbnails] == [90, 100, 110, 120]


def test_confident_pictures_are_shown_last(tmp_path, dataset, command):
    out = tmp_path / "review.html"
    assert command("review", f"--data={dataset}", "--all", f"--out={out}") == 0
    page = ReviewPage(out)
    confident = [f"frames/dark{i}.png" for i in range(4)] + [f"frames/light{i}.png" for i in range(3)]
    assert page.files[4:] == sorted(confident, key=page.files.index)
    assert page.files.index("frames/dark0.png") < page.files.index("frames/dark3.png")  # lighter, so less certain
    assert page.files.index("frames/light0.png") < page.files.index("frames/light2.png")
    assert set(page.texts[4:]) == {"dark by brightness (QAB)", "bright by brightness (QAB)"}


def test_pictures_of_folders_need_no_dataset(tmp_path, frames, command):
    """They are the ones that --labels=qab leaves out, under the names that prepare knows them by."""
    out = tmp_path / "review.html"
    assert command("review", f"--source={frames}", f"--out={out}") == 0
    page = ReviewPage(out)
    assert page.files == [AWKWARD, "frames/b.png", "frames/e.png", "frames/a.png"]
    assert set(page.texts) == {"no label"}
    assert command("review", f"--source={frames}", f"--out={out}", "--all", "--low=95") == 0
    page = ReviewPage(out)
    assert dict(zip(page.files, page.texts, strict=True)) == {
        "frames/b.png": "no label",
        "frames/e.png": "no label",
        "frames/a.png": "no label",
        AWKWARD: "dark by brightness (QAB)",
        **{f"frames/dark{i}.png": "dark by brightness (QAB)" for i in range(4)},
        **{f"frames/light{i}.png": "bright by brightness (QAB)" for i in range(3)},
    }


def test_several_pages(tmp_path, dataset, command, capsys):
    out = tmp_path / "my review.html"
    assert command("review", f"--data={dataset}", "--all", "--per-page=5", f"--out={out}") == 0
    names = ["my review.html", "my review-2.html", "my review-3.html"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert capsys.readouterr().out.splitlines()[-1] == f"{tmp_path / names[2]}: 1 pictures"
    pages = [ReviewPage(tmp_path / name) for name in names]
    assert len({file for page in pages for file in page.files}) == sum(len(page.files) for page in pages) == 11
    for page in pages:
        links = [address for address in page.addresses if not address.startswith("data:")]
        assert links == ["my%20review.html", "my%20review-2.html", "my%20review-3.html"]
    identities = {re.search(r'data-identity="(\w+)"', (tmp_path / name).read_text())[1] for name in names}
    assert len(identities) == 3
    assert 'data-csv="corrections-2.csv"' in (tmp_path / names[1]).read_text()


def test_earlier_corrections_are_where_the_page_starts(tmp_path, frames, dataset, command):
    """Those of the dataset, also of pictures that it left out, and newer ones of a table."""
    first = table(tmp_path / "c.csv", {"b.png": "bright", "e.png": "out", "a.png": "bright", "dark0.png": "out"})
    options = {"classifier": {"backbone": "none"}, "labels": "classifier", "reuse": dataset}
    prepare([frames], tmp_path / "d", crop=16, quiet=True, corrections=[first], **options)
    out = tmp_path / "review.html"
    assert command("review", f"--data={tmp_path / 'd'}", f"--out={out}") == 0
    page = ReviewPage(out)
    decisions = dict(zip(page.files, (card["data-decision"] for card in page.cards), strict=True))
    assert decisions == {AWKWARD: "", "frames/b.png": "bright", "frames/a.png": "bright"}
    assert page.carried == {"frames/e.png": "out", "frames/dark0.png": "out"}
    assert page.texts[1] == "dark by classifier, 55.0 %"  # what the classifier said before

    newer = table(tmp_path / "newer.csv", {"b.png": "dark", "lost.png": "dark", "e.png": "bright"})
    assert command("review", f"--data={tmp_path / 'd'}", f"--out={out}", f"--corrections={newer}", "--per-page=2") == 0
    page = ReviewPage(out)
    assert page.cards[page.files.index("frames/b.png")]["data-decision"] == "dark"
    assert page.carried == {"frames/e.png": "bright", "frames/dark0.png": "out", "lost.png": "dark"}
    assert ReviewPage(tmp_path / "review-2.html").carried == {}


def test_the_label_before_a_correction_is_shown(tmp_path, frames, command):
    corrections = table(tmp_path / "c.csv", {"a.png": "dark", "dark1.png": "bright"})
    prepare([frames], tmp_path / "d", crop=16, quiet=True, corrections=[corrections])
    out = tmp_path / "review.html"
    assert command("review", f"--data={tmp_path / 'd'}", "--all", f"--out={out}") == 0
    page = ReviewPage(out)
    labels = dict(zip(page.files, page.texts, strict=True))
    assert labels["frames/a.png"] == "no label"
    assert labels["frames/dark1.png"] == "dark by brightness (QAB)"


def test_unreadable_pictures_are_reported_and_skipped(tmp_path, frames, command, capsys):
    folder = shutil.copytree(frames, tmp_path / "frames")
    (folder / "bad.png").write_text("no picture")
    out = tmp_path / "review.html"
    assert command("review", f"--source={folder}", f"--out={out}") == 1
    assert f"prepare review: skipped: {folder / 'bad.png'}: not a picture" in capsys.readouterr().err
    assert len(ReviewPage(out).files) == 4


def test_damaged_records_are_reported_and_skipped(tmp_path, dataset, command, capsys, monkeypatch):
    image = Split.image

    def damaged(split, index):
        if split.table[index].id == "frames/b.png":
            raise UsageError("frames/b.png: its record is damaged (checksum).")
        return image(split, index)

    monkeypatch.setattr(Split, "image", damaged)
    out = tmp_path / "review.html"
    assert command("review", f"--data={dataset}", f"--out={out}") == 1
    assert capsys.readouterr().err == "prepare review: skipped: frames/b.png: its record is damaged (checksum).\n"
    assert len(ReviewPage(out).files) == 3


def test_a_dataset_without_uncertain_pictures_is_explained(tmp_path, frames, command, capsys):
    prepare([frames], tmp_path / "d", crop=16, quiet=True)
    assert command("review", f"--data={tmp_path / 'd'}", f"--out={tmp_path / 'r.html'}") == 2
    assert capsys.readouterr().err == (
        f"prepare: error: {tmp_path / 'd'}: no uncertain pictures (prepare --labels=qab leaves them out; show its "
        "folders with --source); --all also shows the confident ones\n"
    )
    assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give either --data=DATASET or --source=FOLDER"),
        (["--data={data}", "--source={frames}"], "give either --data=DATASET or --source=FOLDER"),
        (["--data={frames}"], "no dataset; create one"),
        (["--data={data}", "--out={tmp}/r.csv"], "--out: must end in .html, got "),
        (["--data={data}", "--out={tmp}/gone/r.html"], "--out: folder not found: "),
        (["--data={data}", "--per-page=0"], "--per-page: must be >= 1, got 0"),
        (["--data={data}", "--corrections={tmp}/gone.csv"], "--corrections: file not found: "),
        (["--data={data}", "--corrections={tmp}/wrong.csv"], "label: unknown value 'drak'. Did you mean dark?"),
        (["--source={tmp}/gone"], "--source: folder not found: "),
        (["--source={frames}", "--low=151"], "--low: must be <= high (150), got 151"),
        (["--data={data}", "--al"], "Did you mean --all?"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(tmp_path, frames, dataset, command, capsys, arguments, message):
    table(tmp_path / "wrong.csv", {"a.png": "drak"})
    given = [word.format(data=dataset, frames=frames, tmp=tmp_path) for word in arguments]
    out = [] if any(word.startswith("--out") for word in given) else [f"--out={tmp_path / 'r.html'}"]
    assert command("review", *given, *out) == 2
    captured = capsys.readouterr().err
    assert message in captured
    assert captured.startswith("prepare: error: ")
    assert captured.count("\n") == 1
    assert not (tmp_path / "r.html").exists()


def test_thumbnails_are_no_larger_than_the_picture(tmp_path, command):
    folder = tmp_path / "p"
    folder.mkdir()
    for name, size in (("small.png", (8, 6)), ("tall.png", (30, 900)), ("dot.png", (1, 1))):
        Image.new("RGB", size, (100, 100, 100)).save(folder / name)
    out = tmp_path / "review.html"
    assert command("review", f"--source={folder}", f"--out={out}") == 0
    page = ReviewPage(out)
    sizes = dict(zip(page.files, (thumbnail.size for thumbnail in page.thumbnails), strict=True))
    assert sizes == {"p/small.png": (8, 6), "p/tall.png": (7, 224), "p/dot.png": (1, 1)}
