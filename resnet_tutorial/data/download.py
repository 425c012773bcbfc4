"""Archives fetched from the web: several sources, resumed, checked, placed whole, by one process at a time."""

import contextlib
import hashlib
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from ..errors import InputError, first_line
from ..files import cannot_write
from ..progress import no_bar
from .cifar import find_cifar
from .sources import SOURCES, Source

CHUNK = 2**16
_UNREACHABLE = "cannot be reached"
AGENT = "resnet-tutorial"  # some hosts refuse urllib's own name
BUSY = (408, 425, 429, 500, 502, 503, 504)  # answers that may be another one a moment later


@dataclass(frozen=True)
class Limits:
    """When a source is given up.

    Attributes:
        timeout: seconds to wait for a connection, and for the next bytes.
        attempts: failed attempts in a row.
        pause: seconds before the second attempt; twice as many before the third, and so on.
        progress: an attempt that brings as many bytes does not count as failed.
        slow_rate: bytes per second under which a source is slow.
        slow_seconds: seconds over which the rate is measured.
    """

    timeout: float = 15
    attempts: int = 3
    pause: float = 2
    progress: int = 2**20
    slow_rate: float = 200_000
    slow_seconds: float = 8


def download_dataset(
    name: str, root: str | Path, mirrors: Sequence[str] = (), *, log: Callable[[str], None] | None = None
) -> Path:
    """Make sure that a folder holds CIFAR-10 or CIFAR-100; fetch the archive if it does not.

    The archive is not unpacked: :func:`resnet_tutorial.load_dataset` reads it as it is. A folder that holds the data
    already is not written to.

    Args:
        name: ``cifar10`` or ``cifar100``.
        root: the folder.
        mirrors: addresses tried before the known ones, as who names one wants it used: of the archive, or, with a
            slash at the end, of a folder with the archive in it.
        log: takes each line of the report; prints it to standard error if not given.

    Returns:
        The archive, its MD5 checked; or another version of the data set that was there, unpacked or binary.

    Raises:
        InputError: if the name is unknown, no source has the archive, or the folder cannot be written.
        KeyboardInterrupt: with the place of what has come so far, from where the next call goes on.
    """
    if name not in SOURCES:
        raise InputError(f"{name!r} cannot be downloaded: choose from {', '.join(SOURCES)}")
    source, root = SOURCES[name], Path(root).expanduser()
    urls = [_address(mirror, source) for mirror in mirrors]  # a wrong one is refused even if nothing is fetched
    root = root.parent if root.name in (source.folder, source.archive) else root
    found = find_cifar(name, root)
    if found and found[0] != root / source.archive:
        return found[0]
    advice = (
        f"name another source (`resnet-tutorial download {name} --root {root} --mirror URL`), put a copy of "
        f"{source.archive} into {root}, or go on with Shapes-10, which needs no download"
    )
    urls += [url for url in source.urls if url not in urls]
    return fetch(urls, root / source.archive, md5=source.md5, size=source.size, advice=advice, log=log)


def _address(mirror: str, source: Source) -> str:
    """The address of the archive on a mirror that the user has named."""
    try:
        parts = urlsplit(mirror)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"\s", mirror)
        parts.port  # noqa: B018  (raises ValueError where it is no number)
    except ValueError:
        fits = False
    if not fits:
        raise InputError(f"the mirror {mirror!r} is no address: it must start with http:// or https:// and name a host")
    if not parts.path:
        mirror += "/"  # a host alone is its root folder
    return mirror + source.archive if mirror.endswith("/") else mirror


def fetch(
    urls: Sequence[str],
    target: Path,
    *,
    md5: str,
    size: int,
    advice: str = "try again later",
    limits: Limits | None = None,
    log: Callable[[str], None] | None = None,
) -> Path:
    """Fetch a file whose bytes are known from the first source that has them.

    What has come so far stays in ``<target>.part`` and is gone on from, by the next source or the next call; the MD5 of
    the whole decides whether it is placed. A slow source is left while others are untried; if all are slow, the
    fastest is kept. Of several processes one fetches, the others wait for it.

    Args:
        urls: addresses that serve the file, the preferred one first.
        target: where to place it. A file that is there with the right bytes is left as it is.
        md5: MD5 of the file, in hexadecimal digits.
        size: size of the file in bytes.
        advice: what a user can do if it is slow or fails.
        limits: when a source is given up.
        log: takes each line of the report; prints it to standard error if not given.

    Returns:
        `target`.

    Raises:
        InputError: if no source has the file, or it cannot be written.
        KeyboardInterrupt: with the place of what has come so far.
    """
    log = log or _print
    job = _Job(target, md5, size, advice, limits or Limits(), log)
    with _disk(target):
        if job.is_right(target):
            return target
        if target.exists():
            log(f"{target} is cut off or damaged: it is replaced when the right file has come")
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(target, log):
            if not job.is_right(target):  # nobody placed it meanwhile
                job.run(urls)
    return target


