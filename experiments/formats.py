"""Enhances files of all formats, kinds and sizes with one command, and checks each result against its input.

    python -m experiments.formats                       # 200 files of up to 1280 pixels a side
    python -m experiments.formats --files=40 --largest=64 --singly=2 --out=report.json

Every result must have its input's format, size, mode or depth, frames and times, profile, EXIF, XMP, comment and
resolution, as Pillow and libvips see them, and must not be darker. Prints what differs, files that failed, pictures a
second of the whole folder and of one command a file, and the memory of the command in each quarter of the run, which
shows whether it grows. 200 files take some three minutes on two cores.
"""

import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drujax.console import command_line
from drujax.errors import check_at_least


@dataclasses.dataclass(frozen=True)
class Config:
    """Files of all formats, enhanced with one command and checked."""

    # Number of files.
    files: int = 200
    # Largest side in pixels.
    largest: int = 1280
    # Files that are also enhanced one by one, by a command each.
    singly: int = 10
    # Model to use.
    model: str = "exposure-slim"
    # Folder to keep the files in; by default a temporary one.
    folder: Path | None = None
    # JSON file to write.
    out: Path | None = None
    seed: int = 0


def main(config: Config) -> int:
    """Runs the check; returns the exit code, 1 if a file failed or differs."""
    from drujax.runtime.atomic_write import check_folder, write_atomically

    check_at_least(1, files=config.files, largest=config.largest)
    check_at_least(0, singly=config.singly)
    check_folder("--out", config.out)
    with tempfile.TemporaryDirectory(prefix="drujax-") as temporary:
        report = run(config, config.folder or Path(temporary))
    for line in report["failed"] + report["differ"]:
        print(line)
    print(
        f"{report['files']} files ({report['megapixels']:.1f} megapixels): {len(report['failed'])} failed, "
        f"{len(report['differ'])} differ\n"
        f"one command: {report['seconds']:.1f} s, {report['pictures_per_s']:.2f} pictures/s"
    )
    if config.singly:
        print(f"one command a file: {report['singly_pictures_per_s']:.2f} pictures/s")
    print(f"memory: at most {', '.join(f'{mb:.0f}' for mb in report['mb_by_quarter'])} MB in each quarter of the time")
    if config.out is not None:
        write_atomically(config.out, (json.dumps(report, indent=2) + "\n").encode())
    return 1 if report["failed"] or report["differ"] else 0


def run(config: Config, folder: Path) -> dict[str, Any]:
    """Writes, enhances and checks the files in a folder; returns the report."""
    from experiments._formats.check import differences, seen
    from experiments._formats.files import write_files

    paths = write_files(folder / "in", config.files, config.largest, seed=config.seed)
    pixels = sum(size[0] * size[1] for path in paths for size, _, _ in seen(path).frames)
    command = [sys.executable, "-m", "drujax", "enhance", "--model", config.model, "--strength=1"]
    started = time.perf_counter()
    lines, memory = _watched([*command, str(folder / "in"), "-o", str(folder / "out")])
    seconds = time.perf_counter() - started
    failed = [line for line in lines if line.startswith("failed: ")]
    results = [(path, folder / "out" / path.name) for path in paths if (folder / "out" / path.name).exists()]
    differ = [f"{path.name}: {phrase}" for path, result in results for phrase in differences(path, result)]
    started = time.perf_counter()
    singly = paths[:: max(1, len(paths) // config.singly)][: config.singly] if config.singly else []
    for path in singly:
        subprocess.run([*command, str(path), "-q", "-o", str(folder / "singly") + "/"], check=False)
    singly_seconds = time.perf_counter() - started
    quarters = [memory[len(memory) * part // 4 :][: len(memory) // 4 + 1] for part in range(4)]
    missing = [f"{path.name}: no result" for path in paths if not (folder / "out" / path.name).exists()]
    return {
        "files": len(paths),
        "megapixels": pixels / 1e6,
        "failed": failed or missing,
        "differ": differ,
        "seconds": seconds,
        "pictures_per_s": len(paths) / seconds,
        "singly_pictures_per_s": len(singly) / singly_seconds if singly else None,
        "mb_by_quarter": [max(quarter) / 1e6 for quarter in quarters],
    }


def _watched(command: list[str]) -> tuple[list[str], list[int]]:
    """Runs a command; returns the lines of its standard error, and the bytes that it held every tenth of a second."""
    with tempfile.TemporaryFile("w+") as errors, subprocess.Popen(command, stderr=errors) as process:
        memory = [0]
        while process.poll() is None:
            memory.append(_resident(process.pid) or memory[-1])
            time.sleep(0.1)
        errors.seek(0)
        return errors.read().splitlines(), memory


def _resident(process: int) -> int:
    """Returns the resident memory of a process in bytes; 0 where Linux does not tell."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS")), 0)


def from_arguments(arguments: Sequence[str]) -> int:
    """Checks as command-line arguments say."""
    return main(command_line.parse(Config, arguments, program="experiments.formats"))


if __name__ == "__main__":
    sys.exit(command_line.run(lambda: from_arguments(sys.argv[1:]), "experiments.formats"))
