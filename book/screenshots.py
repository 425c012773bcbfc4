"""The sample course of the Teaching pages, and the pictures of it: `python book/screenshots.py NEW_FOLDER`.

An invented class hands in right, half-right and wrong work. Each command and its answer is printed as the pages show
it, and the pictures go into book/_static/teaching. Needs the extras `instructor`, `book` and `site`, and about five
minutes. Run it again when an assignment, a command or a check has changed what it says, and look at every picture.
"""

import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import nbformat
from PIL import Image

PICTURES = Path(__file__).parent / "_static" / "teaching"
WINDOW = {"viewport": {"width": 1000, "height": 720}, "device_scale_factor": 1.3}  # 1,300 pixels wide
LARGEST = 120_000  # bytes of a picture
CLASS = """\
id,first_name,last_name,email
haddad,Omar,Haddad,haddad@example.edu
hartmann,Lena,Hartmann,hartmann@example.edu
lind,Jonas,Lind,lind@example.edu
mori,Kenji,Mori,mori@example.edu
okafor,Mira,Okafor,okafor@example.edu
ribeiro,Sofia,Ribeiro,ribeiro@example.edu
"""
FIRST, SECOND, SIXTH = "1_convolution", "2_basic_block", "6_small_study"
# Numbers of okafor's, as ribeiro copied them.
COPIED = """\
def predict(v) -> dict[str, int]:
    return {"size": 16, "parameters": 2464, "macs": 1531904, "field": 9, "activations": 14336}
"""
QUESTION = (
    "Is a residual network of 20 layers better than a plain one, in test accuracy on four of the shapes, after four "
    "epochs? I expect so, by some points, because deep plain networks are hard to optimize (He et al. 2016). At 8 "
    "layers I expect no difference. I would be surprised if the plain network of 20 layers were as good."
)
GOOD = """\
At 20 layers the residual network's mean test accuracy is higher than the plain one's; the 95 % interval of the
difference stands in my table above and rests on three seeds each. At 8 layers the interval holds 0, so these runs do
not decide.
This is what I expected for 20 layers.

A seed changes the initial weights and the order of the images. It does not change the test images, the data or the
recipe, so the interval leaves those out. The study is small: half the width, 16 × 16 pixels, four epochs, about 1,200
images. The learning rate of 0.1 may suit the plain network less. Next I would record the training error: if the plain
network is worse there, too, it is the degradation problem, and not generalization.
"""
WEAK = "Residual networks are clearly better than plain networks, as my table proves. Deeper is better, too."

Edit = Callable[[str], str]


def swap(old: str, new: str) -> Edit:
    """An edit that must find its text, so that this script notices when an assignment changes."""

    def edit(source: str) -> str:
        if old not in source:
            raise ValueError(f"no {old!r} in the solution")
        return source.replace(old, new)

    return edit


def says(text: str) -> Edit:
    """An edit that puts another answer in the place of the solution."""
    return lambda source: text


SUM = "F.relu(self.bn2(self.conv2(out)) + self.shortcut(x))"
OPEN = None  # a task that the student did not begin
# For each assignment and student: what is done to the solved notebook, by a text of the cell.
WORK: dict[str, dict[str, dict[str, Edit | None]]] = {
    FIRST: {
        "haddad": {"def convolve": OPEN, "def predict": OPEN},
        "lind": {
            "def output_size": swap("2 * padding", "padding"),
            "def conv_macs": swap("output_size(", "(lambda n, *_: n)("),
        },
        "mori": {"def receptive_field": swap("        step *= stride\n", "")},
        "okafor": {},
        "ribeiro": {"def predict": says(COPIED)},
    },
    SECOND: {
        "hartmann": {"def predict": swap("    c, d, positions", "    while True:\n        pass\n    c, d, positions")},
        "lind": {"class BasicBlock": swap(SUM, SUM.removeprefix("F.relu(").removesuffix(")"))},
        "mori": {"class BasicBlock": swap("stride != 1 or in_channels != width", "stride != 1")},
        "okafor": {},
        "ribeiro": {"def zero_pad": swap("new // 2, new - new // 2", "0, new")},
    },
    SIXTH: {
        "lind": {"I compare": says("Which is better?"), "With 20 layers": says(WEAK)},
        "okafor": {"I compare": says(QUESTION), "With 20 layers": says(GOOD)},
    },
}
# What a person gives in formgrader: points of tasks 1 and 7, and a comment on task 7.
READ = {
    "lind": ("0", "1", "Which difference, with which interval? And what would speak against it?"),
    "okafor": ("3", "8", "Clear and careful. Give the numbers in the text as well."),
}


