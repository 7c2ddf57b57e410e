"""Any input to `drujax enhance` gives a result or one clear line."""

import errno
import os
import re
import struct
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drujax import cli
from drujax.errors import UsageError
from drujax.pictures.io import read_picture
from drujax.runtime.atomic_write import write_atomically

pytestmark = pytest.mark.usefixtures("command")


def noise(*shape: int, dtype: type = np.uint8, seed: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max // 2, shape, dtype=dtype)


@pytest.fixture
def enhance(tmp_path, model, capsys):
    """`enhance(path)` -> (exit code, text on stderr); results go to tmp_path/out."""

    def run(path: Path, *more: str) -> tuple[int, str]:
        arguments = ["enhance", str(path), "--model", str(model), *more]
        if "-o" not in more:
            arguments += ["-o", f"{tmp_path}/out/"]
        code = cli.main(arguments)
        lines = capsys.readouterr().err.splitlines(keepends=True)  # with progress on a slow machine
        return code, "".join(line for line in lines if not line.startswith("enhancing "))

    return run


# ----- a result


@pytest.mark.parametrize("size", [(1, 1), (5, 4000), (1, 7)])
def test_odd_sizes(tmp_path, enhance, size):
    Image.fromarray(noise(*size, 3)).save(tmp_path / "a.png")
    assert enhance(tmp_path / "a.png") == (0, "")
    result = read_picture(tmp_path / "out" / "a.png").rgb
    assert result.shape == (*size, 3)
    assert result.mean() > read_picture(tmp_path / "a.png").rgb.mean() + 5


def test_a_folder_of_one_picture(tmp_path, enhance):
    (tmp_path / "in").mkdir()
    Image.fromarray(noise(6, 7, 3)).save(tmp_path / "in" / "a.png")
    assert enhance(tmp_path / "in") == (0, "")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.png"]


@pytest.mark.parametrize(
    ("mode", "suffix", "written"),
    [
        ("1", ".png", "1"),  # black and white have nothing to brighten: copied
        ("L", ".png", "L"),
        ("L", ".jpg", "L"),
        ("LA", ".png", "LA"),
        ("P", ".png", "RGB"),
        ("P", ".gif", "P"),
        ("RGBA", ".png", "RGBA"),
        ("CMYK", ".jpg", "RGB"),
        ("I;16", ".png", "I;16"),
        ("I;16", ".tif", "I;16"),
    ],
)
def test_kinds_of_pixels(tmp_path, enhance, mode, suffix, written):
    pixels = noise(7, 9, dtype=np.uint16) if mode == "I;16" else noise(7, 9, 3)
    image = Image.fromarray(pixels) if mode == "I;16" else Image.fromarray(pixels).convert(mode)
    image.save(tmp_path / f"a{suffix}")
    assert enhance(tmp_path / f"a{suffix}") == (0, "")
    with Image.open(next((tmp_path / "out").iterdir())) as result:
        assert result.mode == written
        assert result.size == image.size


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bit_colour_is_preserved(tmp_path, enhance, suffix):
    from drujax.pictures.io import write_picture
    from drujax.pictures.picture import Picture

    write_picture(tmp_path / f"a{suffix}", Picture(noise(6, 5, 3, dtype=np.uint16)))
    assert enhance(tmp_path / f"a{suffix}") == (0, "")
    result = read_picture(tmp_path / "out" / f"a{suffix}").rgb
    assert result.dtype == np.uint16
    assert len(np.unique(result & 255)) > 20  # the low bytes are alive


# ----- one clear line


def png_header(width: int, height: int) -> bytes:
    """A PNG that declares width x height pixels but holds a few bytes."""
    file = b"\x89PNG\r\n\x1a\n"
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    for name, data in ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")):
        file += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return file


def jpeg() -> bytes:
    import io

    buffer = io.BytesIO()
    Image.fromarray(noise(64, 64, 3)).save(buffer, "JPEG")
    return buffer.getvalue()


def frames(suffix: str, path: Path) -> None:
    pictures = [Image.fromarray(noise(8, 8, 3, seed=seed)) for seed in range(3)]
    pictures[0].save(path / f"a{suffix}", save_all=True, append_images=pictures[1:])


BAD_FILES = {
    "truncated.jpg": (lambda: jpeg()[:1500], r"damaged picture \(image file is truncated"),
    "cut_in_the_header.jpg": (lambda: jpeg()[:60], r"damaged picture \("),
    "text.png": (lambda: b"this is no picture", r"not a picture of a known kind \(PNG, JPEG"),
    "empty.png": (lambda: b"", r"the file is empty"),
    "200_megapixels.png": (
        lambda: png_header(20_000, 10_000),
        r"too large \(200000000 pixels; the limit is 89",
    ),
    "100_megapixels.png": (
        lambda: png_header(10_000, 10_000),
        r"too large \(100000000 pixels; the limit is 89",
    ),
    "too_short.png": (lambda: png_header(100, 100), r"damaged picture \(image file is truncated"),
    "no_pixels.png": (lambda: png_header(0, 5), r"not a picture of a known kind"),
    "pages.pdf": (lambda: b"%PDF-1.7", r".pdf is not read; convert to PNG or JPEG first"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files(tmp_path, enhance, name):
    content, message = BAD_FILES[name]
    (tmp_path / name).write_bytes(content())
    code, captured = enhance(tmp_path / name)
    assert code == 2
    assert re.fullmatch(rf"drujax: error: {tmp_path}/(out/)?{name}: [^\n]*\n", captured)
    assert re.search(message, captured), captured
    assert not (tmp_path / "out").exists()


def test_a_bad_picture_in_a_folder_of_its_own_is_left_out(tmp_path, enhance):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_text("this is no picture")
    assert enhance(tmp_path / "in")[0] == 1


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp", ".tif"])
def test_animations_and_pages_are_no_still_pictures(tmp_path, enhance, suffix):
    frames(suffix, tmp_path)
    kind = "pages" if suffix == ".tif" else "frames of an animation"
    expected = f"{tmp_path}/a{suffix}: has 3 {kind}; only still pictures are taken here (extract them first)"
    with pytest.raises(UsageError, match=f"^{re.escape(expected)}$"):
        read_picture(tmp_path / f"a{suffix}")
    holds = "3 pages, which JPEG" if suffix == ".tif" else "an animation, which JPEG"
    code, line = enhance(tmp_path / f"a{suffix}", "--format=jpg")
    assert code == 2
    assert re.fullmatch(rf"drujax: error: {tmp_path}/a{suffix}: (has|is) {holds} cannot hold; choose [^\n]*\n", line)


def test_an_empty_folder(tmp_path, enhance):
    (tmp_path / "in").mkdir()
    code, captured = enhance(tmp_path / "in")
    assert code == 2
    assert re.fullmatch(rf"drujax: error: {tmp_path}/in: no pictures in this folder \(.png, .jpg[^\n]*\n", captured)


def test_a_folder_named_like_a_picture_is_a_folder(tmp_path, enhance):
    (tmp_path / "in.png").mkdir()
    code, captured = enhance(tmp_path / "in.png")
    assert code == 2
    assert "in.png: no pictures in this folder" in captured


def read_only_folder(tmp_path: Path) -> Path:
    """A folder that even root may not write to."""
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    if not os.access(folder, os.W_OK):
        return folder
    if Path("/sys/kernel").is_dir():  # the kernel refuses new files here to everybody
        return Path("/sys/kernel")
    pytest.skip("this user may write everywhere")


def test_no_permission_to_write(tmp_path, enhance):
    Image.fromarray(noise(6, 7, 3)).save(tmp_path / "a.png")
    folder = read_only_folder(tmp_path)
    for output in (folder, folder / "deeper"):
        code, captured = enhance(tmp_path / "a.png", "-o", f"{output}/")
        assert code == 2
        assert re.fullmatch(r"drujax: error: .*(permission denied|not permitted|read-only)[^\n]*\n", captured), captured
        assert str(folder) in captured


def test_no_permission_to_read(tmp_path, enhance, monkeypatch):
    Image.fromarray(noise(6, 7, 3)).save(tmp_path / "a.png")

    def refuse(path):  # as the system does to anybody but root
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    code, captured = enhance(tmp_path / "a.png")
    assert (code, captured.count("\n")) == (2, 1)
    assert f"{tmp_path}/a.png: permission denied" in captured


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mount.returncode != 0:
        pytest.skip(f"cannot mount a small file system: {mount.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(tmp_path, enhance, small_disk):
    (tmp_path / "in").mkdir()
    for index in range(4):
        Image.fromarray(noise(96, 96, 3)).save(tmp_path / "in" / f"{index}.png")  # 27 kB each
    code, captured = enhance(tmp_path / "in", "-o", str(small_disk))
    assert code == 2
    assert re.fullmatch(
        rf"drujax: error: {small_disk}/\d.png: no space left on the disk. Results that are there are complete; .*\n",
        captured,
    ), captured
    left = list(small_disk.iterdir())
    assert left
    assert all(path.suffix == ".png" and read_picture(path).rgb.shape == (96, 96, 3) for path in left)


def test_a_disk_that_is_full_from_the_start(small_disk):
    with pytest.raises(OSError, match=rf"No space left on device: '{small_disk}/a.bin'"):
        write_atomically(small_disk / "a.bin", bytes(200_000))
    assert not list(small_disk.iterdir())
