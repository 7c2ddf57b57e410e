"""Writes the shards of a dataset and tfds's description of it, the same bytes as tfds's own writer, but in parallel.

All shards are planned before any is written: which records, in which order, in which file. So processes or machines
write them independently, and an interrupted build continues with the missing ones. tfds's writers, including those for
Apache Beam, first collect and sort the records themselves.
"""

import contextlib
import dataclasses
import errno
import hashlib
import io
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from drujax.console.progress import Progress
from drujax.data.records import SPLITS, Metadata
from drujax.data.sources import Candidate, as_uint8
from drujax.errors import UsageError
from drujax.pictures import codec
from drujax.pictures.picture import Picture
from drujax.runtime.atomic_write import replacing, write_atomically
from drujax.runtime.parallel import ordered_map

MAX_ENLARGED = 2**24  # pixels
SHARD_BYTES = 2**26  # of images in a shard, roughly


@dataclasses.dataclass(frozen=True, slots=True)
class Planned:
    """A record that is to be written."""

    metadata: Metadata
    candidate: Candidate
    digest: bytes  # SHA-256 of the picture's file
    bytes: int  # of its image, roughly


@dataclasses.dataclass(frozen=True)
class Shard:
    """A file of records that is to be written."""

    split: str
    index: int
    count: int  # of the shards of the split
    records: Sequence[Planned]  # in their order

    @property
    def name(self) -> str:
        """The file name, by the rules of tfds."""
        return f"anime_scenery-{self.split}.array_record-{self.index:05}-of-{self.count:05}"

    @property
    def key(self) -> str:
        """Identifies the content."""
        content = hashlib.sha256()
        for record in self.records:
            content.update(repr((record.metadata, record.digest)).encode())
        return content.hexdigest()


def stored_size(size: tuple[int, int], crop: int) -> tuple[int, int]:
    """Returns the size with the short side enlarged to `crop`. Raises UsageError if a thin strip gets too large."""
    scale = max(1.0, crop / min(size))
    height, width = (round(side * scale) for side in size)
    if scale > 1 and height * width > MAX_ENLARGED:
        raise UsageError(
            f"{size[1]}x{size[0]} pixels enlarged to a short side of {crop} would be more than {MAX_ENLARGED} pixels"
        )
    return height, width


