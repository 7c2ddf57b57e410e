"""The tfds builder of the dataset `anime_scenery`: ArrayRecord files, written and read without TensorFlow.

`import drujax.data.builder` registers it, so that `tfds.data_source("anime_scenery", split="train_dark", data_dir=DIR)`
reads what `drujax.data.prepare` wrote to DIR. Records are ordered by tfds's hash of their ids.
"""

import dataclasses
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, get_args

import numpy as np
import tensorflow_datasets as tfds

from drujax.data.qab import PARTITIONS
from drujax.data.records import Label, LabelOrigin, Metadata

Planned = tuple[
    Metadata, Callable[[], bytes]
]  # a record, and a function that returns its image encoded (PNG or JPEG, 8-bit RGB)


class AnimeScenery(tfds.core.GeneratorBasedBuilder):
    """Unpaired dark and bright anime scenery.

    Args:
        plan: split -> records to write; not needed to read. A split without records is not written, because tfds
            does not support empty ones.
    """

    name = "anime_scenery"
    VERSION = tfds.core.Version("1.0.0")
    code_path = None  # tfds would search the code's folder for download checksums, with a package it does not install

    def __init__(self, *, plan: Mapping[str, Sequence[Planned]] | None = None, **kwargs):
        self._plan = plan or {}
        super().__init__(file_format="array_record", **kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        features = tfds.features
        return tfds.core.DatasetInfo(
            builder=self,
            description="Unpaired dark and bright anime scenery with quartile brightness and the origin of each label.",
            features=features.FeaturesDict(
                {
                    "id": features.Text(),
                    "group": features.Text(),
                    "source": features.Text(),
                    "quartile_means": features.Tensor(shape=(4,), dtype=np.float32),
                    "partition": features.ClassLabel(names=list(PARTITIONS)),
                    "label": features.ClassLabel(names=list(get_args(Label))),
                    "label_origin": features.ClassLabel(names=list(get_args(LabelOrigin))),
                    "classifier_probability": np.float32,  # of the label; NaN where the classifier was not used
                    "height": np.int64,
                    "width": np.int64,
                    "resized": np.bool_,
                    "image": features.Image(shape=(None, None, 3)),
                }
            ),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        del dl_manager  # nothing is downloaded
        return {split: self._generate_examples(planned) for split, planned in self._plan.items() if planned}

    def _generate_examples(self, planned: Sequence[Planned]) -> Iterator[tuple[str, dict[str, Any]]]:
        for metadata, encoded in planned:
            yield metadata.id, example(metadata, encoded())


def stored_records(builder: tfds.core.DatasetBuilder) -> dict[str, Sequence[Any]]:
    """Returns split -> its records as tfds reads them, the image still encoded; splits without records are missing."""
    decoders = {"image": tfds.decode.SkipDecoding()}
    read: Any = builder.as_data_source  # its decorator hides its parameters from type checkers
    return {split: read(split=split, decoders=decoders) for split in builder.info.splits}


def example(metadata: Metadata, encoded: bytes) -> dict[str, Any]:
    """Converts a record to the fields that tfds encodes."""
    fields = {field.name: getattr(metadata, field.name) for field in dataclasses.fields(Metadata)}
    probability = metadata.classifier_probability
    return fields | {
        "quartile_means": np.asarray(metadata.quartile_means, np.float32),
        "classifier_probability": np.nan if probability is None else probability,
        "image": io.BytesIO(encoded),  # an array would be encoded by TensorFlow
    }
