"""Tables of a page, in HTML and as text: of a pandas DataFrame, or of columns by their headings."""

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import groupby, repeat

from ..text import text_table

NUMBER = 'class="rt-number"'


class Cell(str):
    """What a cell says, with HTML to show in its place, if given, and attributes of the cell."""

    def __new__(cls, text: str, html: str | None = None, attributes: str = "") -> "Cell":
        cell = super().__new__(cls, text)
        cell.html, cell.attributes = escape(text) if html is None else html, attributes
        return cell


COVERED = Cell("")  # a cell on its left, with ``colspan``, takes its place


def as_cell(value: object) -> Cell:
    """A value as tables show it: floats with four digits, a dash for what is missing."""
    if isinstance(value, Cell):
        return value
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return Cell("–")
    return Cell(f"{value:.4g}" if isinstance(value, float) else str(value))


def html_table(
    columns: Mapping[str, Iterable],
    caption: str = "",
    *,
    attributes: Mapping[str, str] | None = None,
    rows: Iterable[str] = (),
    merged: Sequence[str] = (),
    head: bool = True,
) -> str:
    """A table in HTML. The first column holds the headings of the rows.

    Args:
        columns: a DataFrame, or for each heading its cells; text is escaped, but for the HTML of a `Cell`.
        caption: says what the table shows.
        attributes: for some columns, attributes of their cells, such as ``class="rt-number"``.
        rows: attributes of each row.
        merged: columns in which rows with the same heading share one cell, that of the first of them.
        head: whether to show the headings of the columns.
    """
    names, attributes, rows = list(columns), attributes or {}, iter(rows or repeat(""))
    lines = [f"<caption>{escape(caption)}</caption>"] if caption else []
    if head:
        heads = "".join(_tag("th", 'scope="col"', attributes.get(name, ""), escape(name)) for name in names)
        lines.append(f"<thead><tr>{heads}</tr></thead>")
    values = zip(*(columns[name] for name in names), strict=True)
    groups = (list(group) for _, group in groupby(values, lambda row: row[0])) if merged else ([row] for row in values)
    for group in groups:
        for i, row in enumerate(group):
            cells = ""
            for j, (name, value) in enumerate(zip(names, row, strict=True)):
                if value is COVERED or (i and name in merged):
                    continue
                cell, kind = as_cell(value), ("td", "") if j else ("th", 'scope="row"')
                span = f'rowspan="{len(group)}"' if name in merged and len(group) > 1 else ""
                cells += _tag(*kind, span, cell.attributes or attributes.get(name, ""), cell.html)
            lines.append(_tag("tr", next(rows), cells))
    return f"<table>{''.join(lines)}</table>"


def _tag(tag: str, *attributes_and_content: str) -> str:
    *attributes, content = attributes_and_content
    return f"<{' '.join(filter(None, [tag, *attributes]))}>{content}</{tag}>"


def scrolling(table: str, label: str) -> str:
    """A wide table scrolls by itself, also from the keyboard."""
    style = 'class="rt-scroll" style="overflow-x: auto" role="group" tabindex="0"'
    return f'<div {style} aria-label="{escape(label)}">{table}</div>'


def plain_table(columns: Mapping[str, Iterable]) -> str:
    """The same columns as text."""
    rows = zip(*(map(as_cell, columns[name]) for name in columns), strict=True)
    return text_table([list(columns), *rows])


class DataTable:
    """Numbers in a table that opens on a click; text outside of a notebook.

    Args:
        columns: a DataFrame, or for each heading its column.
        caption: what to click on.
    """

    def __init__(self, columns: Mapping[str, Iterable], caption: str = "The data of this figure"):
        self.columns, self.caption = columns, caption

    def __repr__(self) -> str:
        return f"{self.caption}\n{plain_table(self.columns)}"

    def _repr_html_(self) -> str:
        table = html_table(self.columns)
        return f'<details class="rt-data"><summary>{escape(self.caption)}</summary>{table}</details>'
