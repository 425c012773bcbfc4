"""Hand in damaged notebooks and zip files among good ones: nobody else loses anything, and every file is told of."""

import io
import json
import re
import shutil
import stat
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator

import pytest

pytest.importorskip("nbgrader")

import nbformat
from hypothesis import event, given, note
from hypothesis import strategies as st

from resnet_course.classroom import collect_submissions
from resnet_course.classroom.handed import UNSHOWN
from resnet_course.classroom.submissions import UNREADABLE
from resnet_tutorial import InputError
from tests.damage import Content, damaged, drawn, limits

from .room import NAME, Room, marks, room, work

GOOD = {"krueger": "kruegerjuergen_522_31002_work.ipynb", "oduya": "Femi Oduya_8801_assignsubmission_file_/a.ipynb"}
BAD = ("brandtlena_520_31000_1_convolution.ipynb", "Lena Brandt_88_assignsubmission_file_/a.ipynb", "brandt.ipynb")

# Values, in JSON, that no notebook should hold where they are put.
ODD = ["null", "true", "0", "-1", "9" * 4500, "1e999", "NaN", '""', '"x"', r'"\ud83d"', r'"a\u0000b"', r'"\u001b[31m"']
ODD += [r'"a\r\rb\u2028c"', "[]", "{}", "[null]", "[[1], {}]", r'["a\n", null, "b"]', '{"": null}']
ODD += [r'{"\udc00": "\ud83d"}', '"</script><b>"', '"../../x"', '"oduya"', '{"grade_id": ["double"], "solution": true}']
ODD += [f'"{"y" * 100_000}"', *(f"{'[' * n}{']' * n}" for n in (150, 700, 3000, 60_000))]
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
ENCODINGS = ("utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252", "shift_jis", "utf-7")
FRONTS = ("", "../", "/", "C:\\", "a\nb/", "\u202e", "a" * 50_000 + "/", "_1" * 30_000 + "/", "a/" * 20_000)
FRONTS += ("1-1 - 2025" * 5000,)


@st.composite
def tree(draw: st.DrawFn) -> bytes:
    """A notebook in whose structure something else stands."""
    notebook = json.loads(work("bad", draw(st.sampled_from(("brandt", "oduya", "")))))
    for _ in range(draw(st.integers(1, 4))):
        holder, key = draw(st.sampled_from(list(_places(notebook))))
        change = draw(st.sampled_from(("remove", "rename", "repeat", "replace", "replace")))
        note(f"{change} {key!r}")
        if change == "remove":
            del holder[key]
        elif change == "rename" and isinstance(holder, dict):
            keys = ("source", "cells", "metadata", "id", "tags", "nbgrader", "x\ud83d")
            holder[draw(st.sampled_from(keys))] = holder.pop(key)
        elif change == "repeat" and isinstance(holder, list):
            holder += [holder[key]] * draw(st.sampled_from((1, 2, 300)))
        else:
            holder[key] = f"@{draw(st.integers(0, len(ODD) - 1))}@"
    return written(draw, notebook)


def _places(value: object) -> Iterator[tuple]:
    items = list(value.items() if isinstance(value, dict) else enumerate(value))
    for key, item in items:
        yield value, key
        if isinstance(item, dict | list):
            yield from _places(item)


def written(draw: st.DrawFn, notebook: object) -> bytes:
    text = json.dumps(notebook, ensure_ascii=draw(st.booleans()))
    text = re.sub('"@([0-9]+)@"(?!:)', lambda at: ODD[int(at[1])], text)
    encoding = draw(st.sampled_from(ENCODINGS))
    return text.encode(encoding, "surrogatepass" if encoding.startswith("utf-") and encoding != "utf-7" else "replace")


@st.composite
def source(draw: st.DrawFn) -> bytes:
    """A notebook with something absurd where the answer stands, or anywhere."""
    notebook = json.loads(work("bad", draw(st.sampled_from(("brandt", "oduya", "")))))
    cell = draw(st.sampled_from(notebook["cells"][1:]))
    cell["source"] = draw(st.sampled_from(SOURCES))(draw(st.sampled_from((1, 10, 99, 101, 999, 10_000))))
    if draw(st.booleans()):
        cell["metadata"] = {}
    return written(draw, notebook)


