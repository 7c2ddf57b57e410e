"""Metadata that a result cannot hold is reported, one line per picture."""

import numpy as np
import pytest

from drujax import cli
from tests.support.picture_files import exif, jpeg


@pytest.mark.usefixtures("command")
def test_the_command_names_what_it_drops(tmp_path, model, capsys):
    dark = np.random.default_rng(0).integers(0, 90, (6, 7, 3), dtype=np.uint8)
    block = b"Exif\0\0" + exif({0x0131: (2, b"a program\0")})
    (tmp_path / "a.jpg").write_bytes(jpeg(dark, (0xE1, block), (0xFE, b"a comment")))
    for target, line in (("b.bmp", "b.bmp: written without EXIF, the comment\n"), ("b.jpg", "")):
        arguments = ["enhance", str(tmp_path / "a.jpg"), "-o", str(tmp_path / target), "--model", str(model)]
        assert cli.main(arguments) == 0
        captured = "".join(capsys.readouterr())
        assert line in captured
        assert captured.count("written without") == bool(line)
