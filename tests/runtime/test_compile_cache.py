"""Where compiled programs are kept."""

import jax
import pytest

from drujax.runtime.compile_cache import enable_compilation_cache


@pytest.fixture(autouse=True)
def no_cache():
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", None)
    yield
    jax.config.update("jax_compilation_cache_dir", before)


def test_programs_are_kept_in_the_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DRUJAX_CACHE", str(tmp_path))
    enable_compilation_cache()
    folder = jax.config.jax_compilation_cache_dir
    assert folder.startswith(str(tmp_path / "compiled"))
    assert (tmp_path / "compiled").is_dir()
    enable_compilation_cache()
    assert jax.config.jax_compilation_cache_dir == folder


def test_a_folder_that_the_user_has_chosen_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("DRUJAX_CACHE", str(tmp_path))
    jax.config.update("jax_compilation_cache_dir", "/chosen")
    enable_compilation_cache()
    assert jax.config.jax_compilation_cache_dir == "/chosen"
    assert not list(tmp_path.iterdir())


def test_without_a_place_programs_are_compiled_anew(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DRUJAX_CACHE", str(tmp_path / "file"))
    enable_compilation_cache()
    assert jax.config.jax_compilation_cache_dir is None
