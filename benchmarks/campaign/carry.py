"""What travels between machines: the data as one archive, and records and checkpoints in a few small ones."""

import hashlib
import os
import shutil
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

from resnet_tutorial.data.cache import cache_folder
from resnet_tutorial.errors import InputError
from resnet_tutorial.files import reading, write_atomic
from resnet_tutorial.training.checkpoint import LAST

DATA = "data.tar.xz"
PART_BYTES = 15 << 20  # of one archive, at most
BACK, THERE = 4, 2  # archives, at most; on the way there the data come, too


def pack_data(data: Path, to: Path) -> Path:
    """Write a data folder as one ``.tar.xz``, or copy it if it is one.

    Args:
        data: an image folder or such an archive.
        to: folder that receives the archive.

    Returns:
        The archive.
    """
    to.mkdir(parents=True, exist_ok=True)
    if data.is_file():
        return Path(shutil.copyfile(data, to / DATA))
    if not data.is_dir():
        raise InputError(f"no data at {data}: name a folder of images or its .tar.xz")
    with tarfile.open(to / DATA, "w:xz") as archive:
        for path in sorted(path for path in data.rglob("*") if path.is_file()):
            member = tarfile.TarInfo(path.relative_to(data).as_posix())  # no owner, no time: the same bytes each time
            member.size = path.stat().st_size
            with path.open("rb") as file:
                archive.addfile(member, file)
    return to / DATA


def unpack_data(archive: Path) -> Path:
    """Unpack an archive of images into the cache folder, once; return the folder.

    Raises:
        InputError: if it cannot be read.
    """
    with reading(archive):
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()[:16]
    folder = cache_folder() / f"unpacked-{digest}"
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:
        _extract(archive, {"": Path(unfinished) / "data"})
        os.replace(Path(unfinished) / "data", folder)
    return folder


def take_along(state: Path, out: Path, to: Path, done: list[str], wanted: list[str], most: int = BACK) -> list[str]:
    """Write what the next machine needs into ``campaign-1.tar`` and so on, none of them large.

    First the records of this call, then the log and the speeds, then weights, then the checkpoints of unfinished runs,
    in the order in which they are wanted, as far as there is room.

    Args:
        state: folder of unfinished runs.
        out: folder of finished records.
        to: folder that receives the archives.
        done: names of the runs whose records to take along.
        wanted: names of all runs, the most wanted first.
        most: number of archives.

    Returns:
        What stays behind for want of room.
    """
    files = [(f"out/{name}.json", out / f"{name}.json") for name in done]
    files += [(f"state/{path.name}", path) for path in sorted(state.glob("*.*")) if path.is_file()]
    files += [(f"out/{name}.pt", out / f"{name}.pt") for name in done]
    files += [(f"state/{name}/{LAST}", state / name / LAST) for name in wanted]
    parts: list[list] = [[]]
    room, left = PART_BYTES, []
    for name, path in files:
        if not path.exists():
            continue
        size = path.stat().st_size + 2048  # with its header
        if size > room and size <= PART_BYTES and len(parts) < most:
            parts.append([])
            room = PART_BYTES
        if size > room:
            left.append(name)
            continue
        parts[-1].append((name, path))
        room -= size
    to.mkdir(parents=True, exist_ok=True)
    for earlier in to.glob("campaign-*.tar"):
        earlier.unlink()
    for i, part in enumerate(parts, start=1):
        with tarfile.open(to / f"campaign-{i}.tar", "w") as archive:
            for name, path in part:
                archive.add(path, name, filter=_nobody)
    return left


def bring_in(folder: Path, state: Path, out: Path) -> int:
    """Unpack what `take_along` wrote, where it is newer than what is there; return the number of archives."""
    archives = sorted(folder.glob("campaign-*.tar"))
    for archive in archives:
        _extract(archive, {"out": out, "state": state})
    return len(archives)


def _nobody(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _extract(archive: Path, places: dict[str, Path]) -> None:
    """Write the files of an archive under the folders that the first part of their names stands for."""
    try:
        with tarfile.open(archive) as members:
            for member in members:
                if member.isfile():
                    _write(members, member, places, archive)
    except (OSError, tarfile.TarError, EOFError) as error:
        raise InputError(f"{archive} cannot be unpacked ({error}): copy it again") from None


def _write(members: tarfile.TarFile, member: tarfile.TarInfo, places: dict[str, Path], archive: Path) -> None:
    parts = PurePosixPath(member.name).parts
    top, rest = ("", parts) if "" in places else (parts[0], parts[1:])
    if member.name.startswith("/") or ".." in parts or top not in places:
        raise InputError(f"{archive} holds {member.name}, which is no file of a campaign: leave it alone")
    path = places[top].joinpath(*rest)
    if top:
        if not path.exists() or path.stat().st_mtime < member.mtime:  # a machine that has gone on keeps what it has
            write_atomic(path, members.extractfile(member).read())
            os.utime(path, (member.mtime, member.mtime))
        return
    path.parent.mkdir(parents=True, exist_ok=True)  # one of 60,000 images: the whole folder gets its name at the end
    path.write_bytes(members.extractfile(member).read())
