"""`pip install .` installs the package with its data files, and it enhances without the extras."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drujax.pictures.io import read_picture
from tests.support.documents import REPOSITORY

pytestmark = pytest.mark.slow

# Top-level modules of the extras, and Orbax, which Flax always installs and which is slow to import. Optax is allowed:
# the methods' files import it.
UNNEEDED = (
    "array_record", "apache_beam", "grain", "h5py", "orbax", "sklearn", "tensorboardX", "tensorflow",
    "tensorflow_datasets", "torch",
)  # fmt: skip
# Python runs `sitecustomize.py` at startup.
FORBID = f"""
import sys

class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {UNNEEDED}:
            raise AssertionError(f"{{name}} is imported")

sys.meta_path.insert(0, Forbidden())
"""
CODE = """
import sys
import drujax
from drujax.cli import main

assert type(sys.meta_path[0]).__name__ == "Forbidden"
print(drujax.__file__)
sys.exit(main(["enhance", "night.png"]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # so that no build folder appears in the repository, or is reused from it
    source.mkdir()
    for name in ("drujax", "experiments"):
        shutil.copytree(REPOSITORY / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.cfg", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    built = subprocess.run([*command, f"--wheel-dir={folder}", source], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_every_file_of_the_packages(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    files = [
        path.relative_to(REPOSITORY) for name in ("drujax", "experiments") for path in REPOSITORY.glob(f"{name}/**/*")
    ]
    wanted = {path.as_posix() for path in files if (REPOSITORY / path).is_file() and path.suffix != ".pyc"}
    assert wanted - held == set()
    assert {name for name in held if name.startswith("tests/")} == set()


def test_the_wheel_enhances_without_the_extras(wheel, tmp_path, cache):
    """With the shipped model, from a folder outside the repository."""
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    (site / "sitecustomize.py").write_text(FORBID)
    dark = np.random.default_rng(0).integers(0, 40, (32, 48, 3), dtype=np.uint8)
    Image.fromarray(dark).save(tmp_path / "night.png")
    environment = {**os.environ, "PYTHONPATH": str(site), "DRUJAX_CACHE": str(cache)}
    done = subprocess.run([sys.executable, "-c", CODE], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(site))
    assert read_picture(tmp_path / "night_enhanced.png").rgb.mean() > dark.mean()
