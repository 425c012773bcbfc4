"""The class list: a table of one's own, or what Canvas and Moodle export, as spreadsheets save it."""

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from resnet_tutorial.errors import InputError

# What a column may be called, in Canvas, and in Moodle in several languages. Letters and digits count; of several
# columns with ids the first one that is filled in for a student.
EMAIL = (
    "email, Email address, E-Mail-Adresse, Adresse de courriel, Dirección de correo, Indirizzo email, "
    "Endereço de e-mail, Endereço de email, E-mailadres, Adres e-mail, E-postadress, SIS Login ID"
)
COLUMNS = {
    "id": "SIS User ID, SIS Login ID, OrgDefinedId, id, SID, student id, ID number, ID-Nummer, Matrikelnummer, "
    "Numéro d'identification, Número de ID, Codice identificativo, Número de identificação, Numer ID, "
    f"username, Benutzername, Login, {EMAIL}",
    "first_name": "first name, given name, Vorname, Prénom, Nombre, Nome, Voornaam, Imię, Förnamn, Fornavn",
    "last_name": "last name, surname, family name, Nachname, Nom, Nom de famille, Apellidos, Apellido(s), Cognome, "
    "Sobrenome, Apelido, Achternaam, Nazwisko, Efternamn, Efternavn, Etternavn",
    "email": EMAIL,
}
CANVAS = "student"  # a gradebook of Canvas has one column for the name: Last, First
WHOLE_NAME = (CANVAS, "name", "fullname", "studentname")  # as rosters of Gradescope have one
NO_STUDENTS = ("studenttest", "teststudent")  # Canvas's own
# What stands in a row that is no student's, where the others have an id or a name.
SUMMARY = re.compile(
    r"(overall|class|group)?(average|mean|median|total|sum|count|minimum|min|maximum|max|standarddeviation|stddev)s?"
    r"|(points|maximum|max)?(possible|points|score)s?|(gesamt|klassen)?(durchschnitt|mittelwert|mittel|summe|gesamt)"
    r"|moyenne(générale)?|médiane|somme|promedio(general)?|mediana|suma|media(generale)?|somma|totale|média(geral)?|soma"
    r"|gemiddelde?|totaal|średnia|medel|summa|snitt|gjennomsnitt|gennemsnit|erreichbarepunkte|maximalpunktzahl"
)
# What begins like this is no text with fields: how it may be read all the same.
NO_TEXT = {
    b"PK\x03\x04": "the own file of a spreadsheet program, such as .xlsx: save it from there as CSV UTF-8",
    b"\xd0\xcf\x11\xe0": "the own file of a spreadsheet program, such as .xls: save it from there as CSV UTF-8",
    b"%PDF": "a PDF file: export the list as CSV",
    b"<": "a web page or XML: open it in a spreadsheet program and save it as CSV UTF-8",
}
SEPARATOR = re.compile(
    r'"?sep=(\t|[^\w\s"])"?[ ,;\t]*(\r\n|\r|\n)', re.IGNORECASE
)  # a line for the spreadsheet, not for us
NUMBER = re.compile(r"\d+([.,]\d+)?E\+\d+|\d+[.,]\d+E\d+|\d+[.,]0+", re.IGNORECASE)


@dataclass(frozen=True)
class Student:
    """One row of the class list.

    Attributes:
        id: the course's own, which names folders.
        first_name: first name, or "".
        last_name: last name, or "".
        email: email address, or "".
        number: Canvas's own number, if the list came from there, or "".
    """

    id: str
    first_name: str
    last_name: str
    email: str
    number: str = ""


