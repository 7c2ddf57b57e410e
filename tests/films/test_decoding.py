"""The frame of each number is the one that was encoded there, told by the number drawn into it."""

import numpy as np
import pytest

from drujax.errors import UsageError
from drujax.films.counting import Counting
from drujax.films.decoding import Film
from drujax.films.seeking import DAMAGED, Seeking
from tests.support.films import audio_only, number_in, numbered_film, unknown_codec

X264 = "keyint=20:scenecut=0:bframes=3:b-pyramid=normal:"
# What could make the order of storing, the time or the packets differ from the numbers.
FILMS = {
    "B-frames.mp4": ("libx264", {"x264-params": X264}),
    "open GOP.mkv": ("libx264", {"x264-params": X264 + "open-gop=1"}),
    "intra refresh.mkv": ("libx264", {"x264-params": "keyint=20:bframes=3:intra-refresh=1"}),
    "one keyframe.mov": ("mpeg4", {"bf": "2", "g": "600"}),
    "only keyframes.mkv": ("ffv1", {}),
    "stream.ts": ("libx264", {"x264-params": X264}),
    "program.mpg": ("mpeg2video", {"bf": "2", "g": "12"}),
    "invisible references.webm": (
        "libvpx-vp9",
        {"auto-alt-ref": "1", "lag-in-frames": "16", "g": "30", "cpu-used": "8"},
    ),
    "invisible packets.webm": ("libvpx", {"auto-alt-ref": "1", "lag-in-frames": "16", "g": "30", "cpu-used": "8"}),
    "without times.avi": ("mpeg4", {"bf": "2", "g": "12"}),
    "wrong times.avi": ("libx264", {"x264-params": X264}),
}
COUNTED = ("invisible packets.webm", "without times.avi", "wrong times.avi")


def read(path, numbers):
    with Film(path) as film:
        return {n: found if isinstance(found, str) else number_in(found) for n, found in film.pictures(numbers)}


@pytest.mark.parametrize("name", FILMS)
def test_frames_are_exact(tmp_path, name):
    codec, options = FILMS[name]
    path = numbered_film(tmp_path / name, 100, codec=codec, options=options)
    with Film(path) as film:
        assert isinstance(film._frames, Counting if name in COUNTED else Seeking)
        assert film.length in (100, None)
    for numbers in (range(100), [0], [99], [41, 19, 20, 21, 59, 60, 41]):
        assert read(path, numbers) == {number: number for number in numbers}


def test_frames_of_a_variable_rate_are_exact(tmp_path):
    steps = np.random.default_rng(0).choice([8, 33, 41, 42, 125, 900], 100)
    times = np.cumsum(steps).tolist()
    for name in ("vfr.mkv", "vfr.mp4"):
        path = numbered_film(tmp_path / name, 100, times=times, options={"x264-params": X264 + "open-gop=1"})
        assert read(path, range(100)) == {number: number for number in range(100)}


def test_a_title_may_look_like_a_protocol(tmp_path, monkeypatch):
    numbered_film(tmp_path / "film: %d.mkv", 3)
    monkeypatch.chdir(tmp_path)
    assert read(next(tmp_path.glob("*.mkv")).relative_to(tmp_path), [2]) == {2: 2}


def test_seeking_decodes_only_from_the_keyframe(tmp_path, monkeypatch):
    path = numbered_film(tmp_path / "a.mkv", 200, codec="mpeg4", options={"g": "10"})
    fed = []
    genuine = Seeking._decoded

    def counted(self, *arguments, **options):
        for place, frame in genuine(self, *arguments, **options):
            fed.append(place)
            yield place, frame

    monkeypatch.setattr(Seeking, "_decoded", counted)
    assert read(path, [5]) == {5: 5}
    assert len(fed) < 60


def test_the_sweep_tells_the_numbers(tmp_path):
    for name, options in (("a.mkv", {"x264-params": X264}), ("b.avi", {"bf": "2"})):
        path = numbered_film(tmp_path / name, 60, codec="libx264" if name == "a.mkv" else "mpeg4", options=options)
        with Film(path) as film:
            swept = [(number, number_in(film.picture(frame))) for number, frame in film.sweep()]
        assert all(number == drawn for number, drawn in swept)
        assert len(swept) == 60 if name == "b.avi" else 20 <= len(swept) < 60


