"""Read what was handed in: folders, zip files, zip files in zip files, and notebooks in whatever state they are."""

import contextlib
import io
import json
import os
import re
import stat
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnet_tutorial.errors import InputError, first_line

LARGEST = 20 << 20  # bytes of one file; a notebook without pictures has a tenth of a MiB
MOST_CELLS = 5000
LONGEST_TEXT, MOST_TEXT = 10_000, 1_000_000  # characters of a text, and of all cells: to show them takes time
INNER_FILES, INNER_BYTES, INNER_DEPTH = 1000, 8 * LARGEST, 3  # of a zip file in what was handed in
IGNORED = ("__MACOSX", "Thumbs.db", "desktop.ini", "index.html")  # beside names that begin with a dot
METADATA = re.compile(r"(?!.*submission_[0-9]+/.*/)(.*/)?(submission_)?metadata\.ya?ml")  # Gradescope's, no student's
UNPACK = "unpack the zip file with another program, and name the folder"
MAGIC = {
    b"PK\x03\x04": "a zip file",
    b"Rar!": "a RAR archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"\x1f\x8b": "a gzip archive",
    b"%PDF": "a PDF file",
    b"<": "a web page",
}
# Ends of lines, and letters that turn or hide what follows: none may stand in a line of ours.
UNSHOWN = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Handed:
    """A file that was handed in.

    Attributes:
        path: where it lay, with slashes; a zip file in it is a part like a folder.
        notebook: what it holds, cleaned; None if it is no notebook.
        problem: why there is none, or not all of it.
        notes: what was put right.
        is_lost: whether nothing could be read of it, for no fault of its sender's.
    """

    path: str
    notebook: Any = None
    problem: str = ""
    notes: tuple[str, ...] = ()
    is_lost: bool = False

    @property
    def is_notebook(self) -> bool:
        """Whether it is one, or is called one."""
        return self.notebook is not None or self.path.lower().endswith(".ipynb")

    @property
    def says(self) -> list[str]:
        """What its STUDENT cells say."""
        sources = [cell.source for cell in self.notebook.cells if cell.cell_type == "code"] if self.notebook else []
        return re.findall(r"""^[ \t]*STUDENT[ \t]*=[ \t]*["']([^"'\n]*)["']""", "\n".join(sources), re.MULTILINE)


def read_place(place: Path) -> tuple[list[Handed], dict[str, list[list[str]]]]:
    """All files in a folder or zip file, and whom Gradescope's metadata name, if they are there.

    Raises:
        InputError: it is neither, or nothing in it can be read.
    """
    handed, metadata = [], {}
    for path, data, problem, is_lost in _files(place):
        if METADATA.fullmatch(path):
            metadata[path] = data
        elif problem:
            handed.append(Handed(path, problem=problem, is_lost=is_lost))
        else:
            handed.append(read(path, data))
    if not handed:
        raise InputError(f"no file is in {place}: name the folder or zip file with what was handed in")
    if all(one.is_lost for one in handed):
        raise InputError(f"no file in {place} can be read: {handed[0].problem}")
    submitters: dict[str, list[list[str]]] = {}
    for path in sorted(metadata, key=lambda path: -path.count("/")):  # the system's own last: it decides
        submitters |= _submitters(path, metadata[path])
    return handed, submitters


