"""The card of a dataset: what it counts and checks, and that its bytes depend on the dataset only."""

import base64
import csv
import io
import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from drujax.data.card.licences import NOT_STATED, licence_notes, parsed_notes
from drujax.data.card.write import write_card
from drujax.data.dataset import Dataset
from drujax.data.prepare import prepare
from drujax.data.records import TABLE
from drujax.errors import UsageError


@pytest.fixture(scope="module")
def data(tmp_path_factory, save_picture, save_pictures):
    """Two sources; 17 dark and 6 bright pictures, and two copies of a dark one."""
    folder = tmp_path_factory.mktemp("card")
    save_pictures(folder / "films", dark=12, bright=4)
    for name in ("light0.png", "light1.png"):
        save_picture(folder / "photos" / name, 220)
    for number in range(12, 15):
        level = np.random.default_rng(number).integers(5, 45, (20, 24, 3), dtype=np.uint8)
        Image.fromarray(level).save(folder / "photos" / f"dark{number}.png")
    for name in ("copy1", "copy2"):
        shutil.copyfile(folder / "films" / "dark0.png", folder / "photos" / f"{name}.png")
    (folder / "photos" / "LICENSE.txt").write_text("CC BY 4.0\nby A. Person\n")
    prepare([folder / "films", folder / "photos"], folder / "D", crop=16, quiet=True)
    return folder / "D"


@pytest.fixture
def copied(data, tmp_path):
    """A copy of the dataset, without a card."""
    shutil.copytree(data, tmp_path / "D", ignore=shutil.ignore_patterns("DATASET.md", "dataset.html", "build.json"))
    return tmp_path / "D"


def card(data, **options) -> str:
    write_card(data, quiet=True, **options)
    return (data / "DATASET.md").read_text()


def moved(data, change):
    """Rewrites the table of records; `change` maps its rows."""
    with (data / TABLE).open(newline="") as file:
        rows = list(csv.DictReader(file))
    with (data / TABLE).open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(map(change, rows))


def test_counts_stand_beside_the_papers(copied):
    text = card(copied)
    dataset = Dataset.open(copied)
    dark = sum(len(dataset.split(split)) for split in ("train_dark", "val_dark", "test_dark"))
    assert dark == 17
    for row in (
        "| pictures | 23 | 100.0% | 18804 | 100.0% |",
        "| confidently dark (QAB) | 17 | 73.9% | 2958 | 15.7% |",
        "| confidently bright (QAB) | 6 | 26.1% | 1848 | 9.8% |",
        "| uncertain (QAB) | 0 | 0.0% | 13998 | 74.4% |",
        f"| test_dark | {len(dataset.test_dark)} | ",
        "| train_bright | films | 0 | 4 | 0 | 4 | 4 |",
        "| **total train_bright** |  | **0** | **6** | **0** | **6** | **6** |",
        "| train_bright | 6 | 0 | 0 | 6 |",  # by origin of the label
    ):
        assert row in text


def test_groups_and_files_on_two_sides_are_found(copied):
    """The build has put the three copies into one group; a table that says otherwise is noticed."""
    text = card(copied)
    assert "- **good**: 0 of 21 groups have pictures on more than one side of the split." in text
    assert "- **good**: Equal picture files: 2 pairs, 0 across sides of the split (" in text
    rows = {row.id: split for split in ("train_dark", "test_dark") for row in Dataset.open(copied).table(split)}
    train, test = (
        next(name for name, split in rows.items() if split == wanted) for wanted in ("train_dark", "test_dark")
    )
    moved(copied, lambda row: {**row, "group": "one"} if row["id"] in (train, test) else row)
    assert "- **bad**: 1 of " in card(copied)
    assert "on more than one side of the split: one." in card(copied)


def test_equal_files_across_sides_are_bad(tmp_path, save_pictures):
    folder = save_pictures(tmp_path / "frames", dark=6, bright=2)
    for number in range(6):
        shutil.copyfile(folder / f"dark{number}.png", folder / f"twin{number}.png")
    prepare([folder], tmp_path / "D", merge=False, crop=16, quiet=True)
    assert re.search(r"- \*\*bad\*\*: Equal picture files: 6 pairs, [1-6] across sides", card(tmp_path / "D"))


