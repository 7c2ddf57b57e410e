"""Writes a dataset folder atomically: the stored form of an image, the ArrayRecord files."""

import contextlib
import fcntl
import functools
import io
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from drujax.console.progress import Progress
from drujax.data.records import SPLITS, TABLE, Metadata, write_table
from drujax.data.sources import Candidate, as_uint8
from drujax.errors import UsageError
from drujax.pictures import codec
from drujax.pictures.picture import Picture

MAX_ENLARGED = 2**24  # pixels


@contextlib.contextmanager
def written_whole(out: Path) -> Iterator[Path]:
    """Yields a hidden, empty folder next to `out`, which becomes `out` at the end unless it was left empty.

    The folder is locked: a second process that writes the same `out` waits for the first (and should then check `out`
    again). Leftovers of killed processes are removed.
    """
    out = out.absolute()
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = out.with_name(f".{out.name}.unfinished")
    lock = _lock(folder)
    try:
        for left in folder.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        yield folder
        if any(folder.iterdir()):
            os.replace(folder, out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _lock(folder: Path) -> int:
    """Creates and locks `folder`; the lock ends with the descriptor, or with the process."""
    while True:
        folder.mkdir(exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # The previous holder of the lock has renamed or removed the folder, unless it was killed.
        if folder.exists() and os.path.samestat(os.fstat(descriptor), folder.stat()):
            return descriptor
        os.close(descriptor)


def stored_size(size: tuple[int, int], crop: int) -> tuple[int, int]:
    """Returns the size with the short side enlarged to `crop`. Raises UsageError if a thin strip gets too large."""
    scale = max(1.0, crop / min(size))
    height, width = (round(side * scale) for side in size)
    if scale > 1 and height * width > MAX_ENLARGED:
        raise UsageError(
            f"{size[1]}x{size[0]} pixels enlarged to a short side of {crop} would be more than {MAX_ENLARGED} pixels"
        )
    return height, width


def _stored_bytes(candidate: Candidate, size: tuple[int, int]) -> bytes:
    """Returns the file's own bytes if Pillow alone decodes them to the wanted image, else a PNG of `size`."""
    content = candidate.path.read_bytes()
    picture = codec.decode(content)
    rgb = as_uint8(picture.rgb)
    if rgb.shape[:2] != size:
        rgb = np.asarray(Image.fromarray(rgb).resize((size[1], size[0]), Image.Resampling.BICUBIC))
    elif picture.format in ("JPEG", "PNG") and _plainly_decodes(content, rgb):
        return content
    return codec.encode(Picture(rgb), "PNG")


def _plainly_decodes(content: bytes, rgb: np.ndarray) -> bool:
    """Whether Pillow alone decodes the file to `rgb`: no palette, alpha channel or EXIF orientation."""
    with Image.open(io.BytesIO(content)) as image:
        return image.mode == "RGB" and np.array_equal(np.asarray(image), rgb)


def write_records(
    folder: Path, splits: Mapping[str, Sequence[Metadata]], candidates: Mapping[str, Candidate], *, quiet: bool
) -> None:
    """Writes the ArrayRecord files, and the table of the records in their order."""
    import tensorflow_datasets as tfds

    from drujax.data.builder import AnimeScenery, stored_records

    total, done = sum(len(rows) for rows in splits.values()), 0
    with Progress("writing", total=total, unit="picture", quiet=quiet) as progress:

        def picture(row: Metadata) -> bytes:
            nonlocal done
            done += 1
            progress.to(done)
            return _stored_bytes(candidates[row.id], (row.height, row.width))

        plan = {split: [(row, functools.partial(picture, row)) for row in rows] for split, rows in splits.items()}
        tfds.disable_progress_bar()
        with contextlib.redirect_stdout(io.StringIO()):  # tfds announces a download
            builder = AnimeScenery(plan=plan, data_dir=folder)
            try:
                builder.download_and_prepare()
            except RuntimeError as error:
                if "write() failed" not in str(error):
                    raise
                reason = str(error).partition("write() failed: ")[2].partition(";")[0]
                raise OSError(f"{folder.parent}: the dataset cannot be written: {reason}") from error
    shutil.rmtree(folder / "downloads")
    by_id = {row.id: row for rows in splits.values() for row in rows}
    stored = stored_records(builder)
    write_table(folder / TABLE, {s: [by_id[record["id"].decode()] for record in stored.get(s, ())] for s in SPLITS})
