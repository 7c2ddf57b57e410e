"""Free memory as the system reports it."""

from types import SimpleNamespace

import jax
import pytest

from drujax.runtime import memory


def test_free_memory_of_this_machine_is_plausible():
    assert 1e6 < memory.free_memory() < 1e14
    assert memory.free_memory(jax.devices("cpu")[0]) is not None


def test_available_memory_on_linux(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal:  8000 kB\nMemFree:  10 kB\nMemAvailable:   3000 kB\n")
    assert memory._machine(tmp_path / "meminfo") == 3000 * 1024


def test_other_systems_report_installed_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(memory.os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 10}.__getitem__)
    assert memory._machine(tmp_path / "nothing") == 40960
    monkeypatch.delattr(memory.os, "sysconf")
    assert memory._machine(tmp_path / "nothing") is None


@pytest.mark.parametrize(
    ("folder", "limit", "used"),
    [(".", "memory.max", "memory.current"), ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes")],
)
def test_the_limit_of_a_container_is_respected(tmp_path, folder, limit, used):
    assert memory._group(tmp_path) is None
    (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / folder / limit).write_text("1000\n")
    (tmp_path / folder / used).write_text("900\n")
    (tmp_path / folder / "memory.stat").write_text("anon 300\nactive_file 200\ninactive_file 400\n")
    assert memory._group(tmp_path) == 700  # cached files give way
    (tmp_path / folder / limit).write_text("max\n")
    assert memory._group(tmp_path) is None


def test_a_device_with_memory_of_its_own():
    gpu = SimpleNamespace(platform="gpu", memory_stats=lambda: {"bytes_limit": 100, "bytes_in_use": 30})
    assert memory.free_memory(gpu) == 70


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (RuntimeError("RESOURCE_EXHAUSTED: allocating 3 bytes"), True),
        (RuntimeError("INTERNAL: CUDA_ERROR_OUT_OF_MEMORY"), True),
        (RuntimeError("INTERNAL: Out of memory"), True),
        (RuntimeError("INTERNAL: no such kernel"), False),
    ],
)
def test_out_of_memory_errors_are_recognised(error, expected):
    assert memory.is_out_of_memory(error) is expected