def run(folder: Path, line: str) -> None:
    """Run a command in a folder, and print it with its answer."""
    program, *words = shlex.split(line)
    module = {"resnet-tutorial": "resnet_tutorial", "nbgrader": "nbgrader"}[program]
    print(f"$ {line}", flush=True)
    subprocess.run([sys.executable, "-m", module, *words], cwd=folder, stderr=subprocess.STDOUT, check=True)
    print(flush=True)


def work(course: Path, assignment: str, student: str) -> nbformat.NotebookNode:
    """A student's copy with answers in it."""
    source = nbformat.read(course / "source" / assignment / f"{assignment}.ipynb", as_version=4)
    copy = nbformat.read(course / "release" / assignment / student / f"{assignment}.ipynb", as_version=4)
    solved = {cell.metadata.nbgrader.grade_id: cell.source for cell in source.cells if "nbgrader" in cell.metadata}
    for cell in copy.cells:
        if not cell.metadata.get("nbgrader", {}).get("solution"):
            continue
        lines = solved[cell.metadata.nbgrader.grade_id].splitlines(keepends=True)
        answer = "".join(line for line in lines if not line.strip().startswith("### "))
        edits = [edit for text, edit in WORK[assignment][student].items() if text in answer]
        if OPEN in edits:
            continue
        for edit in edits:
            answer = edit(answer)
        cell.source = answer.strip("\n")
    return copy


def hand_in(course: Path) -> None:
    """What lies in the instructor's downloads: a zip file of Canvas, a folder of Moodle, a folder of mail."""
    people = dict(line.split(",", 1) for line in CLASS.splitlines()[1:])
    with zipfile.ZipFile(course.parent / "submissions.zip", "w") as archive:
        for number, student in enumerate(WORK[FIRST]):
            first, last, _ = people[student].split(",")
            notebook = work(course, FIRST, student)
            if student == "mori":  # loses a cell, and alters another
                notebook.cells = [cell for cell in notebook.cells if "def conv_macs" not in cell.source]
                for cell in notebook.cells:
                    cell.source = cell.source.replace("points=5", "points=50")
            name = f"{last}{first}_{4711 + number}_{90210 + number}_{FIRST}.ipynb".lower()
            archive.writestr(name, nbformat.writes(notebook))
    for number, student in enumerate(WORK[SECOND]):
        first, last, _ = people[student].split(",")
        folder = course.parent / "moodle" / f"{first} {last}_{51234 + number}_assignsubmission_file"
        folder.mkdir(parents=True)
        nbformat.write(work(course, SECOND, student), folder / f"{SECOND}.ipynb")
    (course.parent / "mail").mkdir()
    for student in WORK[SIXTH]:
        nbformat.write(work(course, SIXTH, student), course.parent / "mail" / f"{student}.ipynb")


