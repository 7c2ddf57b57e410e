"""The light over time, and its application to planes against the one to pixels."""

import functools

import numpy as np
import pytest

from drujax.enhance import Enhancer
from drujax.enhance.amount import checked_amount
from drujax.enhance.application import apply
from drujax.enhance.composition import Gains
from drujax.enhance.film.files import FilmOptions, enhance_film
from drujax.enhance.film.planes import apply_to_planes
from drujax.enhance.film.temporal import INTERVAL, SETTLING, SmoothLight
from drujax.enhance.working_scale import at_working_scale
from drujax.errors import UsageError
from drujax.films.conversion import Coding, coding, rgb_of, samples, unscaled
from drujax.films.shots import LATER
from drujax.pictures import vips
from tests.enhance.film.test_film_files import decoded
from tests.support.films import encode
from tests.support.textures import texture

BT709, BT601 = (0.2126, 0.0722), (0.299, 0.114)
LIMITED = Coding(8, full=False, k_r=BT709[0], k_b=BT709[1])


def gains(value: float, places: int = 2) -> Gains:
    return Gains(np.full((places, places, 2), value, np.float32), np.full((places, places, 3), -value, np.float32))


def plain(level: float, size: int = 2) -> np.ndarray:
    return np.full((size, size, 3), level, np.float32)


def smoothed(lights, pictures=None, *, rate=24.0, cuts=()):
    """The light of each frame, if each frame's own is that of `lights`; by default nothing in the pictures is still."""
    pictures = pictures or [plain((0.1, 0.2, 0.4)[n % 3]) for n in range(len(lights))]
    smooth = SmoothLight()
    return [
        smooth.next(n / rate, cut=n in cuts, look=lambda n=n: pictures[n], find=lambda _, n=n: lights[n])
        for n in range(len(lights))
    ]


def exposures(found) -> np.ndarray:
    """The slopes of the exposure of each frame and place."""
    return np.stack([light[0].exposure[..., 0] for light in found])


# ----- over time


def test_the_same_light_stays():
    for found in smoothed([(gains(0.5), 0.8)] * 30):
        np.testing.assert_array_equal(found[0].exposure, np.float32(0.5))
        assert found[1] == 0.8


def test_fluctuations_are_smoothed():
    rng = np.random.default_rng(0)
    values = 0.5 + 0.1 * rng.standard_normal(240)
    found = exposures(smoothed([(gains(v), 1.0) for v in values]))[:, 0, 0]
    assert found[48:].std() < 0.5 * values.std()
    assert np.abs(np.diff(found)).max() < 0.15 * np.abs(np.diff(values)).max()


def test_slow_changes_are_followed():
    found = exposures(smoothed([(gains(0.2 + 0.002 * n), 1.0) for n in range(240)]))[:, 0, 0]
    assert found[-1] == pytest.approx(0.2 + 0.002 * 239, abs=0.06)
    assert np.abs(np.diff(found)).max() < 0.01


def test_a_step_is_followed_within_seconds_and_without_overshoot():
    lights = [(gains(0.2 if n < 24 else 0.9), 1.0) for n in range(96)]
    found = exposures(smoothed(lights))[:, 0, 0]
    assert (np.diff(found) >= 0).all()
    assert found[24 + round(24 * (INTERVAL + 3 * SETTLING))] > 0.85
    assert found.max() <= np.float32(0.9)


def test_a_cut_starts_anew():
    lights = [(gains(0.2 if n < 24 else 0.9), 0.3 if n < 24 else 1.0) for n in range(30)]
    found = smoothed(lights, [plain(0.2)] * 30, cuts={24})
    assert found[23][0].exposure[0, 0, 0] == np.float32(0.2)
    assert (found[24][0].exposure == np.float32(0.9)).all()
    assert (found[24][0].tint == np.float32(-0.9)).all()
    assert found[24][1] == 1.0


