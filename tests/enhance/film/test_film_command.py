"""`drujax enhance` with films: names of results, options, mixed inputs, folders."""

import numpy as np
import pytest
from PIL import Image

from drujax.cli import main
from drujax.enhance.options import _crf, _seconds
from drujax.enhance.plan import plan_jobs
from drujax.errors import UsageError
from tests.enhance.film.test_film_files import decoded
from tests.support.films import numbered_film

pytestmark = pytest.mark.usefixtures("command")


def enhance(*arguments) -> int:
    return main(["enhance", *map(str, arguments)])


def test_films_and_pictures_together(tmp_path, model, capsys):
    film = numbered_film(tmp_path / "in" / "film.mp4", 8)
    Image.fromarray(np.full((40, 60, 3), 30, np.uint8)).save(tmp_path / "in" / "a.png")
    arguments = (tmp_path / "in" / "a.png", film, "--model", model, "--strength=1", "--crf=30", "--preview=1m")
    assert enhance(*arguments, "-o", tmp_path / "out/") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "film.mp4"]
    assert len(decoded(tmp_path / "out" / "film.mp4")) == 8
    assert "2 enhanced" in capsys.readouterr().out
    assert enhance(*arguments, "-o", tmp_path / "out/") == 1  # they exist
    assert "2 existing" in capsys.readouterr().out


def test_a_bad_film_among_others(tmp_path, model, capsys):
    film = numbered_film(tmp_path / "film.mkv", 4)
    (tmp_path / "bad.mkv").write_text("no film")
    assert enhance(tmp_path / "bad.mkv", film, "--model", model, "-o", tmp_path / "out/") == 1
    assert f"failed: {tmp_path}/bad.mkv: not a readable film" in capsys.readouterr().err
    assert len(decoded(tmp_path / "out" / "film.mkv")) == 4
    assert enhance(tmp_path / "bad.mkv", "--model", model) == 2
    assert "bad.mkv: not a readable film" in capsys.readouterr().err


def test_the_networks_own_output_of_a_film_is_refused_by_its_name(tmp_path, model, capsys):
    film = numbered_film(tmp_path / "film.mkv", 4)
    assert enhance(film, "--model", model, "--plain") == 2
    assert f"error: {film}: a film needs a model that gives gains" in capsys.readouterr().err


def test_names_of_results(tmp_path):
    for name in ("a.mkv", "b.avi", "c.MP4"):
        (tmp_path / name).touch()
    jobs = plan_jobs([tmp_path / "*.*"])
    assert [job.target.name for job in jobs] == ["a_enhanced.mkv", "b_enhanced.mkv", "c_enhanced.MP4"]
    assert plan_jobs([tmp_path / "a.mkv"], tmp_path / "x.mp4")[0].target == tmp_path / "x.mp4"
    with pytest.raises(UsageError, match=r"-o: .*x\.avi: cannot write a film with suffix '\.avi'\. Choices: \.mkv, "):
        plan_jobs([tmp_path / "a.mkv"], tmp_path / "x.avi")
    with pytest.raises(UsageError, match=r"-o: .*x\.mkv names one file, but several pictures need a folder"):
        plan_jobs([tmp_path / "a.mkv", tmp_path / "b.avi"], tmp_path / "x.mkv")


def test_films_in_folders_are_left_out(tmp_path):
    (tmp_path / "a.mkv").touch()
    with pytest.raises(UsageError, match=r"1 \.mkv \(video: only enhance takes it, by name\)"):
        plan_jobs([tmp_path])


@pytest.mark.parametrize(("word", "seconds"), [("10s", 10), ("10", 10), ("1.5s", 1.5), ("2m", 120), ("1:30", 90)])
def test_durations(word, seconds):
    assert _seconds(word) == seconds


@pytest.mark.parametrize("word", ["", "0s", "-1", "10h", "1:30s", "x", "nan"])
def test_durations_that_are_none(word):
    with pytest.raises(ValueError, match="must be a duration such as 10s"):
        _seconds(word)


@pytest.mark.parametrize("word", ["-1", "64", "x", "nan"])
def test_constant_rate_factors_that_are_none(word):
    with pytest.raises(ValueError, match="must be a number from 0 to 63"):
        _crf(word)
