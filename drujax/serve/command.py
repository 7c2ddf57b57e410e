"""The command `drujax serve`."""

import dataclasses
from typing import TYPE_CHECKING, Any

from drujax.console import output
from drujax.console.option_types import Flag
from drujax.errors import UsageError
from drujax.pictures.inputs import MAX_PIXELS, MaxPixels, limit_pixels
from drujax.runtime.device_choice import Device, on_device

if TYPE_CHECKING:
    from drujax.serve.app import Enhance

LOOPBACK = ("127.0.0.1", "localhost", "::1")
CONNECTIONS = 256  # that may be open besides those of waiting pictures


@dataclasses.dataclass(frozen=True)
class Serve:
    """Brightens pictures over HTTP: POST a picture file to /enhance and get it back; needs the extra serve."""

    # Address to listen on. By default only this machine can connect; 0.0.0.0 is every network that it is in.
    host: str = "127.0.0.1"
    # Port to listen on; 0 is any free one.
    port: int = 8787
    # Model to use: a name listed by drujax models, a .safetensors file, or the folder of a training run.
    model: str = "exposure-slim"
    # Maximum number of pictures that wait; further ones are answered with 503.
    queue: int = 64
    # Maximum size of a picture file in bytes.
    max_bytes: int = 64 * 1024**2
    # Seconds that a picture may take to arrive, and a part of the answer to be taken.
    timeout: float = 60.0
    # Device to compute on; auto is the fastest that JAX finds.
    device: Device = "auto"
    max_pixels: MaxPixels = MAX_PIXELS
    # Print a line about each request: its path and status, nothing of the picture.
    verbose: Flag = False


def run(options: Serve) -> int:
    """Serves until it is interrupted.

    Raises:
        UsageError: invalid options, or the address cannot be listened on.
        ModuleNotFoundError: the extra serve is not installed.
    """
    _check(options)
    limit_pixels(options.max_pixels)
    import socket

    import uvicorn

    from drujax.serve.app import Limits, application

    try:
        family = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((options.host, options.port), family=family, backlog=1024)
    except OSError as error:
        reason = str(error.strerror).partition(" (while")[0]
        raise UsageError(f"--host, --port: cannot listen on {options.host}:{options.port} ({reason})") from error
    with listener, on_device(options.device):
        limits = Limits(options.max_bytes, options.max_pixels, options.queue, options.timeout)
        hosts = LOOPBACK if options.host in LOOPBACK else ("*",)
        app = application(enhancer(options.model), options.model, limits, hosts, output.complain)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_level="info" if options.verbose else "error",
                access_log=options.verbose,
                limit_concurrency=options.queue + CONNECTIONS,
                timeout_keep_alive=5,
                server_header=False,
            )
        )
        address = f"[{options.host}]" if ":" in options.host else options.host
        output.say(f"serving {options.model} on http://{address}:{listener.getsockname()[1]}; Ctrl-C ends")
        output.flush()
        server.run(sockets=[listener])
    return 0


def enhancer(model: str) -> "Enhance":
    """Loads the model, and compiles it for widescreen pictures."""
    import numpy as np

    from drujax.enhance.enhancer import Enhancer
    from drujax.pictures.series import Series
    from drujax.runtime.compile_cache import enable_compilation_cache

    enable_compilation_cache()
    loaded = Enhancer(model)
    loaded(np.zeros((1080 // 4, 1920 // 4, 3), np.uint8), 1.0)

    def enhance(picture: Any, strength: Any, exposure: Any) -> Any:
        if isinstance(picture, Series):
            return loaded.series(picture, strength, exposure=exposure)
        return loaded.picture(picture, strength, exposure=exposure)

    return enhance


def _check(options: Serve) -> None:
    if not 0 <= options.port <= 65535:
        raise UsageError(f"port: must be in 0..65535, got {options.port}")
    for name in ("queue", "max_bytes"):
        if getattr(options, name) < 1:
            raise UsageError(f"{name}: must be >= 1, got {getattr(options, name)}")
    if not 0 < options.timeout < float("inf"):
        raise UsageError(f"timeout: must be a positive number of seconds, got {options.timeout}")
