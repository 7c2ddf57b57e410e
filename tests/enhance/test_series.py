"""`drujax enhance` of animations and pages: one light a shot, and every page for itself."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from drujax import cli
from drujax.enhance.enhancer import Enhancer
from drujax.errors import UsageError
from drujax.pictures.series import open_series
from tests.support.textures import texture
from tests.support.tiny_model import save_tiny_model

SIZE = (60, 90)


@pytest.fixture(scope="module")
def enhancer(tmp_path_factory):
    return Enhancer(save_tiny_model(tmp_path_factory.mktemp("model")))


def night(seed: int, top: int = 70) -> Image.Image:
    return texture(seed, SIZE, top)


def moving(number: int, scene: Image.Image) -> Image.Image:
    """A scene with something small that moves in the right half."""
    image = scene.copy()
    left = 50 + 3 * number
    ImageDraw.Draw(image).rectangle((left, 20, left + 8, 40), fill=(90, 30, 30))
    return image


def save(path, images, **options):
    options |= {"lossless": True} if path.suffix == ".webp" else {}
    images[0].save(path, save_all=True, append_images=images[1:], **options)
    return path


def frames_of(path) -> list[np.ndarray]:
    with Image.open(path) as image:
        found = []
        for number in range(image.n_frames):
            image.seek(number)
            found.append(np.asarray(image.convert("RGB")).astype(int))
        return found


def enhanced(enhancer, path, **amount) -> list[np.ndarray]:
    series = enhancer.series(open_series(path, path), **amount)
    return [series.changed(number, picture).rgb for number, picture in enumerate(series.pictures())]


def test_the_command_enhances_every_frame_and_nothing_flickers(tmp_path, model, command, capsys):
    scene = night(1)
    for suffix in ("png", "webp", "gif", "avif"):
        path = save(tmp_path / f"a.{suffix}", [moving(number, scene) for number in range(8)], duration=40, loop=0)
        assert cli.main(["enhance", str(path), "--model", str(model), "-o", f"{tmp_path}/out/"]) == 0
        before, after = frames_of(path), frames_of(tmp_path / "out" / path.name)
        assert len(after) == len(before) == 8
        assert np.mean(after) > np.mean(before) + 20
        still = [frame[:, :48] for frame in after]
        if suffix in ("png", "webp"):  # frames of a GIF have palettes of their own, and AVIF is lossy
            assert max(np.abs(frame - still[0]).max() for frame in still) == 0
        assert max(np.abs(frame - still[0]).mean() for frame in still) < 4
    assert "failed" not in capsys.readouterr().err


def test_each_shot_of_an_animation_has_a_light_of_its_own(tmp_path, enhancer):
    dark, darker = night(2, 90), night(3, 40)
    shots = [moving(number, dark) for number in range(6)] + [moving(number, darker) for number in range(6)]
    both = enhanced(enhancer, save(tmp_path / "a.png", shots, duration=40))
    alone = [enhanced(enhancer, save(tmp_path / "b.png", part, duration=40)) for part in (shots[:6], shots[6:])]
    for mine, theirs in zip(both, [*alone[0], *alone[1]], strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_one_frame_that_repeats_is_the_picture_alone(tmp_path, enhancer):
    scene = night(4)
    path = save(tmp_path / "a.png", [scene, moving(0, scene), scene], duration=40)
    alone = enhancer(np.asarray(scene)).astype(int)
    assert np.abs(enhanced(enhancer, path)[0] - alone).mean() < 3


def test_a_bright_animation_is_copied(tmp_path, model, command):
    scene = Image.new("RGB", SIZE[::-1], (240, 240, 240))
    path = save(tmp_path / "a.gif", [scene, moving(3, scene)], duration=40)
    assert cli.main(["enhance", str(path), "--model", str(model), "-o", f"{tmp_path}/out/"]) == 0
    assert (tmp_path / "out" / "a.gif").read_bytes() == path.read_bytes()


def test_a_mask_and_a_strength_of_an_animation(tmp_path, enhancer):
    path = save(tmp_path / "a.png", [moving(number, night(5)) for number in range(3)], duration=40)
    mask = np.zeros(SIZE, np.float32)
    mask[:, 60:] = 1
    before, whole = frames_of(path), enhanced(enhancer, path)
    masked, half = enhanced(enhancer, path, mask=mask), enhanced(enhancer, path, strength=0.5)
    for number in range(3):
        np.testing.assert_array_equal(masked[number][:, :40], before[number][:, :40])
        np.testing.assert_array_equal(masked[number][:, 70:], whole[number][:, 70:])
        assert before[number].mean() < half[number].mean() < whole[number].mean()
    np.testing.assert_array_equal(enhanced(enhancer, path, strength=0.0), before)


def test_transparent_frames_of_an_animation_do_not_count(tmp_path, enhancer):
    clear = Image.new("RGBA", SIZE[::-1], (0, 0, 0, 0))
    scene = [moving(number, night(6)).convert("RGBA") for number in range(2)]
    with_clear = enhanced(enhancer, save(tmp_path / "a.png", [clear, *scene], duration=40))
    assert np.mean(with_clear[1:]) > np.mean([np.asarray(image)[..., :3] for image in scene]) + 20
    np.testing.assert_array_equal(with_clear[1][:, :48], with_clear[2][:, :48])


def test_the_networks_own_output_of_an_animation_is_refused(tmp_path, tmp_path_factory):
    plain = Enhancer(save_tiny_model(tmp_path_factory.mktemp("model")), guided=False)
    path = save(tmp_path / "a.png", [night(1), night(2)], duration=40)
    with pytest.raises(UsageError, match=r"^an animation, which needs a model that gives gains"):
        plain.series(open_series(path, path))


def test_each_page_is_enhanced_as_if_it_were_alone(tmp_path, model, enhancer, command):
    images = [night(7), night(8).resize((40, 50)), night(9).convert("L")]
    path = save(tmp_path / "a.tif", images)
    assert cli.main(["enhance", str(path), "--model", str(model), "-o", f"{tmp_path}/out/"]) == 0
    with Image.open(tmp_path / "out" / "a.tif") as result:
        for number, image in enumerate(images):
            result.seek(number)
            assert (result.mode, result.size) == (image.mode, image.size)
            np.testing.assert_array_equal(np.asarray(result), np.asarray(enhancer(image)))


def test_pages_that_stay_as_they_are_are_copied(tmp_path, model, command, capsys):
    images = [Image.new("RGB", (30, 20), (250, 250, 250)) for _ in range(2)]
    path = save(tmp_path / "a.tif", images)
    assert cli.main(["enhance", str(path), "--model", str(model), "-o", f"{tmp_path}/out/"]) == 0
    assert (tmp_path / "out" / "a.tif").read_bytes() == path.read_bytes()
    assert "1 already bright" in capsys.readouterr().out


def test_a_damaged_frame_is_a_line_that_names_the_file_once(tmp_path, model, command, capsys):
    path = save(tmp_path / "a.png", [moving(number, night(1)) for number in range(3)], duration=40)
    content = bytearray(path.read_bytes())
    last = content.rindex(b"fdAT") + 8
    content[last : last + 4] = b"\xff" * 4
    path.write_bytes(content)
    assert cli.main(["enhance", str(path), "--model", str(model), "-o", f"{tmp_path}/out/"]) == 2
    line = capsys.readouterr().err.strip()
    assert line.startswith(f"drujax: error: {path}: damaged picture (")
    assert line.count(str(path)) == 1


def test_a_contact_sheet_shows_the_first_frame(tmp_path, model, command):
    path = save(tmp_path / "a.gif", [moving(number, night(1)) for number in range(3)], duration=40)
    arguments = ["enhance", str(path), "--model", str(model), "-o", f"{tmp_path}/out/"]
    assert cli.main([*arguments, "--contact-sheet", f"{tmp_path}/sheet.png"]) == 0
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 600
