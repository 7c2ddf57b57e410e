"""BRISQUE, NIQE and PIQE against every row of the goldens, with the tolerances of tolerances.py."""

import csv
from collections import defaultdict

import numpy as np
import pytest
from PIL import Image

from drujax import metrics
from drujax.metrics.brisque import features as brisque_features
from drujax.metrics.niqe import features as niqe_features
from tests.support.tolerances import RULES, rule_of

FUNCTIONS = {"brisque": metrics.brisque, "niqe": metrics.niqe, "niqe_pi": metrics.niqe, "piqe": metrics.piqe}


@pytest.fixture(scope="module")
def rows(shared):
    """(metric, implementation) -> image -> score."""
    table = defaultdict(dict)
    with open(shared / "goldens/iqa/scores.csv", newline="") as file:
        for row in csv.DictReader(file):
            if row["metric"] in FUNCTIONS:
                table[row["metric"], row["implementation"]][row["image"]] = float(row["score"])
    return table


@pytest.fixture(scope="module")
def pictures(shared):
    paths = sorted((shared / "goldens/iqa/images").glob("*.png"))
    return {path.stem: np.asarray(Image.open(path).convert("RGB")) for path in paths}


@pytest.fixture(scope="module")
def scores(pictures):
    """`scores(metric, arguments)` -> image -> score, cached."""
    known = {}

    def compute(metric, arguments):
        key = metric, tuple(sorted(arguments.items()))
        if key not in known:
            known[key] = {name: float(FUNCTIONS[metric](rgb, **arguments)[0]) for name, rgb in pictures.items()}
        return known[key]

    return compute


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.metric}-{rule.implementation}")
def test_every_row(rule, rows, scores):
    matching = {k: v for k, v in rows.items() if rule_of(*k) is rule}
    assert matching, "no row is of this implementation any more"
    if rule.skipped:
        pytest.skip(rule.skipped)
    ours = scores(rule.metric, rule.arguments)
    missed = [
        f"{name}: {ours[name]:.6f}, {implementation} has {theirs:.6f} ({ours[name] - theirs:+.1e})"
        for (_, implementation), row in matching.items()
        for name, theirs in row.items()
        if not abs(ours[name] - theirs) <= rule.allowed.get(name, rule.tolerance)
    ]
    assert not missed, "\n".join(missed)


def test_features_of_brisque(pictures, goldens):
    features = goldens("iqa/features")
    clean = ("I03_ref", "I04_dist", "I04_ref", "I08_ref", "I19_ref", "chelsea", "lowlight_zdce11", "synth_dark_odd")
    for name in clean:
        ours = brisque_features(pictures[name], reference="matlab")[0]
        np.testing.assert_allclose(ours, features[f"{name}/brisque36_official_octave"], rtol=2e-6, atol=1e-6)
    for name, rgb in pictures.items():  # including flat ones
        ours = brisque_features(rgb)[0]
        np.testing.assert_allclose(ours, features[f"{name}/brisque36_pyiqa_f64"], atol=6e-5, err_msg=name)


def test_features_of_niqe(pictures, goldens):
    features = goldens("iqa/features")
    one_step = 1.001e-3  # of the grid of shapes
    for name, rgb in pictures.items():
        rows, columns = ((side - 8) // 96 for side in rgb.shape[:2])
        theirs = features[f"{name}/niqe_blockfeat_pi_pyiqa"].reshape(columns, rows, 36).swapaxes(0, 1).reshape(-1, 36)
        ours = niqe_features(rgb, protocol="pi")[0]
        tolerance = 0.03 if name == "synth_grad" else one_step
        np.testing.assert_allclose(ours, theirs, atol=tolerance, err_msg=name)
        assert np.median(np.abs(ours - theirs)[~np.isnan(theirs)]) < 1e-7, name
