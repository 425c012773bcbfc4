"""Run the chapters and store what the tests compare: `make refresh`, or `python book/refresh.py CHAPTER.ipynb …`.

A committed chapter holds no pictures and nothing that changes from run to run. Only cells tagged `nbval-check-output`
keep their output, and with it their execution count, without which nbval compares nothing.
"""

import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

BOOK = Path(__file__).parent
CHECKED = "nbval-check-output"


def run(path: Path) -> None:
    """Execute one notebook, strip it, write it back."""
    notebook = nbformat.read(path, as_version=4)
    started = time.perf_counter()
    NotebookClient(notebook, timeout=600, coalesce_streams=True, resources={"metadata": {"path": str(BOOK)}}).execute()
    seconds = time.perf_counter() - started
    strip(notebook)
    nbformat.write(notebook, path)
    print(f"{path.name}: {seconds:.0f} s")


def strip(notebook: nbformat.NotebookNode) -> None:
    """Remove volatile output and metadata."""
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{number:02}"  # stable, so that a diff shows only what changed
        cell.metadata = {k: v for k, v in cell.metadata.items() if k in ("tags", "mystnb", "jupyter")}
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