def plan_shards(splits: Mapping[str, Sequence[Planned]]) -> list[Shard]:
    """Orders the records of each split by tfds's hash of their ids, and divides them into files of `SHARD_BYTES`."""
    from tensorflow_datasets.core.hashing import Hasher

    shards = []
    for split in SPLITS:
        hasher = Hasher(split)
        # Ids as bytes: tfds would take a backslash in a text for a slash, and two ids for one.
        records = sorted(splits[split], key=lambda record: hasher.hash_key(record.metadata.id.encode()))
        count = min(len(records), -(-sum(record.bytes for record in records) // SHARD_BYTES))
        bounds = [round(len(records) * index / max(count, 1)) for index in range(count + 1)]
        shards += [Shard(split, i, count, records[a:b]) for i, (a, b) in enumerate(itertools.pairwise(bounds))]
    return shards


class ShardFolder:
    """The folder of a dataset's shards, and a marker for each complete one, with its key and size."""

    def __init__(self, dataset: Path, markers: Path):
        from drujax.data.builder import AnimeScenery

        self._dataset, self._markers = dataset, markers
        self._shards = dataset / AnimeScenery.name / str(AnimeScenery.VERSION)
        for folder in (self._shards, markers):
            folder.mkdir(parents=True, exist_ok=True)

    def missing(self, shards: Sequence[Shard]) -> list[Shard]:
        """Returns the shards that are not there; removes all other files."""
        there = [shard for shard in shards if self._marker(shard).get("key") == shard.key]
        names = {shard.name for shard in there}
        for path in self._shards.iterdir():
            if path.name not in names:
                path.unlink()
        return [shard for shard in shards if shard.name not in names or not (self._shards / shard.name).is_file()]

    def write(self, shard: Shard, serialised: Iterable[bytes]) -> None:
        """Writes a shard, whose records are `serialised`, and then its marker.

        Raises:
            OSError: it cannot be written.
        """
        from array_record.python.array_record_module import ArrayRecordWriter

        size = 0
        with replacing(self._shards / shard.name) as temporary, _as_os_error():
            writer = ArrayRecordWriter(str(temporary), "group_size:1")  # as tfds does: random access to each record
            for record in serialised:
                writer.write(record)
                size += len(record)
            writer.close()
        marker = {"key": shard.key, "bytes": size}
        write_atomically(self._markers / f"{shard.name}.json", json.dumps(marker).encode())

    def describe(self, shards: Sequence[Shard]) -> None:
        """Writes the files by which tfds knows the dataset."""
        import tensorflow_datasets as tfds
        from tensorflow_datasets.core.splits import SplitDict

        from drujax.data.builder import AnimeScenery

        builder = AnimeScenery(data_dir=self._dataset)
        folder: Any = self._shards  # tfds annotates etils' paths, and takes these
        splits = []
        for split in SPLITS:
            if own := [shard for shard in shards if shard.split == split]:
                template = tfds.core.ShardedFileTemplate(
                    data_dir=folder, dataset_name=AnimeScenery.name, split=split, filetype_suffix="array_record"
                )
                lengths = [len(shard.records) for shard in own]
                size = sum(self._marker(shard)["bytes"] for shard in own)
                splits.append(
                    tfds.core.SplitInfo(name=split, shard_lengths=lengths, num_bytes=size, filename_template=template)
                )
        builder.info.set_splits(SplitDict(splits))
        builder.info.write_to_directory(self._shards)

    def _marker(self, shard: Shard) -> dict:
        file = self._markers / f"{shard.name}.json"
        return json.loads(file.read_text()) if file.is_file() else {}


def write_shards(folder: ShardFolder, shards: Sequence[Shard], *, processes: int, quiet: bool) -> None:
    """Writes the shards one after the other; the records are encoded in `processes`."""
    todo = folder.missing(shards)
    total, missing = (sum(len(shard.records) for shard in some) for some in (shards, todo))
    progress = Progress("writing", total=total, done=total - missing, unit="picture", quiet=quiet)
    records = (record for shard in todo for record in shard.records)
    with progress, contextlib.closing(ordered_map(serialise, records, processes=processes, total=missing)) as done:

        def counted(record: bytes) -> bytes:
            progress.advance()
            return record

        for shard in todo:
            folder.write(shard, map(counted, itertools.islice(done, len(shard.records))))


def write_alone(folder: ShardFolder, shard: Shard) -> None:
    """Writes a shard in this process: a task of Apache Beam."""
    folder.write(shard, map(serialise, shard.records))


def serialise(record: Planned) -> bytes:
    """Returns a record as tfds stores it.

    Raises:
        UsageError: the picture's file is not the one that was measured.
    """
    from drujax.data.builder import serialised_example

    metadata, path = record.metadata, record.candidate.path
    content = path.read_bytes()
    if hashlib.sha256(content).digest() != record.digest:
        raise UsageError(f"{path}: the file changed while the dataset was built; build it again")
    image = stored_image(content, (metadata.height, metadata.width))
    return serialised_example(metadata, image)


def stored_image(content: bytes, size: tuple[int, int]) -> bytes:
    """Returns a file's own bytes if Pillow alone decodes them to the wanted image, else a PNG of `size` (h, w)."""
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


@contextlib.contextmanager
def _as_os_error():
    """Raises OSError where array_record, which knows neither errno nor full disks, raises RuntimeError."""
    try:
        yield
    except RuntimeError as error:
        if "write() failed" not in str(error):
            raise
        reason = str(error).partition("write() failed: ")[2].partition(";")[0]
        raise OSError(errno.EIO, reason) from error
