"""The packages of drujax depend one way: each may import those before it in `ROOMS`, and none after it."""

import ast
from pathlib import Path

import pytest

import drujax

ROOT = Path(drujax.__file__).parent
# docs/architecture.md says why each is where it is.
ROOMS = (
    "errors",
    "runtime",
    "console",
    "pictures",
    "films",
    "data",
    "models",
    "weights",
    "translators",
    "losses",
    "uncertainty",
    "metrics",
    "training",
    "methods",
    "enhance",
    "score",
    "serve",
    "cli",
    "__main__",
)


def imported(file: Path) -> set[str]:
    """The packages that a file imports anywhere, also for types only."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("drujax.")}


def room(file: Path) -> str:
    return file.relative_to(ROOT).parts[0].removesuffix(".py")


def test_every_file_is_in_a_room():
    assert {room(file) for file in ROOT.rglob("*.py")} == {*ROOMS, "__init__"}


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_imports_only_earlier_rooms(name):
    files = [file for file in ROOT.rglob("*.py") if room(file) == name]
    arrows = {(str(file.relative_to(ROOT)), other) for file in files for other in imported(file)}
    back = sorted((file, other) for file, other in arrows if ROOMS.index(other) > ROOMS.index(name))
    assert back == []


def test_the_library_does_not_import_its_entry_points():
    for file in ROOT.rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not [module for module in modules if module.split(".")[0] in ("experiments", "tests")], file
