"""The movie of an AVIF image sequence: times and repetition, as its boxes give them (ISO/IEC 14496-12, 8).

Pillow reads times in whole milliseconds and no repetition, and writes sequences that repeat for ever.
"""

import struct
from collections.abc import Iterator
from fractions import Fraction

from drujax.pictures.containers.boxes import boxes
from drujax.pictures.stored import damaged

BRAND = b"avis"
# Boxes that hold others, from a track down to its tables.
PARENTS = {b"trak": (b"edts", b"mdia"), b"edts": (), b"mdia": (b"minf",), b"minf": (b"stbl",), b"stbl": ()}
SHOWN = b"pict"  # handler of the track with the colours; that of alpha is b"auxv"
REPEATS = 1  # flag of an edit list
# Offset and width in bytes of fields, in version 0 and 1 of their boxes.
TIME_SCALE = ((12, 4), (20, 4))  # of mvhd and mdhd: units a second
DURATION = ((16, 4), (24, 8))  # of mvhd
TRACK_DURATION = ((20, 4), (28, 8))  # of tkhd, in which the repetitions count
SEGMENT = ((8, 4), (8, 8))  # of elst: duration of one repetition
NOWHERE = (0, 0)

Data = bytes | bytearray
Place = tuple[int, int]  # where the data of a box begin and end
Field = tuple[tuple[int, int], tuple[int, int]]


def is_sequence(content: bytes) -> bool:
    """Whether a file is shown as an image sequence, by its major brand."""
    return content[4:12] == b"ftyp" + BRAND


def has_movie(content: bytes) -> bool:
    """Whether there is a movie in a file, be it shown or not."""
    return _movie(content) != NOWHERE


def description(content: bytes) -> bytes:
    """Returns the description of the frames, with their configuration and colours. Raises UsageError."""
    first, last = _shown(content)[b"stsd"]
    return content[first:last]


def times(content: bytes, count: int) -> tuple[tuple[Fraction, ...], int]:
    """Returns the durations of `count` frames in seconds, and how often they are shown: 0 for ever.

    Raises:
        UsageError: the file is damaged.
    """
    track = _shown(content)
    try:
        scale = _integer(content, track[b"mdhd"], TIME_SCALE)
        durations = [Fraction(ticks, scale) for ticks in _ticks(content, track[b"stts"], count)]
        return (*durations, *[Fraction(0)] * (count - len(durations))), _plays(content, track)
    except (KeyError, struct.error, ZeroDivisionError) as error:
        raise damaged("the times of its frames cannot be read") from error


def with_times(content: bytes, scale: int, plays: int) -> bytes:
    """Returns a file that Pillow wrote with another time scale, in units a second, and repetition, 0 for ever."""
    file = bytearray(content)
    movie = _movie(content)
    header = _boxes(content, movie)[b"mvhd"]
    _put(file, header, TIME_SCALE, scale)
    for track in _tracks(content, movie):
        total = plays * _integer(content, track[b"elst"], SEGMENT) if plays else None
        flags = track[b"elst"][0] + 1
        file[flags : flags + 3] = (0 if plays == 1 else REPEATS).to_bytes(3)
        _put(file, track[b"mdhd"], TIME_SCALE, scale)
        _put(file, track[b"tkhd"], TRACK_DURATION, total)
        _put(file, header, DURATION, total)
    return bytes(file)


# ----- tables


def _ticks(content: bytes, place: Place, count: int) -> Iterator[int]:
    """Yields the durations of at most `count` frames; the table may claim any number."""
    first, last = place
    (entries,) = struct.unpack_from(">I", content, first + 4)
    for at in range(first + 8, min(first + 8 + 8 * entries, last), 8):
        repeated, ticks = struct.unpack_from(">II", content, at)
        for _ in range(min(repeated, count)):
            yield ticks
        count -= min(repeated, count)


def _plays(content: bytes, track: dict[bytes, Place]) -> int:
    if b"elst" not in track:
        return 0  # of old encoders; viewers repeat these for ever
    if not content[track[b"elst"][0] + 3] & REPEATS:
        return 1
    total = _integer(content, track[b"tkhd"], TRACK_DURATION)
    # For ever is the largest number in files of libavif, the half of it in those of FFmpeg.
    endless = total >= _largest(content, track[b"tkhd"], TRACK_DURATION) // 2
    return 0 if endless else -(-total // _integer(content, track[b"elst"], SEGMENT))


# ----- boxes


def _shown(content: bytes) -> dict[bytes, Place]:
    """Returns the boxes of the track with the pictures. Raises UsageError."""
    for track in _tracks(content, _movie(content)):
        first, _ = track.get(b"hdlr", NOWHERE)
        if content[first + 8 : first + 12] == SHOWN and b"stsd" in track:
            return track
    raise damaged("an image sequence without frames")


def _movie(content: bytes) -> Place:
    return next(((first, last) for name, first, last in boxes(content) if name == b"moov"), NOWHERE)


def _tracks(content: bytes, movie: Place) -> Iterator[dict[bytes, Place]]:
    for name, first, last in boxes(content, *movie):
        if name == b"trak":
            yield _boxes(content, (first, last), PARENTS[name])


def _boxes(content: bytes, parent: Place, parents: tuple[bytes, ...] = ()) -> dict[bytes, Place]:
    """Returns the boxes in another one, and in its `parents`, by their names."""
    found: dict[bytes, Place] = {}
    for name, first, last in boxes(content, *parent):
        found |= _boxes(content, (first, last), PARENTS[name]) if name in parents else {name: (first, last)}
    return found


def _located(content: Data, box: Place, field: Field) -> tuple[int, int]:
    """Returns where a field is, and how wide."""
    offset, width = field[1 if content[box[0]] else 0]
    return box[0] + offset, width


def _integer(content: bytes, box: Place, field: Field) -> int:
    at, width = _located(content, box, field)
    return struct.unpack_from(">I" if width == 4 else ">Q", content, at)[0]


def _largest(content: Data, box: Place, field: Field) -> int:
    return 256 ** _located(content, box, field)[1] - 1


def _put(file: bytearray, box: Place, field: Field, value: int | None) -> None:
    """Sets a field; None is its largest value, which is for ever."""
    at, width = _located(file, box, field)
    largest = _largest(file, box, field)
    file[at : at + width] = (largest if value is None else min(value, largest // 2 - 1)).to_bytes(width)
