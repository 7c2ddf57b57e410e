"""How much of the gains a picture gets by default."""

import numpy as np
import pytest

from drujax.data.scenes import situation
from drujax.enhance.enhancer import Enhancer
from drujax.enhance.strength import enough
from drujax.pictures.color import luma


@pytest.mark.parametrize(
    ("at_none", "rise", "share"),
    [(40, 80, 1), (100, 50, 1), (100, 100, 0.5), (149, 50, 0.02), (150, 9, 0), (160, 0, 0)],
)
def test_the_darkest_quartile_rises_to_the_limit_of_bright_pictures(at_none, rise, share):
    assert enough(lambda of: at_none + rise * of) == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize("kind", ["lit town", "uncertain"])
def test_a_scene_that_fades_in_does_so_to_the_end(kind):
    _, day = situation(kind, 0, (96, 160))
    enhancer = Enhancer()
    exposures = [np.rint(day * exposure).astype(np.uint8) for exposure in np.arange(0.1, 1.01, 0.1)]
    light = np.array([luma(enhancer(picture).astype(np.float32)).mean() for picture in exposures])
    assert np.all(light >= [luma(picture.astype(np.float32)).mean() for picture in exposures])
    assert np.diff(light).min() > -3
    assert light[2] > 2 * luma(exposures[2].astype(np.float32)).mean()
