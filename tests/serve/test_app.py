"""The HTTP interface: pictures, mistakes, limits, the queue, slow and broken clients, and the description."""

import asyncio
import contextlib
import dataclasses
import io
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2 as httpx
import numpy as np
import pytest
import uvicorn
from PIL import Image, ImageSequence
from starlette.testclient import TestClient

from drujax import cli
from drujax.errors import UsageError
from drujax.pictures import codec
from drujax.pictures.formats import FORMATS
from drujax.pictures.series import Series, series_of
from drujax.serve import command
from drujax.serve.app import Limits, application
from drujax.serve.command import LOOPBACK
from drujax.serve.openapi import MEDIA_TYPES, description

LIMITS = Limits(bytes=50_000, pixels=1_000_000, queue=8, seconds=5.0)


def lighter(picture, strength, exposure):
    """In place of a network: adds 10 levels, or as many as the strength has hundredths; bright pictures stay."""
    if isinstance(picture, Series):
        return dataclasses.replace(picture, change=lambda _, one: lighter(one, strength, exposure))
    if picture.rgb.min() > 200:
        return picture
    if exposure == 1:
        raise UsageError("exposure: of this picture impossible")
    if exposure == 2:
        raise KeyError("a defect")
    step = 10 if strength == "auto" else round(100 * strength)
    return dataclasses.replace(picture, rgb=picture.rgb + np.uint8(step), icc_profile=b"profile")


def client(**changes):
    limits = Limits(**{**LIMITS.__dict__, **changes})
    return TestClient(application(lighter, "stand-in", limits), raise_server_exceptions=False)


def encoded(format="PNG", level=50, size=(20, 30), **more):
    file = io.BytesIO()
    rows, columns = np.indices(size) // 4
    Image.fromarray(np.stack([rows + level, columns + level, rows + columns + level], -1).astype(np.uint8)).save(
        file, format, **more
    )
    return file.getvalue()


# ----- pictures


@pytest.mark.parametrize(
    ("format", "media_type"),
    [
        ("PNG", "image/png"),
        ("JPEG", "image/jpeg"),
        ("WEBP", "image/webp"),
        ("TIFF", "image/tiff"),
        ("BMP", "image/bmp"),
        ("AVIF", "image/avif"),
        ("GIF", "image/gif"),
        ("TGA", "image/x-tga"),
        ("JPEG2000", "image/jp2"),
    ],
)
def test_the_result_has_the_format_of_the_picture(format, media_type):
    answer = client().post("/enhance", content=encoded(format))
    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    assert answer.headers["drujax-status"] == "enhanced"
    before, after = (codec.decode(content).rgb.astype(int) for content in (encoded(format), answer.content))
    assert after.shape == before.shape
    assert abs((after - before).mean() - 10) < 1


def test_what_the_format_cannot_hold_is_reported():
    assert client().post("/enhance?format=bmp", content=encoded()).headers["drujax-dropped"] == "the colour profile"
    assert "drujax-dropped" not in client().post("/enhance", content=encoded()).headers
    damaged = encoded("JPEG", exif=b"Exif\0\0no directory")
    assert client().post("/enhance", content=damaged).headers["drujax-dropped"] == "EXIF, which is damaged"


def test_every_format_that_the_command_writes_can_be_asked_for():
    written = {FORMATS[f".{name}"] for name in MEDIA_TYPES}
    assert written == set(FORMATS.values())


def test_parameters():
    picture = encoded()
    answer = client().post("/enhance", params={"strength": 0.3, "format": "jpg", "quality": 100}, content=picture)
    assert answer.headers["content-type"] == "image/jpeg"
    assert abs(codec.decode(answer.content).rgb.mean() - codec.decode(picture).rgb.mean() - 30) < 1
    small = client().post("/enhance", params={"format": "jpg", "quality": 5}, content=picture)
    assert len(small.content) < len(answer.content)


def test_a_bright_picture_comes_back_byte_by_byte():
    for format in ("PNG", "JPEG"):
        bright = encoded(format, 210)
        answer = client().post("/enhance", content=bright)
        assert answer.headers["drujax-status"] == "unchanged"
        assert answer.content == bright


# ----- animations and pages


def several(format="GIF", level=50, **more):
    """Frames or pages with something that moves."""
    images = [Image.new("RGB", (30, 20), (level, level, level + 10)) for _ in range(3)]
    for number, image in enumerate(images):
        image.paste((level + 20, level, level), (4 * number, 5, 4 * number + 6, 11))
    file = io.BytesIO()
    options = {"lossless": True} if format == "WEBP" else {}
    options |= {} if format == "TIFF" else {"duration": [50, 100, 70]}
    images[0].save(file, format, save_all=True, append_images=images[1:], **options | more)
    return file.getvalue()


