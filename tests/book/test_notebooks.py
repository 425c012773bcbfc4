"""Hygiene of the chapters. Their cells are run by nbval."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHAPTERS = sorted((ROOT / "book").glob("*.ipynb"))


PARTS = ("source", "outputs")


@pytest.fixture(params=CHAPTERS, ids=lambda path: path.stem)
def cells(request) -> list[dict]:
    return json.loads(request.param.read_text(encoding="utf-8"))["cells"]


def source(cell: dict) -> str:
    return "".join(cell["source"])


def tags(cell: dict) -> list[str]:
    return cell["metadata"].get("tags", [])


def test_every_chapter_is_in_the_table_of_contents():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    files = {Path(chapter["file"]).name for part in toc["parts"] for chapter in part["chapters"]}
    assert CHAPTERS and {path.stem for path in CHAPTERS} <= files


def test_only_checked_cells_keep_their_output(cells):
    for cell in cells:
        if cell["cell_type"] == "code" and "nbval-check-output" not in tags(cell):
            assert cell["outputs"] == [] and cell["execution_count"] is None, source(cell)


def test_checked_cells_are_really_compared(cells):
    """nbval passes over a cell without an execution count, and a cell without output has nothing to compare."""
    checked = [cell for cell in cells if "nbval-check-output" in tags(cell)]
    assert checked, "a chapter without any compared output"
    for cell in checked:
        assert cell["outputs"] and cell["execution_count"], source(cell)
        for output in cell["outputs"]:
            assert output["output_type"] != "error"
            kinds = set(output.get("data", {})) | ({"text/plain"} if output["output_type"] == "stream" else set())
            assert kinds <= {"text/plain", "text/markdown", "text/html"}, source(cell)


def test_code_fits_the_column(cells):
    for cell in cells:
        if cell["cell_type"] == "code":
            assert max(map(len, source(cell).split("\n"))) <= 88, source(cell)


def test_figures_have_alternative_text(cells):
    for cell in cells:
        if cell["cell_type"] == "code" and re.search(r"\bplots\.(show|draw)_|\bplt\.", source(cell)):
            alt = cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "")
            assert len(alt) > 30 or "solution" in tags(cell), f"no alternative text for the figure of: {source(cell)}"


def test_the_parts_that_a_chapter_needs(cells):
    text = "\n".join(source(cell) for cell in cells if cell["cell_type"] == "markdown")
    assert text.startswith("# ")
    for part in (
        "**After this chapter you can**",
        "**You need**",
        "**Time**",
        "## Summary",
        "### Check yourself",
        "## Exercises",
        "## References",
    ):
        assert part in text, part
    exercises = len(re.findall(r"^### Exercise \d", text, re.M))
    solutions = [cell for cell in cells if "solution" in tags(cell)]
    assert 3 <= exercises <= 6 and len(solutions) == exercises
    assert text.count("<summary>Hint</summary>") == exercises
    assert len(re.findall(r"^Difficulty [●○]{3} · Importance [●○]{3} · \d+ minutes$", text, re.M)) == exercises
    for number, cell in enumerate(solutions, start=1):
        assert source(cell).startswith(f"# Solution {number}") and "assert" in source(cell)
        # Folded with its output, so that Run All gives nothing away.
        assert "hide-cell" in tags(cell) and all(cell["metadata"]["jupyter"].get(f"{part}_hidden") for part in PARTS)
        assert cell["metadata"]["cellView"] == "form"  # folded on Colab, too
    assert "This chapter ran in" in source(cells[-1])


def test_code_and_notebooks_are_formatted_and_linted():
    for command in (["check"], ["format", "--check"]):
        result = subprocess.run([sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr
