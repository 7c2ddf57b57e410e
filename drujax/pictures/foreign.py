"""Recognises files of unsupported formats by their content, whatever their suffix."""

CONVERT = "is not supported; convert it to PNG or JPEG first"

# Position of a signature, its bytes, the kind of file, and advice.
SIGNATURES = (
    (4, b"ftyp", "a video", "is not supported; extract the frames first"),
    (0, b"\x1a\x45\xdf\xa3", "a video", "is not supported; extract the frames first"),
    (0, b"8BPS", "a Photoshop document", CONVERT),
    (0, b"gimp xcf", "a GIMP document", CONVERT),
    (0, b"\x76\x2f\x31\x01", "an OpenEXR picture", CONVERT),
    (0, b"%PDF-", "a PDF document", CONVERT),
    (0, b"<svg", "an SVG drawing", CONVERT),
    (0, b"<!DOCTYPE", "a web page", "is not a picture; download the picture itself"),
    (0, b"<html", "a web page", "is not a picture; download the picture itself"),
    (0, b"version https://git-lfs", "a pointer of Git LFS", "is not the picture itself; fetch it with git lfs pull"),
)


def refusal(content: bytes) -> str | None:
    """Returns a phrase with the kind of `content` and advice; None if it is not recognised."""
    for start, signature, name, why in SIGNATURES:
        if content[start : start + len(signature)] == signature:
            return f"{name}, which {why}"
    return None
