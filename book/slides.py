"""Set the chapters that `make book` ran as slides: `make slides`, and the last step of `make book`.

nbconvert's exporter for reveal.js does it. A cell is on a slide if its metadata say so, `slideshow: {slide_type: …}`,
which JupyterLab sets in its property inspector: `slide` begins a slide, `fragment` appears on it at the next key, and
`notes` is for the speaker. All other cells are left to the book. A slide without a heading has that of its section.
"""

import re
import shutil
import sys
from pathlib import Path

import nbformat
import sphinx_revealjs  # reveal.js comes with it
from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from nbconvert import SlidesExporter
from traitlets.config import Config

BOOK = Path(__file__).parent
BUILD = BOOK.parent / "_build"
REVEAL = Path(sphinx_revealjs.__file__).parent / "_static" / "revealjs"


def formula(text: str, options: dict) -> str:
    return convert(text, display="block" if options["display_mode"] else "inline")


MARKDOWN = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin, renderer=formula)


def render(markdown: str) -> str:
    """Markdown as HTML. Links lead to the pages of the book, formulas are MathML, terms of the glossary are words."""
    markdown = re.sub(r"\{term\}`([^`<]*?)(?: ?<[^`]*)?`", r"\1", markdown)
    return re.sub(r'href="([\w./-]+)\.(?:ipynb|md)', r'href="../book/\1.html', MARKDOWN.render(markdown))


def pick_slides(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A notebook of the cells on slides; it has no cells if none are marked."""
    cells, heading = [], ""
    for cell in notebook.cells:
        kind = cell.metadata.get("slideshow", {}).get("slide_type", "skip")
        headings = re.findall(r"^#+ .+$", cell.source, re.M) if cell.cell_type == "markdown" else []
        if kind == "slide" and not headings:
            mark = cell.metadata.pop("slideshow")  # the heading begins the slide, and the cell goes on with it
            cells.append(nbformat.v4.new_markdown_cell(heading, metadata={"slideshow": mark}))
        heading = headings[-1] if headings else heading
        if kind != "skip":
            cells.append(trim(cell) if cell.cell_type == "code" else cell)
    title = cells[0].source.splitlines()[0].lstrip("# ") if cells else ""
    return nbformat.v4.new_notebook(cells=cells, metadata={"title": title})


def trim(cell: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A code cell that shows what was printed once, and a figure without the code that drew it."""
    printed = [output for output in cell.outputs if output.get("name") == "stdout"][:1]  # the build puts all into it
    shown = [output for output in cell.outputs if "data" in output]
    is_figure = any({"image/png", "text/html"} & output.data.keys() for output in shown)
    cell.outputs, cell.metadata["transient"] = printed + shown, {"remove_source": is_figure}
    return cell


def write_slides(executed: Path, target: Path) -> None:
    """Write ``<chapter>.html`` for each executed chapter with slides, and beside them what they load."""
    shutil.rmtree(target, ignore_errors=True)
    (target / "reveal").mkdir(parents=True)
    for name in ("dist/reveal.js", "dist/reveal.css", "plugin/notes/notes.js", "LICENSE"):
        shutil.copy(REVEAL / name, target / "reveal")
    shutil.copy(BOOK / "slides.css", target)
    config = Config(CSSHTMLHeaderPreprocessor={"style": "a11y-high-contrast-light"})
    exporter = SlidesExporter(config=config, template_file=str(BOOK / "slides.html.j2"))
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    exporter.register_filter("markdown2html", render)
    for path in sorted(BOOK.glob("*.ipynb")):
        deck = pick_slides(nbformat.read(executed / path.name, as_version=4))
        if deck.cells:
            page, _ = exporter.from_notebook_node(deck, {"metadata": {"name": path.stem}})
            (target / path.name).with_suffix(".html").write_text(page, encoding="utf-8")
            print(f"{path.stem:22} {len(page) / 1e3:4.0f} kB")


if __name__ == "__main__":
    try:
        write_slides(BUILD / "jupyter_execute" / "book", BUILD / "html" / "slides")
    except FileNotFoundError as error:
        sys.exit(f"error: {error.filename} is missing: run make book first")
