"""Hand in damaged notebooks and zip files among good ones: nobody else loses anything, and every file is told of.

A failure is an exception other than one line about the whole zip file, a good file beside the damaged one that is not
taken in, work collected before that is gone, a file of which nothing is said, a line with an end of line in it, a
notebook that is none in ``submitted/``, or more than a few seconds. The zip file of each failure is kept. Run from the
repository root (minutes):

    python -m benchmarks.fuzz_collect
    python -m benchmarks.fuzz_collect --seed 7 --files 10000 --keep failures
"""

import io
import json
import random
import re
import shutil
import stat
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import nbformat

from resnet_course.classroom import collect_submissions
from resnet_course.classroom.handed import UNSHOWN
from resnet_course.classroom.submissions import UNREADABLE
from resnet_tutorial import InputError
from tests.course.room import NAME, Room, marks, pack, room, work

from .fuzz import Kind, main, mutate

GOOD = {"krueger": "kruegerjuergen_522_31002_work.ipynb", "oduya": "Femi Oduya_8801_assignsubmission_file_/a.ipynb"}
BAD = ("brandtlena_520_31000_1_convolution.ipynb", "Lena Brandt_88_assignsubmission_file_/a.ipynb", "brandt.ipynb")


# Values, in JSON, that no notebook should hold where they are put.
DEEP = [f"{'[' * n}{']' * n}" for n in (150, 700, 3000, 60_000)]
ODD = [
    "null",
    "true",
    "0",
    "-1",
    "9" * 4500,
    "1e999",
    "NaN",
    '""',
    '"x"',
    r'"\ud83d"',
    r'"a\u0000b"',
    r'"\u001b[31m"',
    *DEEP,
]
ODD += [
    r'"a\r\rb\u2028c"',
    "[]",
    "{}",
    "[null]",
    "[[1], {}]",
    r'["a\n", null, "b"]',
    '{"": null}',
    r'{"\udc00": "\ud83d"}',
]
ODD += [f'"{"y" * 100_000}"', '"</script><b>"', '"../../x"', '"student"', '{"grade_id": ["double"], "solution": true}']
SOURCES: tuple[Callable[[int], str], ...] = (
    lambda n: "x = " + "+".join(["1"] * n * 10),
    lambda n: "x = " + "(" * n,
    lambda n: "x = " + "(" * n + ")" * n,
    lambda n: "x = " + "-" * n + "1",
    lambda n: "x = " + "lambda: " * n + "1",
    lambda n: "x = " + "f(" * n + ")" * n,
    lambda n: "x" + ".a" * n,
    lambda n: "\n".join("    " * i + "if 1:" for i in range(min(n, 300))),
    lambda n: "x = [" + "[1]," * n + "]",
    lambda n: f"x = 1{'0' * n}",
    lambda n: "def double(x):\n" + "    x += 1\n" * n,
    lambda n: f"STUDENT = '{'q' * n}'\nSTUDENT = 'oduya'",
    lambda n: "é\0\ufeff" * n,
    lambda n: "'" * n,
    lambda n: "\t \\\n" * n,
    lambda n: "\n" * n * 100,
    lambda n: " " * n * 100 + "%",
    lambda n: "a b\n" * n + "STUDENT = " * n,
)


def tree(rng: random.Random) -> bytes:
    """A notebook in whose structure something else stands."""
    notebook = json.loads(work("bad", rng.choice(("brandt", "oduya", ""))))
    for _ in range(rng.randint(1, 4)):
        places = list(_places(notebook))
        holder, key = rng.choice(places)
        change = rng.randrange(5)
        if change == 0:
            del holder[key]
        elif change == 1 and isinstance(holder, dict):
            holder[rng.choice(("source", "cells", "metadata", "id", "tags", "nbgrader", "x\ud83d"))] = holder.pop(key)
        elif change == 2 and isinstance(holder, list):
            holder += [holder[key]] * rng.choice((1, 2, 300))
        else:
            holder[key] = f"@{rng.randrange(len(ODD))}@"
    return _written(notebook, rng)


def source(rng: random.Random) -> bytes:
    """A notebook with something absurd where the answer stands, or anywhere."""
    notebook = json.loads(work("bad", rng.choice(("brandt", "oduya", ""))))
    cell = rng.choice(notebook["cells"][1:])
    cell["source"] = rng.choice(SOURCES)(rng.choice((1, 10, 99, 101, 999, 10_000)))
    if rng.random() < 0.5:
        cell["metadata"] = {}
    return _written(notebook, rng)


def damaged(rng: random.Random) -> bytes:
    """A notebook some bytes of which are damaged."""
    return mutate(rng.choice((tree, source))(rng) if rng.random() < 0.5 else work("bad"), rng)


def _places(value: object) -> Iterator[tuple]:
    items = list(value.items() if isinstance(value, dict) else enumerate(value))
    for key, item in items:
        yield value, key
        if isinstance(item, dict | list):
            yield from _places(item)