@contextmanager
def browse(folder: Path) -> Iterator[tuple]:
    """A page of headless Chromium, and the address of a JupyterLab of its own that shows the folder."""
    from playwright.sync_api import sync_playwright

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = folder.parent / "settings" / "@jupyterlab"
    for plugin, text in (
        ("notebook-extension/tracker", '{"windowingMode": "none"}'),
        ("apputils-extension/notification", '{"fetchNews": "false", "checkForUpdates": false}'),
    ):
        file = settings / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    own = {name: str(folder.parent / "jupyter") for name in ("JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR")}
    flags = ["--no-browser", "--allow-root", "--IdentityProvider.token=", f"--ServerApp.port={port}"]
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *flags],
        cwd=folder,
        env=os.environ | own | {"JUPYTERLAB_SETTINGS_DIR": str(settings.parent)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(60):
            try:
                urllib.request.urlopen(f"{address}/api").close()
                break
            except OSError:
                time.sleep(1)
        with sync_playwright() as playwright:
            path = shutil.which("chromium") or shutil.which("google-chrome")
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
            yield browser.new_page(**WINDOW), address
    finally:
        server.terminate()
        server.wait()


def keep(page, name: str, clip: dict | None = None) -> None:
    """Write what the page shows now, in few colors."""
    picture = Image.open(BytesIO(page.screenshot(clip=clip))).convert("RGB")
    path = PICTURES / f"{name}.png"
    picture.quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path.name}: {picture.width} × {picture.height}, {size // 1000} kB")
    if size > LARGEST:
        raise ValueError(f"{path} has {size} bytes, more than {LARGEST}")


def picture_student(course: Path) -> None:
    """A student's copy in JupyterLab: a check that says what is wrong, and the points so far."""
    desk = course.parent / "desk"
    desk.mkdir(exist_ok=True)
    nbformat.write(work(course, SECOND, "lind"), desk / f"{SECOND}.ipynb")
    with browse(desk) as (page, address):
        page.goto(f"{address}/doc/tree/{SECOND}.ipynb")
        page.locator(".jp-CodeCell").last.wait_for()
        page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').wait_for()  # the kernel has started
        page.wait_for_timeout(2000)  # its menus, too
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.locator(".lm-Menu-item", has_text="Run All Cells").first.click()
        page.locator("th", has_text="Together").wait_for(timeout=300_000)
        show(page, "negative numbers", 600)
        keep(page, "check")
        show(page, "Together", 400)
        keep(page, "report", {"x": 34, "y": 60, "width": 934, "height": 390})


def show(page, text: str, height: int) -> None:
    """Scroll until the last place that says the text stands so many pixels below the upper edge."""
    page.get_by_text(text).last.evaluate(
        """(element, height) => {
            const box = element.closest('.jp-WindowedPanel-outer') || document.scrollingElement;
            box.scrollTop += element.getBoundingClientRect().top - height;
        }""",
        height,
    )
    page.wait_for_timeout(1000)


def read_written_parts(course: Path) -> None:
    """Give points for the written parts in formgrader, as a person would, and take its picture."""
    with browse(course) as (page, address):
        for number in range(len(READ)):
            page.goto(f"{address}/formgrader/gradebook/{SIXTH}/{SIXTH}")
            page.get_by_text(f"Submission #{number + 1}", exact=True).click()
            page.locator("input.score").last.wait_for()
            page.wait_for_timeout(2000)
            student = "lind" if page.get_by_text("Which is better?").count() else "okafor"
            question, paragraph, comment = READ[student]
            written = [box for box in page.locator("input.score").all() if not box.get_attribute("placeholder")]
            for box, points in zip(written, (question, paragraph), strict=True):
                box.fill(points)
                box.press("Tab")
            page.locator("textarea.comment").last.fill(comment)
            page.locator("textarea.comment").last.press("Tab")
            page.wait_for_timeout(2000)
            if student == "okafor":
                written[-1].evaluate("box => window.scrollBy(0, box.getBoundingClientRect().top - 400)")
                page.wait_for_timeout(500)
                keep(page, "formgrader")


def picture_feedback(course: Path) -> None:
    """The feedback page of lind, and what mori is told about the file."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(**WINDOW)
        page.goto((course / "feedback" / "lind" / SECOND / f"{SECOND}.html").as_uri())
        keep(page, "feedback", {"x": 0, "y": 0, "width": 1000, "height": 420})
        show(page, "negative numbers", 560)
        keep(page, "feedback_task")
        page.goto((course / "feedback" / "mori" / FIRST / f"{FIRST}.html").as_uri())
        show(page, "About the file", 100)
        keep(page, "mended", {"x": 0, "y": 60, "width": 1000, "height": 300})


def main(folder: Path) -> None:
    folder.mkdir(parents=True)
    PICTURES.mkdir(parents=True, exist_ok=True)
    (folder / "class.csv").write_text(CLASS, encoding="utf-8")
    course = folder / "course"
    run(folder, "resnet-tutorial classroom init course --students class.csv")
    for assignment in WORK:
        run(course, f"resnet-tutorial classroom release {assignment}")
    picture_student(course)
    hand_in(course)
    for assignment, place in ((FIRST, "submissions.zip"), (SECOND, "moodle"), (SIXTH, "mail")):
        run(course, f"resnet-tutorial classroom collect {assignment} ../{place}")
    run(course, f"resnet-tutorial classroom grade {FIRST}")
    run(course, f"resnet-tutorial classroom grade {SECOND} --cell-seconds 20")
    run(course, f"resnet-tutorial classroom grade {SIXTH}")
    run(course, "resnet-tutorial classroom export grades.csv")
    read_written_parts(course)
    for assignment in WORK:
        run(course, f"resnet-tutorial classroom feedback {assignment}")
    for form in ("plain", "canvas", "moodle"):
        run(course, f"resnet-tutorial classroom export {form}.csv --form {form}")
        print((course / f"{form}.csv").read_text(encoding="utf-8"))
    picture_feedback(course)
    (course.parent / "class.csv").write_text(f"{CLASS}vesely,Nora,Vesely,vesely@example.edu\n")
    run(course, "resnet-tutorial classroom roster ../class.csv")
    run(course, f"resnet-tutorial classroom release {FIRST}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