def test_near_copies_are_searched_on_request(tmp_path, save_picture):
    frames = tmp_path / "frames"
    y, x = np.mgrid[:64, :96]
    for number in range(8):
        place = np.random.default_rng(number).uniform(0, 6, 4)
        waves = np.sin(y / (4 + place[0]) + place[1]) * np.sin(x / (5 + place[2]) + place[3] + y / 9)
        picture = np.repeat((24 + 23 * waves)[..., None], 3, 2).astype(np.uint8)
        for name, factor in (("a", 1.0), ("b", 0.8)):
            frames.mkdir(exist_ok=True)
            Image.fromarray((picture * factor).astype(np.uint8)).save(frames / f"{number}{name}.png")
    prepare([frames], tmp_path / "D", merge=False, crop=16, quiet=True)
    assert "were not searched for here" in card(tmp_path / "D")
    found = re.search(
        r"\*\*(\w+)\*\*: Nearly equal .*: (\d+) pairs, (\d+) across", card(tmp_path / "D", near_copies=True)
    )
    assert found is not None
    assert int(found[2]) >= 8
    assert found[1] == ("look" if int(found[3]) else "good")


def test_bytes_depend_on_the_dataset_only(copied, data, tmp_path):
    shutil.copytree(copied, tmp_path / "elsewhere" / "other")
    for folder in (copied, tmp_path / "elsewhere" / "other"):
        write_card(folder, command=["python", "-m", "x"], quiet=True)
    for name in ("DATASET.md", "dataset.html", "build.json"):
        first = (copied / name).read_bytes()
        assert first == (tmp_path / "elsewhere" / "other" / name).read_bytes()
        write_card(copied, quiet=True)  # remembers the command
        assert (copied / name).read_bytes() == first


