"""The quality of a JPEG, 1 to 100 on libjpeg's scale, from its quantisation tables."""

import numpy as np

TABLES = 0xDB  # marker of their segments
# The table of luma in annex K of ITU-T T.81, row by row, which libjpeg scales by the quality; and the order in which
# files store tables.
LUMA = np.array(
    [
        *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
        *(14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
        *(18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
        *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
    ]
)
ZIGZAG = np.array(sorted(range(64), key=lambda n: (sum(divmod(n, 8)), divmod(n, 8)[(1 + sum(divmod(n, 8))) % 2])))


def estimated(segments: bytes) -> int | None:
    """Returns the quality at which libjpeg's table of luma is nearest to the file's first one; None without one.

    Exact for files by libjpeg and what follows it; other programs (Photoshop, cameras) have tables of their own.

    Args:
        segments: the data of the file's DQT segments, joined.
    """
    wide = segments[:1] and segments[0] >> 4  # 16 bits an entry
    table = np.frombuffer(segments[1 : 129 if wide else 65], ">u2" if wide else np.uint8)
    if table.size != 64:
        return None
    qualities = np.arange(1, 101)
    scales = np.where(qualities < 50, 5000 // qualities, 200 - 2 * qualities)
    tables = np.clip((LUMA[ZIGZAG] * scales[:, None] + 50) // 100, 1, 255)
    # Relative to the entries, of which those of high frequencies are larger.
    differences = np.abs(np.log(tables) - np.log(np.maximum(table.astype(np.float64), 1))).sum(1)
    return int(qualities[np.argmin(differences)])
