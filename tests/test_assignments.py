"""Every assignment: complete, and right answers earn all points, empty ones none."""

import ast
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for path in (ROOT / "assignments").glob("*/*.ipynb") if path.stem == path.parent.name)
KEYS = {"grade", "grade_id", "locked", "schema_version", "solution", "task"}
REGION = r"( *)### BEGIN {0}\n.*?### END {0}"

each_notebook = pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def graded(notebook):
    """The cells that give points."""
    return [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade")]


def stripped(notebook):
    """What a student gets: no solutions, no hidden tests."""
    for cell in notebook.cells:
        cell.source = re.sub(REGION.format("SOLUTION"), r"\1raise NotImplementedError", cell.source, flags=re.DOTALL)
        cell.source = re.sub(REGION.format("HIDDEN TESTS"), "", cell.source, flags=re.DOTALL)
    return notebook


def run(notebook, monkeypatch, folder):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    NotebookClient(notebook, timeout=180, allow_errors=True, resources={"metadata": {"path": folder}}).execute()
    return notebook


def errors(cells):
    return [(cell.id, out.ename, out.evalue) for cell in cells for out in cell.outputs if out.output_type == "error"]


def points(cell):
    """As nbgrader reads them: the number that the cell ends with, else all for a cell without an error."""
    if errors([cell]):
        return 0.0
    results = [out.data["text/plain"] for out in cell.outputs if out.output_type == "execute_result"]
    return float(results[-1]) if results else float(cell.metadata.nbgrader.points)


def text_of(cell):
    return "\n".join(out.data["text/plain"] for out in cell.outputs if "data" in out)


def test_there_are_assignments():
    assert len(SOURCES) >= 3


@each_notebook
def test_metadata_are_complete(path):
    cells = [cell for cell in read(path).cells if "nbgrader" in cell.metadata]
    for cell in cells:
        meta = cell.metadata.nbgrader
        assert KEYS | ({"points"} if meta.grade else set()) == set(meta), cell.id
        assert meta.schema_version == 3 and not meta.task
        assert meta.locked or meta.solution
        assert ("### BEGIN SOLUTION" in cell.source) == meta.solution
        assert "### BEGIN HIDDEN TESTS" not in cell.source or (meta.grade and meta.locked)
        for kind in ("SOLUTION", "HIDDEN TESTS"):
            assert cell.source.count(f"### BEGIN {kind}") == cell.source.count(f"### END {kind}")
    ids = [cell.metadata.nbgrader.grade_id for cell in cells]
    assert len(ids) == len(set(ids))


@each_notebook
def test_nbgrader_accepts_the_metadata(path):
    validator = pytest.importorskip("nbgrader.nbgraderformat").MetadataValidator()
    validator.validate_nb(read(path))


@each_notebook
def test_the_table_of_tasks_adds_up(path):
    notebook = read(path)
    rows = re.findall(r"^\| \d\. .*? \| (\d+) \| (\d+) \| ([●○]{3}) \|$", notebook.cells[0].source, flags=re.MULTILINE)
    together = re.search(r"^\| \*\*Together\*\* \| \*\*(\d+)\*\* \| \*\*(\d+)\*\* \|", notebook.cells[0].source, re.M)
    assert sum(int(row[0]) for row in rows) == int(together[1])
    assert sum(int(row[1]) for row in rows) == int(together[2]) and 45 <= int(together[2]) <= 120
    assert sum(cell.metadata.nbgrader.points for cell in graded(notebook)) == int(together[1])
    tasks = [cell.source for cell in notebook.cells if re.match(r"#+ Task \d", cell.source)]
    assert len(tasks) == len(rows)
    for task, (worth, minutes, stars) in zip(tasks, rows, strict=True):
        assert f"\n{worth} points · {minutes} minutes · {stars}\n" in task
        assert task.count("<details>") == task.count("</details>") == 3


@each_notebook
def test_a_graded_cell_ends_in_a_number_or_an_assertion(path):
    for cell in graded(read(path)):
        for source in (cell.source, stripped(nbformat.v4.new_notebook(cells=[cell])).cells[0].source):
            assert isinstance(ast.parse(source).body[-1], ast.Expr | ast.Assert), cell.id


@each_notebook
def test_the_student_stands_alone_in_a_cell(path):
    notebook = read(path)
    (student,) = [cell for cell in notebook.cells if "student" in cell.metadata.get("tags", [])]
    assert student.source == 'STUDENT = "sample"'
    following = notebook.cells[notebook.cells.index(student) + 1]
    assert "checks.variant(STUDENT)" in following.source and following.metadata.nbgrader.locked
    assert notebook.cells[-1].source == "checks.report()"


@each_notebook
def test_it_is_committed_without_outputs(path):
    code = [cell for cell in read(path).cells if cell.cell_type == "code"]
    assert all(cell.execution_count is None and not cell.outputs for cell in code)


@each_notebook
def test_right_answers_earn_all_points(path, monkeypatch, tmp_path):
    notebook = read(path)
    (student,) = [cell for cell in notebook.cells if "student" in cell.metadata.get("tags", [])]
    student.source = 'STUDENT = "Zoë 7"'  # not the sample: a solution must compute with the numbers of any student
    run(notebook, monkeypatch, tmp_path)
    assert errors(cell for cell in notebook.cells if cell.cell_type == "code") == []
    for cell in graded(notebook):
        assert points(cell) == cell.metadata.nbgrader.points, (cell.id, text_of(cell))


@each_notebook
def test_an_empty_copy_runs_to_its_report_with_no_points(path, monkeypatch, tmp_path):
    notebook = run(stripped(read(path)), monkeypatch, tmp_path)
    assert errors(graded(notebook)) == []
    assert {cell.id: points(cell) for cell in graded(notebook) if points(cell)} == {}
    assert "Together: 0 of" in text_of(notebook.cells[-1])
