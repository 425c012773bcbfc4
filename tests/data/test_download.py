"""Downloads from a real HTTP server on this machine that behaves as badly as hosts do."""

import hashlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from resnet_tutorial import InputError, cli, load_dataset
from resnet_tutorial.data import download, load
from resnet_tutorial.data.download import Limits, download_dataset, fetch
from resnet_tutorial.data.sources import SOURCES

BODY = np.random.default_rng(0).bytes(300_000)
SMALL = BODY[:4000]
TICK = 0.01  # seconds between the pieces of a slow answer
# Nothing here waits for long, and nothing counts as slow unless a test says so.
HASTY = Limits(timeout=5, attempts=3, pause=0, slow_rate=0)
SLOW = replace(HASTY, slow_rate=50_000, slow_seconds=0.1)


class Host(ThreadingHTTPServer):
    """A server whose paths are answered by the functions in `routes`; it notes what it was asked and what it sent."""

    daemon_threads = True
    block_on_close = False

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.routes = {}
        self.asked = []  # path and Range header of each request
        self.sent = []  # bytes of content that each request was answered with
        self.gate = threading.Event()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def url(self, name, answer):
        """An address that is answered by a function."""
        self.routes[f"/{name}"] = answer
        return f"http://127.0.0.1:{self.server_port}/{name}"

    def handle_error(self, request, address):
        """A client that hangs up is part of these tests."""

    def stop(self):
        self.gate.set()
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append((self.path, self.headers["Range"]))
        self.server.sent.append(0)
        self.turn = len(self.server.sent) - 1
        self.server.routes[self.path](self)

    def log_message(self, *args):
        """Quiet."""

    def head(self, status, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def send(self, content):
        self.wfile.write(content)
        self.wfile.flush()
        self.server.sent[self.turn] += len(content)

    def hang_up(self):
        self.connection.shutdown(socket.SHUT_RDWR)

    def begin(self, body, ranges=True):
        """Send the header for what was asked for; return the bytes that it promises."""
        asked = self.headers["Range"] if ranges else None
        if not asked:
            self.head(200, Content_Length=len(body))
            return body
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        self.head(206, Content_Length=len(body) - start, Content_Range=f"bytes {start}-{len(body) - 1}/{len(body)}")
        return body[start:]


def serve(body=BODY, ranges=True):
    return lambda handler: handler.send(handler.begin(body, ranges))


def cut(after, body=BODY, ranges=True, times=10**9):
    """Hang up after some bytes of an answer, a number of times."""
    left = [times]

    def answer(handler):
        left[0] -= 1
        content = handler.begin(body, ranges)
        handler.send(content[:after] if left[0] >= 0 else content)
        handler.hang_up()

    return answer


def refuse(status, times=10**9):
    """Answer with an error, a number of times."""
    left = [times]

    def answer(handler):
        left[0] -= 1
        if left[0] < 0:
            return serve()(handler)
        handler.send_error(status)

    return answer


def crawl(step, body=BODY):
    """A few bytes every tick."""

    def answer(handler):
        content = handler.begin(body)
        for start in range(0, len(content), step):
            handler.send(content[start : start + step])
            handler.server.gate.wait(TICK)

    return answer


def wait_at(after, body=BODY, size=None):
    """Send some bytes, then nothing until the gate opens."""

    def answer(handler):
        handler.head(200, Content_Length=size or len(body))
        handler.send(body[:after])
        handler.server.gate.wait(60)
        handler.send(body[after:])

    return answer


@pytest.fixture
def host():
    host = Host()
    yield host
    host.stop()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "data" / "archive.tar.gz"


@pytest.fixture
def get(target):
    """Fetch the body from some addresses into the target; the report goes to `get.lines`."""

    def get(*urls, body=BODY, limits=HASTY):
        md5 = hashlib.md5(body).hexdigest()
        return fetch(urls, target, md5=md5, size=len(body), advice="ADVICE", limits=limits, log=get.lines.append)

    get.lines = []
    return get


def part_of(target):
    return target.with_name(target.name + ".part")


def files_in(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_a_file_is_fetched_and_placed_alone(host, get, target):
    assert get(host.url("good", serve())) == target
    assert target.read_bytes() == BODY and files_in(target.parent) == [target.name]
    assert get.lines == [f"fetching archive.tar.gz (0.3 MB) from {host.url('good', serve())}"]
    get("http://127.0.0.1:9/nobody-listens")  # there already: nothing is asked
    assert len(host.asked) == 1


def test_a_cut_line_is_resumed_and_no_byte_is_sent_twice(host, get, target):
    get(host.url("cut", cut(after=60_000)), limits=replace(HASTY, progress=50_000))
    assert target.read_bytes() == BODY
    assert [asked for _, asked in host.asked] == [
        None,
        *(f"bytes={start}-" for start in (60000, 120000, 180000, 240000)),
    ]
    assert sum(host.sent) == len(BODY)


def test_what_is_left_of_an_earlier_run_is_gone_on_from(host, get, target):
    with pytest.raises(
        InputError, match=r"0\.1 MB of 0\.3 MB are kept in .*archive\.tar\.gz\.part, the next run goes on"
    ):
        get(host.url("dead", cut(after=60_000, times=1)), limits=replace(HASTY, attempts=1))
    assert not target.exists() and part_of(target).read_bytes() == BODY[:60_000]
    get(host.url("good", serve()))
    assert target.read_bytes() == BODY and files_in(target.parent) == [target.name]
    assert host.asked[-1] == ("/good", "bytes=60000-") and host.sent == [60_000, 240_000]


def test_the_next_source_goes_on_where_one_broke(host, get, target):
    get(host.url("cut", cut(after=50_000)), host.url("good", serve()))
    assert target.read_bytes() == BODY
    assert [path for path, _ in host.asked] == ["/cut", "/cut", "/cut", "/good"] and host.sent[-1] == 150_000


def test_a_source_without_ranges_that_breaks_loses_nothing(host, get, target):
    target.parent.mkdir()
    part_of(target).write_bytes(BODY[:100_000])
    get(host.url("old", cut(after=10_000, ranges=False)), host.url("good", serve()))
    assert target.read_bytes() == BODY and host.asked[-1] == ("/good", "bytes=100000-")


def test_wrong_bytes_are_thrown_away(host, get, target):
    wrong = bytes(len(BODY))
    get(host.url("wrong", serve(wrong)), host.url("good", serve()))
    assert target.read_bytes() == BODY and host.asked == [("/wrong", None), ("/good", None)]
    assert "wrong bytes" in get.lines[1]
    target.unlink()
    with pytest.raises(InputError, match="wrong bytes") as caught:
        get(host.url("wrong", serve(wrong)))
    assert files_in(target.parent) == [] and "\n" not in str(caught.value)


def test_pieces_of_different_files_do_not_mix(host, get, target):
    get(host.url("wrong", cut(after=50_000, body=bytes(len(BODY)))), host.url("good", serve()))
    assert target.read_bytes() == BODY
    assert host.asked[-2:] == [("/good", "bytes=150000-"), ("/good", None)]


@pytest.mark.parametrize("left", [bytes(100_000), bytes(300_000), bytes(300_001)], ids=["short", "whole", "too long"])
def test_a_damaged_part_is_fetched_anew(host, get, target, left):
    target.parent.mkdir()
    part_of(target).write_bytes(left)
    get(host.url("good", serve()))
    assert target.read_bytes() == BODY and files_in(target.parent) == [target.name]


def test_a_whole_part_is_placed_without_a_request(host, get, target):
    target.parent.mkdir()
    part_of(target).write_bytes(BODY)
    get(host.url("good", serve()))
    assert target.read_bytes() == BODY and host.asked == []


def test_another_file_is_refused_and_what_has_come_is_kept(host, get, target):
    target.parent.mkdir()
    part_of(target).write_bytes(BODY[:1000])
    page = b"<html>log in to this network first</html>"
    endless = host.url("endless", lambda handler: (handler.head(200), handler.send(BODY + b"more"), handler.hang_up()))
    shifted = host.url(
        "shifted", lambda handler: (handler.head(206, Content_Range="bytes 0-299999/300000"), handler.send(BODY))
    )
    urls = [host.url("page", serve(page, ranges=False)), host.url("longer", serve(BODY + b"more")), shifted, endless]
    with pytest.raises(InputError) as caught:
        get(*urls)
    story = str(caught.value)
    assert (
        f"has another file (of {len(page)} bytes, not 300000; a folder ends with a slash)" in story
        and "of 300004 bytes, not 300000" in story
    )
    assert "answers with other bytes" in story and "of more than 300000 bytes" in story
    assert part_of(target).exists() and not target.exists()


def test_a_busy_server_is_asked_again_a_few_times(host, get, target):
    get(host.url("busy", refuse(503, times=2)))
    assert target.read_bytes() == BODY and len(host.asked) == 3
    assert "503 Service Unavailable, trying again" in get.lines[0]


def test_a_server_that_falls_silent(host, get, target):
    get(host.url("silent", wait_at(1000)), host.url("good", serve()), limits=replace(HASTY, timeout=0.2, attempts=1))
    assert target.read_bytes() == BODY and host.asked[-1] == ("/good", "bytes=1000-")


def test_what_is_no_http_is_given_up(host, get, target):
    get(host.url("noise", lambda handler: handler.send(b"\0" * 100)), host.url("good", serve()))
    assert target.read_bytes() == BODY


def test_every_source_is_named_in_one_line_with_the_way_out(host, get):
    urls = [host.url("gone", refuse(404)), host.url("busy", refuse(503)), "http://127.0.0.1:9/nobody"]
    with pytest.raises(InputError) as caught:
        get(*urls)
    story = str(caught.value)
    assert story.count("127.0.0.1:") == 3 and "\n" not in story
    assert [path for path, _ in host.asked] == ["/gone", "/busy", "/busy", "/busy"]  # what lasts is not asked again
    assert all(any(line.startswith(url) for line in get.lines) for url in urls)
    assert "404" in story and "503" in story and "cannot be reached" in story and story.endswith("ADVICE")


def test_without_a_network_it_says_so(get):
    with pytest.raises(InputError, match="none of 2 hosts can be reached, so this machine may be offline"):
        get("http://127.0.0.1:9/one", "http://127.0.0.1:9/two")


def test_a_slow_source_is_left_for_another(host, get, target):
    get(host.url("slow", crawl(100)), host.url("good", serve()), limits=SLOW)
    assert target.read_bytes() == BODY and [path for path, _ in host.asked] == ["/slow", "/good"]
    assert host.asked[1][1] is not None and host.sent[1] < len(BODY)  # what came slowly is not sent again
    assert not any("ADVICE" in line for line in get.lines)


def test_of_slow_sources_the_fastest_is_kept_and_advice_is_given_once(host, get, target):
    urls = [host.url("slower", crawl(5, SMALL)), host.url("slow", crawl(100, SMALL)), host.url("gone", refuse(404))]
    get(*urls, body=SMALL, limits=SLOW)
    assert target.read_bytes() == SMALL and [path for path, _ in host.asked] == ["/slower", "/slow", "/gone", "/slow"]
    advice = [line for line in get.lines if "ADVICE" in line]
    assert len(advice) == 1 and "kB/s" in advice[0] and "min to go" in advice[0]


def test_a_damaged_file_stays_until_the_right_one_has_come(host, get, target):
    target.parent.mkdir()
    target.write_bytes(b"damaged")
    with pytest.raises(InputError):
        get(host.url("gone", refuse(404)))
    assert target.read_bytes() == b"damaged"
    get(host.url("good", serve()))
    assert target.read_bytes() == BODY and any("cut off or damaged" in line for line in get.lines)


def test_a_disk_without_room_is_noticed_before(host, get, target, monkeypatch):
    usage = shutil.disk_usage(".")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=299_999))
    with pytest.raises(InputError, match=r"free some space"):
        get(host.url("good", serve()))
    assert host.asked == [] and files_in(target.parent) == []


