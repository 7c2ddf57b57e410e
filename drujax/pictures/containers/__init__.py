"""File formats, one module each: `read(content)` -> Stored, `write(samples, picture, quality)` -> Written."""
