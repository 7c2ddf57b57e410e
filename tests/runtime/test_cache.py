"""The cache folder: chosen, missing, unusable. Shipped weights need none."""

import os
import pwd

import pytest

from drujax.enhance import listing
from drujax.enhance.zoo import DEFAULT_MODEL
from drujax.errors import UsageError
from drujax.runtime import cache
from drujax.weights import shipped


@pytest.fixture
def homeless(monkeypatch):
    """A user without a home folder or an entry in /etc/passwd, as in containers."""

    def unknown(_number):
        raise KeyError

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("DRUJAX_CACHE", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)


def test_the_variable_chooses_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DRUJAX_CACHE", str(tmp_path))
    assert cache.cache_folder() == tmp_path / "weights"
    assert cache.compiled_folder() == tmp_path / "compiled"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DRUJAX_CACHE", "~/kept")  # quoted, the shell leaves it
    assert cache.cache_folder() == tmp_path / "kept" / "weights"
    monkeypatch.setenv("DRUJAX_CACHE", "")
    assert cache.cache_folder() == tmp_path / ".cache" / "drujax" / "weights"


def test_without_a_home_folder_only_functions_that_need_the_cache_fail(homeless):
    with pytest.raises(UsageError, match=r"^DRUJAX_CACHE: there is no home folder; set it to a folder"):
        cache.cache_folder()
    assert cache.cached("sci-easy.safetensors") is None
    assert shipped.find(DEFAULT_MODEL) is not None
    assert shipped.find("sci-easy") is None
    assert any(row.name == "sci-easy" and row.path is None for row in listing.list_models())


@pytest.mark.parametrize("kind", ["file", "below a file", "/proc/drujax", "read-only"])
def test_an_unusable_folder_is_reported_with_the_variable(tmp_path, kind, monkeypatch):
    (tmp_path / "file").write_text("")
    folder = {"file": tmp_path / "file", "below a file": tmp_path / "file" / "x", "read-only": tmp_path}.get(kind, kind)
    if kind == "read-only":  # which root does not notice
        monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setenv("DRUJAX_CACHE", str(folder))
    with pytest.raises(
        UsageError, match=rf"^{folder}\S*: cannot be used as cache \([a-z ]+\); set DRUJAX_CACHE to a folder"
    ):
        cache.make_folder(cache.cache_folder())
    assert shipped.find(DEFAULT_MODEL) is not None


def test_cached_files_are_found(tmp_path, monkeypatch):
    monkeypatch.setenv("DRUJAX_CACHE", str(tmp_path))
    path = cache.make_folder(cache.cache_folder()) / "a.safetensors"
    assert cache.cached("a.safetensors") is None
    path.write_bytes(b"")
    assert cache.cached("a.safetensors") == path