def test_a_disk_that_fills_up_meanwhile(host, get, target, monkeypatch):
    def full(file, chunk):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(download, "_write", full)
    with pytest.raises(InputError, match=r"cannot write .* \(No space left on device\)"):
        get(host.url("good", serve()), host.url("other", serve()))
    assert not target.exists() and len(host.asked) == 1  # another source would not help


# CIFAR itself


@pytest.fixture
def source(host, monkeypatch):
    """CIFAR-10 of another size, from a host of our own."""
    urls = (host.url("original", serve()), host.url("mirror", serve()))
    source = replace(SOURCES["cifar10"], md5=hashlib.md5(BODY).hexdigest(), size=len(BODY), urls=urls)
    monkeypatch.setitem(SOURCES, "cifar10", source)
    return source


def test_the_original_comes_first_and_a_named_mirror_before_it(host, source, tmp_path):
    download_dataset("cifar10", tmp_path / "a", log=print)
    folder = host.url("mine/", refuse(404))
    host.url(f"mine/{source.archive}", serve())
    host.url("mine/other.tar.gz?download=1", refuse(404))
    download_dataset("cifar10", tmp_path / "b", [folder], log=print)
    download_dataset("cifar10", tmp_path / "c", [folder + "other.tar.gz?download=1", source.urls[1]], log=print)
    paths = [path for path, _ in host.asked]
    assert paths == ["/original", f"/mine/{source.archive}", "/mine/other.tar.gz?download=1", "/mirror"]


