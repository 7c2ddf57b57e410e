"""The application: POST /enhance, GET /healthz, GET /openapi.json.

One picture is enhanced at a time, on all cores. Those that have arrived wait in a queue; when that is full, the answer
is 503 at once. A picture joins the queue when it has arrived, so a slow or broken client holds up no other, and its
body lies in a temporary file until then. Of the pictures nothing is kept or logged.
"""

import asyncio
import contextlib
import dataclasses
import tempfile
import urllib.parse
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import IO, Any

import anyio.to_thread
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from drujax.enhance.strength import Exposure, Strength, check_exposure, check_strength
from drujax.errors import UsageError, unknown
from drujax.pictures import codec
from drujax.pictures.formats import FORMATS, LOSSY, missing_extra
from drujax.pictures.picture import Picture
from drujax.pictures.series import Series, series_of, write_series
from drujax.pictures.stored import Several
from drujax.serve.openapi import MEDIA_TYPES, description

Enhance = Callable[[Any, Strength, Exposure], Any]  # of a Picture or Series
IN_MEMORY = 1 << 20  # bytes of a body that are held before a file takes over
RETRY_AFTER = 2  # seconds, of a full queue


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a server accepts.

    Attributes:
        bytes: of a body.
        pixels: of a picture, for which the decoder has its own limit, and of all frames or pages of a file together.
        queue: pictures that may wait.
        seconds: that a body may take to arrive, and each part of an answer to be taken.
    """

    bytes: int
    pixels: int
    queue: int
    seconds: float


@dataclasses.dataclass(frozen=True)
class Asked:
    """The parameters of a request."""

    strength: Strength = "auto"
    exposure: Exposure = None
    format: str | None = None
    quality: int | None = None


def application(
    enhance: Enhance,
    model: str,
    limits: Limits,
    hosts: tuple[str, ...] = ("*",),
    on_error: Callable[[str], None] = print,
) -> Starlette:
    """Returns the ASGI application.

    Args:
        enhance: enhances a picture or series, or returns the same object; raises UsageError.
        model: its name, for /healthz.
        limits: of requests.
        hosts: names by which the server may be called, so that a web page cannot reach it under a name of its own.
        on_error: called with a line for an internal error.
    """
    desk = _Desk(limits.queue)
    document = description(limits.bytes, limits.pixels)

    async def post(request: Request) -> Response:
        asked = _asked(request)
        async with _body(request, limits) as body, desk.place():
            if await request.is_disconnected():
                return Response(status_code=499)  # nobody reads it
            return await anyio.to_thread.run_sync(_answer, body, enhance, asked, limits.pixels)

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok", "model": model, "waiting": desk.waiting})

    async def openapi(_: Request) -> Response:
        return JSONResponse(document)

    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)

    async def gone(_: Request, error: Exception) -> Response:
        return Response(status_code=499)

    async def broken(request: Request, error: Exception) -> Response:
        on_error(f"internal error: {type(error).__name__} in {request.method} {request.url.path}")
        return JSONResponse({"error": "internal error"}, 500)

    return Starlette(
        routes=[
            Route("/enhance", post, methods=["POST"]),
            Route("/healthz", health),
            Route("/openapi.json", openapi),
        ],
        middleware=[
            Middleware(_Hosts, names=hosts),
            Middleware(_Patience, seconds=limits.seconds),
        ],
        exception_handlers={HTTPException: refused, ClientDisconnect: gone, Exception: broken},
    )


class _Desk:
    """The queue: one picture is served, others wait."""

    def __init__(self, limit: int):
        self._limit = limit
        self._free = asyncio.Lock()
        self.waiting = 0

    @contextlib.asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Waits for its turn. Raises HTTPException if too many wait already."""
        if self.waiting >= self._limit and self._free.locked():
            raise HTTPException(503, "too many pictures are waiting", {"Retry-After": str(RETRY_AFTER)})
        self.waiting += 1
        try:
            await self._free.acquire()
        finally:
            self.waiting -= 1
        try:
            yield
        finally:
            self._free.release()


class _Hosts:
    """ASGI middleware: refuses requests to another name of the machine than the given ones, unless they are ("*",)."""

    def __init__(self, app: Any, names: tuple[str, ...]):
        self._app, self._names = app, names

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and self._names != ("*",) and _host(scope) not in self._names:
            error = f"host: this server answers only as {', '.join(self._names)}; drujax serve --host changes that"
            await JSONResponse({"error": error}, 400)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _host(scope: Any) -> str | None:
    """The name by which the server was called, without a port; None if it is malformed."""
    try:
        return urllib.parse.urlsplit(f"//{Headers(scope=scope).get('host', '')}").hostname
    except ValueError:
        return None


class _Patience:
    """ASGI middleware: gives up on a client that does not take its answer."""

    def __init__(self, app: Any, seconds: float):
        self._app, self._seconds = app, seconds

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_in_time(message: Any) -> None:
            async with asyncio.timeout(self._seconds):
                await send(message)

        await self._app(scope, receive, send_in_time)


