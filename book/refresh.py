"""Run the chapters and store what the tests compare: `make refresh`, or `python book/refresh.py CHAPTER.ipynb …`.

A committed chapter holds no pictures and nothing that changes from run to run. Only cells tagged `nbval-check-output`
keep their output, and with it their execution count, without which nbval compares nothing. The first code cell of every
chapter is the same and comes from here.
"""

import sys
import time
from pathlib import Path

import nbformat
import yaml
from nbclient import NotebookClient

BOOK = Path(__file__).parent
CHECKED = "nbval-check-output"
# Metadata of a cell: slideshow is for slides.py; cellView folds a solution on Colab, source_hidden does so elsewhere.
KEPT = ("cellView", "tags", "mystnb", "jupyter", "slideshow")
# What a chapter needs beyond the package, in ranges: pip leaves alone what is there already, as on Colab.
INSTALL = """\
# Installs the package where it is missing, as on Colab. Elsewhere it does nothing.
from importlib.util import find_spec

REPOSITORY = "{address}"  # without an address, the published package
if find_spec("resnet_tutorial") is None:
    PACKAGE = f"resnet-tutorial @ git+{{REPOSITORY}}" if REPOSITORY else "resnet-tutorial"
    %pip install --quiet "{{PACKAGE}}" "ipywidgets>=7.7,<9" "matplotlib>=3.8,<4"\
"""


def install_cell() -> nbformat.NotebookNode:
    """The first code cell of every chapter, with the address from `_config.yml`."""
    address = yaml.safe_load((BOOK.parent / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]
    prompts = {"code_prompt_show": "To run this chapter on Colab", "code_prompt_hide": "To run this chapter on Colab"}
    metadata = {"tags": ["hide-input"], "jupyter": {"source_hidden": True}, "mystnb": prompts}
    return nbformat.v4.new_code_cell(INSTALL.format(address=address), id="install", metadata=metadata)


def put_install_cell(notebook: nbformat.NotebookNode) -> None:
    """Lay the cell below the chapter's opening text, in place of an older one."""
    others = [cell for cell in notebook.cells if cell.id != "install"]
    first = next(number for number, cell in enumerate(others) if cell.cell_type == "code")
    notebook.cells = [*others[:first], install_cell(), *others[first:]]


def run(path: Path) -> None:
    """Execute one notebook, strip it, write it back."""
    notebook = nbformat.read(path, as_version=4)
    put_install_cell(notebook)
    started = time.perf_counter()
    NotebookClient(notebook, timeout=600, coalesce_streams=True, resources={"metadata": {"path": str(BOOK)}}).execute()
    seconds = time.perf_counter() - started
    strip(notebook)
    nbformat.write(notebook, path)
    print(f"{path.name}: {seconds:.0f} s")


def strip(notebook: nbformat.NotebookNode) -> None:
    """Remove volatile output and metadata."""
    for cell in notebook.cells:
        cell.metadata = {k: v for k, v in cell.metadata.items() if k in KEPT}
        if cell.cell_type != "code":
            continue
        if CHECKED not in cell.metadata.get("tags", []):
            cell.outputs, cell.execution_count = [], None
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }


if __name__ == "__main__":
    for name in sys.argv[1:] or sorted(BOOK.glob("*.ipynb")):
        run(Path(name))
