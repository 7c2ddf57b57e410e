"""Downloads are complete, checked and made once, or fail with one line of advice."""

import contextlib
import hashlib
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from drujax.errors import UsageError
from drujax.weights import download

CONTENT = bytes(range(256)) * 12_000  # 3 MB
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Host(BaseHTTPRequestHandler):
    """Serves CONTENT under /whole, with a pause in the middle under /slow, less than announced under /cut."""

    def do_GET(self):
        self.server.requests.append((self.path, self.headers.get("Range")))
        if self.path == "/gone":
            self.send_error(404)
            return
        start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-")) if self.headers.get("Range") else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/whole")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        end = len(CONTENT) // 2 if self.path == "/cut" and not start else len(CONTENT)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the client was killed
            for at in range(start, end, 1 << 18):
                self.wfile.write(CONTENT[at : min(at + (1 << 18), end)])
                if self.path == "/slow" and not start and at < len(CONTENT) // 2 <= at + (1 << 18):
                    self.server.sent.release()
                    self.server.go_on.wait(20)

    def log_message(self, *_):
        """Suppresses the server's log."""


@pytest.fixture
def host():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    server.requests, server.sent, server.go_on = [], threading.Semaphore(0), threading.Event()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.go_on.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DRUJAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "cache" / "weights"


def row(host, page="whole", **changes):
    url = f"http://127.0.0.1:{host.server_port}/{page}"
    fields = {
        "name": "test",
        "what": "test weights",
        "url": url,
        "filename": "net.pth",
        "size": len(CONTENT),
        "sha256": DIGEST,
    }
    return download.File(**{**fields, "licence": "MIT", **changes})


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("sha256", [DIGEST, DIGEST[:8], None])
@pytest.mark.parametrize("page", ["whole", "moved"])
def test_a_file_is_downloaded_completely_and_once(host, cache, page, sha256, capsys):
    file = row(host, page, sha256=sha256)
    path = download.fetch(file)
    assert path == cache / "net.pth"
    assert path.read_bytes() == CONTENT
    assert names(cache) == ["net.pth", "net.pth.sha256"]
    assert f"test weights: 3.07 MB, licence MIT, from {file.url}, to {path}" in capsys.readouterr().err
    count = len(host.requests)
    assert download.fetch(file) == path
    assert len(host.requests) == count


def test_quiet(host, capsys):
    download.fetch(row(host), quiet=True)
    assert capsys.readouterr() == ("", "")


def test_wrong_hash_is_refused(host, cache):
    with pytest.raises(UsageError, match=f"sha256 of the download must be {'0' * 64}, got {DIGEST}"):
        download.fetch(row(host, sha256="0" * 64))
    assert names(cache) == []


def test_http_error_says_what_to_do(host, cache):
    file = row(host, "gone")
    with pytest.raises(UsageError) as caught:
        download.fetch(file, otherwise="--pretrained=none starts from random weights")
    assert str(caught.value) == (
        "test weights: the server answered 404 Not Found. "
        f"Download it yourself (3.07 MB, licence MIT, from {file.url}) and put it at {cache / 'net.pth'}, "
        "or do without it: --pretrained=none starts from random weights"
    )
    assert names(cache) == []


def test_no_network(host, cache):
    file = row(host)
    dead = download.File(**{**vars(file), "url": "http://127.0.0.1:9/whole"})
    with pytest.raises(UsageError, match=r"test weights: no connection: .*yourself \(3.07 MB, licence MIT, from http"):
        download.fetch(dead)
    assert names(cache) == []


def test_an_interrupted_download_is_resumed(host, cache):
    file = row(host, "cut")
    with pytest.raises(UsageError, match="connection lost"):
        download.fetch(file)
    assert names(cache) == ["net.pth.part"]
    have = (cache / "net.pth.part").stat().st_size
    assert 0 < have < len(CONTENT)
    assert download.fetch(file).read_bytes() == CONTENT
    assert host.requests[-1] == ("/cut", f"bytes={have}-")
    assert names(cache) == ["net.pth", "net.pth.sha256"]


def test_download_without_known_hash_restarts(host, cache):
    """Parts of two different files must never be combined."""
    cache.mkdir(parents=True)
    (cache / "net.pth.part").write_bytes(b"of an older file")
    assert download.fetch(row(host, sha256=None)).read_bytes() == CONTENT
    assert host.requests == [("/whole", None)]


