"""Scores of enhancers with a known effect."""

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from drujax.data.scenes import pair
from drujax.errors import UsageError
from drujax.metrics.loe import loe
from drujax.score.evaluation import luminance_statistics, quasi_pairs, score_pairs, score_scenes, spread


def silent(_: int) -> None:
    pass


def test_scores_rise_towards_the_ground_truth_and_fall_away_from_it():
    truths = {pair(5, index, (48, 48))[0].tobytes(): pair(5, index, (48, 48))[1] for index in range(3)}

    def blurred_truth(batch):
        truth = truths[batch[0].tobytes()]
        return gaussian_filter(truth, (1, 1, 0))[None]

    done = []
    nothing = score_scenes(lambda batch: batch, 3, size=48, seed=5, on_progress=done.append)
    assert done == [1, 2, 3]
    assert nothing["input"] == nothing["enhanced"]
    better = score_scenes(blurred_truth, 3, size=48, seed=5, on_progress=silent)
    assert better["input"] == nothing["input"]
    assert better["enhanced"]["psnr"] > better["input"]["psnr"] + 5
    assert better["input"]["ssim"] < better["enhanced"]["ssim"] < 1
    dark, bright = pair(5, 0, (48, 48))
    alone = score_scenes(lambda batch: batch, 1, size=48, seed=5, on_progress=silent)
    error = np.square(dark / 255 - bright / 255).mean()
    assert alone["input"]["psnr"] == pytest.approx(-10 * np.log10(error), rel=1e-5)
    assert alone["input"]["loe"] == pytest.approx(loe(dark, bright)[0], rel=1e-6)
    assert alone["input"]["ms_ssim"] is None  # too small for five scales


def test_pairs_of_any_sizes_count_where_they_are_large_enough():
    random = np.random.default_rng(0)
    truths = [random.integers(0, 256, (*size, 3), np.uint8) for size in ((176, 180), (20, 30), (5, 5))]
    scores = score_pairs(lambda batch: 2 * batch, [(truth // 2, truth) for truth in truths], on_progress=silent)
    assert scores["count"] == 3
    assert scores["enhanced"]["psnr"] > scores["input"]["psnr"] + 20
    for name in ("ssim", "ms_ssim"):
        assert scores["input"][name] < scores["enhanced"][name] <= 1
    assert scores["enhanced"]["loe"] < 10
    assert score_pairs(lambda batch: batch, [], on_progress=silent)["input"]["ssim"] is None


@pytest.fixture
def variants(tmp_path):
    """`variants(rows)`: writes a CSV file next to pictures of several sizes and levels."""
    (tmp_path / "deep").mkdir()
    for name, level, side in (
        ("day", 200, 16),
        ("dusk", 90, 16),
        ("deep/night", 20, 16),
        ("copy", 90, 16),
        ("x", 9, 8),
    ):
        Image.new("RGB", (side, 16), (level, level, level)).save(tmp_path / f"{name}.png")

    def write(rows: str):
        (tmp_path / "variants.csv").write_text(rows)
        return tmp_path / "variants.csv"

    return write


def test_the_darkest_of_a_group_is_compared_with_the_brightest(variants):
    rows = "group,id,luma\na,dusk,1\na,day,2\na,night,3\nb,x,4\n"
    messages = []
    (found,) = quasi_pairs(variants(rows), messages.append)
    darker, brighter = found.read()
    assert (darker.shape, darker.max(), brighter.max()) == ((16, 16, 3), 20, 200)
    assert messages == ["b: it has one picture"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("", "variants.csv: no column file; its columns are "),
        ("group,name\na,day\n", "variants.csv: no column file; its columns are group, name"),
        ("file,light\nday.png,1\n", "variants.csv: no column group"),
        (
            "group,file\na,day.png\na,gone.png\n",
            r"names 1 pictures that are not in its folder \(first: gone.png",
        ),
        ("group,file\na,day.png\nb,dusk.png\n", "pairs: .*variants.csv has no group with two pictures of one size"),
        ("group,file\na,day.png\na,x.png\n", "pairs: .*variants.csv has no group with two pictures of one size"),
        ("group,file\na,dusk.png\na,copy.png\n", "pairs: .*variants.csv has no group with two pictures"),
        ("group,file\na,day.png\na,broken.png\n", "broken.png: not a picture of a known kind"),
    ],
)
def test_wrong_pairs_are_one_line(variants, tmp_path, rows, message):
    (tmp_path / "broken.png").write_text("no picture")
    with pytest.raises(UsageError, match=message) as error:
        quasi_pairs(variants(rows), lambda _: None)
    assert "\n" not in str(error.value)


def test_missing_pairs_are_reported(tmp_path):
    with pytest.raises(UsageError, match="pairs: file not found: .*gone.csv"):
        quasi_pairs(tmp_path / "gone.csv", lambda _: None)
    (tmp_path / "a.csv").write_text("group,file\na,b.png\n")
    with pytest.raises(UsageError, match="pairs: no pictures in .*, the folder of a.csv"):
        quasi_pairs(tmp_path / "a.csv", lambda _: None)


def test_luminance_statistics_of_known_pictures():
    pictures = [np.full((4, 6, 3), 100, np.uint8), np.full((5, 5, 3), 200, np.uint8)]
    pictures[0][0, :3, 1] = 255  # 3 of 24 pixels are clipped
    statistics = luminance_statistics(lambda batch: np.minimum(batch, 125) * 2, pictures, on_progress=silent)
    first = 100 + 0.587 * 155 * 3 / 24
    second = 200 + 0.587 * 50 * 3 / 24
    assert statistics["count"] == 2
    assert statistics["mean_luma"]["input"] == pytest.approx((first + 200) / 2)
    assert statistics["mean_luma"]["enhanced"] == pytest.approx((second + 250) / 2)
    assert statistics["clipped"] == {"input": pytest.approx(3 / 48), "enhanced": 0.0}
    assert statistics["crushed"] == {"input": 0.0, "enhanced": 0.0}
    # 7 of 8 pixels have green 100, one 255 (enhanced 250); the other picture is grey.
    share, height = 1 / 8, np.array([155, 50])
    opponents = np.hypot(1, 0.5) * height
    first_alone = opponents * (np.sqrt(share * (1 - share)) + 0.3 * share)
    assert list(statistics["colourfulness"].values()) == pytest.approx(first_alone / 2)
    changes = [second / first - 1, 0.25]
    assert statistics["luma_change"]["mean"] == pytest.approx(np.mean(changes))
    assert statistics["luma_change"]["max"] == pytest.approx(max(changes))
    assert statistics["luma_change"]["unchanged"] == 0.0
    same = luminance_statistics(lambda batch: batch, [*pictures, np.zeros((2, 2, 3), np.uint8)], on_progress=silent)
    assert same["luma_change"] == {"mean": 0.0, "max": 0.0, "unchanged": 1.0}
    assert luminance_statistics(lambda batch: batch, [], on_progress=silent) == {"count": 0}


def test_spread_is_even_and_at_most_all():
    assert list(spread(10, None)) == list(range(10))
    assert list(spread(3, 5)) == [0, 1, 2]
    assert list(spread(10, 4)) == [0, 2, 5, 7]


def test_a_model_that_changes_the_size_is_reported():
    dark = np.zeros((20, 24, 3), np.uint8)
    with pytest.raises(UsageError, match="changes the size of pictures, 24x20 to 24x12"):
        score_pairs(lambda batch: batch[:, :12], [(dark, dark)], on_progress=silent)