def test_few_frames_are_looked_at_and_still_ones_only_once():
    for rate in (12.0, 24.0, 60.0):
        looked: list[int] = []
        found: list[float] = []
        smooth = SmoothLight()

        def look(n: int, looked=looked, rate=rate):
            looked.append(n)
            return plain(0.3 if n < 2 * rate else 0.1)

        def find(small, found=found):
            found.append(float(small.mean()))
            return gains(0.5), 1.0

        for n in range(round(3 * rate)):
            smooth.next(n / rate, cut=n == 7, look=functools.partial(look, n), find=find)
        assert 7 in looked
        assert 3 / INTERVAL * 0.6 < len(looked) < 3 / INTERVAL + 3
        assert found == pytest.approx([0.3, 0.3, 0.1])  # after the start, the cut and the change


def test_light_fades_out_where_nothing_is_to_be_changed():
    found = smoothed([(gains(0.5), 1.0)] * 12 + [None] * 100)
    strengths = [0.0 if light is None else light[1] for light in found]
    assert (np.diff(strengths) <= 0).all()
    assert found[-1] is None
    assert smoothed([None] * 5) == [None] * 5


def test_a_restored_state_continues():
    values = np.random.default_rng(0).random(60)
    lights = [(gains(v), float(v)) for v in values]
    pictures = [plain(0.1 + 0.2 * v) for v in values]
    whole, first, second = smoothed(lights, pictures), SmoothLight(), SmoothLight()
    for n in range(33):
        first.next(n / 24, cut=False, look=lambda n=n: pictures[n], find=lambda _, n=n: lights[n])
    second.restore(first.state())
    for n in range(33, 60):
        found = second.next(n / 24, cut=False, look=lambda n=n: pictures[n], find=lambda _, n=n: lights[n])
        np.testing.assert_array_equal(found[0].exposure, whole[n][0].exposure)
        assert found[1] == whole[n][1]


# ----- where the film stands still

SIDE = 16


def test_what_stands_still_keeps_its_light():
    """But for changes as small as those by grain."""
    rng = np.random.default_rng(0)
    lights = [(gains(v, SIDE), 0.5 + v) for v in rng.random(60)]
    pictures = [(plain(0.2, SIDE) * rng.uniform(0.985, 1.015, (SIDE, SIDE, 1))).astype(np.float32) for _ in lights]
    found = smoothed(lights, pictures)
    np.testing.assert_array_equal(exposures(found), np.broadcast_to(found[0][0].exposure[..., 0], (60, SIDE, SIDE)))
    assert {light[1] for light in found} == {found[0][1]}


def moved(columns: int, *, level: float = 0.8) -> list[np.ndarray]:
    """Forty frames, of which the columns at the left change after the tenth."""
    before, after = plain(0.2, SIDE), plain(0.2, SIDE)
    after[:, :columns] = level
    return [before if n < 10 else after for n in range(40)]


def test_what_changes_gets_another_light_and_what_does_not_keeps_its_own():
    """The network brightens all places by 0.3 more, and those that changed by 0.2 less: the former is taken off."""
    later = gains(0.8, SIDE)
    later.exposure[:, :3] -= np.float32(0.2)
    found = exposures(smoothed([(gains(0.5, SIDE) if n < 10 else later, 1.0) for n in range(40)], moved(3)))
    assert (found[:, :, 4:] == np.float32(0.5)).all()
    assert found[-1, :, 2] == pytest.approx(0.3, abs=0.08)  # with the 0.3, 0.6
    assert (np.diff(found[:, 0, 2]) <= 0).all()


def test_where_all_changes_nothing_is_held():
    found = exposures(smoothed([(gains(0.5 if n < 10 else 0.8, SIDE), 1.0) for n in range(60)], moved(SIDE) * 2))
    assert found[39] == pytest.approx(0.8, abs=0.02)


def test_black_follows_what_is_around_it():
    """A silhouette in front of a scene that fades in is as black as before, but the gains are those of the scene."""
    pictures = [plain(min(1.0, 0.1 + n / 30) * 0.4, SIDE) for n in range(60)]
    for picture in pictures:
        picture[6:10, 6:10] = 0.002
    found = exposures(smoothed([(gains(max(0.5, 1.0 - n / 60), SIDE), 1.0) for n in range(60)], pictures))
    assert found[-1, 7, 7] == pytest.approx(found[-1, 0, 0], abs=0.02)


