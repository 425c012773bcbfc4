"""The first code cell, which every chapter shares."""

import importlib.util
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

BOOK = Path(__file__).parents[2] / "book"
CHAPTERS = sorted(BOOK.glob("*.ipynb"))


def load_refresh():
    spec = importlib.util.spec_from_file_location("refresh", BOOK / "refresh.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


refresh = load_refresh()


def run(address: str, monkeypatch, installed: bool) -> list[str]:
    """Run the cell. Returns what it asks of IPython."""
    asked = []

    class Shell:
        def run_line_magic(self, name: str, line: str) -> None:
            asked.append(f"{name} {line}")

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if installed else None)
    code = TransformerManager().transform_cell(refresh.INSTALL.format(address=address))
    names = {"get_ipython": Shell}
    exec(code, names)
    return [line.replace("{PACKAGE}", names["PACKAGE"]) for line in asked]


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_chapter_begins_with_the_cell(path):
    cells = nbformat.read(path, as_version=4).cells
    assert [cell.id for cell in cells].count("install") == 1
    assert next(cell for cell in cells if cell.cell_type == "code") == refresh.install_cell(), "run make refresh"


@pytest.mark.parametrize("address", ["", "https://github.com/owner/name"])
def test_where_the_package_is_the_cell_does_nothing(address, monkeypatch):
    assert run(address, monkeypatch, installed=True) == []


def test_elsewhere_it_installs_from_the_address_with_ranges(monkeypatch):
    (command,) = run("https://github.com/owner/name", monkeypatch, installed=False)
    assert command.startswith("pip install") and '"resnet-tutorial @ git+https://github.com/owner/name"' in command
    assert '"matplotlib>=3.8,<4"' in command and "==" not in command


def test_without_an_address_it_installs_what_is_published(monkeypatch):
    (command,) = run("", monkeypatch, installed=False)
    assert command.startswith('pip install --quiet "resnet-tutorial" ')


def test_the_cell_is_put_once_and_leaves_the_names_of_the_others():
    cells = [nbformat.v4.new_markdown_cell("# Title", id="title"), nbformat.v4.new_code_cell("1", id="one")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    for _ in range(2):
        refresh.put_install_cell(notebook)
        refresh.strip(notebook)
    assert [cell.id for cell in notebook.cells] == ["title", "install", "one"]
