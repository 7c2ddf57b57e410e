import collections
import itertools
import json
import subprocess
import sys

import grain
import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax.sharding import NamedSharding, PartitionSpec
from PIL import Image

from drujax.data import pipeline
from drujax.data.dataset import Dataset
from drujax.data.pipeline import epoch_length, fixed_examples, pair, to_devices, train_batches
from drujax.data.prepare import prepare
from drujax.errors import UsageError

DARK, BRIGHT = 7, 5  # of the tiny dataset


def take(dataset, steps, **options):
    batches = train_batches(dataset, **{"size": 16, "batch_size": 4, "seed": 3} | options)
    taken = [{name: np.array(value) for name, value in batch.items()} for batch in itertools.islice(batches, steps)]
    batches.close()
    return taken


def assert_same(left, right):
    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        assert a.keys() == b.keys()
        for name in a:
            np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def test_a_batch_holds_what_the_step_needs(tiny):
    (batch,) = take(tiny, 1)
    assert {name: (value.shape, value.dtype.name) for name, value in batch.items()} == {
        "dark": ((4, 16, 16, 3), "uint8"),
        "bright": ((4, 16, 16, 3), "uint8"),
        "darkening": ((4,), "float32"),
        "dark_index": ((4,), "int32"),
        "bright_index": ((4,), "int32"),
    }


def test_workers_do_not_change_the_stream(tiny):
    expected = take(tiny, 7)
    assert_same(take(tiny, 7, workers=1), expected)
    assert_same(take(tiny, 7, workers=2), expected)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_resumes_at_its_step(tiny, workers):
    assert_same(take(tiny, 4, start_step=3, workers=workers), take(tiny, 7)[3:])


def test_processes_share_each_batch(tiny):
    whole = take(tiny, 3, start_step=2)
    parts = [take(tiny, 3, start_step=2, process=(index, 2)) for index in range(2)]
    joined = [
        {name: np.concatenate([left[name], right[name]]) for name in left} for left, right in zip(*parts, strict=True)
    ]
    assert_same(joined, whole)


def test_batches_depend_on_the_seed(tiny):
    (one,), (other,) = take(tiny, 1), take(tiny, 1, seed=4)
    assert not np.array_equal(one["dark"], other["dark"])


def test_every_crop_is_a_flipped_part_of_its_picture(tiny):
    for batch in take(tiny, 4):
        for name, split in (("dark", tiny.train_dark), ("bright", tiny.train_bright)):
            for crop, index in zip(batch[name], batch[f"{name}_index"], strict=True):
                windows = np.lib.stride_tricks.sliding_window_view(split.image(index), (16, 16, 3))[:, :, 0]
                flips = [crop, crop[::-1], crop[:, ::-1], crop[::-1, ::-1]]
                assert any((windows == flip).all(axis=(2, 3, 4)).any() for flip in flips)


def found(picture, crop):
    """(row, column, vertical flip, horizontal flip) of `crop` in `picture`."""
    windows = np.lib.stride_tricks.sliding_window_view(picture, (16, 16, 3))[:, :, 0]
    for vertical, horizontal in itertools.product((False, True), repeat=2):
        turned = crop[:: -1 if vertical else 1, :: -1 if horizontal else 1]
        hits = np.argwhere((windows == turned).all(axis=(2, 3, 4)))
        if len(hits):
            return (*hits[0].tolist(), vertical, horizontal)
    raise AssertionError("the crop is not in the picture")


def test_batches_of_one(tiny):
    assert take(tiny, 2, batch_size=1)[1]["dark"].shape == (1, 16, 16, 3)


def test_whole_pictures_are_resized(tiny):
    (batch,) = take(tiny, 1, size=12, view="whole", flips=False)
    for name, split in (("dark", tiny.train_dark), ("bright", tiny.train_bright)):
        for picture, index in zip(batch[name], batch[f"{name}_index"], strict=True):
            whole = Image.fromarray(split.image(index)).resize((12, 12), Image.Resampling.LANCZOS)
            np.testing.assert_array_equal(picture, np.asarray(whole))
    assert take(tiny, 1, size=40, view="whole")[0]["dark"].shape == (4, 40, 40, 3)  # larger than the pictures


