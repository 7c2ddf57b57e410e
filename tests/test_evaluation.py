"""Scores of enhancers whose effect is known."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from drujax.data.scenes import pair
from drujax.evaluation import light_statistics, score_scenes, spread


def silent(_: int) -> None:
    pass


def test_scenes_reward_the_truth_and_punish_its_loss():
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


def test_light_statistics_of_known_pictures():
    pictures = [np.full((4, 6, 3), 100, np.uint8), np.full((5, 5, 3), 200, np.uint8)]
    pictures[0][0, :3, 1] = 255  # 3 of 24 pixels are clipped
    statistics = light_statistics(lambda batch: np.minimum(batch, 125) * 2, pictures, on_progress=silent)
    first = 100 + 0.587 * 155 * 3 / 24
    second = 200 + 0.587 * 50 * 3 / 24
    assert statistics["count"] == 2
    assert statistics["mean_luma"]["input"] == pytest.approx((first + 200) / 2)
    assert statistics["mean_luma"]["enhanced"] == pytest.approx((second + 250) / 2)
    assert statistics["clipped"] == {"input": pytest.approx(3 / 48), "enhanced": 0.0}
    changes = [second / first - 1, 0.25]
    assert statistics["luma_change"]["mean"] == pytest.approx(np.mean(changes))
    assert statistics["luma_change"]["max"] == pytest.approx(max(changes))
    assert statistics["luma_change"]["unchanged"] == 0.0
    same = light_statistics(lambda batch: batch, [*pictures, np.zeros((2, 2, 3), np.uint8)], on_progress=silent)
    assert same["luma_change"] == {"mean": 0.0, "max": 0.0, "unchanged": 1.0}
    assert light_statistics(lambda batch: batch, [], on_progress=silent) == {"count": 0}


def test_spread_is_even_and_never_more_than_there_is():
    assert list(spread(10, None)) == list(range(10))
    assert list(spread(3, 5)) == [0, 1, 2]
    assert list(spread(10, 4)) == [0, 2, 5, 7]