@pytest.mark.parametrize("mirror", ["ftp://host/x", "/home/me/archive.tar.gz", "http://", "https://host:port/", "a b"])
def test_a_mirror_that_is_no_address(mirror, tmp_path):
    with pytest.raises(InputError, match="is no address"):
        download_dataset("cifar10", tmp_path / "new", [mirror])
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["folder", "cifar"])
def test_what_cannot_be_downloaded(name, tmp_path):
    with pytest.raises(InputError, match=r"cannot be downloaded: choose from cifar10, cifar100"):
        download_dataset(name, tmp_path)


def test_a_copy_that_is_there_is_taken_and_nothing_is_written(host, source, tmp_path):
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / source.archive).write_bytes(BODY)
    unpacked = tmp_path / "unpacked" / source.folder
    unpacked.mkdir(parents=True)
    assert download_dataset("cifar10", tmp_path / "archive") == tmp_path / "archive" / source.archive
    assert download_dataset("cifar10", tmp_path / "unpacked") == unpacked
    assert download_dataset("cifar10", unpacked) == unpacked
    binary = tmp_path / "binary" / "cifar-10-batches-bin"
    binary.mkdir(parents=True)
    assert download_dataset("cifar10", tmp_path / "binary") == binary
    there = [tmp_path / "archive" / source.archive, unpacked, binary]
    assert sorted(tmp_path.rglob("*")) == sorted([*tmp_path.glob("*"), *there]) and host.asked == []


