import pytest
from hypothesis import given
from hypothesis import strategies as st

from drujax.data.splits import assign_sides, choose_groups


def counts(sides):
    return tuple(list(sides.values()).count(side) for side in ("train", "val", "test"))


@pytest.mark.parametrize(
    ("groups", "expected"),
    [(0, (0, 0, 0)), (1, (1, 0, 0)), (2, (1, 0, 1)), (3, (1, 1, 1)), (10, (7, 1, 2)), (500, (360, 40, 100))],
)
def test_a_fifth_is_for_testing_and_a_tenth_of_the_rest_for_validation(groups, expected):
    assert counts(assign_sides([f"g{i}" for i in range(groups)], seed=0)) == expected


@given(st.sets(st.text(max_size=5), max_size=40), st.integers(0, 2**32))
def test_sides_depend_only_on_names_and_seed(groups, seed):
    sides = assign_sides(sorted(groups), seed)
    assert sides.keys() == groups
    assert assign_sides(sorted(groups, reverse=True) * 2, seed) == sides


def test_another_seed_gives_another_split():
    groups = [f"g{i}" for i in range(100)]
    assert assign_sides(groups, 0) != assign_sides(groups, 1)


def test_a_new_group_moves_few_others():
    before = assign_sides([f"g{i}" for i in range(100)], 0)
    after = assign_sides([f"g{i}" for i in range(101)], 0)
    assert sum(before[group] != after[group] for group in before) <= 3


def test_shares_are_of_pictures_not_of_groups():
    """One scene of 60 pictures and 40 of one each: whichever comes first, a fifth of the pictures is for testing."""
    groups = ["big"] * 60 + [f"g{i}" for i in range(40)]
    for seed in range(20):
        sides = assign_sides(groups, seed)
        pictures = [sides[group] for group in groups]
        assert (pictures.count("test"), pictures.count("val")) == (20, 8)


sizes = st.dictionaries(st.text(max_size=3), st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12)


@given(sizes, st.sampled_from([0.0, 0.1, 0.2, 0.5, 0.9]), st.integers(0, 3))
def test_no_other_group_would_bring_the_choice_closer_to_its_share(sizes, share, seed):
    chosen = choose_groups(sizes, share, seed)
    total = [sum(size[k] for size in sizes.values()) for k in (0, 1)]

    def held(names):
        return [sum(sizes[name][k] for name in names) for k in (0, 1)]

    def missed(names):
        return sum(abs(held(names)[k] - share * total[k]) / max(total[k], 1) for k in (0, 1))

    for k in (0, 1):
        assert held(chosen)[k] < total[k] or total[k] == 0
    for name in sizes.keys() - chosen:
        more = chosen | {name}
        if all(held(more)[k] < total[k] or sizes[name][k] == 0 for k in (0, 1)):
            assert missed(more) >= missed(chosen) - 1e-6


@pytest.mark.parametrize(
    ("sizes", "share", "held"),
    [
        ([6, 4], 0.3, 4),  # nearer to 3 than 6, and than nothing
        ([5, 5], 0.2, 0),  # nothing is nearer to 2 than 5
        ([1, 1, 1, 1], 0.2, 1),
        ([1, 1], 0.2, 0),
        ([1] * 10, 0.25, 2),
        ([7], 0.9, 0),
        ([3] * 10, 0.2, 6),
    ],
)
def test_a_share_is_met_as_closely_as_groups_allow(sizes, share, held):
    named = {f"g{i}": (size,) for i, size in enumerate(sizes)}
    for seed in range(10):
        assert sum(named[group][0] for group in choose_groups(named, share, seed)) == held
