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


def test_a_cache_chosen_by_the_user_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("DRUJAX_CACHE", str(tmp_path / "cache"))
    for chosen in (str(tmp_path / "chosen"), "gs://bucket/chosen"):
        jax.config.update("jax_compilation_cache_dir", chosen)
        enable_compilation_cache()
        assert jax.config.jax_compilation_cache_dir == chosen
    assert [path.name for path in tmp_path.iterdir()] == ["chosen"]


@pytest.mark.parametrize("variable", ["DRUJAX_CACHE", "JAX_COMPILATION_CACHE_DIR"])
def test_an_unwritable_cache_is_disabled_with_a_warning(variable, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DRUJAX_CACHE", str(tmp_path / "file"))
    if variable != "DRUJAX_CACHE":
        jax.config.update("jax_compilation_cache_dir", str(tmp_path / "file"))
    enable_compilation_cache()
    assert jax.config.jax_compilation_cache_dir is None
    assert f"set {variable} to a folder" in caplog.text
    assert caplog.text.count("\n") == 1


def test_without_a_home_folder_the_cache_is_disabled(monkeypatch, caplog):
    def fail():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("DRUJAX_CACHE", raising=False)
    monkeypatch.setattr("pathlib.Path.home", fail)
    enable_compilation_cache()
    assert jax.config.jax_compilation_cache_dir is None
    assert "DRUJAX_CACHE: there is no home folder" in caplog.text
