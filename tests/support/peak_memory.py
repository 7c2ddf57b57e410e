"""The memory that a large picture takes when it is enhanced as a stream."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import resource
from pathlib import Path
from drujax.pictures import streaming, vips
folder = Path({folder!r})
{setup}
streaming.STREAMED = 0
def peak(name, side):
    image = vips.library().Image.black(side, side, bands=3).linear(1, [30, 40, 60]).cast("uchar")
    image.tiffsave(str(folder / name))
    stream = streaming.open_stream(folder / name, folder / ("of_" + name))
    streaming.write_stream(folder / ("of_" + name), enhancer.stream(stream))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
small = peak("small.tif", 600)
print(peak("large.tif", 6000) - small)
"""


def growth_while_streaming(folder: Path, setup: str) -> float:
    """Returns the megabytes by which the peak of a process's memory grows from 600x600 to 6000x6000 pixels (108 MB).

    Args:
        folder: for the pictures.
        setup: statements that define `enhancer`; they may use `folder`.
    """
    program = PROGRAM.format(folder=str(folder), setup=setup)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return float(done.stdout)