def test_numbers_past_the_end(tmp_path):
    path = numbered_film(tmp_path / "a.mp4", 30)
    assert read(path, [29, 30, 1000]) == {29: 29} | dict.fromkeys([30, 1000], "past the end: the film has 30 frames")
    path = numbered_film(tmp_path / "a.avi", 30, codec="mpeg4")
    assert read(path, [29, 30]) == {29: 29, 30: "past the end: the film has 30 frames"}


def test_frames_of_damaged_data_are_not_taken(tmp_path):
    path = numbered_film(tmp_path / "a.mp4", 100, size=(96, 128), options={"x264-params": X264 + "open-gop=0"})
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + 4
    middle = start + (len(content) - start) // 3
    content[middle : middle + 40] = bytes(40)
    path.write_bytes(content)
    found = read(path, range(100))
    damaged = [number for number, drawn in found.items() if drawn == DAMAGED]
    assert 0 < len(damaged) <= 20, "more than the frames up to the next keyframe"
    assert {number: drawn for number, drawn in found.items() if number not in damaged} == {
        number: number for number in range(100) if number not in damaged
    }


@pytest.mark.parametrize("name", ["a.mkv", "a.ts"])
def test_frames_behind_missing_packets_have_no_number(tmp_path, name):
    options = {"x264-params": X264}
    path = numbered_film(
        tmp_path / name, 240, options=options, muxer={"cluster_time_limit": "500"} if name == "a.mkv" else {}
    )
    content = path.read_bytes()
    cut = len(content) // 2 // 188 * 188
    path.write_bytes(content[:cut] + content[cut + 188 * 10 :])
    found = read(path, range(0, 240, 5))
    readable = {number: drawn for number, drawn in found.items() if not isinstance(drawn, str)}
    assert readable == {number: number for number in readable}
    assert 10 <= len(readable) < 30
    with Film(path) as film:
        assert film.damage is not None
        assert film.damage.startswith("the file is damaged" if name == "a.mkv" else "packets are missing")


def test_the_end_of_a_truncated_film_has_no_number(tmp_path):
    """Of the last frames that are there, some are shown after frames that are not."""
    path = numbered_film(tmp_path / "a.mkv", 240, options={"x264-params": X264}, muxer={"cluster_time_limit": "500"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found = read(path, range(240))
    readable = [number for number, drawn in found.items() if drawn == number]
    assert readable == list(range(len(readable)))
    assert 60 < len(readable) < 120
    assert {found[number] for number in range(len(readable), 240)} == {
        f"the file is damaged, so only the first {len(readable)} frames have a certain number"
    }


def test_counting_ends_at_damage(tmp_path):
    path = numbered_film(tmp_path / "a.avi", 100, codec="mpeg4", options={"g": "20"}, size=(96, 128))
    content = bytearray(path.read_bytes())
    middle = content.index(b"movi") + (content.index(b"idx1") - content.index(b"movi")) // 2
    content[middle : middle + 200] = bytes(200)
    path.write_bytes(content)
    with Film(path) as film:
        found = dict(film.pictures(range(0, 100, 3)))
        readable = [number for number, rgb in found.items() if not isinstance(rgb, str)]
        assert all(number_in(found[number]) == number for number in readable)
        assert 5 < len(readable) < 25
        assert film.damage is not None
        assert film.damage.startswith("the film is damaged, so only the first ")
        assert {rgb for rgb in found.values() if isinstance(rgb, str)} == {film.damage}


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("text.mkv", lambda path: path.write_text("no film"), "not a readable film (Invalid data found"),
        ("empty.mp4", lambda path: path.touch(), "not a readable film ("),
        (
            "index missing.mp4",
            lambda path: path.write_bytes(numbered_film(path, 5).read_bytes()[:400]),
            "not a readable",
        ),
        ("sound.mp4", audio_only, "has no video (audio)"),
        ("unknown.mkv", unknown_codec, "the codec of its video is unknown to FFmpeg"),
        ("folder.mkv", lambda path: path.mkdir(), "not a readable film ("),
    ],
)
def test_what_is_no_film_is_one_line(tmp_path, name, write, message):
    write(tmp_path / name)
    with pytest.raises(UsageError) as error:
        Film(tmp_path / name)
    assert str(error.value).startswith(f"{tmp_path / name}: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)