def test_load_dataset_fetches_what_is_not_there(host, source, tmp_path, monkeypatch):
    monkeypatch.setattr(load, "load_cifar", lambda name, root: (root / source.archive).read_bytes())
    assert load_dataset("cifar10", tmp_path / "new", download=True) == BODY
    assert load_dataset("cifar10", tmp_path / "new", download=True) == BODY and len(host.asked) == 1


def test_the_command_refuses_a_damaged_copy(source, tmp_path, capsys):
    (tmp_path / source.folder).mkdir()
    with pytest.raises(SystemExit) as stop:
        cli.main(["download", "--root", str(tmp_path)])
    assert stop.value.code == 1 and "damaged" in capsys.readouterr().err


def test_the_command_takes_the_folder_of_the_environment(source, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RESNET_TUTORIAL_DATA", str(tmp_path))
    with pytest.raises(SystemExit) as stop:
        cli.main(["download"])
    assert stop.value.code == 0 and (tmp_path / source.archive).read_bytes() == BODY
    assert capsys.readouterr().out == f"CIFAR-10 is in {tmp_path / source.archive}\n"


def test_the_command_fails_in_one_line(source, host, tmp_path, capsys):
    gone, busy = host.url("gone", refuse(404)), host.url("away", refuse(410))
    for url in source.urls:
        host.url(url.rpartition("/")[2], refuse(403))
    with pytest.raises(SystemExit) as stop:
        cli.main(["download", "cifar10", "--root", str(tmp_path / "new"), "--mirror", gone, "--mirror", busy])
    *lines, last = capsys.readouterr().err.splitlines()
    assert stop.value.code == 1 and last.startswith("error: no source gave cifar-10-python.tar.gz")
    assert all(any(url in line for line in lines) for url in (gone, busy, *source.urls))
    assert "410" in last and "--mirror URL" in last and "Shapes-10" in last
    assert [path for path, _ in host.asked] == ["/gone", "/away", "/original", "/mirror"]


# Several processes


def start(code):
    """Python in a process of its own that answers to Ctrl-C whatever it was started from."""
    prepare = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    return subprocess.Popen([sys.executable, "-c", prepare + code], text=True, stderr=subprocess.PIPE)


def wait_until(condition):
    limit = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < limit
        time.sleep(TICK)


def test_two_processes_fetch_once(host, target):
    url, known = host.url("gate", wait_at(100_000)), {"md5": hashlib.md5(BODY).hexdigest(), "size": len(BODY)}
    lines = []

    def log(line):
        lines.append(line)
        host.gate.set()  # the first may go on: the second waits for it

    first = start(
        "from pathlib import Path; from resnet_tutorial.data.download import fetch\n"
        f"fetch([{url!r}], Path({str(target)!r}), **{known!r})"
    )
    wait_until(lambda: host.asked)
    fetch([url], target, **known, log=log)
    first.communicate(timeout=60)
    assert lines == ["another process is fetching archive.tar.gz: waiting for it"] and first.returncode == 0
    assert target.read_bytes() == BODY and host.asked == [("/gate", None)]


def test_interrupted_it_keeps_what_has_come_and_says_so(host, tmp_path):
    source = SOURCES["cifar10"]
    url = host.url("gate", wait_at(len(BODY), size=source.size))
    arguments = ["download", "--root", str(tmp_path), "--mirror", url]
    process = start(f"from resnet_tutorial import cli; cli.main({arguments!r})")
    part = tmp_path / f"{source.archive}.part"
    wait_until(lambda: part.exists() and part.stat().st_size == len(BODY))
    process.send_signal(signal.SIGINT)
    _, report = process.communicate(timeout=60)
    assert process.returncode == 130 and part.read_bytes() == BODY and files_in(tmp_path) == [part.name]
    assert f"interrupted: 0.3 MB of 170.5 MB are kept in {part}, the next run goes on from there" in report
    assert "Traceback" not in report
