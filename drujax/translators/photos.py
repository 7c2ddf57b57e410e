"""Sources of photographs: a folder, or a split of a dataset of tensorflow-datasets (tfds)."""

import contextlib
import functools
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import UInt8

from drujax.data.sources import as_uint8, from_folders
from drujax.errors import UsageError, describe
from drujax.pictures import codec
from drujax.pictures.discovery import Skipped

TFDS = "tfds:"
IMAGE = "image"  # the feature of a tfds record
TIMEOUT = 20  # seconds


@dataclass(frozen=True)
class Photo:
    """A photograph.

    Attributes:
        name: unique path of the picture made from it, below the folder of all: `coast/001.png`.
        origin: its file, or the record of a dataset.
        rgb: decodes it, upright, in 8 bits, without alpha and colour profile. Raises UsageError or OSError.
    """

    name: str
    origin: str
    rgb: Callable[[], UInt8[np.ndarray, "h w 3"]]


def find_photos(source: str | Path, *, data_dir: Path | None = None, skipped: Skipped | None = None) -> list[Photo]:
    """Lists photographs in a fixed order.

    Args:
        source: a folder, searched recursively; or `tfds:NAME:SPLIT`, such as `tfds:cycle_gan/monet2photo:trainB`. A
            dataset that is not prepared yet is downloaded, once.
        data_dir: where tfds keeps its datasets; by default TFDS_DATA_DIR, or ~/tensorflow_datasets.
        skipped: collects the files in a folder that are skipped.

    Raises:
        UsageError: there is no such folder or dataset, no photograph in it, or the dataset cannot be downloaded.
    """
    if str(source).startswith(TFDS):
        return _of_dataset(str(source), data_dir)
    candidates = from_folders([Path(source)], skipped)
    paths = [candidate.id.removeprefix(f"{candidate.source}/") for candidate in candidates]
    return [
        Photo(name, str(candidate.path), candidate.rgb)
        for name, candidate in zip(_result_names(paths), candidates, strict=True)
    ]


def _result_names(paths: Sequence[str]) -> list[str]:
    """Replaces suffixes by .png; photographs that would have the same name keep theirs: `a.jpg.png`, `a.webp.png`."""
    names = [str(PurePosixPath(path).with_suffix(".png")) for path in paths]
    while True:
        counts = Counter(name.lower() for name in names)  # for file systems that ignore case
        longer = [f"{path}.png" if counts[name.lower()] > 1 else name for path, name in zip(paths, names, strict=True)]
        if longer == names:
            return names
        names = longer


def _of_dataset(source: str, data_dir: Path | None) -> list[Photo]:
    match = re.fullmatch(r"tfds:([^:\[]+(?::[\d.*]+)?):(.+)", source)  # a version may follow the name
    if match is None:
        raise UsageError(f"source: must be tfds:NAME:SPLIT, like tfds:cycle_gan/monet2photo:trainB, got {source}")
    name, split = match.groups()
    builder = _builder(name, data_dir)
    if not builder.is_prepared():
        _prepare(builder, name)
    if IMAGE not in builder.info.features:
        raise UsageError(f"source: the records of {name} have no {IMAGE}, only {', '.join(builder.info.features)}")
    import tensorflow_datasets as tfds

    try:
        records = builder.as_data_source(split=split, decoders={IMAGE: tfds.decode.SkipDecoding()})
    except (ValueError, KeyError) as error:
        choices = ", ".join(builder.info.splits)
        raise UsageError(f"source: {name} has no split {split}; its splits are {choices}") from error

    def rgb(index: int) -> UInt8[np.ndarray, "h w 3"]:
        return as_uint8(codec.decode(records[index][IMAGE]).rgb)

    stem = re.sub(r"\W+", "_", split).strip("_")  # train[:10%] becomes train_10
    return [
        Photo(f"{stem}_{index:06d}.png", f"{source}, record {index}", functools.partial(rgb, index))
        for index in range(len(records))
    ]


def _builder(name: str, data_dir: Path | None) -> Any:
    import tensorflow_datasets as tfds

    try:
        return tfds.builder(name, data_dir=data_dir, file_format="array_record")
    except ValueError as error:  # DatasetNotFoundError is one
        reason = str(error).partition("\n")[0]
        raise UsageError(f"source: tfds has no dataset {name} ({reason}); its catalogue lists all") from error


def _prepare(builder: Any, name: str) -> None:
    """Downloads a dataset and converts it to ArrayRecord files. Raises UsageError if that fails."""

    def refusal(why: str) -> UsageError:
        return UsageError(f"source: {name} is not on this machine, and {why}; or give a folder of its pictures")

    try:
        for url in list(builder.url_infos or ())[:1]:
            if (reason := _unreachable(url)) is not None:  # tfds would try for a quarter of an hour
                raise refusal(f"{urllib.parse.urlsplit(url).netloc} cannot be reached ({reason})")
        with contextlib.redirect_stdout(sys.stderr):
            builder.download_and_prepare()
    except ImportError as error:
        raise refusal(f"preparing it needs {error.name}: pip install tensorflow importlib_resources") from error
    except OSError as error:
        raise refusal(f"it cannot be prepared: {describe(error)}") from error


def _unreachable(url: str) -> str | None:
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=TIMEOUT).close()
    except urllib.error.HTTPError:  # a server that answers; what it has is for tfds to see
        return None
    except OSError as error:
        return str(getattr(error, "reason", error))
    return None
