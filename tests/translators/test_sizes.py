import itertools

import pytest

from drujax.errors import UsageError
from drujax.translators.sizes import LIMIT, padded, reduced


@pytest.mark.parametrize("multiple", [1, 4, 8, 12])
def test_padded_sides_are_few_multiples_that_grow_little(multiple):
    sides = [padded((side, 100), multiple, 8)[0] for side in range(1, 2049)]
    assert all(side % multiple == 0 and side >= 8 for side in sides)
    assert all(after >= before for before, after in enumerate(sides, start=1))
    growth = [after - before for before, after in enumerate(sides, start=1) if before >= 8]
    assert max(growth[: 256 - 8]) < max(multiple, 5)
    assert all(grown <= before / 32 + multiple for before, grown in enumerate(growth, start=8))
    assert len(set(sides[1024:])) <= 32


def test_padded_is_idempotent():
    for size in itertools.product((1, 9, 257, 1000), (8, 333, 1024)):
        assert padded(padded(size, 4, 8), 4, 8) == padded(size, 4, 8)


def test_photographs_within_the_limit_keep_their_size():
    for size in ((1, 1), (1024, 1024), (1024, 2048), (20, 4000)):
        assert reduced(size, LIMIT) == size


def test_larger_ones_are_reduced_in_proportion():
    assert reduced((3000, 4000), 1024) == (1024, 1365)
    assert reduced((4000, 3000), 300) == (400, 300)


def test_panoramas_are_reduced_to_twice_the_square_of_the_limit():
    h, w = reduced((2000, 20000), 1000)
    assert h * w == pytest.approx(2 * 1000**2, rel=0.01)
    assert w / h == pytest.approx(10, rel=0.01)
    with pytest.raises(UsageError, match="100000x1 pixels, reduced to 8192 pixels, would be thinner than a pixel"):
        reduced((1, 100_000), 64)