def frames_of(content):
    with Image.open(io.BytesIO(content)) as image:
        return [np.asarray(frame.convert("RGB")).astype(int) for frame in ImageSequence.Iterator(image)]


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "AVIF", "TIFF"])
def test_every_frame_and_page_is_answered(format):
    content = several(format)
    answer = client(pixels=3 * 30 * 20).post("/enhance", content=content)
    assert (answer.status_code, answer.headers["drujax-status"]) == (200, "enhanced")
    assert answer.headers["content-type"] == f"image/{format.lower()}"
    for before, after in zip(frames_of(content), frames_of(answer.content), strict=True):
        assert np.abs(after - before - 10).max() <= (6 if format == "AVIF" else 0)
    if format != "TIFF":
        mine, theirs = (series_of(file, "PNG").animation for file in (content, answer.content))
        assert mine == theirs


def test_an_animation_in_another_format_and_what_that_lacks():
    answer = client().post("/enhance?format=webp&quality=50", content=several("GIF"))
    assert answer.headers["content-type"] == "image/webp"
    assert len(frames_of(answer.content)) == 3
    answer = client().post("/enhance", content=several("PNG", duration=50, default_image=True))
    assert answer.headers["drujax-dropped"] == "the still picture for viewers without animation"


@pytest.mark.parametrize("format", ["GIF", "AVIF", "TIFF"])
def test_bright_frames_and_pages_come_back_byte_by_byte(format):
    bright = several(format, 210)
    answer = client().post("/enhance", content=bright)
    assert (answer.content == bright, answer.headers["drujax-status"]) == (True, "unchanged")
    assert "drujax-dropped" not in answer.headers
    answer = client().post("/enhance?format=tif" if format == "TIFF" else "/enhance?format=png", content=bright)
    assert (len(frames_of(answer.content)), answer.headers["drujax-status"]) == (3, "unchanged")


@pytest.mark.parametrize(
    ("format", "query", "limits", "status", "message"),
    [
        ("GIF", "", {"pixels": 1799}, 413, "the 3 frames have more than 1799 pixels together"),
        ("TIFF", "", {"pixels": 1799}, 413, "the 3 pages have more than 1799 pixels together"),
        ("WEBP", "format=jpg", {}, 422, "is an animation, which JPEG cannot hold; choose .png, .webp, .avif or .gif"),
        ("TIFF", "format=png", {}, 422, "has 3 pages, which PNG cannot hold; choose .tif"),
        ("GIF", "quality=50", {}, 422, "quality: applies to lossy formats only, not to GIF"),
        ("PNG", "exposure=1", {}, 422, "exposure: of this picture impossible"),
        ("PNG", "exposure=2", {}, 500, "internal error"),
    ],
)
def test_frames_and_pages_that_are_refused(format, query, limits, status, message):
    answer = client(**limits).post(f"/enhance?{query}", content=several(format))
    assert (answer.status_code, answer.json()) == (status, {"error": message})


def test_a_damaged_frame_is_a_line_without_a_path():
    content = bytearray(several("PNG"))
    last = content.rindex(b"fdAT") + 8
    content[last : last + 4] = b"\xff" * 4
    answer = client().post("/enhance", content=bytes(content))
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("damaged picture (")


# ----- mistakes


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("strength=2", "strength: must be a number in 0..1.5 or 'auto', got 2.0"),
        ("strength=nan", "strength: must be a number in 0..1.5 or 'auto', got nan"),
        ("strength=much", "strength: 'much' is neither a number nor auto"),
        ("strength=1&exposure=100", "exposure: determines the strength, which is given, too; give one of them"),
        ("exposure=-1", "exposure: must be a mean luma in 0..255, got -1.0"),
        ("format=exr", "format: unknown value 'exr'"),
        ("quality=0", "quality: must be a whole number from 1 to 100, got '0'"),
        ("quality=²", "quality: must be a whole number from 1 to 100, got '²'"),
        ("stength=1", "parameter: unknown value 'stength'. Did you mean strength"),
        ("format=png&format=jpg", "format: given twice"),
    ],
)
def test_a_wrong_parameter_is_a_bad_request(query, message):
    answer = client().post(f"/enhance?{query}", content=encoded())
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(message)