class Parsed(HTMLParser):
    def __init__(self):
        super().__init__()
        self.images, self.links, self.open = [], [], []

    def handle_starttag(self, tag, attributes):
        names = dict(attributes)
        if tag == "img":
            self.images.append(names["src"])
        self.links += [names[name] for name in ("href", "src") if name in names and tag != "img"]
        if tag not in ("img", "meta", "br", "line", "rect", "text"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in ("line", "rect", "text"):
            return
        assert self.open.pop() == tag


def test_the_page_is_whole_and_holds_its_pictures(copied):
    write_card(copied, quiet=True)
    page = Parsed()
    page.feed((copied / "dataset.html").read_text())
    assert page.open == []
    assert all(link.startswith("#") for link in page.links)
    # Eight of the largest parts, and all of smaller ones.
    dataset = Dataset.open(copied)
    splits = (dataset.train_dark, dataset.train_bright, dataset.test_dark, dataset.val_dark)
    assert len(page.images) == sum(min(8, len(split)) for split in splits)
    for source in page.images:
        with Image.open(io.BytesIO(base64.b64decode(source.removeprefix("data:image/jpeg;base64,")))) as image:
            assert image.height == 80


def test_names_are_escaped(tmp_path, save_picture):
    for number in range(4):
        save_picture(tmp_path / "a<b>&_x_" / f"dark{number}.png", 25)
    prepare([tmp_path / "a<b>&_x_"], tmp_path / "D", crop=16, quiet=True)
    text = card(tmp_path / "D")
    assert r"a\<b\>&\_x\_" in text
    page = (tmp_path / "D" / "dataset.html").read_text()
    assert "a&lt;b&gt;&amp;_x_" in page
    assert "<b>&_x_" not in page


def test_command_and_licences_are_remembered(copied, data):
    folders = {"photos": data.parent / "photos", "films": data.parent / "films"}
    command = ["python", "-m", "experiments.prepare", "--source=my films", "--out=D"]
    text = card(copied, command=command, folders=folders, licences={"films": "mine"})
    assert "python -m experiments.prepare '--source=my films' --out=D" in text
    assert "| films | mine |" in text
    assert "| photos | LICENSE.txt: CC BY 4.0 by A. Person |" in text
    again = card(copied, licences={"photos": "CC0"})
    assert again == text.replace("LICENSE.txt: CC BY 4.0 by A. Person", "CC0")
    (copied / "build.json").unlink()
    assert "The command was not recorded" in card(copied)
    (copied / "build.json").write_text("{")
    with pytest.raises(UsageError, match=r"build.json: damaged .*; remove it and write the card again"):
        card(copied)


def test_licence_notes(tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()

    def note():
        return licence_notes(["a"], {"a": folder}, {}, {})["a"]

    assert note() == NOT_STATED
    (folder / "README.md").write_text("# Pictures\n\nMany.\n")
    assert note() == NOT_STATED
    (folder / "README.md").write_text("# Pictures\n\n## Licence\n\nOnly for\nresearch.\n\n## More\n\nno\n")
    assert note() == "README.md: Only for research."
    (folder / "README.md").write_text("Pictures.\nTheir license is CC0.\nMore.\n")
    assert note() == "README.md: Their license is CC0."
    (folder / "NOTICE").write_text("word " * 200)
    assert note().startswith("NOTICE: word word")
    assert len(note()) < 320
    (folder / "licences.csv").write_text("file,licence\n")
    assert note() == "licences.csv: file,licence"
    assert licence_notes(["a"], {"a": folder}, {"a": "mine"}, {"a": "old"}) == {"a": "mine"}
    assert licence_notes(["a"], {}, {}, {"a": "old"}) == {"a": "old"}


def test_wrong_licence_arguments_are_refused():
    assert parsed_notes(["films: CC BY: 4.0"], ["films"]) == {"films": "CC BY: 4.0"}
    with pytest.raises(UsageError, match=r"licence: must be SOURCE:TEXT, got 'films'"):
        parsed_notes(["films"], ["films"])
    with pytest.raises(UsageError, match=r"licence: unknown value 'flims'. Did you mean films"):
        parsed_notes(["flims:CC0"], ["films"])


def test_a_run_shows_its_probabilities(copied, tmp_path):
    dataset = Dataset.open(copied)
    run = tmp_path / "run"
    run.mkdir()
    with pytest.raises(UsageError, match=r"run: no relativistic probabilities in"):
        card(copied, run=run)
    tables = {}
    for name in ("dark", "bright"):
        ids = np.array([row.id for row in dataset.table(f"train_{name}")])
        tables |= {name: np.linspace(0.1, 0.9, len(ids), dtype=np.float32), f"{name}_id": ids}
    np.savez(run / "relativistic_probabilities.npz", **tables)
    counts = {
        "edges": [0.0, 0.5, 1.0],
        "counts": [3, 4],
        "mean": 0.5,
        "std": 0.2,
        "min": 0.1,
        "max": 0.9,
        "saturated": 0.0,
    }
    report = {"backbone": "vgg19", "accuracy": 0.97, "expected_calibration_error": None}
    (run / "probability.json").write_text(json.dumps({**report, "rp_dark": counts, "rp_bright": counts}))
    text = card(copied, run=run)
    assert "The probability network is vgg19; held-out accuracy 0.9700." in text
    assert "RP_d of train_dark (mean 0.500, standard deviation 0.200, 0% above 0.99; 0 to 1 in 2 bins" in text
    page = (copied / "dataset.html").read_text()
    assert "RP_b 0.100" in page
    assert "RP_b 0.900" in page
    np.savez(run / "relativistic_probabilities.npz", **{**tables, "dark_id": np.array(["x"] * len(tables["dark"]))})
    with pytest.raises(UsageError, match=r"run: .* was trained on another dataset \(x is not in"):
        card(copied, run=run)


def test_a_damaged_picture_is_reported(copied):
    (file,) = copied.rglob("*val_dark.array_record*")
    file.write_bytes(file.read_bytes()[:-400])
    with pytest.raises(UsageError, match="val_dark.array_record.*: damaged file of the dataset"):
        card(copied)
