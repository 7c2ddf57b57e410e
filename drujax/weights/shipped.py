"""Weight files that ship with drujax, or lie in the cache, by the name of their model."""

from pathlib import Path

from drujax.runtime.cache import cached

RELEASED = Path(__file__).parent / "released"


def find(name: str) -> Path | None:
    """Return the weight file of the model `name`, shipped or in the cache; None if there is none."""
    if Path(name).name != name:  # a path, not a name
        return None
    path = RELEASED / f"{name}.safetensors"
    return path if path.is_file() else cached(path.name)