@pytest.mark.parametrize(
    ("content", "query", "status", "message"),
    [
        (b"", "", 415, "the file is empty"),
        (b"text", "", 415, "not a picture of a known kind (PNG, JPEG"),
        (encoded()[:-40], "", 422, "truncated"),
        (encoded(), "exposure=1", 422, "exposure: of this picture impossible"),
        (encoded(), "quality=50", 422, "quality: applies to lossy formats only, not to PNG"),
        (b"x" * 50_001, "", 413, "the picture has more than 50000 bytes"),
    ],
)
def test_a_body_that_is_no_picture_is_refused(content, query, status, message):
    answer = client().post(f"/enhance?{query}", content=content)
    assert answer.status_code == status
    assert message in answer.json()["error"]


def test_a_form_is_refused_with_advice():
    answer = client().post("/enhance", files={"file": encoded()})
    assert (answer.status_code, answer.json()["error"]) == (
        415,
        "a form; send the picture as the body itself, as curl --data-binary @FILE does",
    )


def test_a_format_without_its_plugin_names_the_extra(monkeypatch):
    monkeypatch.setattr("drujax.serve.app.missing_extra", lambda suffix: "jxl")
    answer = client().post("/enhance?format=jxl", content=encoded())
    assert answer.status_code == 400
    assert answer.json()["error"] == "format: jxl needs pip install 'drujax[jxl]' where the server runs"


def test_a_body_of_unknown_length_is_cut_off_at_the_limit():
    answer = client().post("/enhance", content=iter([b"x" * 40_000, b"x" * 40_000]))
    assert answer.status_code == 413


def test_transparency_that_the_format_lacks_is_refused():
    file = io.BytesIO()
    Image.new("RGBA", (8, 8), (10, 10, 10, 100)).save(file, "PNG")
    answer = client().post("/enhance?format=jpg", content=file.getvalue())
    assert answer.status_code == 422


def test_other_paths_and_methods():
    assert (client().get("/").status_code, client().get("/").json()) == (404, {"error": "Not Found"})
    answer = client().get("/enhance")
    assert (answer.status_code, answer.json(), answer.headers["allow"]) == (
        405,
        {"error": "Method Not Allowed"},
        "POST",
    )


def test_an_internal_error_tells_nothing_of_the_picture():
    lines = []
    app = application(lighter, "stand-in", LIMITS, on_error=lines.append)
    answer = TestClient(app, raise_server_exceptions=False).post("/enhance?exposure=2", content=encoded())
    assert (answer.status_code, answer.json()) == (500, {"error": "internal error"})
    assert lines == ["internal error: KeyError in POST /enhance"]


def test_other_names_of_the_host_are_refused():
    app = application(lighter, "stand-in", LIMITS, hosts=("localhost",))
    assert TestClient(app, base_url="http://localhost").get("/healthz").status_code == 200
    for host in ("attacker.example", "localhost.attacker.example", "[::1", ""):
        answer = TestClient(app, base_url="http://localhost").get("/healthz", headers={"host": host})
        assert answer.status_code == 400
        assert answer.json()["error"].startswith("host: this server answers only as localhost; ")
    app = application(lighter, "stand-in", LIMITS, hosts=LOOPBACK)
    for host in ("localhost:8787", "LOCALHOST", "127.0.0.1:1", "[::1]:8787"):
        assert TestClient(app).get("/healthz", headers={"host": host}).status_code == 200


# ----- description


def test_health_and_description():
    assert client().get("/healthz").json() == {"status": "ok", "model": "stand-in", "waiting": 0}
    document = client().get("/openapi.json").json()
    assert document == description(LIMITS.bytes, LIMITS.pixels)
    assert set(document["paths"]) == {"/enhance", "/healthz", "/openapi.json"}
    named = {parameter["name"] for parameter in document["paths"]["/enhance"]["post"]["parameters"]}
    assert named == {"strength", "exposure", "format", "quality"}
    references = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert references == set(document["components"]["schemas"])


# ----- many, slow and broken clients, over real connections


@contextlib.contextmanager
def served(enhance=lighter, **changes):
    """Runs the server in a thread; yields its port."""
    app = application(enhance, "stand-in", Limits(**{**LIMITS.__dict__, **changes}))
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()


def test_of_200_concurrent_posts_none_is_lost():
    pictures = [encoded(level=10 + number % 100) for number in range(200)]

    async def post_all(url):
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(verify=False, timeout=120, limits=limits) as asking:
            return await asyncio.gather(*(asking.post(url, content=picture) for picture in pictures))

    with served(queue=200, seconds=120.0) as port:
        answers = asyncio.run(post_all(f"http://127.0.0.1:{port}/enhance"))
    assert {answer.status_code for answer in answers} == {200}
    for picture, answer in zip(pictures, answers, strict=True):
        np.testing.assert_array_equal(codec.decode(answer.content).rgb, codec.decode(picture).rgb + 10)