def _print(line: str) -> None:
    tqdm.write(line, file=sys.stderr)  # does not tear the progress bar


@contextlib.contextmanager
def _locked(target: Path, log: Callable[[str], None]) -> Iterator[None]:
    """One process at a time. The lock file stays: to remove it would break the lock for those who wait."""
    lock = FileLock(target.with_name(f".{target.name}.lock"), mode=0o666)  # whoever shares the folder may lock
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log(f"another process is fetching {target.name}: waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _disk(path: Path) -> Iterator[None]:
    """Turn what the file system refuses into one line."""
    try:
        yield
    except OSError as error:
        raise cannot_write(path, error) from None


class _Failed(Exception):
    """The source does not have the file; the next one may."""


class _Broken(Exception):
    """The line was cut or the server is busy; the same source may do better the next time."""


class _Slow(Exception):
    """The source is slow, and there are others."""

    def __init__(self, rate: float) -> None:
        super().__init__(f"slow ({rate / 1000:,.0f} kB/s)")
        self.rate = rate


@dataclass
class _Job:
    """One file on its way; the arguments of `fetch`."""

    target: Path
    md5: str
    size: int
    advice: str
    limits: Limits
    log: Callable[[str], None]
    advised: bool = False

    @property
    def part(self) -> Path:
        return self.target.with_name(f"{self.target.name}.part")

    def have(self) -> int:
        """Bytes that have come so far."""
        return self.part.stat().st_size if self.part.exists() else 0

    def is_right(self, path: Path) -> bool:
        if not path.is_file() or path.stat().st_size != self.size:
            return False
        digest = hashlib.md5(usedforsecurity=False)
        with open(path, "rb") as file:
            while block := file.read(2**20):
                digest.update(block)
        return digest.hexdigest() == self.md5

    def run(self, urls: Sequence[str]) -> None:
        self._make_room()
        outcomes: dict[str, str] = {}
        rates: dict[str, float] = {}
        waiting = [(url, len(urls) > 1) for url in urls]
        while waiting:
            url, hurried = waiting.pop(0)
            try:
                return self._from_source(url, hurried)
            except _Slow as slow:
                rates[url], outcomes[url] = slow.rate, str(slow)
            except _Failed as failure:
                outcomes[url] = str(failure)
            except KeyboardInterrupt:
                raise KeyboardInterrupt(self._kept() or "nothing had come yet") from None
            self.log(f"{url}: {outcomes[url]}")
            if not waiting:  # those that were slow, the fastest first, and now with patience
                waiting = [(url, False) for url in sorted(rates, key=rates.__getitem__, reverse=True)]
                rates = {}
        kept = f" ({kept})" if (kept := self._kept()) else ""
        raise InputError(f"no source gave {self.target.name}{kept}: {_story(outcomes)}. What to do: {self.advice}")

    def _make_room(self) -> None:
        needed, free = self.size - self.have(), shutil.disk_usage(self.target.parent).free
        if free < needed:
            raise InputError(
                f"{self.target.parent} has {_mb(free)} free and {self.target.name} needs {_mb(needed)}: "
                "free some space there or choose another folder"
            )

    def _kept(self) -> str:
        done = self.have()
        return (
            f"{_mb(done)} of {_mb(self.size)} are kept in {self.part}, the next run goes on from there" if done else ""
        )

    def _from_source(self, url: str, hurried: bool) -> None:
        """Fetch from one address, in as many attempts as it deserves, and place the file."""
        pure = self.have() == 0
        failures = 0
        while True:
            before = self.have()
            try:
                if before < self.size:
                    self._transfer(url, hurried)
            except _Broken as error:
                failures = 1 if self.have() - before >= self.limits.progress else failures + 1
                if failures == self.limits.attempts:
                    raise _Failed(f"{error}, {failures} times") from None
                self.log(f"{url}: {error}, trying again")
                time.sleep(self.limits.pause * failures)
                continue
            if self.is_right(self.part):
                return self._place()
            self.part.unlink()
            if pure:
                raise _Failed(f"wrong bytes (the MD5 is not {self.md5})")
            self.log("the pieces do not make up the file: fetching all of it anew")
            pure = True

    def _place(self) -> None:
        with open(self.part, "r+b") as file:
            os.fsync(file.fileno())
        os.replace(self.part, self.target)

    def _transfer(self, url: str, hurried: bool) -> None:
        with self._open(url, self.have()) as response:
            start = self._start(response)
            done = f", {_mb(start)} are here" if start else ", all of it anew" if self.have() else ""
            self.log(f"fetching {self.target.name} ({_mb(self.size)}{done}) from {url}")
            # Unbuffered: what has come is in the file, whatever happens next.
            with open(self.part, "r+b" if self.part.exists() else "wb", buffering=0) as file:
                # A source that starts at 0 overwrites the bytes that are there: if it breaks, none are lost.
                file.seek(start)
                self._copy(response, file, start, hurried)

    def _open(self, url: str, start: int) -> HTTPResponse:
        headers = {"User-Agent": AGENT} | ({"Range": f"bytes={start}-"} if start else {})
        try:
            return urlopen(Request(url, headers=headers), timeout=self.limits.timeout)
        except HTTPError as error:
            error.close()
            answer = f"{error.code} {error.reason}"
            raise (_Broken if error.code in BUSY else _Failed)(answer) from None
        except URLError as error:
            raise _Failed(f"{_UNREACHABLE} ({error.reason})") from None
        except (OSError, HTTPException) as error:
            raise _Broken(first_line(error)) from None

    def _start(self, response: HTTPResponse) -> int:
        """The position of the first byte of an answer, if the answer is about a file of the right size."""
        if response.status == 206:
            found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
            if not found or int(found[1]) != self.have():
                raise _Failed("answers with other bytes than those asked for")
            start, total = self.have(), found[2].replace("*", str(self.size))
        else:  # the whole file, from a source that knows no ranges or was asked for none
            start, total = 0, response.headers.get("Content-Length", str(self.size))
        if total != str(self.size):
            folder = "" if urlsplit(response.url).path.endswith(self.target.name) else "; a folder ends with a slash"
            raise _Failed(f"has another file (of {total} bytes, not {self.size}{folder})")
        return start

    def _copy(self, response: HTTPResponse, file: BinaryIO, position: int, hurried: bool) -> None:
        pace = _Pace(self.limits.slow_seconds)
        name = self.target.name
        with tqdm(
            desc=name,
            initial=position,
            total=self.size,
            unit="B",
            unit_scale=True,
            leave=False,
            disable=no_bar(),
        ) as bar:
            for chunk in _chunks(response):
                position += len(chunk)
                if position > self.size:
                    raise _Failed(f"has another file (of more than {self.size} bytes)")
                _write(file, chunk)
                bar.update(len(chunk))
                self._judge(pace.add(len(chunk)), position, hurried)
        if position < self.size:
            raise _Broken(f"the line was cut at {_mb(position)} of {_mb(self.size)}")

    def _judge(self, rate: float | None, position: int, hurried: bool) -> None:
        """Leave a slow source if there are others; if not, say once what else can be done."""
        if rate is None or rate >= self.limits.slow_rate:
            return
        if hurried:
            raise _Slow(rate)
        if not self.advised:
            self.advised = True
            minutes = (self.size - position) / rate / 60
            self.log(f"slow: {rate / 1000:,.0f} kB/s, about {minutes:,.0f} min to go. Instead you can {self.advice}")


class _Pace:
    """Bytes per second over stretches of some seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.since, self.count = seconds, time.monotonic(), 0

    def add(self, count: int) -> float | None:
        """Count bytes; at the end of a stretch, its rate."""
        self.count += count
        elapsed = time.monotonic() - self.since
        if elapsed < self.seconds:
            return None
        rate = self.count / elapsed
        self.since, self.count = time.monotonic(), 0
        return rate


def _chunks(response: HTTPResponse) -> Iterator[bytes]:
    """What has arrived, as it arrives; errors of the network are told apart from those of the disk here."""
    try:
        while chunk := response.read1(CHUNK):
            yield chunk
    except (OSError, HTTPException) as error:
        raise _Broken(first_line(error)) from None


def _write(file: BinaryIO, chunk: bytes) -> None:
    """Write all of a chunk: an unbuffered file may take a part of it."""
    rest = memoryview(chunk)
    while rest:
        rest = rest[file.write(rest) :]


def _story(outcomes: dict[str, str]) -> str:
    """Why none of several sources gave the file, in short: each was reported in full when it failed."""
    if len(outcomes) > 1 and all(outcome.startswith(_UNREACHABLE) for outcome in outcomes.values()):
        return f"none of {len(outcomes)} hosts can be reached, so this machine may be offline"
    return "; ".join(f"{urlsplit(url).netloc}: {outcome}" for url, outcome in outcomes.items())


def _mb(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"