@st.composite
def inner(draw: st.DrawFn) -> bytes:
    """A zip file as a student may make one."""
    name = st.sampled_from(("a.ipynb", "oduya/b.ipynb", "../c.IPYNB", "d.txt", "/e.ipynb"))
    members = draw(st.lists(st.tuples(name, tree()), max_size=3))
    members += [("z.zip", draw(inner()))] if draw(st.integers(0, 9)) > 6 else []
    members += [(f"{i}.ipynb", b"[" * 50_000) for i in range(draw(st.sampled_from((0, 0, 300))))]
    return draw(damaged(packed(members))) if draw(st.booleans()) else packed(members)


def packed(files: Iterable[tuple[str | zipfile.ZipInfo, bytes]]) -> Content:
    content = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(content, "w") as archive:
        warnings.simplefilter("ignore")  # two members of one name
        for name, data in files:
            info = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name, (2026, 9, 14, 12, 0, 0))
            archive.writestr(info, data, zipfile.ZIP_DEFLATED)  # not by the clock: it must come out the same again
    return Content(content.getvalue())


def header(draw: st.DrawFn, data: bytes, name: bytes) -> Content:
    """A zip file with one member whose description lies: encrypted, compressed otherwise, of another size or sum."""
    changed = bytearray(data)
    flags, method, crc, size = (6, 8), (8, 10), (14, 16), (22, 24)
    fields = st.sampled_from((flags, method, crc, size, (18, 20)))
    for here, there in draw(st.lists(fields, min_size=1, max_size=2, unique=True)):
        value = draw(st.sampled_from((1, 9, 12, 14, 97, 0xFF, 0x7F)))
        for sign, offset in ((b"PK\x03\x04", here), (b"PK\x01\x02", there)):
            for at in (found.start() for found in re.finditer(re.escape(sign), data)):
                if name in data[at : at + 46 + len(name)] and draw(st.integers(0, 4)):
                    changed[at + offset] = value
    return Content(changed)


BAD_FILES = {"tree": tree(), "source": source(), "inner": inner()}
BAD_FILES["damaged"] = (st.just(work("bad")) | tree() | source()).flatmap(damaged)


@st.composite
def handed_in(draw: st.DrawFn) -> tuple[str, Content]:
    """What is damaged: the bad one of three files in a zip file, its name there, its description, or all of it."""
    kind = draw(st.sampled_from((*BAD_FILES, "header", "name", "zip")))
    name = draw(st.sampled_from(BAD))
    data = draw(BAD_FILES[kind]) if kind in BAD_FILES else work("bad", "brandt")
    info = zipfile.ZipInfo(name)
    if kind == "inner":
        info.filename = name.replace(".ipynb", draw(st.sampled_from((".zip", ".ipynb", ".docx"))))
    if kind == "name":
        info.filename = draw(st.sampled_from(FRONTS)) + name + draw(st.sampled_from(("", "\n", ".zip/x", "é", "/")))
        info.external_attr = draw(st.sampled_from((0, (stat.S_IFLNK | 0o777) << 16, 0o600 << 16)))
    whole = packed([(GOOD["krueger"], work("krueger")), (info, data), (GOOD["oduya"], work("oduya"))])
    if kind == "header":
        return kind, header(draw, whole, name.encode())
    return kind, draw(damaged(whole)) if kind == "zip" else whole


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Room:
    return room(tmp_path_factory.mktemp("course"))


def outcome(course: Room, content: bytes, whole: bool) -> str:
    """Collect a zip file: what became of the bad one in it. Where not ``whole``, one line may refuse all of it."""
    shutil.rmtree(course.root / "submitted", ignore_errors=True)
    for student in ("brandt", "park"):
        path = course.submitted(NAME, student)
        path.parent.mkdir(parents=True)
        path.write_bytes(work("earlier"))
    place = course.root.parent / "all.zip"
    place.write_bytes(content)
    try:
        with limits():
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


@drawn
@given(handed_in())
def test_damaged_files_stop_nobody(course, handed):
    kind, content = handed
    event(f"{kind}: {outcome(course, content, whole=kind != 'zip')}")


def test_what_goes_wrong_is_seen(monkeypatch, course):
    def loses_one(course, assignment, place):
        collected = collect(course, assignment, place)
        course.submitted(assignment, "oduya").unlink(missing_ok=True)
        return collected

    collect = collect_submissions
    three = packed([(GOOD["krueger"], work("krueger")), (BAD[0], work("bad")), (GOOD["oduya"], work("oduya"))])
    assert outcome(course, three, whole=True) == "taken"
    monkeypatch.setattr(f"{__name__}.collect_submissions", loses_one)
    with pytest.raises(AssertionError, match="a good file was not taken in"):
        outcome(course, three, whole=True)