@pytest.mark.parametrize(("columns", "strength"), [(3, 0.4), (SIDE, 0.9)])
def test_the_strength_follows_what_most_of_the_picture_does(columns, strength):
    found = smoothed([(gains(0.5, SIDE), 0.4 if n < 10 else 0.9) for n in range(40)], moved(columns))
    assert found[9][1] == 0.4
    assert found[-1][1] == pytest.approx(strength, abs=0.05)


# ----- on planes


def some_gains() -> Gains:
    rng = np.random.default_rng(2)
    smooth = np.kron(rng.random((3, 3, 5)), np.ones((4, 4, 1))).astype(np.float32)
    exposure = np.stack([-0.3 * smooth[..., 0], 0.2 + 0.5 * smooth[..., 1]], -1)
    return Gains(exposure, (smooth[..., 2:] - 0.5) * 0.5)


@pytest.mark.parametrize("strength", [1.0, 0.6, 1.4])
@pytest.mark.parametrize(("bits", "full", "matrix"), [(10, False, BT709), (8, True, BT601)])
def test_planes_get_the_light_that_pixels_get(bits, full, matrix, strength):
    of = Coding(bits, full, *matrix)
    height, width = 48, 64
    rng = np.random.default_rng(1)
    wave = np.kron(rng.random((6, 8, 3)), np.ones((8, 8, 1)))
    y = of.luma_scale[0] + of.luma_scale[1] * (0.05 + 0.4 * wave[..., 0] + 0.02 * rng.random((height, width)))
    chroma = [of.chroma_scale[0] + of.chroma_scale[1] * 0.08 * (wave[..., n] - 0.5) for n in (1, 2)]
    kind = np.uint8 if bits == 8 else np.uint16
    planes = tuple(np.round(plane).astype(kind) for plane in (y, *chroma))

    def rgb(planes) -> np.ndarray:
        y, cb, cr = planes
        return rgb_of(
            unscaled(y, of.luma_scale), unscaled(cb, of.chroma_scale), unscaled(cr, of.chroma_scale), of
        ).clip(0, 1)

    # Half a level of luma and of colour differences are 1.65 levels of blue.
    found = rgb(apply_to_planes(planes, some_gains(), strength, of, bits=bits))
    expected = vips.pixels(apply(vips.of_array(np.ascontiguousarray(rgb(planes))), some_gains(), strength))
    np.testing.assert_allclose(found, expected, atol=1.7 / (2**bits - 1))
    assert np.abs(found - rgb(planes)).max() > 0.1


