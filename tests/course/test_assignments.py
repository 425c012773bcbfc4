"""Every assignment: complete; right answers earn all points, empty and missing ones none and are told why."""

import ast
import re
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from resnet_course import checks
from resnet_course.classroom.cells import is_probe

ROOT = Path(__file__).parents[2]
ASSIGNMENTS = ROOT / "resnet_course/assignments"
SOURCES = sorted(path for path in ASSIGNMENTS.glob("*/*.ipynb") if path.stem == path.parent.name)
KEYS = {"grade", "grade_id", "locked", "schema_version", "solution", "task"}
REGION = r"( *)### BEGIN {0}\n.*?### END {0}"
FORM = ["title", "install", "imports", "student", "variant"]

each_notebook = pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def graded(notebook):
    """The cells that give points by themselves."""
    return [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade") and not written([cell])]


def written(cells):
    """The cells that a person reads."""
    return [cell for cell in cells if cell.cell_type == "markdown" and "nbgrader" in cell.metadata]


def worth(cells):
    return sum(cell.metadata.nbgrader.points for cell in cells)


def stripped(notebook):
    """What a student gets: no solutions, no hidden tests, no probes."""
    notebook.cells = [cell for cell in notebook.cells if not is_probe(cell)]
    for cell in notebook.cells:
        stub = "*Write here.*" if written([cell]) else r"\1raise NotImplementedError"
        cell.source = re.sub(REGION.format("SOLUTION"), stub, cell.source, flags=re.DOTALL)
        cell.source = re.sub(REGION.format("HIDDEN TESTS"), "", cell.source, flags=re.DOTALL)
    return notebook


def run(notebook, monkeypatch, folder):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    NotebookClient(notebook, timeout=180, allow_errors=True, resources={"metadata": {"path": folder}}).execute()
    return notebook


def errors(cells):
    outputs = [(cell.id, out) for cell in cells if cell.cell_type == "code" for out in cell.outputs]
    return [(name, out.ename, out.evalue) for name, out in outputs if out.output_type == "error"]


def points(cell):
    """As nbgrader reads them: the number that the cell ends with."""
    (result,) = [out.data["text/plain"] for out in cell.outputs if out.output_type == "execute_result"]
    return float(result)


def play(notebook, change=lambda cell: cell.source):
    """Run the cells in this process, quicker than in a kernel; the result of each graded one."""
    names, results = {"__name__": "__main__"}, {}
    checks.forget()
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.id not in ("install", "train") and not is_probe(cell):
            exec(compile(change(cell), cell.id, "exec"), names)
        if cell in graded(notebook):
            results[cell.id] = names["result"]
    return results


def text_of(cell):
    return "\n".join(out.data["text/plain"] for out in cell.outputs if "data" in out)


def test_there_are_assignments():
    assert len(SOURCES) == 6


@each_notebook
def test_it_has_the_form_of_the_others(path):
    cells = read(path).cells
    ids = [cell.id for cell in cells]
    assert ids[: len(FORM)] == FORM and ids[-2:] == ["closing", "report"]
    assert cells[1] == read(SOURCES[0]).cells[1]
    assert "**After this assignment you can**" in cells[0].source and "**You need**" in cells[0].source
    assert "**How it works.**" in cells[0].source
    for cell in cells:
        about = cell.metadata.get("nbgrader", {})
        ending = "-answer" if about.get("solution") else "-test" if about.get("grade") else ""
        assert about.get("grade_id", cell.id) == cell.id and cell.id.endswith(ending)
        prose = [line for line in cell.source.splitlines() if not line.startswith("|")]
        assert max(map(len, prose)) <= 120, cell.id


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
    assert worth(graded(notebook) + written(notebook.cells)) == int(together[1])
    tasks = [i for i, cell in enumerate(notebook.cells) if re.match(r"## Task \d: ", cell.source)]
    assert len(tasks) == len(rows)
    for i, end, (points_, minutes, stars) in zip(tasks, [*tasks[1:], None], rows, strict=True):
        text, cells = notebook.cells[i].source, notebook.cells[i:end]
        assert f"\n{points_} points · {minutes} minutes · {stars}\n" in text
        assert worth(graded(nbformat.v4.new_notebook(cells=cells)) + written(cells)) == int(points_)
        assert text.count("<details>") == text.count("</details>") == 3
        assert "**Write" in text and "*Why:* " in text


@each_notebook
def test_a_written_part_has_a_rubric_worth_its_points(path):
    cells = read(path).cells
    for cell in written(cells):
        assert cell.metadata.nbgrader.solution and not cell.metadata.nbgrader.locked
        task = next(one for one in cells if one.id == cell.id.replace("-answer", "-task"))
        assert sum(map(int, re.findall(r"^\| (\d) \| ", task.source, re.MULTILINE))) == cell.metadata.nbgrader.points


@each_notebook
def test_a_graded_cell_ends_in_the_points_of_its_check(path):
    for cell in graded(read(path)):
        for source in (cell.source, stripped(nbformat.v4.new_notebook(cells=[cell])).cells[0].source):
            assert ast.unparse(ast.parse(source).body[-1]) == "result.points", cell.id


@each_notebook
def test_the_student_stands_alone_in_a_cell(path):
    notebook = read(path)
    (student,) = [cell for cell in notebook.cells if "student" in cell.metadata.get("tags", [])]
    assert student.source == 'STUDENT = "sample"'
    following = notebook.cells[notebook.cells.index(student) + 1]
    assert "checks.variant(STUDENT)" in following.source and following.metadata.nbgrader.locked


@each_notebook
def test_the_report_knows_all_points(path):
    notebook = read(path)
    (call,) = re.findall(r"^checks\.report\((.*)\)$", notebook.cells[-1].source)
    given = eval(f"dict({call})")
    assert given["points"] == worth(graded(notebook))
    assert list(given.get("written", {}).values()) == [
        cell.metadata.nbgrader.points for cell in written(notebook.cells)
    ]


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
    assert errors(notebook.cells) == []
    for cell in graded(notebook):
        assert points(cell) == cell.metadata.nbgrader.points, (cell.id, text_of(cell))
    full, read_later = worth(graded(notebook)), worth(written(notebook.cells))
    assert f"Together: {full} of {full} points" in text_of(notebook.cells[-1])
    assert (f"; {read_later} points read by your instructor" in text_of(notebook.cells[-1])) == bool(read_later)


@each_notebook
def test_an_empty_copy_runs_to_its_report_with_no_points(path, monkeypatch, tmp_path):
    notebook = run(stripped(read(path)), monkeypatch, tmp_path)
    assert errors(notebook.cells) == []  # Jupyter would stop there
    assert {cell.id: points(cell) for cell in graded(notebook) if points(cell)} == {}
    assert f"Together: 0 of {worth(graded(notebook))} points" in text_of(notebook.cells[-1])


@each_notebook
@pytest.mark.parametrize("version", ["source", "copy"])
def test_answers_that_are_not_there_are_told_and_stop_nothing(path, version):
    notebook = read(path) if version == "source" else stripped(read(path))
    results = play(notebook, lambda cell: "" if cell.metadata.get("nbgrader", {}).get("solution") else cell.source)
    assert list(results) == [cell.id for cell in graded(notebook)]
    for name, result in results.items():
        assert result.points == 0 and result.keys[0] == "not_defined", (name, result)
        assert re.search(r"Nothing is called \w+ here", str(result))


def test_a_renamed_answer_is_asked_after_and_costs_its_own_task_alone():
    results = play(read(SOURCES[1]), lambda cell: re.sub("class PaddedBlock", "class padded_blok", cell.source))
    assert [name for name, result in results.items() if not result.passed] == ["option-a-test"]
    assert results["option-a-test"].points == 0
    assert results["option-a-test"].diagnosis[1].startswith("Did you rename it to padded_blok?")


def test_before_grading_a_hidden_test_is_announced():
    """In a student's copy, with right answers."""
    notebook = read(SOURCES[3])
    for cell in graded(notebook):
        cell.source = re.sub(REGION.format("HIDDEN TESTS"), "", cell.source, flags=re.DOTALL)
    results = play(notebook)
    assert [name for name, result in results.items() if result.waits] == ["planning-test"]
    assert str(checks.report(points=31)).endswith("Together: 28 of 28 points; 3 points looked at when graded")


@each_notebook
def test_every_test_is_followed_by_a_probe(path):
    code = [cell for cell in read(path).cells if cell.cell_type == "code"]
    assert [one.id for one, after in pairwise(code) if one in graded(read(path)) and not is_probe(after)] == []
