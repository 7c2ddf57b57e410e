"""Film in, film out: what is kept, colours, bars, segments, and one line for what is refused."""

import os
import re
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.codec.context import Flags
from av.sidedata.sidedata import Type

from drujax.enhance import Enhancer
from drujax.enhance.amount import checked_amount
from drujax.enhance.composition import Gains
from drujax.enhance.film import files
from drujax.enhance.film.files import FilmOptions, enhance_film
from drujax.errors import UsageError
from drujax.films.conversion import samples, to_rgb
from drujax.films.encoding import CONTAINERS, choose
from drujax.films.source import AHEAD, frames_from, read_source
from drujax.models.layers.windows import GRID
from drujax.pictures.formats import FILMS_WRITTEN, VIDEOS
from drujax.runtime.work_folder import work_path
from tests.support.films import audio_only, encode, number_in, numbered, numbered_film, rich_film, unknown_codec
from tests.support.killed import Point, run_until

TIMES = [120 + 40 * n + (0, 7, -5)[n % 3] for n in range(24)]  # of a variable frame rate
QUARTER_TURN = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)


class Doubling:
    """An enhancer without a network: twice the luma, everywhere."""

    guided = True
    gain = 2.0

    def __init__(self):
        self.seen: list[np.ndarray] = []

    def light(self, small, amount):
        self.seen.append(small)
        exposure = np.zeros((GRID, GRID, 2), np.float32)
        exposure[..., 1] = np.log(self.gain)
        return Gains(exposure, np.zeros((GRID, GRID, 3), np.float32)), 1.0

    def fingerprint(self):
        return "doubling"


def enhanced(source: Path, target: Path, enhancer=None, options=None, mask=None) -> Path:
    amount = checked_amount("auto", None, mask)
    enhance_film(source, target, enhancer or Doubling(), amount, options or FilmOptions(), quiet=True)
    assert not work_path(target).exists()
    return target


