"""The wheel alone, away from any checkout, takes a course from the class list to feedback."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(sys.platform == "win32", reason="grading is for Linux and macOS")
def test_a_course_from_the_wheel(tmp_path):
    pytest.importorskip("nbgrader")
    # The build tools of this environment: an isolated build would download them.
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    (tmp_path / "class.csv").write_text(
        "id,first_name,last_name,email\nada,Ada,L,a@example.org\nbob,Bob,M,b@example.org\n"
    )

    def classroom(*words: str) -> str:
        environment = os.environ | {"PYTHONPATH": str(tmp_path / "installed"), "PYTHONWARNINGS": "ignore"}
        command = [sys.executable, "-m", "resnet_tutorial", "classroom", *words]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    there = "--course", "course"
    assert "2 students, 6 assignments: 1_convolution" in classroom("init", "course", "--students", "class.csv")
    assert "2 files in" in classroom("release", "1_convolution", *there)
    (tmp_path / "in").mkdir()
    shutil.copy(tmp_path / "course/release/1_convolution/ada/1_convolution.ipynb", tmp_path / "in/ada_1.ipynb")
    assert "1 of 2 have handed in" in classroom("collect", "1_convolution", "in", *there)
    assert "ada: 0 of " in classroom("grade", "1_convolution", *there)
    assert "1 page in" in classroom("feedback", "1_convolution", *there)