def test_a_full_queue_answers_at_once_and_serves_those_that_wait():
    begun, go_on = threading.Event(), threading.Event()

    def slow(picture, strength, exposure):
        begun.set()
        assert go_on.wait(30)
        return lighter(picture, strength, exposure)

    with served(slow, queue=2) as port, ThreadPoolExecutor(4) as pool:
        url = f"http://127.0.0.1:{port}"
        first = pool.submit(httpx.post, f"{url}/enhance", content=encoded(), timeout=60)
        assert begun.wait(30)
        waiting = [pool.submit(httpx.post, f"{url}/enhance", content=encoded(), timeout=60) for _ in range(2)]
        while httpx.get(f"{url}/healthz").json()["waiting"] < 2:
            time.sleep(0.01)
        refused = httpx.post(f"{url}/enhance", content=encoded())
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
        go_on.set()
        assert [post.result().status_code for post in (first, *waiting)] == [200] * 3


def test_a_slow_client_holds_up_no_other_and_is_given_up():
    with served(seconds=1.0) as port, socket.create_connection(("127.0.0.1", port)) as slow:
        slow.sendall(b"POST /enhance HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n\x89PNG")
        answer = httpx.post(f"http://127.0.0.1:{port}/enhance", content=encoded(), timeout=60)
        assert answer.status_code == 200
        slow.settimeout(30)
        assert slow.recv(100).startswith(b"HTTP/1.1 408 ")


def test_a_client_that_goes_away_leaves_the_server_working():
    with served() as port:
        for sent in (
            b"POST /enhance HTTP/1.1\r\n",
            b"POST /enhance HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab",
        ):
            with socket.create_connection(("127.0.0.1", port)) as broken:
                broken.sendall(sent)
        with socket.create_connection(("127.0.0.1", port)) as nonsense:
            nonsense.sendall(b"\x00\x01\x02 nonsense\r\n\r\n")
        answer = httpx.post(f"http://127.0.0.1:{port}/enhance", content=encoded(), timeout=60)
        assert answer.status_code == 200
        assert httpx.get(f"http://127.0.0.1:{port}/healthz").json()["waiting"] == 0


# ----- the command


@pytest.mark.usefixtures("command")
def test_the_command_serves_with_a_model(tmp_path, model, monkeypatch, capsys):
    found = {}

    def serve(server, sockets):
        with TestClient(server.config.app, base_url="http://localhost") as asking:
            found["answer"] = asking.post("/enhance?strength=1", content=encoded())
            found["frames"] = asking.post("/enhance?strength=1", content=several("PNG"))
            found["host"] = TestClient(server.config.app, base_url="http://elsewhere").get("/healthz").status_code

    monkeypatch.setattr(uvicorn.Server, "run", serve)
    assert cli.main(["serve", "--model", str(model), "--port=0"]) == 0
    assert re.fullmatch(r"serving .*tiny.safetensors on http://127.0.0.1:\d+; Ctrl-C ends\n", capsys.readouterr().out)
    assert found["host"] == 400
    expected = command.enhancer(str(model))(codec.decode(encoded()), 1.0, None)
    np.testing.assert_array_equal(codec.decode(found["answer"].content).rgb, expected.rgb)
    (tmp_path / "a.png").write_bytes(several("PNG"))
    arguments = ["--model", str(model), "--strength=1", "-o", f"{tmp_path}/b.png"]
    assert cli.main(["enhance", f"{tmp_path}/a.png", *arguments]) == 0
    assert found["frames"].content == (tmp_path / "b.png").read_bytes()


@pytest.mark.usefixtures("command")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port=70000"], "--port: must be in 0..65535, got 70000"),
        (["--queue=0"], "--queue: must be >= 1, got 0"),
        (["--max-bytes=0"], "--max-bytes: must be >= 1, got 0"),
        (["--timeout=0"], "--timeout: must be a positive number of seconds, got 0.0"),
        (["--host=no.such.host.invalid"], "--host, --port: cannot listen on no.such.host.invalid:8787"),
    ],
)
def test_mistakes_in_the_command(arguments, message, capsys):
    assert cli.main(["serve", *arguments]) == 2
    assert f"drujax: error: {message}" in capsys.readouterr().err


@pytest.mark.usefixtures("command")
def test_a_port_in_use_is_reported(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert cli.main(["serve", f"--port={taken.getsockname()[1]}"]) == 2
    assert "(Address already in use)" in capsys.readouterr().err