def _written(notebook: object, rng: random.Random) -> bytes:
    text = json.dumps(notebook, ensure_ascii=rng.random() < 0.5)
    text = re.sub('"@([0-9]+)@"(?!:)', lambda at: ODD[int(at[1])], text)
    encoding = rng.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252", "shift_jis", "utf-7"))
    return text.encode(encoding, "surrogatepass" if encoding.startswith("utf-") and encoding != "utf-7" else "replace")


def inner(rng: random.Random) -> bytes:
    """A zip file as a student may make one."""
    content = io.BytesIO()
    members = [
        (rng.choice(("a.ipynb", "oduya/b.ipynb", "../c.IPYNB", "d.txt", "/e.ipynb")), tree(rng)) for _ in range(3)
    ]
    members += [("z.zip", inner(rng))] if rng.random() < 0.3 else []
    members += [(f"{i}.ipynb", b"[" * 50_000) for i in range(rng.choice((0, 0, 300)))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two members of one name
        pack(content, rng.sample(members, rng.randint(0, len(members))))
    return mutate(content.getvalue(), rng) if rng.random() < 0.5 else content.getvalue()


def header(rng: random.Random, data: bytes, name: bytes) -> bytes:
    """A zip file with one member whose description lies: encrypted, compressed otherwise, of another size or sum."""
    changed = bytearray(data)
    flags, method, crc, size = (6, 8), (8, 10), (14, 16), (22, 24)
    for here, there in rng.sample((flags, method, crc, size, (18, 20)), rng.randint(1, 2)):
        value = rng.choice((1, 9, 12, 14, 97, 0xFF, 0x7F))
        for sign, offset in ((b"PK\x03\x04", here), (b"PK\x01\x02", there)):
            at = changed.find(sign)
            while at >= 0:
                if name in changed[at : at + 46 + len(name)] and rng.random() < 0.8:
                    changed[at + offset] = value
                at = changed.find(sign, at + 4)
    return bytes(changed)


FRONTS = (
    "../",
    "/",
    "C:\\",
    "a\nb/",
    "\u202e",
    "",
    "a" * 50_000 + "/",
    "_1" * 30_000 + "/",
    "a/" * 20_000,
    "1-1 - 2025" * 5000,
)


def kinds(course: Room) -> dict[str, Kind]:
    """What is damaged: the bad one of three files in a zip file, its name there, its description, or all of it."""
    makers = {"tree": tree, "source": source, "damaged": damaged, "inner": inner}

    def zip_file(kind: str, rng: random.Random) -> tuple[bytes, Callable[[], str]]:
        name = rng.choice(BAD)
        data = makers[kind](rng) if kind in makers else work("bad", "brandt")
        info = zipfile.ZipInfo(name)
        if kind == "inner":
            info.filename = name.replace(".ipynb", rng.choice((".zip", ".ipynb", ".docx")))
        if kind == "name":
            info.filename = rng.choice(FRONTS) + name + rng.choice(("", "\n", ".zip/x", "é", "/"))
            info.external_attr = rng.choice((0, (stat.S_IFLNK | 0o777) << 16, 0o600 << 16))
        content = io.BytesIO()
        pack(content, [(GOOD["krueger"], work("krueger")), (info, data), (GOOD["oduya"], work("oduya"))])
        packed = content.getvalue()
        if kind == "header":
            packed = header(rng, packed, name.encode())
        if kind == "zip":
            packed = mutate(packed, rng)
        return packed, partial(outcome, course, packed, whole=kind != "zip")

    return {kind: partial(zip_file, kind) for kind in (*makers, "header", "name", "zip")}


def outcome(course: Room, packed: bytes, whole: bool) -> str:
    """Collect: what became of the bad file. An exception is what went wrong; so may be one line about all of it."""
    shutil.rmtree(course.root / "submitted", ignore_errors=True)
    for student in ("brandt", "park"):
        path = course.submitted(NAME, student)
        path.parent.mkdir(parents=True)
        path.write_bytes(work("earlier"))
    place = course.root.parent / "all.zip"
    place.write_bytes(packed)
    try:
        collected = collect_submissions(course, NAME, place)
    except InputError as error:
        if whole or marks(course) != {"brandt": "earlier", "park": "earlier"} or "\n" in str(error):
            raise
        return "refused"
    found = marks(course)
    unread = UNREADABLE in course.submitted(NAME, "brandt").read_text("utf-8")
    assert found["park"] == "earlier" and not unread, "work that was collected before is gone"
    files = [*collected.taken.values(), *collected.superseded, *collected.unread, *collected.unclear]
    if whole:
        assert all(found.get(student) == student for student in GOOD), f"a good file was not taken in: {collected}"
        told = len(files) >= 3 or zipfile.ZipFile(place).infolist()[1].is_dir()
        assert told, f"a file of which nothing is said: {files}"
    lines = [*files, *collected.conflicts.values(), *(note for notes in collected.notes.values() for note in notes)]
    assert not any(UNSHOWN.search(line) for line in lines), f"more than one line: {lines}"
    for path in course.root.glob("submitted/*/*/*.ipynb"):
        if path.parts[-3] in collected.taken:
            nbformat.validate(nbformat.read(path, as_version=4))
    return "taken" if "brandt" in collected.taken else "told"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(__doc__.partition("\n")[0], kinds(room(Path(folder))), 2100)
