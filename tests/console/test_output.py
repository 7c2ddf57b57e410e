"""What is printed, and where it goes: odd names, other encodings, streams that are closed, full or broken."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drujax.console import output
from drujax.console.output import printable

ODD_NAMES = {  # as on the disk -> as printed
    b"plain.png": "plain.png",
    b"caf\xe9.png": r"caf\xe9.png",  # Latin-1
    "日本.png".encode(): "日本.png",
    b"new\nline.png": r"new\nline.png",
    b"red\x1b[31m.png": r"red\x1b[31m.png",
    "back\u202ewards.png".encode(): r"back\u202ewards.png",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a  b\\c é 日本\u3000\U0001f600.png", "a  b\\c é 日本\u3000\U0001f600.png"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x1b[2J\x07\x7f\x9b1m", r"\x1b[2J\x07\x7f\x9b1m"),
        ("\u2028\u2029\x85", r"\u2028\u2029\x85"),
        ("\u202e\u2066", r"\u202e\u2066"),
        (os.fsdecode(b"\xff\x80"), r"\xff\x80"),
        ("\ud800", r"\ud800"),
    ],
)
def test_control_characters_are_escaped(text, expected):
    assert printable(text) == expected
    assert printable(expected) == expected  # so a message may be escaped twice


def test_errors_of_an_unwritable_stderr_are_ignored(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    output.complain("nobody")
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        output.complain("nobody")
        output.complain("nobody")  # and does not come up when the file is closed


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for name in ODD_NAMES:
        with open(os.fsencode(folder) + b"/" + name, "wb") as file:
            Image.fromarray(np.full((4, 4, 3), 9, np.uint8)).save(file, "PNG")
    (folder / "bad\x1b[31m.png").write_text("not a picture")
    return folder


def sort(folder: Path, shell: str = "", *, format: str = "table", **environment: str):
    """`python -m drujax sort` in a shell, which may close or redirect its streams."""
    command = f'"$PYTHON" -m drujax sort "$FOLDER" --format={format} {shell}'
    variables = {"PYTHON": sys.executable, "FOLDER": str(folder), "PYTHONUNBUFFERED": "", **environment}
    return subprocess.run(["sh", "-c", command], env={**os.environ, **variables}, capture_output=True)


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii"])
def test_a_table_has_a_line_for_each_name_in_any_encoding(pictures, encoding):
    done = sort(pictures, PYTHONIOENCODING=encoding)
    lines = done.stdout.decode(encoding).splitlines()
    assert done.returncode == 1
    assert len(lines) == 1 + len(ODD_NAMES)
    for name in ODD_NAMES.values():
        shown = name.encode(encoding, "backslashreplace").decode(encoding)
        assert any(line.startswith(f"{pictures}/{shown}") for line in lines), shown
    captured = done.stderr.decode(encoding)
    assert captured.count("\n") == 1
    assert captured.startswith(rf"failed: {pictures}/bad\x1b[31m.png: ")


@pytest.mark.parametrize("shell", ["2>&-", "2>/dev/full", "<&- 2>&-"])
def test_json_is_complete_without_stderr_and_keeps_names_unchanged(pictures, shell):
    done = sort(pictures, shell, format="json")
    names = [os.fsencode(Path(row["image"]).name) for row in json.loads(done.stdout)["images"]]
    assert sorted(names) == sorted(ODD_NAMES)
    assert done.returncode == 1


def test_csv_has_one_line_per_row(pictures):
    rows = sort(pictures, format="csv").stdout.decode().splitlines()[1:]
    assert sorted(row.partition(",")[0] for row in rows) == sorted(f"{pictures}/{name}" for name in ODD_NAMES.values())


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_unwritable_stdout_is_reported_in_one_line(pictures, unbuffered):
    done = sort(pictures, "2>&1 >/dev/full", PYTHONUNBUFFERED=unbuffered)
    lines = done.stdout.decode().splitlines()
    assert len(lines) == 2  # the first is about the bad picture
    assert lines[1] == "drujax: error: standard output: no space left on device"
    assert done.returncode == 2


@pytest.mark.parametrize("shell", [">&-", ">&- 2>&- <&-"])
def test_closed_streams_are_not_an_error(pictures, shell):
    done = sort(pictures, shell)
    assert done.returncode == 1  # a picture was left out
    assert done.stdout == b""
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", ['sort "$FOLDER"', "--help", "sort --help"])
def test_a_closed_pipe_ends_the_command_quietly(pictures, arguments):
    read, write = os.pipe()
    os.close(read)
    command = f'exec "$PYTHON" -m drujax {arguments}'
    variables = {"PYTHON": sys.executable, "FOLDER": str(pictures), "PYTHONUNBUFFERED": ""}
    environment = {**os.environ, **variables}
    done = subprocess.run(["sh", "-c", command], env=environment, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert done.returncode == 141
    assert b"rror" not in done.stderr


def test_files_do_not_get_the_descriptors_of_closed_streams(tmp_path):
    """Libraries write to descriptor 2 whatever it is; it must not be a picture's file."""
    code = (
        "from drujax.console import output; output.prepare()\n"
        f"file = open({str(tmp_path / 'file')!r}, 'w'); assert file.fileno() > 2, file.fileno()"
    )
    command = f'"{sys.executable}" -c "{code}" <&- >&- 2>&-'
    assert subprocess.run(["sh", "-c", command], check=False).returncode == 0


def test_a_bar_is_full_at_the_end_including_bad_pictures(tmp_path):
    pty = pytest.importorskip("pty")
    Image.fromarray(np.full((4, 4, 3), 9, np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "z.png").write_text("not a picture")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "drujax", "sort", tmp_path, "--format=csv"]
    done = subprocess.run(command, env={**os.environ, "TERM": "xterm"}, stderr=theirs, stdout=subprocess.PIPE)
    os.close(theirs)
    captured = b""
    with contextlib.suppress(OSError):  # the end, on Linux
        while part := os.read(ours, 1 << 16):
            captured += part
    os.close(ours)
    assert done.returncode == 1
    assert done.stdout.count(b"\n") == 2
    assert captured.rindex(b"2/2") > captured.rfind(b"1/2")  # which a slow machine may skip
