"""The description of the HTTP interface (OpenAPI 3.1), which the server gives at /openapi.json."""

from typing import Any

from drujax.enhance.strength import STRONGEST
from drujax.runtime.version import __version__

# Media type of each format that is written, by its name in the query.
MEDIA_TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "webp": "image/webp",
    "tif": "image/tiff",
    "bmp": "image/bmp",
    "gif": "image/gif",
    "avif": "image/avif",
    "tga": "image/x-tga",
    "jp2": "image/jp2",
    "jxl": "image/jxl",
    "heic": "image/heic",
}

_ERROR = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
_BINARY: dict[str, Any] = {"schema": {}}


def description(max_bytes: int, max_pixels: int) -> dict[str, Any]:
    """Returns the OpenAPI document of a server with these limits."""
    pictures = {media_type: _BINARY for media_type in MEDIA_TYPES.values()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "drujax", "version": __version__, "description": "Brightens under-lit anime scenery."},
        "paths": {
            "/enhance": {
                "post": {
                    "operationId": "enhance",
                    "summary": "Brightens a picture; size, bit depth, alpha, colour profile and metadata are kept.",
                    "parameters": [
                        _parameter("strength", f"0 to {STRONGEST}, or auto", _either_auto(STRONGEST)),
                        _parameter("exposure", "mean luma of the result, or auto", _either_auto(255.0)),
                        _parameter("format", "of the result; by default that of the picture", _choices(MEDIA_TYPES)),
                        _parameter("quality", "of lossy formats", {"type": "integer", "minimum": 1, "maximum": 100}),
                    ],
                    "requestBody": {
                        "required": True,
                        "description": f"A picture file of at most {max_bytes} bytes and {max_pixels} pixels, "
                        "in all its frames or pages together.",
                        "content": {"application/octet-stream": _BINARY, "image/*": _BINARY},
                    },
                    "responses": {
                        "200": {
                            "description": "The picture. Drujax-Status: enhanced, or unchanged for a bright picture.",
                            "headers": {
                                "Drujax-Status": {"schema": _choices(("enhanced", "unchanged"))},
                                "Drujax-Dropped": {
                                    "description": "What the format cannot hold, such as EXIF; absent if it holds all.",
                                    "schema": {"type": "string"},
                                },
                            },
                            "content": pictures,
                        },
                        "400": _failure("A parameter is unknown or invalid, or the request is no valid HTTP."),
                        "408": _failure("The picture did not arrive in time."),
                        "413": _failure("The body is too large, or its frames or pages have too many pixels."),
                        "415": _failure("The body is not a picture of a known kind."),
                        "422": _failure("The picture is damaged or too large, or does not fit the parameters."),
                        "503": _failure("Too many pictures are waiting; try again after Retry-After seconds."),
                    },
                }
            },
            "/healthz": {
                "get": {
                    "operationId": "health",
                    "summary": "Whether the server works, and how many pictures wait.",
                    "responses": {
                        "200": {
                            "description": "It does.",
                            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Health"}}},
                        }
                    },
                }
            },
            "/openapi.json": {
                "get": {
                    "operationId": "openapi",
                    "summary": "This document.",
                    "responses": {"200": {"description": "It.", "content": {"application/json": {"schema": {}}}}},
                }
            },
        },
        "components": {
            "schemas": {
                "Error": _object({"error": {"type": "string"}}),
                "Health": _object(
                    {
                        "status": {"const": "ok"},
                        "model": {"type": "string"},
                        "waiting": {"type": "integer", "minimum": 0},
                    }
                ),
            }
        },
    }


def _parameter(name: str, text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": text, "schema": schema}


def _either_auto(top: float) -> dict[str, Any]:
    return {"anyOf": [{"type": "number", "minimum": 0, "maximum": top}, {"const": "auto"}]}


def _choices(names: Any) -> dict[str, Any]:
    return {"type": "string", "enum": list(names)}


def _failure(text: str) -> dict[str, Any]:
    return {"description": text, "content": _ERROR}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}
