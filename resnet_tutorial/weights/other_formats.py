"""What a file is that holds no weights of PyTorch, told by its first bytes."""

import re
import zipfile
from pathlib import Path

UNPACK = "unpack it, and name the file in it"
CONVERT = "have its weights saved by PyTorch, or convert it"
ITSELF = "name the file of weights itself, or the folder of a run"
ANOTHER = "get another copy of the file that it stands for"

# Offset, bytes, what it is, what to do.
SIGNATURES = (
    (0, b"\x89HDF\r\n\x1a\n", "a file of Keras (HDF5)", CONVERT),
    (4, b"TFL3", "a network of TensorFlow Lite", CONVERT),
    (0, b"\x08\x01\x12", "a SavedModel of TensorFlow", CONVERT),
    (0, b"\x12\x01\0\0\0\0\0\0", "a file of MXNet", CONVERT),
    (0, b"GGUF", "a GGUF file", CONVERT),
    (0, b"\x93NUMPY", "an array of NumPy", CONVERT),
    (0, b"\x1f\x8b", "compressed with gzip", UNPACK),
    (0, b"BZh", "compressed with bzip2", UNPACK),
    (0, b"\xfd7zXZ", "compressed with xz", UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "compressed with zstd", UNPACK),
    (0, b"7z\xbc\xaf", "a 7z archive", UNPACK),
    (0, b"Rar!", "a RAR archive", UNPACK),
    (257, b"ustar", "a tar archive", "unpack it, or save its weights again with current PyTorch"),
    (0, b"\x89PNG", "a picture (PNG)", ANOTHER),
    (0, b"\xff\xd8\xff", "a picture (JPEG)", ANOTHER),
    (0, b"%PDF", "a document (PDF)", ANOTHER),
)
ONNX = re.compile(rb"\x08[\x02-\x7f][\x12\x1a\x22\x2a\x32\x3a\x42]")  # its version, then the name of who wrote it

# The start of a text, what it is, what to do.
TEXTS = (
    (r"<(!doctype html|html|head|body)\b", "a web page (HTML)", "download the file itself, not the page about it"),
    (r"version https://git-lfs", "a pointer of Git LFS", "run `git lfs pull`, or download the file itself"),
    (r"model_checkpoint_path", "the index of a TensorFlow checkpoint", CONVERT),
    (r"<\?xml", "an XML file", ANOTHER),
    (r"[\[{]", "a JSON file", ITSELF),
)

# A name in a zip file, what it is, what to do.
MEMBERS = (
    (r"model\.weights\.h5", "a file of Keras", CONVERT),
    (r"(.*/)?(archive_format|serialized_exported_program\.json)", "a program of torch.export", CONVERT),
)


def name_format(path: Path, head: bytes) -> str | None:
    """What a file is, and what to do, as the end of a sentence; None if it may be one of weights.

    Args:
        path: the file.
        head: its first bytes, at least 262 of them where it has as many.

    Raises:
        OSError: if it cannot be read.
    """
    if not head:
        return "is empty, no file of weights: get another copy of it"
    found = next((row[2:] for row in SIGNATURES if head[row[0] :].startswith(row[1])), None)
    if ONNX.match(head):
        found = found or ("a network in ONNX", CONVERT)
    if path.suffix == ".index" or re.search(r"\.data-\d{5}-of-\d{5}$", path.name):
        found = found or ("a part of a TensorFlow checkpoint", CONVERT)
    found = found or (_name_zip(path) if head.startswith(b"PK") else _name_text(head))
    return found and f"is {found[0]}, no file of weights: {found[1]}"


def _name_zip(path: Path) -> tuple[str, str] | None:
    try:
        names = zipfile.ZipFile(path).namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return None
    if any(name.rpartition("/")[2] == "data.pkl" or name.endswith(".npy") for name in names):  # torch's, NumPy's
        return None
    known = (row[1:] for row in MEMBERS if any(re.fullmatch(row[0], name) for name in names))
    return next(known, (f"a zip archive of {', '.join(names[:3])[:80] or 'nothing'}", UNPACK))


def _name_text(head: bytes) -> tuple[str, str] | None:
    text = head.decode("utf-8", errors="ignore")
    words = text.strip("\ufeff \t\r\n")
    if len(text.encode()) < len(head) - 3 or not "".join(text.split()).strip("\ufeff").isprintable():
        return None  # more is lost than the character that the end of the head may cut
    known = (row[1:] for row in TEXTS if re.match(row[0], words, re.IGNORECASE))
    return next(known, (f"a text that begins with {words[:40]!r}", ITSELF))
