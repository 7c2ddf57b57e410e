"""Files of all formats, kinds and sizes: each result has its input's size, mode, frames and metadata."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from drujax import cli
from experiments import formats
from experiments._formats.check import differences
from experiments._formats.files import available, write_files


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("formats")
    write_files(path / "in", len(available()), 24)
    return path


def test_files_of_all_formats_and_sizes_keep_all_but_their_light(folder, model, command, capsys):
    (folder / "in" / "broken.png").write_text("no picture")
    code = cli.main(["enhance", str(folder / "in"), "-o", str(folder / "out"), "--model", str(model), "--strength=1"])
    lines = capsys.readouterr().err.splitlines()
    failed = [line for line in lines if line.startswith("failed: ")]
    assert code == 1
    assert [line.partition(": not a picture")[0] for line in failed] == [f"failed: {folder}/in/broken.png"]
    (folder / "in" / "broken.png").unlink()
    sources = sorted((folder / "in").iterdir())
    assert sorted(path.name for path in (folder / "out").iterdir()) == [path.name for path in sources]
    assert [(path.name, differences(path, folder / "out" / path.name)) for path in sources] == [
        (path.name, []) for path in sources
    ]


def test_differences_are_found(tmp_path):
    write_files(tmp_path / "in", len(available()), 24)
    one = next((tmp_path / "in").glob("*_jpeg.jpg"))
    with Image.open(one) as image:
        image.convert("L").resize((9, 5)).save(tmp_path / "b.jpg")
    found = " ".join(differences(one, tmp_path / "b.jpg"))
    for phrase in ("size", "mode RGB became L", "icc_profile", "xmp", "EXIF 0x0131", "resolution"):
        assert phrase in found
    moving = next((tmp_path / "in").glob("*_png-animated.png"))
    with Image.open(moving) as image:
        image.save(tmp_path / "b.png")
    assert any("frames became 1" in phrase for phrase in differences(moving, tmp_path / "b.png"))
    shutil.copy(__file__, tmp_path / "c.png")
    assert differences(moving, tmp_path / "c.png")[0].startswith("cannot be read (UnidentifiedImageError")


def test_the_report_of_the_command(tmp_path, model, capsys):
    arguments = ["--files=3", "--largest=16", "--singly=1", f"--model={model}", f"--out={tmp_path}/report.json"]
    assert formats.from_arguments(arguments) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["files"], report["failed"], report["differ"]) == (3, [], [])
    assert max(report["mb_by_quarter"]) > 50
    assert report["pictures_per_s"] > 0
    assert "3 files (0.0 megapixels): 0 failed, 0 differ" in capsys.readouterr().out