def read(path: str, data: bytes) -> Handed:
    """A file, with the notebook in it if there is one: of any version, as cells that can be relied on.

    Only what a teacher gave out or a student wrote is kept: sources, marks of nbgrader, tags, ids, pictures in texts.
    What is missing is taken as empty; of a file that is cut off or torn, the cells in front of that are taken.
    """
    import nbformat

    notes: list[str] = []
    try:
        content, problem = _content(data, notes)
        cells = [_clean(cell, notes) for cell in content if isinstance(cell, dict)]
        if (size := sum(len(cell["source"].strip()) for cell in cells)) > MOST_TEXT:
            raise ValueError(f"its cells hold {size:,} characters, more than {MOST_TEXT:,}")
        if len(cells) < len(content):
            notes.append(f"Left out, as they are none: {len(content) - len(cells)} cells.")
        notebook = nbformat.from_dict({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
        return Handed(path, notebook, problem, tuple(dict.fromkeys(notes)))
    except Exception as error:  # whatever it holds, the others are read
        return Handed(path, problem=reason(error))


def reason(error: Exception) -> str:
    """Why a file could not be read."""
    return "it is nested too deeply" if isinstance(error, RecursionError) else _said(error)


def shown(text: str) -> str:
    """A text as it may stand in a line of ours."""
    return UNSHOWN.sub("\ufffd", text)


def _said(error: Exception) -> str:
    return shown(first_line(error)[:200])


def _content(data: bytes, notes: list[str]) -> tuple[list, str]:
    """The cells in a file, as they are, and what hindered reading further."""
    if len(data) > LARGEST:
        raise ValueError(f"it has {len(data) >> 20} MiB, more than {LARGEST >> 20}: clear the outputs and save again")
    if not data.strip():
        raise ValueError("it is empty")
    try:
        text = data.decode(json.detect_encoding(data), "surrogatepass")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
        notes.append("The file is not in UTF-8: it was read as Windows-1252, so look at letters with accents.")
    decoder, problem = json.JSONDecoder(strict=False, parse_int=float), ""  # Python refuses numbers of many digits
    try:
        content, _ = decoder.raw_decode(text.lstrip())
    except (json.JSONDecodeError, RecursionError):
        content = _first_cells(text, decoder)
        if not content["cells"]:
            known = [kind for start, kind in MAGIC.items() if data.startswith(start)]
            raise ValueError(f"it is {known[0]}" if known else "it is not in the form of a notebook") from None
        problem = f"it is damaged after its first {len(content['cells'])} cells"
    cells = content.get("cells") if isinstance(content, dict) else None
    if cells is None and isinstance(content, dict) and isinstance(content.get("worksheets"), list):  # before 2015
        sheets = [sheet for sheet in content["worksheets"] if isinstance(sheet, dict)]
        cells = [cell for sheet in sheets for cell in sheet.get("cells") or []]
    if not isinstance(cells, list):
        raise ValueError("it holds no cells")
    if len(cells) > MOST_CELLS:
        raise ValueError(f"it holds {len(cells):,} cells, more than {MOST_CELLS:,}")
    return cells, problem


def _first_cells(text: str, decoder: json.JSONDecoder) -> dict[str, list]:
    cells: list = []
    at = re.search(r'"cells"\s*:\s*\[\s*', text)
    with contextlib.suppress(json.JSONDecodeError, RecursionError):
        while at and len(cells) <= MOST_CELLS:
            cell, end = decoder.raw_decode(text, at.end())
            cells.append(cell)
            at = re.compile(r"\s*,\s*").match(text, end)
    return {"cells": cells}


def _clean(cell: dict, notes: list[str]) -> dict:
    """A cell with plain text and line ends, and metadata that can be relied on."""
    lines = cell.get("source", cell.get("input"))
    lines = lines if isinstance(lines, list) else [lines]
    source = "".join(line for line in lines if isinstance(line, str)).replace("\r\n", "\n").replace("\r", "\n")
    whole = source.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if whole != source:
        notes.append("Half a character, such as a part of an emoji, was replaced by \ufffd.")
    kind = cell.get("cell_type")
    if kind not in ("code", "markdown", "raw"):
        kind = "code" if kind is None and {"outputs", "input", "execution_count"} & cell.keys() else "markdown"
    if kind != "code" and len(whole) > LONGEST_TEXT:
        notes.append(f"A text of {len(whole):,} characters was cut off after {LONGEST_TEXT:,}.")
        whole = whole[:LONGEST_TEXT]
    given = cell.get("metadata")
    metadata = given if isinstance(given, dict) else {}
    tags, about = metadata.get("tags", []), metadata.get("nbgrader", {})
    kept: dict[str, Any] = {"tags": [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []}
    if isinstance(about, dict) and isinstance(about.get("grade_id"), str):
        kept["nbgrader"] = {"grade_id": about["grade_id"]}
        kept["nbgrader"] |= {name: bool(about.get(name)) for name in ("solution", "locked", "grade")}
    if metadata is not given or kept["tags"] != tags or (about and "nbgrader" not in kept) or not _are_texts(lines):
        notes.append("Sources, tags or marks of cells that were missing or damaged were taken as empty.")
    cleaned = {"cell_type": kind, "source": whole, "metadata": kept}
    if isinstance(cell.get("id"), str):
        cleaned["id"] = cell["id"]
    if kind == "code":
        cleaned |= {"outputs": [], "execution_count": None}
    elif _are_pictures(cell.get("attachments")):
        cleaned["attachments"] = cell["attachments"]
    return cleaned


def _are_pictures(attachments: Any) -> bool:
    bundles = attachments.values() if isinstance(attachments, dict) else [None]
    is_text = all(isinstance(one, dict) and _are_texts(one.values()) for one in bundles)
    return is_text and "\\ud" not in repr(attachments)  # half a character cannot be written


def _are_texts(values: Iterable) -> bool:
    return all(isinstance(one, str) for one in values)


# --- Files ---


def _files(place: Path) -> Iterator[tuple[str, bytes, str, bool]]:
    """Path and content of each file; or what stands against reading it, and whether that is no fault of its sender's.

    At most one byte more than the largest is read.
    """
    if place.is_dir():
        for folder, folders, names in os.walk(place):
            folders.sort()
            links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
            for file in sorted(Path(folder, name) for name in [*names, *links]):
                path = _path(_decoded(os.fsencode(file.relative_to(place)), "cp1252"))
                if not _is_ignored(path):
                    yield from _of_folder(file, path)
    elif zipfile.is_zipfile(place):
        try:
            with zipfile.ZipFile(place) as archive:
                yield from _members(archive)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
            raise InputError(f"{place} cannot be opened as a zip file ({_said(error)}): {UNPACK}") from None
    elif place.is_file() and place.suffix.lower() == ".ipynb":
        yield from _of_folder(place, _path(place.name))
    elif place.exists():
        raise InputError(
            f"{place} is neither a folder nor a whole zip file: load it down again, or unpack it and name the folder"
        )
    else:
        raise InputError(f"{place} does not exist: name the folder or zip file with what was handed in")


def _of_folder(file: Path, path: str) -> Iterator[tuple[str, bytes, str, bool]]:
    if file.is_symlink() or not file.is_file():
        yield path, b"", "it is a link or a device, not a file: put the file itself there", True
        return
    try:
        with file.open("rb") as opened:
            data = opened.read(LARGEST + 1)
    except OSError as error:
        yield path, b"", f"it cannot be opened: {error.strerror}", True
        return
    yield from _looked_into(path, data)


def _members(archive: zipfile.ZipFile, at: str = "", left: list[int] | None = None) -> Iterator[tuple]:
    """Files of a zip file; of one within another (``left``: how many files and bytes at most), notebooks alone."""
    for info in archive.infolist():
        path = at + member_path(info)
        if info.filename.endswith("/") or _is_ignored(path) or (left and not path.lower().endswith((".ipynb", ".zip"))):
            continue
        if stat.S_ISLNK(info.external_attr >> 16):
            yield path, b"", "it is a link, not a file: put the file itself there", not left
            continue
        if left and min(left) <= 0:
            yield path, b"", f"a zip file with more than {INNER_FILES} notebooks, or {INNER_BYTES >> 20} MiB", False
            return
        try:
            with archive.open(info) as file:
                data = file.read(LARGEST + 1)
        except Exception as error:  # zipfile lets through what its decompressors raise
            yield path, b"", f"{_refusal(info, error)}: {UNPACK}", not left
            continue
        if left:
            left[:] = left[0] - 1, left[1] - len(data)
        yield from _looked_into(path, data, left)


def _looked_into(path: str, data: bytes, left: list[int] | None = None) -> Iterator[tuple]:
    """The file; or the notebooks in it, if it is a zip file."""
    if not data.startswith(b"PK\x03\x04") or len(data) > LARGEST or path.lower().count(".zip/") >= INNER_DEPTH:
        yield path, data, "", False
        return
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            inner = list(_members(archive, f"{path}/", left or [INNER_FILES, INNER_BYTES]))
    except Exception as error:
        yield path, b"", f"it is a zip file that cannot be opened ({_said(error)})", False
        return
    yield from inner or [(path, b"", "it is a zip file without a notebook in it", False)]


def _refusal(info: zipfile.ZipInfo, error: Exception) -> str:
    if info.flag_bits & 1:
        return "it is encrypted"
    if isinstance(error, NotImplementedError):
        return "it is compressed in a way that is not known here"
    return f"it is damaged in the zip file ({_said(error)})"


def _is_ignored(path: str) -> bool:
    """Whether computers and systems wrote it for themselves."""
    parts = path.split("/")
    hidden = (part for part in parts if part[0] == "." and (part[1:2] == "_" or not part.lower().endswith(".ipynb")))
    return any(part in IGNORED for part in parts) or any(hidden)


def member_path(info: zipfile.ZipInfo) -> str:
    """Where a member of a zip file stands; its name is UTF-8 even where nothing says so, which Python overlooks."""
    try:
        return _path(info.filename if info.flag_bits & 0x800 else _decoded(info.filename.encode("cp437"), "cp437"))
    except UnicodeEncodeError:  # something said so, in a way that newer Pythons know
        return _path(info.filename)


def _decoded(raw: bytes, otherwise: str) -> str:
    """A file's name: UTF-8 even where nothing says so, else what the system of its time wrote."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode(otherwise, "replace")


def _path(name: str) -> str:
    """A path of parts that mean something, from any system, which leads nowhere else."""
    parts = [part[:255] for part in re.split(r"[/\\]", name) if part.strip(" .")]
    return "/".join(parts[:64]) or "file"


def _submitters(path: str, data: bytes) -> dict[str, list[list[str]]]:
    """For each number in Gradescope's metadata, who handed in: for each person name, number and email address.

    A damaged entry names nobody; the others are read.
    """
    content = _yaml(data)
    if folder := re.search(r"submission_([0-9]+)/[^/]*$", path):
        return {folder[1]: _people(content)}
    for entry in [] if content else re.split(rb"^(?=\W?submission_[0-9])", data, flags=re.MULTILINE):
        content |= _yaml(entry)
    return {re.sub(r"\D", "", str(key)): _people(block) for key, block in content.items()}


def _yaml(data: bytes) -> dict:
    """A mapping in YAML; empty if it is none, or damaged."""
    import yaml

    class Plain(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        """Whose words for Ruby's objects mean nothing."""

    Plain.add_multi_constructor("!", lambda loader, suffix, node: None)
    try:
        content = yaml.load(data, Plain)
    except Exception:  # whatever it is, it names nobody
        return {}
    return content if isinstance(content, dict) else {}


def _people(block: Any) -> list[list[str]]:
    people = _bare(block).get("submitters") or [block]
    fields = [_bare(one) for one in people] if isinstance(people, list) else []
    texts = [[str(one[name]) for name in ("name", "sid", "email") if one.get(name)] for one in fields]
    return [one for one in texts if one]


def _bare(entry: Any) -> dict[str, Any]:
    return {str(key).strip(":"): value for key, value in entry.items()} if isinstance(entry, dict) else {}