@pytest.mark.parametrize(("down", "across"), [(2, 2), (1, 2), (1, 1)])
@pytest.mark.parametrize("size", [(16, 24), (15, 23)])
def test_no_gain_changes_no_sample(down, across, size):
    rng = np.random.default_rng(0)
    h, w = size
    planes = [rng.integers(0, 256, (h, w)).astype(np.uint8)]
    planes += [rng.integers(0, 256, (-(-h // down), -(-w // across))).astype(np.uint8) for _ in range(2)]
    none = Gains(np.zeros((4, 4, 2), np.float32), np.zeros((4, 4, 3), np.float32))
    for before, after in zip(planes, apply_to_planes(tuple(planes), none, 1.0, LIMITED, bits=8), strict=True):
        np.testing.assert_array_equal(before, after)


def test_reduced_chroma_loses_no_colour():
    y, c = np.full((16, 24), 40, np.uint8), np.full((8, 12), 140, np.uint8)
    whole = np.repeat(np.repeat(c, 2, 0), 2, 1)
    even = Gains(*(part.mean((0, 1), keepdims=True) for part in some_gains()))
    one, two = (apply_to_planes(planes, even, 1.0, LIMITED, bits=8) for planes in ((y, c, c), (y, whole, whole)))
    for a, b in zip(one, two, strict=True):
        small = b if a.shape == b.shape else b.reshape(8, 2, 12, 2).astype(float).mean((1, 3))
        np.testing.assert_allclose(a.astype(float), small, atol=1.5)


# ----- films


def scene(count: int, seed: int = 0, noise: float = 3.0) -> list[np.ndarray]:
    """A still night with grain."""
    rng = np.random.default_rng(seed)
    still = np.asarray(texture(seed, (96, 128)), np.float32) * 0.35
    return [np.clip(still + rng.normal(0, noise, still.shape), 0, 255).astype(np.uint8) for _ in range(count)]


def means(frames) -> np.ndarray:
    """The levels of patches."""
    return np.stack([np.asarray(frame, np.float32).reshape(6, 16, 8, 16, 3).mean((1, 3, 4)) for frame in frames])


@pytest.mark.parametrize(("noise", "moving"), [(12.0, False), (6.0, True)])
def test_what_stands_still_does_not_flicker(noise, moving):
    """The light of each patch, relative to the same at all times, changes less over time than the grain does.

    The latter is not amplified by a light that changes, but may be by one that does not, which is divided out here: a
    dim channel that a tint makes brighter brings its grain along.
    """
    enhancer = Enhancer()
    frames = scene(36, noise=noise)
    untouched = np.ones((6, 8), bool)
    if moving:
        for n, frame in enumerate(frames):
            frame[32:64, 2 * n : 2 * n + 24] = (150, 130, 100)
        untouched[1:5] = False  # the rows next to it, too
    bright = list(enhancer.frames(frames))
    assert np.mean(bright) > 1.5 * np.mean(frames)
    first = enhancer.light(at_working_scale(vips.of_array(frames[0])), checked_amount("auto", None, None))
    same = [vips.pixels(apply(vips.of_array(frame), *first)) for frame in frames]
    light = (means(bright) / means(same)).std(0)
    grain = (means(frames) / means(frames).mean(0)).std(0)
    assert (light <= grain)[untouched].all()
    assert light[untouched].mean() < 0.25 * grain[untouched].mean()


def test_frames_are_those_of_the_command(tmp_path):
    """Lossless and 4:4:4, so that only rounding differs; with a cut in the middle."""
    enhancer = Enhancer()
    source = encode(tmp_path / "a.mkv", scene(8) + scene(8, 5), "ffv1", {}, format="yuv444p10le")
    enhance_film(source, tmp_path / "b.mkv", enhancer, checked_amount("auto", None, None), FilmOptions(), quiet=True)
    before, expected = ([unrounded(frame) for frame in decoded(path)] for path in (source, tmp_path / "b.mkv"))
    found = list(enhancer.frames(before, rate=24.0))
    assert len(found) == len(expected) == 16
    difference = np.abs(np.stack(found) - np.stack(expected))
    assert difference.mean() < 0.5 / 255
    assert np.quantile(difference, 0.999) < 1 / 255  # but for grain outside of the colours of RGB


def unrounded(frame) -> np.ndarray:
    of = coding(frame)
    y, cb, cr = (samples(frame, plane) for plane in range(3))
    y, cb, cr = unscaled(y, of.luma_scale), unscaled(cb, of.chroma_scale), unscaled(cr, of.chroma_scale)
    return rgb_of(y, cb, cr, of).clip(0, 1)


def test_frames_are_a_stream():
    enhancer = Enhancer()
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield scene(1)[0]

    frames = enhancer.frames(endless(), strength=0.5)
    for n in range(3):
        assert next(frames).shape == (96, 128, 3)
        assert taken == n + 1 + LATER


def test_what_frames_refuses():
    enhancer = Enhancer()
    with pytest.raises(UsageError, match=r"^frames: must be \(h, w, 3\), all of one size and dtype; got \(4, 5, 3\)"):
        list(enhancer.frames([np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)]))
    with pytest.raises(UsageError, match=r"^rate: must be a number above 0, got 0"):
        enhancer.frames([], rate=0.0)
    with pytest.raises(UsageError, match=r"^frames: a film needs a model that gives gains"):
        Enhancer(guided=False).frames([])
    assert list(enhancer.frames([])) == []
