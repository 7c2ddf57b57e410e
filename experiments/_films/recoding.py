"""Decodes and encodes a film with the encoder that `drujax enhance` would use, and does nothing else: what enhancing is
measured by.

    python -m experiments._films.recoding FILM
"""

import sys
from pathlib import Path

from drujax.films.encoding import CONTAINERS, choose, new_encoder
from drujax.films.source import frames_from, read_source


def recode(path: Path) -> int:
    """Returns the size of the coded frames in bytes; they are not kept."""
    film = read_source(path)
    encoding, _ = choose(film.video, CONTAINERS[path.suffix])
    encoder, size = new_encoder(encoding, film.video), 0
    for _, frame in frames_from(film, 0):
        frame.pict_type = 0  # the encoder decides
        size += sum(packet.size for packet in encoder.encode(frame))
    return size + sum(packet.size for packet in encoder.encode(None))


if __name__ == "__main__":
    print(recode(Path(sys.argv[1])))
