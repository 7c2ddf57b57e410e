"""A compiled translator: shapes, batches, devices, channels, faulty weights."""

import flax.linen as nn
import numpy as np
import pytest

from drujax.errors import UsageError
from drujax.runtime.compile_cache import enable_compilation_cache
from drujax.translators import translator as module
from drujax.translators.spec import TranslatorSpec
from drujax.translators.translator import Translator
from drujax.translators.weights import Loaded, load
from tests.support import devices
from tests.support.tiny_translator import save_tiny_translator


def photos(*sizes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return save_tiny_translator(tmp_path_factory.mktemp("weights") / "a.npz")


@pytest.fixture
def tiny(weights):
    return Translator(load("cartoongan", weights))


class Scaled(nn.Module):
    """Multiplies each channel by a parameter."""

    @nn.compact
    def __call__(self, x):
        return x * self.param("factors", nn.initializers.ones, (3,))


def scaled(factors, **changes) -> Translator:
    """A translator whose network multiplies the channels."""
    spec = TranslatorSpec("", build=lambda state: Scaled(), files=(), obtain="", **changes)
    variables = {"params": {"factors": np.float32(factors)}}
    return Translator(Loaded("scaled", spec, Scaled(), variables, "", None))


def test_results_have_the_size_of_the_photographs(tiny):
    for size in ((1, 1), (7, 30), (17, 16), (20, 20)):
        (result,) = tiny.start(photos(size)).result()
        assert result.shape == (*size, 3)
        assert result.dtype == np.uint8


def test_a_batch_is_translated_as_its_photographs_alone(tiny):
    """Also with other sizes that are padded to the same; within a level, where rounding decides."""
    batch = photos((18, 30), (20, 32), (17, 29))
    together = tiny.start(batch).result()
    for photo, result in zip(batch, together, strict=True):
        (alone,) = tiny.start([photo]).result()
        assert result.std() > 1
        assert np.abs(result.astype(int) - alone).max() <= 1


def test_a_network_that_changes_nothing_gives_the_photograph():
    for changes in ({}, {"channels": "bgr"}, {"value_range": (0.0, 1.0)}):
        (photo,) = photos((9, 11))
        np.testing.assert_array_equal(scaled([1, 1, 1], **changes).start([photo]).result()[0], photo)


def test_channel_order():
    photo = np.full((8, 8, 3), 255, np.uint8)
    assert scaled([1, 0, -1]).start([photo]).result()[0][0, 0].tolist() == [255, 128, 0]
    assert scaled([1, 0, -1], channels="bgr").start([photo]).result()[0][0, 0].tolist() == [0, 128, 255]


def test_values_beyond_the_range_are_clipped():
    photo = np.full((8, 8, 3), 255, np.uint8)
    assert scaled([9, 9, -9]).start([photo]).result()[0][0, 0].tolist() == [255, 255, 0]


def test_nan_is_an_error():
    with pytest.raises(UsageError, match="weights: the network's output contains NaN"):
        scaled([1, np.nan, 1]).start(photos((8, 8))).result()


def test_too_little_memory_is_an_error_before_the_network_runs(tiny, monkeypatch):
    monkeypatch.setattr(module, "free_memory", lambda device: 1000)
    with pytest.raises(UsageError, match=r"limit_size: 40x24 pixels need .* GB of memory, and 0\.0 GB are free"):
        tiny.start(photos((24, 40)))


def test_few_programs_for_batches_of_any_length(tiny):
    for count in (1, 2, 3, 4, 5, 7, 8):
        tiny.start(photos(*[(8, 8)] * count)).result()
    assert {shape[0] for shape in tiny._programs} == {1, 2, 4, 8}


def test_small_photographs_share_a_call(tiny):
    assert tiny.per_call((256, 256)) == 4
    assert tiny.per_call((1024, 1024)) == 1


def main(path) -> None:
    """In a process with four devices: translates a batch of five, and reports how it was split."""
    enable_compilation_cache()
    four = Translator(load("cartoongan", path))
    running = four.start(photos(*[(16, 20)] * 5))
    assert running.levels.shape[0] == 8
    assert {shard.data.shape[0] for shard in running.levels.addressable_shards} == {2}
    np.savez(f"{path}.four.npz", *running.result())


def test_four_devices_translate_as_one(weights, tiny):
    devices.finish(devices.start(4, __file__, weights))
    with np.load(f"{weights}.four.npz") as four:
        for ours, theirs in zip(tiny.start(photos(*[(16, 20)] * 5)).result(), four.values(), strict=True):
            assert np.abs(ours.astype(int) - theirs).max() <= 1


if __name__ == "__main__":
    import sys

    main(sys.argv[1])
