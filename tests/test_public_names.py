"""Every public name of drujax and its packages exists, and is imported lazily."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import drujax
from drujax.runtime.lazy import exports

ROOMS = [module.name for module in pkgutil.iter_modules(drujax.__path__) if module.ispkg]
SLOW = ("jax", "flax", "optax", "orbax", "grain", "tensorflow_datasets", "PIL", "rich", "numpy")


@pytest.mark.parametrize("name", ["drujax", *(f"drujax.{room}" for room in ROOMS)])
def test_every_public_name_exists(name):
    package = importlib.import_module(name)
    names = getattr(package, "__all__", [])
    assert len(names) == len(set(names))
    for public in names:
        value = getattr(package, public)
        if isinstance(value, type) or callable(value):
            assert value.__name__ == public
        assert public in dir(package)
    with pytest.raises(AttributeError, match=rf"module '{name}' has no attribute 'Enhancr'"):
        package.Enhancr  # noqa: B018


@pytest.mark.parametrize("name", ["drujax", *(f"drujax.{room}" for room in ROOMS)])
def test_type_checkers_see_the_same_names(name):
    package = importlib.import_module(name)
    tree = ast.parse(Path(package.__file__).read_text(encoding="utf-8"))
    guards = [node for node in tree.body if isinstance(node, ast.If)]
    imports = [node for guard in guards for node in guard.body if isinstance(node, ast.ImportFrom)]
    seen = {alias.name: node.module for node in imports for alias in node.names}
    if seen:
        assert {*seen, "__version__"} == {*package.__all__, "__version__"}
    for public, module in seen.items():
        assert getattr(importlib.import_module(module), public) is getattr(package, public)


def test_a_public_name_is_never_also_a_module():
    """Otherwise `from package import name` would depend on earlier imports."""
    for room in ROOMS:
        package = importlib.import_module(f"drujax.{room}")
        modules = {module.name for module in pkgutil.iter_modules(package.__path__)}
        if room != "metrics":  # whose functions are all imported at once, and so take the place of their modules
            clashes = {
                name for name in modules & {*getattr(package, "__all__", ())} if callable(getattr(package, name))
            }
            assert clashes == set()


@pytest.mark.parametrize("name", ["drujax", "drujax.pictures", "drujax.enhance", "drujax.training", "drujax.data"])
def test_importing_a_package_imports_none_of_its_names(name):
    code = f"import sys, {name}; print(*(m for m in sys.modules if m in {SLOW} or m.startswith('drujax.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    helpers = {"drujax.runtime", "drujax.runtime.lazy", "drujax.runtime.version"}
    assert set(done.stdout.split()) == {*helpers, name} - {"drujax"}


def test_a_name_is_imported_once(monkeypatch):
    monkeypatch.setitem(sys.modules, "package", module := type(sys)("package"))
    monkeypatch.setitem(sys.modules, "package.part", type(sys)("package.part"))
    sys.modules["package.part"].value = object()
    get, names = exports("package", ["value", "part"], {"part": ["value"]})
    assert get("value") is module.value is sys.modules["package.part"].value
    assert get("part") is sys.modules["package.part"]
    assert {"part", "value"} <= set(names())
