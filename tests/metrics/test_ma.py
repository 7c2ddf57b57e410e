import csv
import dataclasses
import hashlib
import importlib
import json

import numpy as np
import pytest
import scipy.io
from PIL import Image

from drujax import cli, metrics
from drujax.errors import UsageError
from drujax.metrics.kernels.forests import predict
from drujax.metrics.ma import _default_forests
from drujax.metrics.ma import features as ma_features
from drujax.score import selfcheck
from drujax.weights.formats.forests import LINEAR, keep_forests, load_forests
from drujax.weights.safetensors_io import save_weights
from tests.support.stand_in_forests import stand_ins, write_mat


@pytest.fixture(scope="module")
def trained():
    return stand_ins()


@pytest.fixture
def model(trained, tmp_path):
    path = tmp_path / "model.mat"
    write_mat(path, trained.forests)
    return path


@pytest.fixture
def pictures():
    return np.random.default_rng(5).integers(0, 256, (2, 104, 200, 3), np.uint8)


def expected_ma(trained, features):
    predictions = [forest.predict(group) for forest, group in zip(trained.forests, features, strict=True)]
    return LINEAR[0] + np.array(predictions).T @ LINEAR[1:]


@pytest.mark.parametrize("group", [0, 1, 2])
def test_imported_forests_predict_like_the_trained_ones(trained, model, group):
    forest = load_forests(model)[group]
    assert len(forest.roots) == 20
    assert predict(forest, trained.rows[group].astype(float)) == pytest.approx(
        trained.forests[group].predict(trained.rows[group]), abs=1e-13
    )


def test_a_feature_equal_to_a_threshold_goes_left(trained, model):
    forest = load_forests(model)[0]
    root = forest.roots[0]
    row = np.zeros((1, 18))
    row[0, forest.feature[root]] = forest.threshold[root]
    left = row.copy()
    left[0, forest.feature[root]] -= 1e-9
    right = row.copy()
    right[0, forest.feature[root]] = np.nextafter(forest.threshold[root], np.inf)
    one = forest._replace(roots=forest.roots[:1])
    values = [predict(one, x)[0] for x in (left, row, right)]
    assert values[0] == values[1] != values[2]


def test_ma_and_pi(trained, model, pictures):
    groups = ma_features(pictures)
    expected = expected_ma(trained, [group.astype(np.float32) for group in groups])
    scores = metrics.ma(pictures, weights=model)
    assert scores.dtype == np.float64
    assert scores == pytest.approx(expected, abs=1e-3)  # scikit-learn rounds features to float32
    np.testing.assert_array_equal(metrics.ma(pictures[1], weights=model), scores[1:])
    niqe = metrics.niqe(pictures, protocol="pi")
    np.testing.assert_array_equal(metrics.pi(pictures, weights=model), ((10 - scores) + niqe) / 2)


def test_forests_are_cached_in_a_smaller_format(trained, model, monkeypatch):
    first = keep_forests(model)
    kept = list(model.parent.glob("model-*.safetensors"))
    assert len(kept) == 1
    monkeypatch.setattr(scipy.io, "loadmat", lambda *_, **__: pytest.fail("read again"))
    for one, other in zip(first, keep_forests(model), strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype


def test_forests_are_not_cached_in_an_unwritable_folder(model, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)
    keep_forests(model)
    assert list(model.parent.iterdir()) == [model]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"linear": np.array([0.0, 1, 1, 1])}, "linear weights must be .* another model"),
        ({"drop": "upper"}, r"the file is damaged, or not the model\.mat of Ma et al\.: .*upper"),
        ({"child": 10_000}, "children or features out of range"),
        ({"child": -1}, "children or features out of range"),
        ({"child": 1}, "is inconsistent"),  # back to the root: an endless path
        ({"feature": 19}, "the forest of 18 features is inconsistent"),
        ({"value": np.nan}, "is inconsistent"),
        ({"forests": 2}, r"the file is damaged, or not the model\.mat of Ma et al\."),
    ],
)
def test_damaged_forests_are_refused(trained, tmp_path, changes, message):
    path = tmp_path / "model.mat"
    write_mat(path, trained.forests, **changes)
    with pytest.raises(UsageError, match=f"^{path}: .*{message}"):
        load_forests(path)


@pytest.mark.parametrize("content", [b"", b"MATLAB 5.0 MAT-file", b"\x89HDF\r\n\x1a\n" + bytes(600), bytes(4000)])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "model.mat").write_bytes(content)
    with pytest.raises(UsageError, match=r"model\.mat: the file is damaged, or not the model\.mat of Ma et al\."):
        load_forests(tmp_path / "model.mat")


def test_truncated_files_are_refused(model):
    content = model.read_bytes()
    for share in (0.1, 0.5, 0.99):
        model.write_bytes(content[: int(share * len(content))])
        with pytest.raises(UsageError, match="the file is damaged"):
            load_forests(model)


