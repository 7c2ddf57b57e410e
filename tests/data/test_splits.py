import pytest
from hypothesis import given
from hypothesis import strategies as st

from drujax.data.splits import assign_sides


def counts(sides):
    return tuple(list(sides.values()).count(side) for side in ("train", "val", "test"))


@pytest.mark.parametrize(
    ("groups", "expected"),
    [(0, (0, 0, 0)), (1, (1, 0, 0)), (2, (1, 0, 1)), (3, (1, 1, 1)), (10, (7, 1, 2)), (500, (360, 40, 100))],
)
def test_a_fifth_tests_and_a_tenth_of_the_rest_is_set_aside(groups, expected):
    assert counts(assign_sides([f"g{i}" for i in range(groups)], seed=0)) == expected


@given(st.sets(st.text(max_size=5), max_size=40), st.integers(0, 2**32))
def test_sides_depend_on_names_and_seed_alone(groups, seed):
    sides = assign_sides(sorted(groups), seed)
    assert sides.keys() == groups
    assert assign_sides(sorted(groups, reverse=True) * 2, seed) == sides


def test_another_seed_is_another_split():
    groups = [f"g{i}" for i in range(100)]
    assert assign_sides(groups, 0) != assign_sides(groups, 1)


def test_a_new_group_moves_few_others():
    before = assign_sides([f"g{i}" for i in range(100)], 0)
    after = assign_sides([f"g{i}" for i in range(101)], 0)
    assert sum(before[group] != after[group] for group in before) <= 3
