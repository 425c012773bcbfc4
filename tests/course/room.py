"""A small class, a short assignment, and what is handed in."""

import json
import zipfile
from dataclasses import dataclass

import nbformat
from traitlets.config import Config

from resnet_course.classroom import Course
from resnet_course.classroom.class_list import Student

NAME = "1_convolution"
CLASS = [
    Student("brandt", "Lena", "Brandt", "brandt@school.example"),
    Student("oduya", "Femi", "Oduya", "oduya@school.example"),
    Student("krueger", "Jürgen", "Krüger", "krueger@school.example"),
    Student("park", "Ji-woo", "Park", "park@school.example"),
    Student("parksoo", "Soo", "Park", "parksoo@school.example"),
    Student("naess", "Åse", "Næss", "a.naess@school.example"),
    Student("oshea", "Seán", "O'Shea", "s.oshea@school.example"),
    Student("wang", "芳", "王", ""),
    Student("kiran", "किरण", "शर्मा", ""),
    Student("tereshchenko", "Фёдор", "Терещенко", ""),
]


@dataclass(frozen=True)
class Room(Course):
    """A course without a gradebook."""

    people: tuple[Student, ...] = ()

    def students(self, left=False):
        return sorted(self.people, key=lambda one: one.id)

    def config(self):
        return Config()

    def release(self, assignment, student):
        return self.root / "release" / assignment / "all.ipynb"


def code(source, **about):
    cell = nbformat.v4.new_code_cell(source)
    if about:
        cell.metadata["nbgrader"] = {"grade": False, "locked": False, "solution": False, "task": False} | about
    return cell


def given():
    cells = [
        nbformat.v4.new_markdown_cell("# Double"),
        code('STUDENT = "sample"'),
        code("import math", grade_id="imports", locked=True),
        code("def double(x):\n    raise NotImplementedError", grade_id="double", solution=True),
        code("double(3) == 6", grade_id="test", grade=True, locked=True, points=1),
    ]
    for i, cell in enumerate(cells):
        cell["id"] = f"cell-{i}"
    return nbformat.v4.new_notebook(cells=cells)


GIVEN = nbformat.writes(given())
RIGHT = "def double(x):\n    return 2 * x"


def work(mark="", student="", change=lambda notebook: None):
    """A file with a right answer. ``mark`` says whose it is, ``student`` what the STUDENT cell says."""
    notebook = json.loads(GIVEN)
    notebook["cells"][1]["source"] = f'STUDENT = "{student}"' if student else "pass"
    notebook["cells"][3]["source"] = f"# by <{mark}>\n{RIGHT}"
    return json.dumps(change(notebook) or notebook).encode()


def room(folder, people=CLASS):
    course = Room(folder / "course", tuple(people))
    (course.root / "source" / NAME).mkdir(parents=True, exist_ok=True)
    course.release(NAME, "").parent.mkdir(parents=True, exist_ok=True)
    course.release(NAME, "").write_text(GIVEN)
    return course


def pack(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items() if isinstance(files, dict) else files:
            archive.writestr(name, data)
    return path


def marks(course):
    found = {one.id: course.submitted(NAME, one.id) for one in course.people}
    texts = {student: path.read_text("utf-8") for student, path in found.items() if path.exists()}
    return {
        student: (text.split("<", 1)[1].split(">")[0] if "by <" in text else None) for student, text in texts.items()
    }