@contextlib.asynccontextmanager
async def _body(request: Request, limits: Limits) -> AsyncIterator[IO[bytes]]:
    """The body, in memory or a temporary file. Raises HTTPException if it is too large or too slow."""
    if request.headers.get("content-type", "").startswith("multipart/"):
        raise HTTPException(415, "a form; send the picture as the body itself, as curl --data-binary @FILE does")
    too_large = HTTPException(413, f"the picture has more than {limits.bytes} bytes", {"Connection": "close"})
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limits.bytes:
        raise too_large
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as file:
        try:
            async with asyncio.timeout(limits.seconds):
                async for chunk in request.stream():
                    if file.tell() + len(chunk) > limits.bytes:
                        raise too_large
                    file.write(chunk)
        except TimeoutError:
            raise HTTPException(408, "the picture did not arrive in time", {"Connection": "close"}) from None
        file.seek(0)
        yield file


def _answer(body: IO[bytes], enhance: Enhance, asked: Asked, most_pixels: int) -> Response:
    """Decodes, enhances and encodes. Raises HTTPException."""
    content = body.read()
    try:
        kind = codec.kind_of(content)
        name = asked.format or next((name for name in MEDIA_TYPES if FORMATS[f".{name}"] == kind), "png")
        target = FORMATS[f".{name}"]
        if asked.quality is not None and target not in LOSSY:
            raise UsageError(f"quality: applies to lossy formats only, not to {target}")
        before = _decoded(content, target, most_pixels)
        after = enhance(before, asked.strength, asked.exposure)
        changed, dropped = after is not before, ()
        # Encoding a JPEG again would lose quality.
        as_it_is = target == kind and asked.quality is None
        if changed or not as_it_is:
            encoded, dropped, changed = _encoded(after, name, asked.quality, changed=changed)
            content, dropped = (content, ()) if as_it_is and not changed else (encoded, dropped)
    except codec.NotAPicture as error:
        raise HTTPException(415, str(error)) from error
    except UsageError as error:
        raise HTTPException(422, str(error)) from error
    headers = {"Drujax-Status": "enhanced" if changed else "unchanged"}
    if dropped:
        headers["Drujax-Dropped"] = ", ".join(dropped).encode("ascii", "replace").decode()
    return Response(content, media_type=MEDIA_TYPES[name], headers=headers)


def _decoded(content: bytes, target: str, most_pixels: int) -> Picture | Series:
    """Decodes a picture; opens frames or pages. Raises UsageError; HTTPException for too many pixels of all of them."""
    try:
        return codec.decode(content)
    except Several:
        series = series_of(content, target)
    if series.pixels > most_pixels:
        raise HTTPException(413, f"the {series.count} {series.kind} have more than {most_pixels} pixels together")
    return series


def _encoded(
    after: Picture | Series, name: str, quality: int | None, *, changed: bool
) -> tuple[bytes, tuple[str, ...], bool]:
    """Returns the file, what it lacks, and whether it shows something else: of pages, that is known last."""
    if isinstance(after, Picture):
        written = codec.encode_noting(after, FORMATS[f".{name}"], quality)
        return written.content, after.notes + written.dropped, changed
    with tempfile.TemporaryDirectory(prefix="drujax-") as folder:
        path = Path(folder) / f"result.{name}"
        dropped, changed = write_series(path, after, quality=quality)
        return path.read_bytes(), dropped, changed


def _asked(request: Request) -> Asked:
    """Reads the parameters. Raises HTTPException."""
    names = [field.name for field in dataclasses.fields(Asked)]
    try:
        for name, _ in request.query_params.multi_items():
            if name not in names:
                raise unknown("parameter", name, names)
            if len(request.query_params.getlist(name)) > 1:
                raise UsageError(f"{name}: given twice")
        given = dict(request.query_params)
        strength = check_strength(_number("strength", given.get("strength", "auto")))
        exposure = _number("exposure", given.get("exposure", "auto"))
        format, quality = given.get("format"), given.get("quality")
        if format is not None and format not in MEDIA_TYPES:
            raise unknown("format", format, MEDIA_TYPES)
        if format is not None and (extra := missing_extra(f".{format}")) is not None:
            raise UsageError(f"format: {format} needs pip install 'drujax[{extra}]' where the server runs")
        if quality is not None and not (quality.isascii() and quality.isdecimal() and 1 <= int(quality) <= 100):
            raise UsageError(f"quality: must be a whole number from 1 to 100, got {quality!r}")
        exposure = check_exposure(None if exposure == "auto" else exposure, strength)
    except UsageError as error:
        raise HTTPException(400, str(error)) from error
    return Asked(strength, exposure, format, None if quality is None else int(quality))


def _number(name: str, text: str) -> Any:
    """A number, or "auto"."""
    if text == "auto":
        return text
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{name}: {text!r} is neither a number nor auto") from None