def test_other_drujax_weights_are_refused(tmp_path):
    save_weights(tmp_path / "a.safetensors", {"x": np.zeros(1)}, {"network": "enlightengan"})
    with pytest.raises(UsageError, match="does not contain Ma's forests"):
        load_forests(tmp_path / "a.safetensors")
    with pytest.raises(FileNotFoundError):
        load_forests(tmp_path / "missing.mat")


@pytest.fixture
def no_download(monkeypatch, tmp_path):
    """An empty cache and an unreachable address."""
    monkeypatch.setenv("DRUJAX_CACHE", str(tmp_path / "cache"))
    module = importlib.import_module("drujax.metrics.ma")  # in drujax.metrics the name is the function's
    monkeypatch.setattr(module, "FORESTS", dataclasses.replace(module.FORESTS, url="http://127.0.0.1:9/file"))
    _default_forests.cache_clear()


@pytest.mark.parametrize("name", ["ma", "pi"])
def test_missing_forests_are_reported_in_one_line(no_download, pictures, name):
    with pytest.raises(UsageError, match="Ma's regression forests.*no connection.*put it at .*ma-model.mat") as error:
        getattr(metrics, name)(pictures)
    assert "\n" not in str(error.value)


def test_score_prints_niqe_if_pi_is_unavailable(no_download, pictures, tmp_path, capsys):
    Image.fromarray(pictures[0]).save(tmp_path / "a.png")
    assert cli.main(["score", str(tmp_path / "a.png"), "--metrics", "pi", "--format", "json"]) == 1
    output = capsys.readouterr()
    assert output.err.count("ma-model.mat") >= 1
    (row,) = json.loads(output.out)["images"]
    assert row["pi_niqe"] == metrics.niqe(pictures[0], protocol="pi")[0]
    assert "ma" not in row


def test_selfcheck(trained, model, pictures, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.fromarray(pictures[0]).save(folder / "any name.png")
    (folder / "broken.png").write_bytes(b"no picture")
    arguments = {"reference": "matlab", "protocol": "pi"}
    groups = [group.astype(np.float32) for group in ma_features(pictures[:1], **arguments)]
    parts = [forest.predict(group)[0] for forest, group in zip(trained.forests, groups, strict=True)]
    ma = LINEAR[0] + np.dot(parts, LINEAR[1:])
    pi = (10 - ma + metrics.niqe(pictures[0], **arguments)[0]) / 2
    known = selfcheck._octave("one", "here", tuple(map(float, parts)), float(ma), float(pi), 0.0)
    known = known._replace(rows=tuple(row._replace(tolerance=1e-3) for row in known.rows))
    monkeypatch.setattr(selfcheck, "KNOWN", {hashlib.sha256(pictures[0].tobytes()).hexdigest(): known})
    command = ["selfcheck", "--pictures", str(folder), "--weights", str(model), "--format", "json"]

    assert cli.main(command) == 1  # a broken picture
    output = capsys.readouterr()
    assert "broken.png" in output.err
    rows = json.loads(output.out)["images"]
    assert [row["metric"] for row in rows] == ["ma forest 1", "ma forest 2", "ma forest 3", "ma", "pi"]
    assert {row["agrees"] for row in rows} == {"yes"}

    (folder / "broken.png").unlink()
    assert cli.main(command) == 0
    capsys.readouterr()
    off = known._replace(rows=tuple(row._replace(expected=row.expected + 0.01) for row in known.rows))
    monkeypatch.setattr(selfcheck, "KNOWN", dict.fromkeys(selfcheck.KNOWN, off))
    assert cli.main(command) == 1
    assert {row["agrees"] for row in json.loads(capsys.readouterr().out)["images"]} == {"NO"}


def test_selfcheck_without_a_known_image(model, pictures, tmp_path, capsys):
    Image.fromarray(pictures[0]).save(tmp_path / "a.png")
    assert cli.main(["selfcheck", "--pictures", str(tmp_path / "a.png"), "--weights", str(model)]) == 2
    error = capsys.readouterr().err
    assert "no image with known scores found" in error
    assert "known are: peppers (chaoma99/sr-metric)" in error


def test_selfcheck_knows_the_golden_images(shared):
    """The rows equal the goldens', found by hashes of the images' pixels and of their derived versions."""
    pictures = shared / "goldens" / "iqa" / "images"
    found = dict(selfcheck._known_pictures(pictures, lambda path, error: pytest.fail(f"{path}: {error}")))
    assert set(found) == set(selfcheck.KNOWN)
    with open(shared / "goldens" / "iqa" / "scores.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "published"]
    scores = sorted(
        float(row["score"])
        for row in rows
        if row["metric"] == "ma_gray" or ("Octave 8.4" in row["implementation"] and row["metric"] != "niqe_pi")
    )
    assert scores == sorted(row.expected for known in selfcheck.KNOWN.values() for row in known.rows)
