"""Files appear whole or not at all."""

import errno
import os
import resource
import signal
import time

import pytest

from drujax.errors import UsageError
from drujax.runtime.atomic_write import check_folder, remove_leftovers, write_atomically


def test_new_and_existing_files_are_written_completely(tmp_path):
    for content in (b"first", b"", b"second" * 100_000):
        write_atomically(tmp_path / "a", content)
        assert (tmp_path / "a").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_failed_write_leaves_only_the_old_file(tmp_path):
    write_atomically(tmp_path / "a", b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match=rf"File too large: '{tmp_path}/a'") as error:
            write_atomically(tmp_path / "a", bytes(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert error.value.errno == errno.EFBIG
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_the_error_names_the_file_and_not_the_temporary_one(tmp_path):
    with pytest.raises(FileNotFoundError, match=rf"'{tmp_path}/missing/a'"):
        write_atomically(tmp_path / "missing" / "a", b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError, match=rf"'{tmp_path}/folder'"):
        write_atomically(tmp_path / "folder", b"")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_an_interrupt_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a", b"content")
    assert not list(tmp_path.iterdir())


def test_only_old_leftovers_of_killed_processes_are_removed(tmp_path):
    for name, age in ((".drujax-1.tmp", 7200), (".drujax-2.tmp", 60), ("drujax-3.tmp", 7200), (".other.tmp", 7200)):
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, times=(time.time() - age,) * 2)
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {".drujax-2.tmp", "drujax-3.tmp", ".other.tmp"}
    remove_leftovers(tmp_path / "missing")


def test_the_folder_of_an_output_file_is_checked(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    check_folder("out", None)
    check_folder("out", tmp_path / "new")
    with pytest.raises(UsageError, match=rf"^out: folder not found: {tmp_path}/missing$"):
        check_folder("out", tmp_path / "missing" / "new")
    with pytest.raises(UsageError, match=rf"^out: not a folder: {tmp_path}/file$"):
        check_folder("out", tmp_path / "file" / "new")