def test_crops_are_of_resized_pictures(tiny):
    """Half of the shorter side shows four times as much; smaller pictures are enlarged."""
    batch = take(tiny, 1, size=12, short_side=12)[0]
    assert batch["dark"].shape[1:] == (12, 12, 3)
    split = tiny.train_dark
    for crop, index in zip(batch["dark"], batch["dark_index"], strict=True):
        assert abs(crop.mean() - split.image(int(index)).mean()) < 20
    with pytest.raises(UsageError, match=r"^short_side: must be >= size \(12\), got 11$"):
        take(tiny, 1, size=12, short_side=11)
    assert take(tiny, 1, size=99, short_side=99)[0]["dark"].shape[1:] == (99, 99, 3)
    assert fixed_examples(tiny, 99, 12, short_side=12).shape[1:] == (12, 12, 3)


def test_without_flips_crops_are_not_mirrored(tiny):
    (batch,) = take(tiny, 1, flips=False, batch_size=8)
    for crop, index in zip(batch["dark"], batch["dark_index"], strict=True):
        assert found(tiny.train_dark.image(index), crop)[2:] == (False, False)


def test_one_dark_picture(tiny):
    (batch,) = take(tiny, 1, one_dark=True, batch_size=8)
    assert not batch["dark_index"].any()
    assert len(set(batch["bright_index"].tolist())) > 1


def test_crops_flips_and_darkening_are_drawn_as_officially(tiny):
    """Offsets uniform over all valid ones; horizontal flips independent, vertical ones shared; t from 2.00 to 4.00."""
    (batch,) = take(tiny, 1, batch_size=2000)
    dark = [found(tiny.train_dark.image(i), crop) for i, crop in zip(batch["dark_index"], batch["dark"], strict=True)]
    bright = [
        found(tiny.train_bright.image(i), crop) for i, crop in zip(batch["bright_index"], batch["bright"], strict=True)
    ]
    offsets = collections.Counter((row, column) for row, column, *_ in dark)
    assert offsets.keys() == set(itertools.product(range(20 - 16 + 1), range(24 - 16 + 1)))
    expected = 2000 / len(offsets)
    chi_squared = sum((count - expected) ** 2 / expected for count in offsets.values())
    assert chi_squared < 87  # 44 degrees of freedom: p = 1e-4
    assert [d[2] for d in dark] == [b[2] for b in bright]
    flips = collections.Counter((d[2], d[3], b[3]) for d, b in zip(dark, bright, strict=True))
    assert len(flips) == 8
    assert all(abs(count - 250) < 65 for count in flips.values())  # 4.4 standard deviations

    darkening = batch["darkening"]
    darkened = darkening[darkening != 1]
    assert abs(len(darkened) - 1000) < 100
    hundredths = np.rint(darkened * 100)
    np.testing.assert_array_equal(darkened, (hundredths / 100).astype(np.float32))
    assert (hundredths.min(), hundredths.max()) == (200, 400)
    assert abs(hundredths.mean() - 300) < 8  # 4.4 standard deviations
    assert len(np.unique(hundredths)) > 190


def test_random_pairing_uses_every_picture_equally_often(tiny):
    batches = take(tiny, 35, batch_size=2)
    for name, length in (("dark_index", DARK), ("bright_index", BRIGHT)):
        shown = np.concatenate([batch[name] for batch in batches])
        epochs = shown.reshape(-1, length)  # 70 is a multiple of both
        np.testing.assert_array_equal(np.sort(epochs), np.tile(np.arange(length), (len(epochs), 1)))
        assert len({tuple(epoch) for epoch in epochs}) > 1
    assert epoch_length(tiny) == DARK


def test_official_pairing_is_fixed_and_its_order_is_not(tiny):
    batches = take(tiny, 14, batch_size=2, pairing="official")
    pairs = [
        (int(d), int(b)) for batch in batches for d, b in zip(batch["dark_index"], batch["bright_index"], strict=True)
    ]
    epochs = [pairs[start : start + DARK] for start in range(0, 28, DARK)]
    for epoch in epochs:
        assert sorted(epoch) == [(i, i % BRIGHT) for i in range(DARK)]
    assert len({tuple(epoch) for epoch in epochs}) > 1


counts = st.integers(1, 30)


@given(counts, counts, st.integers(0, 9), st.integers(0, 5))
def test_each_split_is_used_completely_before_it_repeats(dark, bright, seed, epoch):
    for side, length in enumerate((dark, bright)):
        stretch = range(epoch * length, (epoch + 1) * length)
        assert sorted(pair(k, dark, bright, seed, "random")[side] for k in stretch) == list(range(length))


@given(counts, counts, st.integers(0, 9), st.integers(0, 5))
def test_an_official_epoch_uses_each_pair_once(dark, bright, seed, epoch):
    length = max(dark, bright)
    pairs = [pair(k, dark, bright, seed, "official") for k in range(epoch * length, (epoch + 1) * length)]
    assert sorted(pairs) == sorted((i % dark, i % bright) for i in range(length))


