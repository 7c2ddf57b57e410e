"""Jobs are done once, resumed after a stop, and shared between processes."""

import multiprocessing
import time

import pytest

from drujax.errors import UsageError
from experiments._tables import jobs, keys
from experiments._tables.jobs import Job, Stopped, do_all


def job(name, make=None, needs=(), key=None):
    """A job that writes its name to a file in its folder."""

    def write(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "log").open("a") as log:
            log.write(name + "\n")
        return 0

    return Job("kind", name, key or name, make or write, tuple(needs))


def log_of(done, workdir):
    return (done.folder(workdir) / "log").read_text()


def test_jobs_are_done_once_in_order(tmp_path):
    first = job("first")
    second = job("second", needs=[first])
    lines = []
    assert do_all([first, second], tmp_path, lines.append) == {}
    assert lines == ["first", "second"]
    assert do_all([first, second], tmp_path, lines.append) == {}
    assert lines == ["first", "second"]
    assert second.seconds(tmp_path) >= 0


def test_rows_of_two_names_share_a_job(tmp_path):
    first, same = job("first", key="k"), job("first of another row", key="k")
    second = job("second", needs=[same])
    assert do_all([first, second], tmp_path, print) == {}
    assert same.is_done(tmp_path)
    assert log_of(same, tmp_path) == "first\n"


def test_a_job_with_another_key_is_another_job(tmp_path):
    do_all([job("a", key="1")], tmp_path, print)
    assert not job("a", key="2").is_done(tmp_path)


def test_what_cannot_be_done_is_reported_with_what_needs_it(tmp_path):
    def refuse(folder):
        raise UsageError("no weights")

    first = job("first", refuse)
    second, third = job("second", needs=[job("first", refuse)]), job("third")
    impossible = do_all([first, second, third], tmp_path, print)
    assert impossible == {first.key: "no weights", second.key: "no weights"}
    assert third.is_done(tmp_path)


def test_a_stopped_job_is_resumed_and_finished_ones_stay(tmp_path):
    def stop_at_first(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "half").exists():
            (folder / "half").touch()
            return 143
        return 0

    first, second = job("first"), job("second", stop_at_first)
    with pytest.raises(Stopped) as stopped:
        do_all([first, second], tmp_path, print)
    assert stopped.value.code == 143
    assert do_all([first, second], tmp_path, print) == {}
    assert log_of(first, tmp_path) == "first\n"


def _work(workdir, name):
    slow = [job(f"{number}", lambda folder, n=number: _slow(folder, n, name)) for number in range(6)]
    do_all(slow, workdir, lambda line: None)


def _slow(folder, number, name):
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log").open("a") as log:
        log.write(f"{number} by {name}\n")
    time.sleep(0.05)
    return 0


def test_processes_share_the_jobs(tmp_path, monkeypatch):
    """Both return when all six are done, each by one of them."""
    monkeypatch.setattr(jobs, "WAIT", 0.01)
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=_work, args=(tmp_path, name)) for name in "ab"]
    for other in others:
        other.start()
    for other in others:
        other.join()
        assert other.exitcode == 0
    logs = [path.read_text().splitlines() for path in sorted((tmp_path / "jobs").glob("*/log"))]
    assert [len(lines) for lines in logs] == [1] * 6


def test_the_key_depends_on_program_and_files_and_not_on_comments(tmp_path, monkeypatch):
    package = tmp_path / "package" / "part"
    package.mkdir(parents=True)
    monkeypatch.setattr(keys, "PACKAGE", tmp_path / "package")
    file, found = tmp_path / "weights", []
    for text, content in (
        ('"""Doc."""\nx = 1\n', b"a"),
        ('"""Other words."""\n\n# why\nx = 1\n', b"a"),
        ("x = 2\n", b"a"),
        ("x = 2\n", b"b"),
    ):
        (package / "a.py").write_text(text)
        file.write_bytes(content)
        keys.code.cache_clear()
        found.append(keys.key(["part"], steps=3, file=file))
    keys.code.cache_clear()
    assert found[0] == found[1]
    assert len(set(found[1:])) == 3
