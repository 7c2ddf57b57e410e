"""Reads what `drujax.data.prepare` wrote: random access to records, without TensorFlow."""

import bisect
import dataclasses
import itertools
import operator
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, SupportsIndex, overload

import numpy as np
from jaxtyping import UInt8

from drujax.data.qab import Partition
from drujax.data.records import SPLITS, TABLE, Metadata, Record, decode, read_table
from drujax.errors import UsageError, unknown


class Split(Sequence):  # of Record, not annotated: run-time type checkers would decode images
    """Records in a fixed order, which is the order of the RP table; `split[i]` decodes the image.

    It can be pickled (for worker processes) and read by several threads at once.
    """

    def __init__(
        self,
        table: Sequence[Metadata],
        encoded: Sequence[Any],
        shards: "Shards | _Joined | None" = None,
        positions: Sequence[int] | None = None,
    ):
        self._table, self._encoded, self._shards = table, encoded, shards
        self._positions = range(len(table)) if positions is None else positions

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> "Split": ...
    def __getitem__(self, index):
        if isinstance(index, slice):
            return Split(self._table, self._encoded, self._shards, self._positions[index])
        metadata = self._table[self._positions[index]]
        fields = {field.name: getattr(metadata, field.name) for field in dataclasses.fields(Metadata)}
        return Record(**fields, image=self.image(index))

    @property
    def table(self) -> list[Metadata]:
        """The metadata of each record, without decoding any image."""
        return [self._table[position] for position in self._positions]

    def encoded(self, index: SupportsIndex) -> bytes:
        """Reads the image of record `index` as stored (PNG or JPEG). Raises UsageError if its file is damaged."""
        position = self._positions[operator.index(index)]
        try:
            return self._encoded[position]["image"]
        except UsageError:  # of a joined split
            raise
        except (RuntimeError, OSError, ValueError, IndexError) as error:  # of array_record and tfds
            raise self._damaged(position, error) from error

    def image(self, index: SupportsIndex) -> UInt8[np.ndarray, "h w 3"]:
        """Decodes the image of record `index`. Raises UsageError if its file is damaged or missing."""
        encoded = self.encoded(index)
        try:
            return decode(encoded)
        except (OSError, ValueError) as error:  # of Pillow
            raise self._damaged(self._positions[operator.index(index)], error) from error

    def file_of(self, index: SupportsIndex) -> str:
        """Returns the file that holds record `index`; empty if it is in none."""
        return "" if self._shards is None else self._shards.holding(self._positions[operator.index(index)])

    def _damaged(self, position: int, error: Exception) -> UsageError:
        reason = " ".join(str(error).partition(";")[0].split())
        where = "" if self._shards is None else f"{self._shards.holding(position)}: "
        return UsageError(f"{where}the record of {self._table[position].id} is damaged ({reason}).")

    def where(self, keep: Callable[[Metadata], bool]) -> "Split":
        """Selects the records for which `keep` is true, in the same order."""
        return Split(self._table, self._encoded, self._shards, [p for p in self._positions if keep(self._table[p])])

    def __add__(self, other: "Split") -> "Split":
        """Appends the records of another split."""
        joined = _Joined((self, other))
        return Split([*self.table, *other.table], joined, joined)

    def confident(self, partition: Partition | None = None) -> "Split":
        """Selects the records whose QAB class is confident: "dark", "bright", or (None) either."""
        wanted = ("dark", "bright") if partition is None else (partition,)
        return self.where(lambda metadata: metadata.partition in wanted)


class _Joined(Sequence):
    """The encoded records and the files of several splits, one split after the other."""

    def __init__(self, splits: Sequence[Split]):
        self._at = [(split, index) for split in splits for index in range(len(split))]

    def __len__(self) -> int:
        return len(self._at)

    def __getitem__(self, position):  # pyright: ignore[reportIncompatibleMethodOverride]
        split, index = self._at[position]
        return {"image": split.encoded(index)}

    def holding(self, position: int) -> str:
        """Returns the file that holds the record at `position`."""
        split, index = self._at[position]
        return split.file_of(index)


@dataclasses.dataclass(frozen=True)
class Dataset:
    """The four splits of a dataset: dark images for training, validation and test, bright ones for training."""

    path: Path
    train_dark: Split
    train_bright: Split
    test_dark: Split
    val_dark: Split

    @classmethod
    def open(cls, path: str | Path) -> "Dataset":
        """Opens the dataset in folder `path`.

        Raises:
            UsageError: `path` holds no dataset, or a damaged one.
        """
        path = Path(path)
        if not (path / TABLE).is_file():
            raise UsageError(f"{path}: no dataset; create one: python -m experiments.prepare --source=DIR --out={path}")
        from drujax.data.builder import stored_records

        tables = read_table(path / TABLE)
        builder = _builder(path)
        encoded = stored_records(builder)
        shards = {split: Shards.of(builder, split) for split in builder.info.splits}
        for split, table in tables.items():
            stored = len(encoded.get(split, ()))
            if stored != len(table):
                raise UsageError(
                    f"{path}: {TABLE} lists {len(table)} records of {split}, {stored} are stored; prepare it again."
                )
        for one in shards.values():
            one.check()
        return cls(path, **{split: Split(tables[split], encoded.get(split, ()), shards.get(split)) for split in SPLITS})

    def split(self, name: str) -> Split:
        """Returns the split of that name.

        Raises:
            UsageError: an unknown name.
        """
        if name not in SPLITS:
            raise unknown("split", name, SPLITS)
        return getattr(self, name)

    def table(self, split: str) -> list[Metadata]:
        """Returns the metadata of each record of a split, in record order, without decoding any image."""
        return self.split(split).table


@dataclasses.dataclass(frozen=True)
class Shards:
    """The files of a split, and the number of records in each."""

    files: tuple[str, ...]
    lengths: tuple[int, ...]

    @classmethod
    def of(cls, builder: Any, split: str) -> "Shards":
        """Lists the files of a split that tfds knows."""
        info = builder.info.splits[split]
        return cls(tuple(map(str, info.filepaths)), tuple(info.shard_lengths))

    def holding(self, position: int) -> str:
        """Returns the file that holds the record at `position`."""
        return self.files[bisect.bisect_right(list(itertools.accumulate(self.lengths)), position)]

    def check(self) -> None:
        """Raises UsageError for the first file that is missing, empty or cut off. Damage inside is found when read."""
        from array_record.python.array_record_module import ArrayRecordReader

        for file, length in zip(self.files, self.lengths, strict=True):
            try:
                reader = ArrayRecordReader(file)
                stored = reader.num_records()
                reader.close()
            except (RuntimeError, ValueError) as error:
                reason = "it is missing" if not Path(file).is_file() else " ".join(str(error).partition(";")[0].split())
                raise UsageError(f"{file}: damaged file of the dataset: {reason}; prepare it again.") from error
            if stored != length:
                raise UsageError(
                    f"{file}: damaged file of the dataset: {stored} records of {length}; prepare it again."
                )


def _builder(path: Path) -> Any:
    """Returns tfds's builder of the dataset, which reads it."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.dataset_info import DatasetInfoFileError

    from drujax.data.builder import AnimeScenery

    folder = path / AnimeScenery.name / str(AnimeScenery.VERSION)
    try:
        return tfds.builder_from_directory(folder)
    except (DatasetInfoFileError, OSError, ValueError) as error:
        raise UsageError(f"{folder}: no readable dataset ({' '.join(str(error).split())}); prepare it again.") from None
