"""A class, to be looked up by names, however they are spelled, and by ids."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from .class_list import Student

SUFFIX = re.compile(r"(\.(ipynb|txt|json|zip|py|pdf|html?|docx?|md))+$", re.IGNORECASE)
COPIED = "copy|kopie|copie|copia|cópia|kopia|kopi|копия|副本|コピー"  # what computers add to the name of a copy
COPY = re.compile(rf"( ?\(\d+\)| - ({COPIED})( ?\(\d+\))?| ({COPIED})( \d+)?)+$", re.IGNORECASE)
MOST_WORDS = 8  # of a name that is known in every order
SHORT = re.compile("[0-9]{1,4}")  # within a text such a number is a sheet, an attempt or a year, and no id

# Letters that are no other letter with an accent, and two ways to write a language's own.
PLAIN = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "þ": "th", "ı": "i", "ħ": "h", "ŋ": "n"}
)
GERMAN = PLAIN | str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
NORDIC = GERMAN | str.maketrans({"å": "aa", "ø": "oe"})


@dataclass(frozen=True)
class Evidence:
    """Students of whom a text tells, whether by a full name or by an id, and the text's words."""

    students: frozenset[str]
    is_name: bool
    words: tuple[str, ...]


class Roster:
    """The class.

    Args:
        students: who is in it.
        assignments: names of the course's assignments: no word and no digit of them names a student.
    """

    def __init__(self, students: Iterable[Student], assignments: Iterable[str] = ()) -> None:
        students = list(students)
        self.numbers = {one.number: one.id for one in students if one.number}  # Canvas's
        self._names: list[list[dict[str, set[str]]]] = [[{} for _ in range(5)] for _ in range(2)]
        for one in students:
            for levels, texts in zip(self._names, _orders(one.first_name, one.last_name), strict=True):
                for text in texts:
                    for level, ways in zip(levels, (*_spellings(text), _dropped(text)), strict=True):
                        for way in ways - {""}:
                            level.setdefault(way, set()).add(one.id)
        self._ids: dict[str, set[str]] = {}
        for known in ("id", "email"):
            _add(self._ids, {one.id: getattr(one, known) for one in students})
        self._logins = dict(self._ids)
        _add(self._logins, {one.id: one.email.partition("@")[0] for one in students})
        names = "|".join(r"[\W_]*".join(map(re.escape, words_of(name))) for name in assignments)
        self.assignments = rf"(?<![^\W_])({names or '(?!)'})(?![^\W_])"  # a pattern

    def named(self, text: str) -> frozenset[str]:
        """Students of this full name, in the most usual order and the most exact spelling that find one.

        A text without accents may have lost them: to it, a student without accents is no nearer than one with them.
        """
        spellings, joined = _spellings(text), "".join(words_of(text))
        for *levels, dropped in self._names:
            for i, (level, ways) in enumerate(zip(levels, spellings, strict=True)):
                found = set().union(*(level.get(way, ()) for way in ways))
                if found and not (i in (0, 2) and text.isascii()):
                    return frozenset(found)
            if joined in dropped:
                return frozenset(dropped[joined])
        return frozenset()

    def known(self, text: str, logins: bool = True) -> frozenset[str]:
        """The student of this id or email address; or login, which is the part of the address before the @."""
        found = (self._logins if logins else self._ids).get(" ".join(words_of(text)), set())
        return frozenset({one for one in found if one.casefold() == text.casefold()} or found)

    def cell(self, says: Iterable[str]) -> frozenset[str] | None:
        """Whom the STUDENT cells name: a student, nobody of the class (empty), or nothing that counts (None)."""
        told = {text.strip() for text in says} - {"", "sample"}
        found = frozenset().union(*(self.known(text) or self.named(text) for text in told))
        return None if not told or len(found) > 1 else found

    def whole(self, parts: Iterable[str]) -> list[Evidence]:
        """What the pieces of a path's parts are, each as a whole. A full name with blanks in it ends at "_", too."""
        found = []
        for piece in (piece for part in parts for piece in self.pieces(part)):
            names = [self._read(text, logins=False) for text in piece.split("_") if " " in text.strip()]
            one = self._read(piece, logins=True)
            found += [one] if one.students else [name for name in names if name.is_name]
        return _counted(found)

    def within(self, parts: Iterable[str]) -> list[Evidence]:
        """What stands in the pieces of a path's parts, as words of their own; from the left, the longest first."""
        found = []
        for piece in (piece for part in parts for piece in self.pieces(part)):
            words, start = words_of(piece)[:40], 0
            while start < len(words):
                ends = range(min(len(words), start + MOST_WORDS), start, -1)
                runs = (self._read(" ".join(words[start:end]), logins=False) for end in ends)
                found.append(next((run for run in runs if run.students), Evidence(frozenset(), False, ("",))))
                start += len(found[-1].words)
        return _counted(found)

    def short(self, parts: list[str]) -> list[Evidence]:
        """A short id of digits in front of a path, or behind the assignment's name in a folder's, as GitHub writes it.

        Nothing but that name stands beside it there. In a file's name it tells of a later attempt, else of anything.
        """
        found = []
        for i, part in enumerate(parts):
            pieces, is_folder = self.pieces(part), i + 1 < len(parts)
            if len(pieces) != 1 or not SHORT.fullmatch(pieces[0]):
                continue
            behind = is_folder and re.fullmatch(f"{self.assignments}-{pieces[0]}", part, re.IGNORECASE)
            if behind or (i == 0 and part.startswith(pieces[0])):
                found.append(Evidence(self.known(pieces[0]), False, (pieces[0],)))
        return _counted(found)

    def pieces(self, part: str) -> list[str]:
        """A part without suffix, mark of a copy and assignment's name, parted at " - " and brackets."""
        bare = self.bare(COPY.sub("", SUFFIX.sub("", part)))
        pieces = (piece.strip(" _-.,;") for piece in re.split(r"\s-\s|\s-$|^-\s|[()\[\]]", bare))
        return [piece for piece in pieces if piece]

    def bare(self, text: str) -> str:
        """A text with a hyphen in place of each assignment's name."""
        return re.sub(self.assignments, " - ", text, flags=re.IGNORECASE)

    def _read(self, text: str, logins: bool) -> Evidence:
        words = tuple(words_of(text))
        if names := self.named(text):
            return Evidence(names, True, words)
        return Evidence(frozenset() if SHORT.fullmatch(text) else self.known(text, logins), False, words)


