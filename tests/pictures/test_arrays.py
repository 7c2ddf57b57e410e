"""Accepted image arrays, and the error for each mistake."""

import ml_dtypes
import numpy as np
import pytest
from PIL import Image

from drujax.errors import UsageError
from drujax.pictures.arrays import as_images, native
from drujax.pictures.picture import Picture

ONES = np.ones((2, 3, 3), np.uint8)


@pytest.mark.parametrize(
    "dtype", ["u1", "<u2", ">u2", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8", np.longdouble, ml_dtypes.bfloat16]
)
def test_levels_and_floats_of_any_byte_order(dtype):
    for image in (ONES.astype(dtype), ONES[None].astype(dtype)):
        assert as_images(image, "image") is image
        ready = native(image)
        assert ready.dtype.isnative
        assert ready.dtype.itemsize <= 8
        assert np.array_equal(ready, image)


def test_lists_and_arrays_of_other_libraries():
    assert np.array_equal(as_images(Image.fromarray(ONES), "image"), ONES)
    assert np.array_equal(as_images([[[0.5, 0.0, 1.0]]], "image"), np.array([[[0.5, 0.0, 1.0]]]))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4)), r"shape must be \(h, w, 3\) or \(b, h, w, 3\), all >= 1, got \(4, 4\)"),
        (np.zeros((4, 4, 4)), r"shape must .* got \(4, 4, 4\)"),
        (np.zeros((0, 4, 3)), r"shape must .* got \(0, 4, 3\)"),
        (np.zeros((0, 4, 4, 3)), r"shape must .* got \(0, 4, 4, 3\)"),
        (3, r"shape must .* got \(\)"),
        ([[[1.0, 2.0, 3.0]], [[1.0, 2.0]]], r"cannot be made an array \(.*inhomogeneous.*\)"),
        (ONES > 0, r"dtype must be uint8, uint16, or floating in 0..1, got bool$"),
        (
            ONES.astype(np.int64),
            r"dtype must .* got int64; levels 0..255 become that by .astype\('uint8'\), 0..65535 by",
        ),
        ([[[1, 2, 3]]], r"dtype must .* got int64; levels 0..255 become that"),
        (ONES.astype(np.int8), r"dtype must .* got int8$"),
        (ONES.astype(">u4"), r"dtype must .* got >u4; levels"),
        (ONES + 0j, r"dtype must .* got complex128$"),
        (ONES.astype(object), r"dtype must .* got object$"),
        (ONES.astype(str), r"dtype must .* got <U"),
        (ONES.astype("datetime64[s]"), r"dtype must .* got datetime64\[s\]$"),
        (ONES * 200.0, r"floating values must be in 0..1, got 200..200$"),
        (ONES * np.array([-0.5, 0.5, 1.0]), r"floating values must be in 0..1, got -0.5..1$"),
        (ONES * np.nan, r"floating values must be in 0..1, got nan..nan$"),
        ((ONES * np.inf).astype(">f4"), r"floating values must be in 0..1, got inf..inf$"),
        (np.ma.masked_equal(np.arange(12, dtype=np.uint8).reshape(2, 2, 3), 3), r"must not be masked"),
        (None, r"must be an array, got None$"),
        ({"a": 1}, r"must be an array, got {'a': 1}$"),
        ("a.png", r"must be an array, got 'a.png'; drujax.read_picture reads files$"),
        (Picture(ONES), r"must be an array, got a Picture; its pixels are .rgb$"),
    ],
)
def test_invalid_images_are_reported_with_the_argument(image, message):
    with pytest.raises(UsageError, match=f"^image: {message}") as caught:
        as_images(image, "image")
    assert "\n" not in str(caught.value)


def test_values_may_exceed_the_range_by_rounding():
    assert as_images(ONES * 1.0005, "image").shape == ONES.shape
