"""The tfds builder of the dataset `anime_scenery`: ArrayRecord files, written and read without TensorFlow.

`import drujax.data.builder` registers it, so that `tfds.data_source("anime_scenery", split="train_dark", data_dir=DIR)`
reads what `drujax.data.prepare` wrote to DIR. `tfds.builder_from_directory(DIR/anime_scenery/VERSION)` needs no drujax.
Records are ordered by tfds's hash of their ids. docs/dataset.md describes the features and versions.
"""

import dataclasses
import functools
import io
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core.example_serializer import ExampleSerializer

from drujax.data.qab import PARTITIONS
from drujax.data.records import Label, LabelOrigin, Metadata
from drujax.errors import UsageError


class AnimeScenery(tfds.core.GeneratorBasedBuilder):
    """Unpaired dark and bright anime scenery.

    A split without records is not written, because tfds does not support empty ones.
    """

    name = "anime_scenery"
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}  # noqa: RUF012 (of tfds)
    code_path = None  # tfds would search the code's folder for download checksums, with a package it does not install

    def __init__(self, **kwargs):
        super().__init__(file_format="array_record", **kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="Unpaired dark and bright anime scenery with quartile brightness and the origin of each label.",
            features=features(),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        raise UsageError("anime_scenery: nothing to download; build it from pictures: python -m experiments.prepare")

    def _generate_examples(self):
        raise NotImplementedError  # abstract in tfds; drujax.data.writer writes the records


@functools.cache
def features() -> tfds.features.FeaturesDict:
    """Returns the features of a record."""
    features = tfds.features
    return features.FeaturesDict(
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
    )


def stored_records(builder: tfds.core.DatasetBuilder) -> dict[str, Sequence[Any]]:
    """Returns split -> its records as tfds reads them, the image still encoded; splits without records are missing."""
    decoders = {"image": tfds.decode.SkipDecoding()}
    read: Any = builder.as_data_source  # its decorator hides its parameters from type checkers
    return {split: read(split=split, decoders=decoders) for split in builder.info.splits}


def serialised_example(metadata: Metadata, encoded: bytes) -> bytes:
    """Returns a record as tfds stores it, a tf.train.Example, always the same bytes; arguments as in `fields`."""
    example = _serialiser().get_tf_example(features().encode_example(fields(metadata, encoded)))
    # tfds itself does not fix the order of the features, a map, and so it differs between processes.
    return example.SerializeToString(deterministic=True)


def fields(metadata: Metadata, encoded: bytes) -> dict[str, Any]:
    """Converts a record to the values that tfds encodes.

    Args:
        metadata: of the image.
        encoded: the image, a PNG or JPEG of 8-bit RGB.
    """
    values = {field.name: getattr(metadata, field.name) for field in dataclasses.fields(Metadata)}
    probability = metadata.classifier_probability
    return values | {
        "quartile_means": np.asarray(metadata.quartile_means, np.float32),
        "classifier_probability": np.nan if probability is None else probability,
        "image": io.BytesIO(encoded),  # an array would be encoded by TensorFlow
    }


@functools.cache
def _serialiser() -> ExampleSerializer:
    specs: Any = features().get_serialized_info()
    return ExampleSerializer(specs)
