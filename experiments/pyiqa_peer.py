"""The peer of `experiments.benchmark metrics --peer=pyiqa`: IQA-PyTorch's metrics on the same pictures.

Imported only when it is asked for; it is no dependency of drujax. Its parameter files are downloaded by itself.
"""

from collections.abc import Callable

import numpy as np
import pyiqa  # pyright: ignore[reportMissingImports]
import torch  # pyright: ignore[reportMissingImports]

VERSION = pyiqa.__version__
NAMES = {"ma": "nrqm"}  # where its name is another


def scorer(metric: str, images: np.ndarray) -> Callable[[], np.ndarray]:
    """What scores `images` (b, h, w, 3), uint8, on the first GPU where there is one."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = pyiqa.create_metric(NAMES.get(metric, metric), device=device)
    pictures = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float() / 255

    def run() -> np.ndarray:
        with torch.no_grad():
            return network(pictures).reshape(-1).cpu().numpy()

    return run