def read_class_list(path: Path) -> list[Student]:
    """The students in a CSV file, in its order.

    Raises:
        InputError: it cannot be read, a column is missing, or an id cannot be one.
    """
    (_, head), *rows = _rows(path)
    names = [_bare(name) for name in head]
    found = {
        field: [names.index(_bare(name)) for name in known.split(", ") if _bare(name) in names]
        for field, known in COLUMNS.items()
    }
    whole = [names.index(name) for name in WHOLE_NAME if name in names and not found["first_name"]]
    if whole:
        found["first_name"] = found["last_name"] = whole
    canvas = bool(whole) and CANVAS in names
    if canvas:  # rows without any id hold the points possible
        rows = [(line, row) for line, row in rows if any(_cells(row, found["id"]))]
        rows = [(line, row) for line, row in rows if _bare("".join(_cells(row, found["last_name"]))) not in NO_STUDENTS]
    elif "id" in names:  # a list of one's own, where an empty id is a mistake
        found["id"] = [names.index("id")]
    missing = [field for field in ("id", "first_name", "last_name") if not found[field]]
    if missing:
        raise InputError(
            f"{path} has no column {', '.join(missing)}: rename those that hold it; "
            f"its first line is {', '.join(head)[:200]!r}"
        )
    telling = {i for columns in found.values() for i in columns}
    rows = [(line, row) for line, row in rows if not _is_summary(_cells(row, telling))]
    if not rows:
        raise InputError(f"{path} names no student: each has a line below the first")
    columns = [found["first_name"][0], found["last_name"][0], *found["email"][:1]]
    students: dict[str, Student] = {}
    for line, row in rows:
        if len(row) <= max(*columns, found["id"][0]) or any(word.strip() for word in row[len(head) :]):
            raise InputError(
                f"{path}, line {line}: not as many fields as in the first line; put a text with a comma in quotes"
            )
        first, last, *email = (" ".join(row[i].split()) for i in columns)
        if whole:
            last, _, first = (part.strip() for part in last.partition(","))
        # Some systems, and people, write something around an id so that it stays a text.
        ids = ((i, cell.strip("#'=\"")) for i, cell in zip(found["id"], _cells(row, found["id"]), strict=False))
        column, one = next((pair for pair in ids if pair[1]), (found["id"][0], ""))
        _check_id(one, f"{path}, line {line}", head[column])
        if one.lower() in students:
            raise InputError(f"{path} names {one} twice: each student has an id of their own")
        number = "".join(_cells(row, [names.index("id")])) if canvas and "id" in names else ""
        address = "".join(email) if not canvas or "@" in "".join(email) else ""
        students[one.lower()] = Student(one, first, last, address, number)
    return list(students.values())


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """Rows that hold something, each with the number of its last line."""
    try:
        data = path.read_bytes()
        if kind := next((NO_TEXT[start] for start in NO_TEXT if data.startswith(start)), None):
            raise InputError(f"{path} is {kind}")
        text = data.decode(json.detect_encoding(data))  # UTF-8, or UTF-16 as spreadsheets save "Unicode text"
    except UnicodeDecodeError:
        raise InputError(f"{path} is not in UTF-8: save it from the spreadsheet as CSV UTF-8") from None
    except OSError as error:
        raise InputError(f"cannot read the class list {path}: {error.strerror}") from None
    text = text.removeprefix("\ufeff")
    told = SEPARATOR.match(text)
    text = text[told.end() :] if told else text
    first = re.split(r"[\r\n]", text.lstrip(), maxsplit=1)[0]
    table = csv.reader(
        io.StringIO(text, newline=""), delimiter=told[1] if told else max(",;\t", key=first.count), strict=True
    )
    try:
        rows = [(table.line_num + bool(told), row) for row in table if any(word.strip() for word in row)]
    except csv.Error as error:
        raise InputError(
            f"{path}, line {table.line_num + bool(told)}: {error}: look for a quote too many, there or above"
        ) from None
    return rows or [(1, [])]


def _check_id(one: str, where: str, column: str) -> None:
    """An id becomes the name of a folder."""
    if not one:
        raise InputError(f"{where}: no {column}: fill it in, or delete that column if another one holds ids")
    if NUMBER.fullmatch(one):
        raise InputError(
            f"{where}: a spreadsheet made the number {one!r} of an id: format the column as text and enter the ids anew"
        )
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.@+-]*", one):
        raise InputError(f"{where}: {one!r} is no id: use letters from A to Z, digits, and _ . @ + - between them")


def _cells(row: list[str], columns: Iterable[int]) -> list[str]:
    return [row[i].strip() for i in columns if i < len(row)]


def _is_summary(cells: list[str]) -> bool:
    """Whether the cells that may name a student hold nothing but the like of "Average" or "Points possible"."""
    return all(SUMMARY.fullmatch(_bare(cell)) for cell in cells if cell)


def _bare(name: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFC", name).casefold()))
