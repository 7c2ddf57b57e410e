"""The machine: compiled programs, memory, devices, timing, safe file writing."""

from typing import TYPE_CHECKING

from drujax.runtime.lazy import exports

if TYPE_CHECKING:
    from drujax.runtime.atomic_write import write_atomically
    from drujax.runtime.benchmark import Contender, compiled, machine, race
    from drujax.runtime.cache import cache_folder
    from drujax.runtime.compile_cache import enable_compilation_cache
    from drujax.runtime.malloc import keep_freed_memory
    from drujax.runtime.memory import free_memory, is_out_of_memory
    from drujax.runtime.mesh import data_mesh, join_processes

__all__ = [
    "Contender",
    "cache_folder",
    "compiled",
    "data_mesh",
    "enable_compilation_cache",
    "free_memory",
    "is_out_of_memory",
    "join_processes",
    "keep_freed_memory",
    "machine",
    "race",
    "write_atomically",
]

__getattr__, __dir__ = exports(
    __name__,
    __all__,
    {
        "atomic_write": ["write_atomically"],
        "benchmark": ["Contender", "compiled", "machine", "race"],
        "cache": ["cache_folder"],
        "compile_cache": ["enable_compilation_cache"],
        "malloc": ["keep_freed_memory"],
        "memory": ["free_memory", "is_out_of_memory"],
        "mesh": ["data_mesh", "join_processes"],
    },
)
