"""The folder in which drujax keeps what it downloads and compiles."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Where weights are kept that are not shipped; it need not exist yet."""
    return Path(os.environ.get("DRUJAX_CACHE") or Path.home() / ".cache" / "drujax") / "weights"