def decoded(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def grey(value: int, size=(64, 96)) -> np.ndarray:
    return np.full((*size, 3), value, np.uint8)


def film_of(path: Path) -> dict:
    """All that is to be the same in the result."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        context = video.codec_context
        copied: dict[int, list] = {stream.index: [] for stream in container.streams if stream.type != "video"}
        for packet in container.demux():
            if packet.size and packet.stream_index in copied:
                copied[packet.stream_index].append((packet.pts, packet.duration, bytes(packet)))
        told = {
            "metadata": {k: v for k, v in container.metadata.items() if k.lower() != "encoder"},
            "chapters": [(c["start"], c["end"], c["time_base"], c["metadata"]) for c in container.chapters()],
            "streams": [
                (stream.type, getattr(stream, "name", None) if stream.type != "video" else None, stream.disposition)
                for stream in container.streams
            ],
            "stream metadata": [
                {k: v for k, v in stream.metadata.items() if k.lower() not in ("encoder", "duration", "vendor_id")}
                for stream in container.streams
            ],
            "attachments": [stream.data for stream in container.streams if stream.type == "attachment"],
            "copied": copied,
            "colours": (context.color_range, context.color_primaries, context.color_trc, context.colorspace),
            "aspect": video.sample_aspect_ratio,
            "format": (context.pix_fmt, context.width, context.height),
            "codec": context.codec.canonical_name,
        }
    frames = decoded(path)
    matrix = frames[0].side_data.get(Type.DISPLAYMATRIX)
    return told | {
        "times": [frame.time for frame in frames],
        "display matrix": None if matrix is None else bytes(matrix),
    }


# ----- what is kept


def test_matroska_keeps_everything_but_the_pixels(tmp_path):
    source = rich_film(tmp_path / "film.mkv", [numbered(n) for n in range(24)], times=TIMES, matrix=QUARTER_TURN)
    result = enhanced(source, tmp_path / "bright.mkv")
    before, after = film_of(source), film_of(result)
    assert after == before
    assert before["times"] == [pytest.approx(time / 1000) for time in TIMES]
    assert [len(packets) > 1 for packets in before["copied"].values()] == [True, True, True, False]  # and the font
    assert before["display matrix"] is not None
    assert len(before["chapters"]) == 2
    assert before["aspect"] == Fraction(4, 3)
    dark, bright = (np.mean([to_rgb(frame).mean() for frame in decoded(path)]) for path in (source, result))
    assert bright > 1.5 * dark


def test_mp4_keeps_everything_but_the_pixels(tmp_path):
    source = rich_film(
        tmp_path / "film.mp4",
        [numbered(n) for n in range(24)],
        times=TIMES,
        matrix=QUARTER_TURN,
        audio=("aac", "aac"),
        subtitles="mov_text",
        attachment=None,
        format="yuv420p10le",
        colours=(2, 6, 6, 6),
    )
    result = enhanced(source, tmp_path / "bright.mp4")
    assert film_of(result) == film_of(source)


@pytest.mark.parametrize("codec", ["libx265", "libvpx-vp9", "libsvtav1", "mpeg4"])
def test_other_codecs(tmp_path, codec):
    source = numbered_film(tmp_path / "film.mkv", 8, codec=codec, options={})
    before, after = film_of(source), film_of(enhanced(source, tmp_path / "bright.mkv"))
    assert after["times"] == before["times"]
    assert after["codec"] == (before["codec"] if codec != "mpeg4" else "h264")


@pytest.mark.parametrize(("suffix", "codec"), [(".mov", "libx264"), (".m4v", "libx264"), (".webm", "libvpx-vp9")])
def test_other_containers(tmp_path, suffix, codec):
    source = numbered_film(tmp_path / f"film{suffix}", 8, codec=codec, options={})
    result = enhanced(source, tmp_path / f"bright{suffix}")
    before, after = film_of(source), film_of(result)
    brands = [film.pop("metadata") for film in (before, after)]  # an .m4v gets those of .mp4
    assert after == before
    assert suffix == ".m4v" or brands[0] == brands[1]
    assert [number_in(to_rgb(frame)) for frame in decoded(result)] == list(range(8))


def test_avi_becomes_matroska(tmp_path):
    source = numbered_film(tmp_path / "film.avi", 12, codec="mpeg4", options={"bf": "0"})
    frames = decoded(enhanced(source, tmp_path / "film.mkv"))
    assert len(frames) == len(decoded(source)) == 12
    assert np.diff([frame.time for frame in frames]) == pytest.approx(1 / 24, abs=2e-3)


def test_a_deeper_pixel_format(tmp_path):
    source = numbered_film(tmp_path / "film.mkv", 6)
    result = enhanced(source, tmp_path / "bright.mkv", options=FilmOptions(pix_fmt="yuv420p10le", codec="ffv1"))
    assert film_of(result)["format"] == ("yuv420p10le", 96, 64)
    for before, after in zip(decoded(source), decoded(result), strict=True):
        expected = 2 * to_rgb(before)[-8:, -8:].astype(int)
        assert to_rgb(after)[-8:, -8:].astype(int) == pytest.approx(expected, abs=2)


def test_interlaced_films_stay_interlaced(tmp_path):
    flags = Flags.global_header | Flags.interlaced_dct | Flags.interlaced_me
    source = numbered_film(tmp_path / "film.mkv", 6, options={"bf": "0"}, flags=int(flags))
    assert decoded(source)[1].interlaced_frame
    assert decoded(enhanced(source, tmp_path / "bright.mkv"))[1].interlaced_frame


# ----- colours and places


@pytest.mark.parametrize("format", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le"])
@pytest.mark.parametrize("colours", [(1, 1, 1, 1), (2, 1, 1, 1), (1, 6, 6, 6), (2, 6, 6, 6), (0, 2, 2, 2)])
def test_light_is_that_of_the_colours_meant(tmp_path, format, colours):
    rgb = grey(0)
    rgb[:] = (70, 45, 30)
    frames = [rgb] * 2
    source = rich_film(
        tmp_path / "a.mkv",
        frames,
        times=[0, 40],
        format=format,
        colours=colours,
        audio=(),
        subtitles=None,
        attachment=None,
        codec="ffv1",
    )
    result = enhanced(source, tmp_path / "b.mkv")
    before, after = (to_rgb(decoded(path)[1])[20:40, 20:40].astype(int) for path in (source, result))
    assert after == pytest.approx(2 * before, abs=4)  # rounded before it is doubled
    assert film_of(result)["colours"] == film_of(source)["colours"]


def test_letterbox_bars_stay_as_they_are(tmp_path):
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(6):
        frame = rng.integers(0, 4, (80, 96, 3)).astype(np.uint8)  # not quite black
        frame[14:-14] = rng.integers(30, 60, (52, 96, 3))
        frames.append(frame)
    source = encode(tmp_path / "a.mkv", frames, "ffv1", {})
    enhancer = Doubling()
    result = enhanced(source, tmp_path / "b.mkv", enhancer)
    assert film_of(result)["codec"] == "ffv1"
    for before, after in zip(decoded(source), decoded(result), strict=True):
        for plane, bar in ((0, 14), (1, 7), (2, 7)):
            one, other = samples(before, plane), samples(after, plane)
            np.testing.assert_array_equal(one[:bar], other[:bar])
            np.testing.assert_array_equal(one[-bar:], other[-bar:])
        assert samples(after, 0)[14:-14].mean() > 1.3 * samples(before, 0)[14:-14].mean()
    assert min(small.mean() for small in enhancer.seen) > 0.1  # the bars were not seen


def test_a_mask_says_where(tmp_path):
    source = encode(tmp_path / "a.mkv", [grey(50)] * 3, "ffv1", {})
    mask = np.zeros((64, 96), np.float32)
    mask[:, 48:] = 1
    result = enhanced(source, tmp_path / "b.mkv", mask=mask)
    after = to_rgb(decoded(result)[2])
    assert (after[:, :44] == 50).all()
    assert after[:, 52:].mean() == pytest.approx(100, abs=1)


# ----- segments


def slow_film(path: Path) -> Path:
    """Fifty frames at two a second, so three segments, with a cut in the second."""
    rng = np.random.default_rng(1)
    scenes = rng.integers(10, 70, (2, 64, 96, 3)).astype(np.uint8)
    frames = [(scenes[int(n > 30)] // 2 + numbered(n) // 8).astype(np.uint8) for n in range(50)]
    return rich_film(path, frames, times=[500 * n + (n % 3) for n in range(50)], audio=("aac",), rate=2, g="12")


def test_a_killed_run_continues(tmp_path, monkeypatch, model):
    source = slow_film(tmp_path / "film.mkv")
    whole, resumed = tmp_path / "whole.mkv", tmp_path / "resumed.mkv"
    enhancer = Enhancer(model, guided=True)
    enhanced(source, whole, enhancer)
    written = []
    write = files.write_segment

    class Killed(BaseException):
        pass

    def killed_at_the_third(path, *rest):
        if path.stem == "000002":
            raise Killed
        write(path, *rest)

    def counted(path, *rest):
        written.append(path.stem)
        write(path, *rest)

    monkeypatch.setattr(files, "write_segment", killed_at_the_third)
    with pytest.raises(Killed):
        enhanced(source, resumed, enhancer)
    assert not resumed.exists()
    assert sorted(path.name for path in work_path(resumed).glob("*.npz")) == ["000000.npz", "000001.npz"]
    monkeypatch.setattr(files, "write_segment", counted)
    enhanced(source, resumed, enhancer)
    assert written[0] == "000002"
    assert resumed.read_bytes() == whole.read_bytes()


def test_other_options_start_anew(tmp_path, monkeypatch):
    source = numbered_film(tmp_path / "film.mkv", 6)
    monkeypatch.setattr(files, "write_film", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    monkeypatch.setattr(files, "check_streams", lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        enhanced(source, tmp_path / "b.mkv")
    assert len(list(work_path(tmp_path / "b.mkv").glob("*.npz"))) == 1
    monkeypatch.undo()
    enhancer = Doubling()
    enhanced(source, tmp_path / "b.mkv", enhancer, FilmOptions(crf=30.0))
    assert enhancer.seen  # no segment was taken


@pytest.mark.slow
def test_a_run_ended_by_sigkill_continues(tmp_path, model):
    source = slow_film(tmp_path / "film.mkv")
    point = Point("drujax.enhance.film.files:write_segment", "000001")
    run_until(point, "drujax", "enhance", source, "--model", model, "--quiet", "-o", tmp_path / "out.mkv")
    first = work_path(tmp_path / "out.mkv") / "000000.npz"
    assert first.exists()
    assert not (tmp_path / "out.mkv").exists()
    enhancer = Enhancer(model)
    enhanced(source, tmp_path / "whole.mkv", enhancer)
    enhanced(source, tmp_path / "out.mkv", enhancer)
    assert (tmp_path / "out.mkv").read_bytes() == (tmp_path / "whole.mkv").read_bytes()


def test_frames_from_any_number_are_those_of_a_whole_run(tmp_path):
    source = read_source(numbered_film(tmp_path / "film.mkv", 45, options={"bf": "3", "g": "10"}))
    whole = [samples(frame, 0).copy() for _, frame in frames_from(source, 0)]
    for first in (1, 9, 10, 11, 44):
        part = list(frames_from(source, first))
        assert [number for number, _ in part] == list(range(first, 45))
        for number, frame in part:
            np.testing.assert_array_equal(samples(frame, 0), whole[number])


def test_memory_does_not_grow_with_the_film(tmp_path, monkeypatch):
    source = numbered_film(tmp_path / "film.mkv", 60)
    alive = most = 0
    genuine, encoder = files.frames_from, files._enhanced

    def counted(*arguments):
        nonlocal alive, most
        for pair in genuine(*arguments):
            alive += 1
            most = max(most, alive)
            yield pair

    def used(*arguments):
        nonlocal alive
        alive -= 1
        return encoder(*arguments)

    monkeypatch.setattr(files, "frames_from", counted)
    monkeypatch.setattr(files, "_enhanced", used)
    enhanced(source, tmp_path / "b.mkv")
    assert most <= AHEAD + files.WAITING + 4


def test_a_preview_is_the_middle(tmp_path):
    times = [40 * n for n in range(50)]
    source = rich_film(tmp_path / "film.mkv", [numbered(n) for n in range(50)], times=times)
    result = enhanced(source, tmp_path / "b.mkv", options=FilmOptions(preview=0.4))
    told = film_of(result)
    assert told["times"] == pytest.approx([0.04 * n for n in range(10)])
    assert told["attachments"] == [b"a font"]
    for index in (1, 2):
        sound = [pts for pts, _, _ in told["copied"][index]]
        assert 0 <= sound[0] < 70
        assert sound[-1] < 400


# ----- refused, in one line


def hdr(path: Path, *colours: int) -> Path:
    return rich_film(
        path,
        [grey(40)] * 2,
        times=[0, 40],
        colours=colours,
        format="yuv420p10le",
        codec="libx265",
        audio=(),
        subtitles=None,
        attachment=None,
        bf="0",
    )


def cut_off(path: Path) -> Path:
    content = numbered_film(path, 60, options={"g": "5", "crf": "1"}).read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


def text(path: Path) -> Path:
    path.write_text("no film")
    return path


REFUSED = {
    "PQ": (lambda p: hdr(p / "a.mkv", 1, 9, 16, 9), r"a\.mkv: its colours have a high dynamic range \(PQ\)"),
    "HLG": (lambda p: hdr(p / "a.mkv", 1, 9, 18, 9), r"a\.mkv: its colours have a high dynamic range \(HLG\)"),
    "BT.2020": (lambda p: hdr(p / "a.mkv", 1, 9, 14, 9), r"a\.mkv: its colours are BT\.2020's"),
    "RGB": (
        lambda p: encode(p / "a.mkv", [grey(9)] * 2, "ffv1", {}, format="bgr0"),
        r"a\.mkv: its pixel format bgr0 is not supported",
    ),
    "no video": (lambda p: audio_only(p / "a.mkv"), r"a\.mkv: has no video \(audio\)"),
    "no film": (lambda p: text(p / "a.mkv"), r"a\.mkv: not a readable film"),
    "unknown codec": (lambda p: unknown_codec(p / "a.mkv"), r"a\.mkv: the codec of its video is unknown"),
    "cut off": (lambda p: cut_off(p / "a.mkv"), r"a\.mkv: .*(damaged|ends early)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_film_that_is_refused(tmp_path, case):
    make, message = REFUSED[case]
    source = make(tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UsageError, match=message) as refused:
        enhanced(source, tmp_path / "out.mkv")
    assert "\n" not in str(refused.value)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("suffix", "options", "message"),
    [
        (".mp4", {}, r"-o: mp4 does not hold all streams of .*film\.mkv"),
        (".mkv", {"codec": "libx266"}, r"--video-codec: no encoder named libx266"),
        (".webm", {"codec": "h264"}, r"--video-codec: webm does not hold h264"),
        (".mkv", {"codec": "ffv1", "crf": 3.0}, r"--crf: the encoder ffv1 has no constant rate factor"),
        (".mkv", {"pix_fmt": "yuv444p"}, r"--pix-fmt: must be yuv420p at another depth"),
        (".mkv", {"codec": "libx264", "pix_fmt": "yuv420p12le"}, r"--pix-fmt: libx264 does not take yuv420p12le"),
    ],
)
def test_options_that_do_not_fit(tmp_path, suffix, options, message):
    source = rich_film(tmp_path / "film.mkv", [grey(40)] * 3, times=[0, 40, 80])
    with pytest.raises(UsageError, match=message):
        enhanced(source, tmp_path / f"out{suffix}", options=FilmOptions(**options))
    assert os.listdir(tmp_path) == ["film.mkv"]


def test_a_codec_that_changes_is_told(tmp_path):
    import dataclasses

    video = read_source(numbered_film(tmp_path / "film.mkv", 4)).video
    deep = dataclasses.replace(video, codec="vp9", pix_fmt="yuv420p10le")
    encoding, note = choose(deep, "webm")
    assert encoding.codec == "libsvtav1"
    assert note is not None
    assert re.match(r"vp9 of yuv420p10le cannot be written to webm here; written as av1", note)


def test_films_that_are_written():
    assert tuple(CONTAINERS) == FILMS_WRITTEN
    assert set(FILMS_WRITTEN) <= VIDEOS
