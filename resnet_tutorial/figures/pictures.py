"""Images on a page: the words around them are text of the page, to be read on a phone and in the dark."""

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path

import torch
from PIL import Image

STYLE = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")


class Pictures:
    """Images in rows, which a notebook shows with names and titles as text of the page.

    Attributes:
        rows: for each row its images, uint8 N × H × W × 3.
        names: what stands in front of each row, or nothing.
        titles: what stands above each image, row by row, or None.
        size: largest width of an image, in inches. On a narrow page they shrink; under titles they keep the width of
            the longest word, and the rows scroll.
    """

    def __init__(
        self,
        rows: Sequence[torch.Tensor],
        names: Sequence[str] = (),
        titles: Sequence[str] | None = None,
        size: float = 0.9,
    ):
        self.rows, self.names, self.titles, self.size = list(rows), list(names), titles, size

    def __repr__(self) -> str:
        words = ", ".join(self.names or self.titles or ())
        return f"{sum(map(len, self.rows))} pictures{': ' if words else ''}{words}"

    def _repr_html_(self) -> str:
        columns, cells = max(map(len, self.rows), default=1), []
        titles = iter(self.titles or ())
        for i, row in enumerate(self.rows):
            if self.names:
                cells.append(f"<span>{escape(self.names[i])}</span>")
            if self.titles is None:  # as a strip, since each picture becomes a file of the site
                words = f"{self.names[i] if self.names else f'row {i + 1}'}: {len(row)} pictures side by side"
                cells.append(f'<figure style="grid-column: span {columns}">{_img(strip(row), words)}</figure>')
                continue
            for image in row:
                title = next(titles)
                cells.append(f"<figure>{escape(title)}{_img(address(image), f'picture of {title}')}</figure>")
        longest = max((len(word) for title in self.titles or () for word in title.split()), default=0)
        grid = f"{'max-content ' if self.names else ''}repeat({columns}, minmax({longest}ch, 1fr))"
        look = f"grid-template-columns: {grid}; max-width: {columns * self.size + 1 * bool(self.names)}in"
        return f'<div class="rt-pictures" tabindex="0" style="{look}"><style>{STYLE}</style>{"".join(cells)}</div>'


def strip(images: torch.Tensor) -> str:
    """Images side by side as the address of a picture; what is between them lets the page show through."""
    n, height, width, _ = images.shape
    shown = torch.zeros(height, n * (width + 2), 4, dtype=torch.uint8)
    for i, image in enumerate(images):
        left = i * (width + 2) + 1
        shown[:, left : left + width, :3], shown[:, left : left + width, 3] = image, 255
    return address(shown)


def address(image: torch.Tensor) -> str:
    """An image, uint8 H × W × 3 or with a fourth channel for its opacity, as an address that holds it whole."""
    file = io.BytesIO()
    Image.fromarray(image.numpy()).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _img(source: str, words: str) -> str:
    # The theme changes the colors of images in the dark, except for this class.
    return f'<img class="dark-light" src="{source}" alt="{escape(words)}">'
