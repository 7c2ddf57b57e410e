"""Enhances a film undisturbed, and killed in the middle and run again; compares both, and measures speed and memory.

    python -m experiments.films --out=report.md                          # 30 s of 1920x1080
    python -m experiments.films --seconds=2 --height=72 --width=128      # in seconds

The film is made for it, of painted nights: still, panned over, with a lamp that flickers, fading in; with two sound
tracks, subtitles and a variable frame rate. `drujax enhance` has to give the same bytes in both cases, and all streams
of the film with their times. Its speed is compared with decoding and encoding alone, by the same decoder, encoder and
settings, in alternating runs: of the film, and of the result, whose brighter grain takes the encoder longer. 30 s of
1920x1080 take some ten minutes on two cores, most of them in the encoder.
"""

import dataclasses
import filecmp
import math
import multiprocessing
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from drujax.console import command_line
from drujax.errors import UsageError, check_at_least
from experiments._films.processes import Cost, run, run_until


@dataclasses.dataclass(frozen=True)
class Config:
    """A film, enhanced undisturbed, and killed and continued."""

    # Length of the film in seconds.
    seconds: float = 30.0
    # Height of its frames, even.
    height: int = 1080
    # Width of its frames, even.
    width: int = 1920
    # Timed runs of enhancing and of coding alone, taking turns.
    rounds: int = 2
    # Model to use.
    model: str = "exposure-slim"
    # Folder to keep the films in, made if missing; by default a temporary one.
    folder: Path | None = None
    # Markdown file to write.
    out: Path | None = None
    seed: int = 0


def main(config: Config) -> int:
    """Runs all; returns the exit code, 1 if the films differ or streams are not those of the film."""
    from drujax.runtime.atomic_write import check_folder, write_atomically

    check_at_least(1, rounds=config.rounds)
    check_at_least(2, height=config.height, width=config.width)
    if config.height % 2 or config.width % 2:
        raise UsageError(f"height, width: must be even, got {config.height} and {config.width}")
    if not 0.5 <= config.seconds < math.inf:
        raise UsageError(f"seconds: must be at least 0.5, got {config.seconds}")
    check_folder("--out", config.out)
    with tempfile.TemporaryDirectory(prefix="drujax-") as temporary:
        folder = config.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        report, right = _report(config, folder)
    print(report)
    if config.out is not None:
        write_atomically(config.out, f"{report}\n".encode())
    return 0 if right else 1


def _report(config: Config, folder: Path) -> tuple[str, bool]:
    """Returns the report, and whether all is as it should be."""
    from drujax.console.tables import markdown

    film, whole, resumed = (folder / name for name in ("film.mkv", "whole.mkv", "resumed.mkv"))
    # In another process: the memory of a process counts as that of those it starts.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
        frames, segments = executor.submit(_make, config, film).result()
    command = [
        sys.executable,
        "-m",
        "drujax",
        "enhance",
        str(film),
        "--overwrite",
        "--quiet",
        f"--model={config.model}",
    ]
    run([*command, "-o", str(folder / "preview.mkv"), "--preview", "0.1s"])  # compiles what is compiled
    recode = [sys.executable, "-m", "experiments._films.recoding"]
    costs: dict[str, list[Cost]] = {"enhancing": [], "coding the film": [], "coding the result": []}
    for _ in range(config.rounds):
        costs["enhancing"].append(run([*command, "-o", str(whole)]))
        costs["coding the film"].append(run([*recode, str(film)]))
        costs["coding the result"].append(run([*recode, str(whole)]))
    kept = segments // 2
    _kill([*command, "-o", str(resumed)], resumed, kept)
    continued = run([*command, "-o", str(resumed)])
    equal = filecmp.cmp(whole, resumed, shallow=False)
    same, listed = _compared(film, whole)
    lines = [
        f"# A film of {config.seconds:g} s of {config.width}x{config.height}",
        f"{frames} frames; {config.model}, default encoder; {os.cpu_count()} cores ({platform.machine()}), "
        f"rounds: {config.rounds}.",
        f"Killed (SIGKILL) when {kept} segments were written, and run again in {continued.seconds:.1f} s: "
        f"{'the same bytes' if equal else 'OTHER BYTES'} as undisturbed ({whole.stat().st_size} bytes).",
        f"Streams of the film and of the result, and the times of their packets: {'the same' if same else 'OTHERS'}.",
        markdown(listed),
        markdown(_costs(costs, frames)),
    ]
    return "\n\n".join(lines), equal and same


def _make(config: Config, path: Path) -> tuple[int, int]:
    """Makes the film; returns the numbers of its frames and segments."""
    from drujax.enhance.film.files import segment_length
    from drujax.films.source import read_source
    from experiments._films.making import make_film

    frames = make_film(path, seconds=config.seconds, height=config.height, width=config.width, seed=config.seed)
    return frames, math.ceil(frames / segment_length(read_source(path)))


def _kill(command: Sequence[str], target: Path, segments: int) -> None:
    """Runs the command until so many segments are written, or if none, until it begins, and kills it."""
    from drujax.runtime.work_folder import work_path

    folder = work_path(target)
    run_until(command, lambda: folder.is_dir() and len(list(folder.glob("*.npz"))) >= segments)


def _compared(film: Path, result: Path) -> tuple[bool, list[list[str]]]:
    """Returns whether two films have the same streams and times, and the cells of a table of them."""
    from experiments._films.streams import are_same, packet_times, program, streams

    before, after = streams(film), streams(result)
    pairs = list(zip(before, after, strict=False))
    same = are_same(before, after) and packet_times(film) == packet_times(result)
    head = [f"by {program()}", "codec", "frames", "duration, s", "time base", "language"]
    rows = [
        [f"{name}: {each.kind}", each.codec, str(each.frames), f"{each.duration:.3f}", each.time_base, each.language]
        for pair in pairs
        for name, each in zip(("film", "result"), pair, strict=True)
    ]
    return same, [head, *rows]


def _costs(costs: Mapping[str, Sequence[Cost]], frames: int) -> list[list[str]]:
    """Returns the cells of a table of medians; "faster" are the seconds of enhancing over those of a row."""
    rows = [["", "s", "frames a second", "CPU ms a frame", "peak MB", "faster"]]
    for name, of in costs.items():
        seconds, cpu = (statistics.median(getattr(cost, field) for cost in of) for field in ("seconds", "cpu_seconds"))
        pairs = zip(costs["enhancing"], of, strict=True)
        faster = statistics.median(enhancing.seconds / cost.seconds for enhancing, cost in pairs)
        peak = max(cost.peak_mb for cost in of)
        numbers = (f"{seconds:.1f}", f"{frames / seconds:.2f}", f"{1000 * cpu / frames:.0f}", f"{peak:.0f}")
        rows.append([name, *numbers, f"{faster:.2f}"])
    return rows


def from_arguments(arguments: Sequence[str]) -> int:
    """Runs as command-line arguments say."""
    return main(command_line.parse(Config, arguments, program="experiments.films"))


if __name__ == "__main__":
    sys.exit(command_line.run(lambda: from_arguments(sys.argv[1:]), "experiments.films"))
