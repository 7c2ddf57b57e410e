"""Opens film files."""

from pathlib import Path
from typing import Any, Literal

import av
from av.stream import Disposition

from drujax.errors import UsageError

# AUTO decodes several frames at once. NONE decodes one after the other, so that the place of an error is known.
Threads = Literal["AUTO", "NONE"]


def open_film(path: Path, threads: Threads = "AUTO") -> tuple[Any, Any]:
    """Returns the container and the video stream of a film, of PyAV.

    Raises:
        UsageError: it is not a film, has no moving pictures, or its codec is unknown. The message begins with the path.
    """
    try:
        # An absolute path, since ffmpeg reads "Title: part 2.mkv" as a file of the protocol Title.
        container = av.open(str(path.absolute()), metadata_errors="replace")
    except av.FFmpegError as error:
        raise UsageError(f"{path}: not a readable film ({error.strerror})") from None
    try:
        stream = _video_stream(container)
    except UsageError as error:
        container.close()
        raise UsageError(f"{path}: {error}") from None
    stream.thread_type = threads
    return container, stream


def _video_stream(container: Any) -> Any:
    streams = [s for s in container.streams if s.type == "video" and not s.disposition & Disposition.attached_pic]
    if not streams:
        kinds = sorted({stream.type for stream in container.streams})
        raise UsageError(f"has no video ({', '.join(kinds) or 'no streams at all'})")
    decodable = [stream for stream in streams if stream.codec_context is not None]
    if not decodable:
        raise UsageError("the codec of its video is unknown to FFmpeg")
    return max(decodable, key=lambda stream: stream.width * stream.height)