def _add(table: dict[str, set[str]], texts: dict[str, str]) -> None:
    """Look students up by these texts, too, where they stand for nobody yet."""
    new: dict[str, set[str]] = {}
    for student, text in texts.items():
        if (key := " ".join(words_of(text))) and key not in table:
            new.setdefault(key, set()).add(student)
    table |= new


def _counted(found: Iterable[Evidence]) -> list[Evidence]:
    """Evidence that tells of somebody. A word of a full name is no id, even where an id reads like it."""
    found = [one for one in found if one.students]
    told = {word for one in found if one.is_name for word in one.words}
    return [one for one in found if one.is_name or not told.issuperset(one.words)]


def _orders(first: str, last: str) -> tuple[set[str], set[str]]:
    """A full name in its two usual orders, and in others: with particles as in "Berg, Joost van der" anywhere."""
    first_words, last_words = words_of(first), words_of(last)
    usual = {" ".join(first_words + last_words), " ".join(last_words + first_words)}
    others = set()
    if len(first_words + last_words) <= MOST_WORDS:
        for one, other in ((first_words, last_words), (last_words, first_words)):
            for i in range(len(one)):
                words = [*one[:i], *other, *one[i:]]
                others |= {" ".join(words[k:] + words[:k]) for k in range(len(words))}
    return usual, others - usual


def words_of(text: str) -> list[str]:
    """Small letters and digits with the marks that belong to them; anything else, such as a hyphen, parts words."""
    text = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", text).casefold())
    kinds = ((letter, unicodedata.category(letter)) for letter in text)
    return "".join(one if kind[0] in "LMN" else "" if kind == "Cf" else " " for one, kind in kinds).split()


def _spellings(text: str) -> tuple[set[str], ...]:
    """From the most exact: the words; in other spellings; the letters without spaces; in other spellings."""
    spaced, joined = " ".join(words_of(text)), "".join(words_of(text))
    return {spaced}, _folded(spaced), {joined}, _folded(joined)


def _folded(text: str) -> set[str]:
    """Without accents, and with letters written out in the German or the Nordic way. Other scripts keep their marks."""
    decomposed = (unicodedata.normalize("NFD", text.translate(table)) for table in (PLAIN, GERMAN, NORDIC))
    bare = (re.sub("([a-z\u00df-\u04ff\u1e00-\u1fff])[\u0300-\u036f]+", r"\1", one) for one in decomposed)
    return {unicodedata.normalize("NFC", one) for one in bare}


def _dropped(text: str) -> set[str]:
    """The letters that are left where a system drops all others, if they are most of every word."""
    words = words_of(text)
    left = ["".join(filter(str.isascii, word)) for word in words]
    is_most = all(len(rest) > len(word) / 2 for rest, word in zip(left, words, strict=True))
    return {"".join(left)} if is_most and left != words else set()