@pytest.mark.parametrize("partial", [CONTENT, b"x" * 1000, CONTENT + b"more"])
def test_foreign_partial_files(partial, host, cache):
    cache.mkdir(parents=True)
    (cache / "net.pth.part").write_bytes(partial)
    if partial == CONTENT:  # killed before the last step
        assert download.fetch(row(host)).read_bytes() == CONTENT
        return
    with pytest.raises(UsageError, match="sha256 of the download must be"):
        download.fetch(row(host))
    assert download.fetch(row(host)).read_bytes() == CONTENT  # the next try starts clean


def start_slow_download(host):
    """Starts a process and returns in the middle of its download: the server has sent half and waits."""
    file = row(host, "slow")
    code = f"from drujax.runtime.remote_file import File; from drujax.weights import download; download.fetch({file!r})"
    process = subprocess.Popen([sys.executable, "-c", code])
    assert host.sent.acquire(timeout=60)
    return file, process


def test_a_killed_download_is_resumed(host, cache):
    file, process = start_slow_download(host)
    partial = cache / "net.pth.part"
    deadline = time.monotonic() + 60
    while not (partial.exists() and partial.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert names(cache) == ["net.pth.part"]
    have = partial.stat().st_size
    assert 0 < have < len(CONTENT)
    assert download.fetch(file).read_bytes() == CONTENT
    assert host.requests[-1] == ("/slow", f"bytes={have}-")
    assert names(cache) == ["net.pth", "net.pth.sha256"]


def test_two_processes_download_once(host):
    file, process = start_slow_download(host)
    threading.Timer(0.5, host.go_on.set).start()
    assert download.fetch(file).read_bytes() == CONTENT
    assert process.wait(timeout=60) == 0
    assert len(host.requests) == 1


def test_a_manually_placed_file_is_verified(host, cache):
    cache.mkdir(parents=True)
    (cache / "net.pth").write_bytes(CONTENT)
    assert download.fetch(row(host)) == cache / "net.pth"
    (cache / "net.pth").write_bytes(CONTENT[:-1])
    with pytest.raises(UsageError, match="net.pth: sha256 must be .* damaged or .* Delete it"):
        download.fetch(row(host))
    assert host.requests == []


def test_a_file_in_a_read_only_cache(host, cache, monkeypatch):
    cache.mkdir(parents=True)
    (cache / "net.pth").write_bytes(CONTENT)
    monkeypatch.setattr("os.access", lambda *_: False)
    assert download.fetch(row(host)) == cache / "net.pth"
    assert names(cache) == ["net.pth"]


def test_a_recorded_hash_is_verified_afterwards(host, cache):
    file = row(host, sha256=None)
    download.fetch(file)
    assert (cache / "net.pth.sha256").read_text() == f"{DIGEST}  net.pth\n"
    (cache / "net.pth").write_bytes(CONTENT[::-1])
    with pytest.raises(UsageError, match=f"sha256 must be {DIGEST}, got .* damaged"):
        download.fetch(file)


def test_manual_files_say_where_to_put_them(host, cache):
    file = row(host, manual=True)
    with pytest.raises(UsageError, match="manual download required. Download it .* and put it at .*net.pth"):
        download.fetch(file)
    cache.mkdir(parents=True)
    (cache / "net.pth").write_bytes(CONTENT)
    assert download.fetch(file) == cache / "net.pth"
    assert host.requests == []


def test_an_unwritable_cache_is_reported(tmp_path, monkeypatch, host):
    (tmp_path / "file").touch()
    monkeypatch.setenv("DRUJAX_CACHE", str(tmp_path / "file"))
    with pytest.raises(
        UsageError, match=r"file/weights: cannot be used as cache \(not a directory\); set DRUJAX_CACHE"
    ):
        download.fetch(row(host))


def test_a_full_disk_is_reported_with_the_file():
    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(OSError, match="No space left.*'/dev/full'"):
        download._write(full, b"x")


def test_sizes_in_words():
    sizes = [14_200_000, 553_000_000, 999_000_000, 1_234_000_000]
    assert [download.megabytes(size) for size in sizes] == ["14.2 MB", "553 MB", "999 MB", "1.23 GB"]
