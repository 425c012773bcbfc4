"""Texts for people: columns that stand below each other, numbers of things, times in the usual unit, names in order."""

import re
from collections.abc import Iterable, Sequence


def text_table(rows: Iterable[Sequence[str]], align: str = "<", gap: str = "  ") -> str:
    """Rows of texts as lines, each column as wide as its widest text.

    Args:
        rows: texts, as many in each row.
        align: for each column ``<`` (to the left) or ``>`` (to the right, for numbers); the last one also holds for all
            further columns.
        gap: what stands between two columns.
    """
    rows = [tuple(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    forms = [f"{align[min(i, len(align) - 1)]}{width}" for i, width in enumerate(widths)]
    return "\n".join(gap.join(map(format, row, forms)).rstrip() for row in rows)


def count(n: int, noun: str) -> str:
    """So many things: ``1 epoch``, ``1,000 epochs``."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def duration(seconds: float) -> str:
    """A time in the unit that people would use."""
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def natural(name: str) -> str:
    """A key to sort names by in which numbers count as numbers: resnet20 before resnet110."""
    return re.sub(r"\d+", lambda digits: digits[0].zfill(6), name)
