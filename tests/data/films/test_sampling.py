"""Which frames are chosen of a film without a list."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from drujax.data.films.sampling import Choice, choose_frames, is_text
from drujax.films.decoding import Film
from drujax.films.letterbox import Bars, find_bars
from drujax.films.shots import find_shots
from tests.support.films import encode
from tests.support.textures import texture

SIZE = (144, 256)
BAR = 20  # rows of black above and below
LINES = ["Director", "Original story", "Art", "Music", "A long line of names", "Producer", "Assistants"]


def picture(seed: int, top: int = 255, shift: int = 0) -> np.ndarray:
    """A scene without bars; `shift` pans it."""
    image = texture(seed, (SIZE[0] - 2 * BAR, SIZE[1] + 64), top)
    return np.asarray(image)[:, shift : shift + SIZE[1]]


def credits(step: int, ground: int = 0, ink: int = 255) -> np.ndarray:
    image = Image.new("RGB", (SIZE[1], SIZE[0] - 2 * BAR), (ground,) * 3)
    for line, text in enumerate(LINES * 2):
        ImageDraw.Draw(image).text((60 + 7 * (line % 3), 14 * line - step), text, (ink,) * 3)
    return np.asarray(image)


def letterboxed(rgb: np.ndarray) -> np.ndarray:
    return np.pad(rgb, ((BAR, BAR), (0, 0), (0, 0)))


# Name of a scene, its frames. 24 frames a second; frames of 2 seconds and less are one part.
SCENES = {
    "black": [np.zeros_like(picture(0))] * 24,
    "day": [picture(1)] * 40,
    "night": [picture(2, top=30)] * 40,
    "pan": [picture(3, shift=step // 4) for step in range(240)],
    "day again": [picture(1)] * 40,
    "other night": [picture(4, top=40)] * 40,
    "white": [np.full_like(picture(0), 230)] * 30,
    "flash": [*[picture(5)] * 10, np.full_like(picture(0), 255), *[picture(5)] * 30],
    "credits": [credits(step) for step in range(60)],
}


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    frames = (letterboxed(rgb) for scene in SCENES.values() for rgb in scene)
    return encode(tmp_path_factory.mktemp("film") / "film.mkv", frames, options={"g": "60", "bf": "2", "crf": "18"})


@pytest.fixture(scope="module")
def choice(film) -> Choice:
    with Film(film) as opened:
        return choose_frames(opened, quiet=True)


def scene_of(number: int) -> str:
    for name, frames in SCENES.items():
        if number < len(frames):
            return name
        number -= len(frames)
    raise IndexError


def test_shots_begin_at_the_cuts(film):
    with Film(film) as opened:
        shots = find_shots(opened.sweep())
    starts = np.cumsum([0, *(len(frames) for frames in SCENES.values())]).tolist()
    assert [shot.first for shot in shots] == starts[:-1]
    assert [shot.last + 1 for shot in shots][:-1] == starts[1:-1]


def test_every_scene_is_chosen_once_and_a_pan_several_times(choice):
    scenes = [scene_of(number) for number in choice.group]
    assert {scene: scenes.count(scene) for scene in scenes} == {
        "day": 1,
        "night": 1,
        "pan": 3,
        "other night": 1,
        "flash": 1,
    }
    assert choice.shots == len(SCENES)


def test_black_frames_credits_flat_frames_and_repetitions_are_counted(choice):
    assert choice.left_out == {"black": 1, "of a single colour": 1, "text": 1, "nearly equal to another": 1}


def test_frames_of_a_shot_are_a_group(choice):
    groups = {scene: {choice.group[n] for n in choice.group if scene_of(n) == scene} for scene in SCENES}
    assert len(groups["pan"]) == 1
    assert len(set(choice.group.values())) == 5


def test_bars_are_found(choice):
    assert choice.bars.columns == 0
    assert BAR <= choice.bars.rows <= BAR + 4


@pytest.mark.parametrize(("gap", "expected"), [(1, 3), (3, 3), (12, 5)])
def test_shots_with_black_frames_between_them(tmp_path, gap, expected):
    """A few black frames belong to the shot before; many are one of their own."""
    black = [np.zeros_like(picture(0))] * gap
    frames = [rgb for seed in (1, 2, 3) for rgb in [*[picture(seed)] * 30, *(black if seed < 3 else [])]]
    with Film(encode(tmp_path / "a.mp4", frames, options={"bf": "0"})) as film:
        shots = find_shots(film.sweep())
    assert len(shots) == expected
    assert {30 + gap, 60 + 2 * gap} <= {shot.first for shot in shots}


def test_shots_with_a_repeated_frame_are_one_group(tmp_path):
    """A conversation: the frames of A B A B that are left belong to two groups."""
    frames = [picture(seed) for seed in (1, 2, 1, 2) for _ in range(30)]
    with Film(encode(tmp_path / "a.mp4", frames)) as film:
        choice = choose_frames(film, quiet=True)
    assert choice.left_out == {"nearly equal to another": 2}
    assert [choice.group[number] for number in sorted(choice.group)] == ["shot-00001", "shot-00002"]


def test_an_avi_is_counted(tmp_path):
    frames = [picture(seed) for seed in (1, 2) for _ in range(30)]
    with Film(encode(tmp_path / "a.avi", frames, codec="mpeg4", options={})) as film:
        assert film.length is None
        assert film.expected == 60
        assert list(choose_frames(film, quiet=True).group) == [15, 45]


def test_a_film_without_a_frame_to_take(tmp_path):
    with Film(encode(tmp_path / "a.mp4", [np.zeros((64, 96, 3), np.uint8)] * 30)) as film:
        choice = choose_frames(film, quiet=True)
    assert choice == Choice({}, Bars(), 1, {"black": 1})


def test_dark_pictures_have_no_bars():
    """Each night has a black sky, but they do not share it."""
    nights = [np.asarray(texture(seed, top=50)).copy() for seed in range(8)]
    for number, rgb in enumerate(nights):
        rgb[: 4 * number] = 0
        rgb[len(rgb) - 3 * number :] = 0
    assert find_bars(nights) == Bars()
    assert find_bars([]) == Bars()


def test_bars_at_the_sides_survive_captions_and_black_frames():
    frames = [np.pad(np.asarray(texture(seed)), ((0, 0), (16, 16), (0, 0))) for seed in range(20)]
    frames[3] = np.zeros_like(frames[3])
    frames[7] = frames[7].copy()
    frames[7][60:66] = 255
    assert find_bars(frames) == Bars(0, 18)


@pytest.mark.parametrize(("ground", "ink"), [(0, 255), (255, 0), (90, 200)])
def test_text_on_a_flat_ground(ground, ink):
    for step in (0, 5):
        text = credits(step, ground, ink)
        assert is_text(text)
        blurred = Image.fromarray(text).resize((512, 208), Image.Resampling.BICUBIC)
        assert is_text(np.asarray(blurred))


def test_pictures_are_not_text():
    assert not any(is_text(picture(seed, top)) for seed in range(20) for top in (30, 255))
    sky = np.full((180, 320, 3), (90, 150, 230), np.uint8)
    sky[:, :] += (np.arange(180) // 4).astype(np.uint8)[:, None, None]  # a gradient
    sky[100:140, 60:200] = 240  # and a cloud
    assert not is_text(sky)
    night = np.zeros((180, 320, 3), np.uint8)
    night[130:] = 18  # hills
    night[20:30, 40:50] = 250  # and a moon
    assert not is_text(night)