def test_the_cache_respects_its_limit_and_returns_the_same_images(tiny, monkeypatch):
    expected = take(tiny, 5)
    monkeypatch.setattr(pipeline, "CACHE_BYTES", 3 * 20 * 24 * 3)
    assert_same(take(tiny, 5), expected)
    cache = pipeline.ImageCache({"dark": tiny.train_dark}, 3 * 20 * 24 * 3, pipeline.Resizing(16))
    for _ in range(2):
        for index in range(DARK):
            np.testing.assert_array_equal(cache.image("dark", index), tiny.train_dark.image(index))
    assert sorted(index for _, index in cache._kept) == [0, 1, 2]
    assert cache.image("dark", 1) is cache.image("dark", 1)


def test_workers_run_where_absl_flags_were_never_parsed(tiny):
    """A separate program, as a user would write it."""
    program = f"""
from drujax.data.dataset import Dataset
from drujax.data.pipeline import train_batches
if __name__ == "__main__":
    batches = train_batches(Dataset.open({str(tiny.path)!r}), size=16, batch_size=2, seed=0, workers=1)
    print(next(batches)["dark_index"].tolist())
    batches.close()
"""
    script = tiny.path.parent / "program.py"
    script.write_text(program)
    run = subprocess.run([sys.executable, "-W", "error", script], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == take(tiny, 1, batch_size=2, seed=0)[0]["dark_index"].tolist()


def test_batches_reach_the_device_ahead_of_time(tiny):
    mesh = jax.make_mesh((1,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    sharding = NamedSharding(mesh, PartitionSpec("data"))
    drawn = []

    class Source:
        closed = False

        def __init__(self):
            self._batches = iter(take(tiny, 6))

        def __iter__(self):
            return self

        def __next__(self):
            batch = next(self._batches)
            drawn.append(batch)
            return batch

        def close(self):
            Source.closed = True

    batches = to_devices(Source(), sharding, buffer=2)
    first = next(batches)
    assert len(drawn) == 3
    assert all(array.sharding == sharding for array in first.values())
    assert_same([jax.device_get(batch) for batch in (first, *batches)], take(tiny, 6))
    assert Source.closed


def test_fixed_examples_are_centres_of_pictures_that_do_not_train(tiny):
    crops = fixed_examples(tiny, 3, 16)
    for crop, picture in zip(
        crops, [tiny.val_dark.image(0), tiny.test_dark.image(0), tiny.test_dark.image(1)], strict=True
    ):
        np.testing.assert_array_equal(crop, picture[2:18, 4:20])
    assert fixed_examples(tiny, 99, 16).shape == (10, 16, 16, 3)
    assert fixed_examples(tiny, 0, 16).shape == (0, 16, 16, 3)
    assert fixed_examples(tiny, 3, 50).shape == (0, 50, 50, 3)  # all are smaller
    assert fixed_examples(tiny, 3, 50, "whole").shape == (3, 50, 50, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"size": 21},
            r"size: crops of 21 do not fit into 7 pictures of train_dark \(first: pictures/dark..png, 24x20\)",
        ),
        ({"size": 0}, "size: must be >= 1, got 0"),
        ({"pairing": "offical"}, r"pairing: unknown value 'offical'. Did you mean official\?"),
        ({"seed": -1}, "seed: must be >= 0, got -1"),
        ({"batch_size": 0}, "batch_size: must be >= 1, got 0"),
        ({"process": (0, 3)}, "batch_size: must be a multiple of the 3 processes, got 4"),
        ({"start_step": -1}, "start_step: must be >= 0, got -1"),
        ({"workers": -1}, "workers: must be >= 0, got -1"),
    ],
)
def test_mistakes_are_reported_in_one_line(tiny, options, message):
    with pytest.raises(UsageError, match=message):
        take(tiny, 1, **options)


def test_an_empty_split_is_reported(tmp_path, save_pictures):
    prepare([save_pictures(tmp_path / "p", dark=3)], tmp_path / "d", crop=16, quiet=True)
    with pytest.raises(UsageError, match="no pictures in train_bright; unpaired training needs dark and bright ones"):
        take(Dataset.open(tmp_path / "d"), 1)


def test_the_stream_is_grains(tiny):
    batches = train_batches(tiny, size=16, batch_size=4, seed=0)
    assert isinstance(batches, grain.DatasetIterator)
    batches.close()
