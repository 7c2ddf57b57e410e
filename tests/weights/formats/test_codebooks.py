import numpy as np
import pytest

from drujax.errors import UsageError
from drujax.weights.formats.codebooks import complete, decode, has_codebooks


@pytest.fixture
def quantised():
    """A convolution of 2 outputs, 4 inputs, 3x3 in blocks of 18, with its batch norm; and a linear layer."""
    random = np.random.default_rng(0)
    return {
        "conv.codebook": random.standard_normal((5, 18)).astype(np.float16),
        "conv.codes_matrix": np.array([[0, 4], [3, 3]], np.uint8),
        "bn.weight": np.array([1.5, 2], np.float32),
        "bn.bias": np.array([-1, 0.5], np.float32),
        "fc.codebook": random.standard_normal((40_000, 1)).astype(np.float16),
        "fc.codes_matrix": np.array([[39_999, 1], [32_768, 0]], np.uint16).view(np.int16),
        "fc.bias": np.zeros(2, np.float32),
    }


def test_blocks_of_a_row_are_the_kernel_of_an_output(quantised):
    plain = decode(quantised)
    assert list(sorted(plain)) == ["bn.bias", "bn.weight", "conv.weight", "fc.bias", "fc.weight"]
    book = quantised["conv.codebook"].astype(np.float32)
    np.testing.assert_array_equal(plain["conv.weight"], [[*book[0], *book[4]], [*book[3], *book[3]]])
    assert plain["conv.weight"].dtype == np.float32


def test_signed_codes_are_unsigned(quantised):
    book = quantised["fc.codebook"].astype(np.float32)[:, 0]
    np.testing.assert_array_equal(decode(quantised)["fc.weight"], [[book[39_999], book[1]], [book[32_768], book[0]]])


def test_completed_by_the_shapes_of_the_network(quantised):
    def shape(*sides):
        return np.zeros(sides, np.float32)

    shapes = {
        "params": {
            "conv": {"kernel": shape(3, 3, 4, 2)},
            "bn": {"scale": shape(2), "bias": shape(2)},
            "fc": {"kernel": shape(2, 2), "bias": shape(2)},
        },
        "batch_stats": {"bn": {"mean": shape(2), "var": shape(2)}},
    }
    completed = complete(decode(quantised), shapes)
    book = quantised["conv.codebook"].astype(np.float32)
    assert completed["conv.weight"].shape == (2, 4, 3, 3)
    np.testing.assert_array_equal(completed["conv.weight"][0, :2], book[0].reshape(2, 3, 3))
    np.testing.assert_array_equal(completed["bn.running_mean"], [0, 0])
    np.testing.assert_array_equal(completed["bn.running_var"], [1, 1])
    np.testing.assert_array_equal(completed["fc.weight"], decode(quantised)["fc.weight"])


def test_palette_of_single_values():
    codes = np.arange(2 * 3 * 9, dtype=np.uint8).reshape(2, 3, 3, 3) % 7
    palette = np.linspace(-1, 1, 7, dtype=np.float32)
    state = {"conv1_1.codes": codes, "conv1_1.palette": palette, "conv1_1.bias": np.zeros(2)}
    plain = decode(state)
    assert set(plain) == {"conv1_1.weight", "conv1_1.bias"}
    np.testing.assert_array_equal(plain["conv1_1.weight"], palette[codes])
    assert not has_codebooks(state)


def test_plain_checkpoints_are_returned_as_they_are(quantised):
    state = {"conv.weight": np.zeros((2, 4, 3, 3)), "bn.weight": np.zeros(2)}
    assert decode(state) == state
    assert not has_codebooks(state)
    assert has_codebooks(quantised)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conv.codebook": None}, "conv is quantised, but has no conv.codebook"),
        ({"conv.codes_matrix": None}, "conv is quantised, but has no conv.codes_matrix"),
        (
            {"conv.codes_matrix": np.full((2, 2), 5, np.uint8)},
            r"codes of conv do not fit its values: uint8 into \(5, 1",
        ),
        ({"conv.codes_matrix": np.zeros((2, 2), np.float32)}, "codes of conv do not fit its values: float32"),
        ({"conv.codebook": np.zeros((5, 10**6), np.float16)}, "codes of conv do not fit its values"),
    ],
)
def test_codes_that_do_not_fit_are_refused(quantised, change, message):
    state = {name: value for name, value in (quantised | change).items() if value is not None}
    with pytest.raises(UsageError, match=message):
        decode(state)
