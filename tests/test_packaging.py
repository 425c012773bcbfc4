"""The package as others install it."""

import importlib
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from resnet_course.command import STEPS
from resnet_tutorial.cli import COMMANDS

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA_NAMES = {"torch": "pytorch", "build": "python-build"}


def test_environment_and_pyproject_are_in_step():
    extras = PROJECT["optional-dependencies"]
    wanted = {f"python{PROJECT['requires-python']}", "pip"}
    for requirement in PROJECT["dependencies"] + extras["book"] + extras["dev"]:
        name = re.match(r"[\w-]+", requirement)[0]
        wanted.add(requirement.replace(name, CONDA_NAMES.get(name, name), 1))
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert {*listed[:-1], *listed[-1]["pip"]} == wanted | {"--editable ."}  # the last entry: what conda does not have


def test_requirements_are_ranges():
    extras = [requirement for group in PROJECT["optional-dependencies"].values() for requirement in group]
    for requirement in PROJECT["dependencies"] + extras:
        assert ">=" in requirement and "==" not in requirement


def test_the_wheel_holds_what_the_package_needs(tmp_path):
    # The build tools of this environment: an isolated build would download them.
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    packages = [ROOT / name for name in ("resnet_tutorial", "resnet_course")]
    files = [
        path
        for package in packages
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    wanted = {path.relative_to(ROOT).as_posix() for path in files if not path.name.startswith(".")}
    assert {path.suffix for path in files} == {".py", ".yml", ".js", ".css", ".svg", ".typed", ".safetensors", ".ipynb"}
    assert wanted == {name for name in names if ".dist-info/" not in name}


HEAVY = ["torch", "numpy", "torchvision", "matplotlib", "ipywidgets", "IPython", "PIL", "pandas", "scipy"]
LAZY = ["resnet_tutorial", *(f"resnet_tutorial.{part}" for part in ("analysis", "data", "models", "training"))]


def loaded(script: str, names: list[str]) -> list[str]:
    """Which of the modules a fresh process has loaded at the end of a script."""
    script = f"import sys\n{script}\nprint(*[name for name in {names} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return result.stdout.splitlines()[-1].split()


def test_import_is_light():
    light = [*LAZY, "resnet_tutorial.training.config", "resnet_tutorial.training.recipe_files"]
    assert loaded(f"import {', '.join(light)}", HEAVY) == []
    assert loaded("from resnet_tutorial import *\nResNet", HEAVY) == ["torch", "numpy"]


def test_help_is_light():
    """Of each command and step, and so are mistakes in the words."""
    lines = [[], *([name, "--help"] for name in COMMANDS), *(["classroom", step, "--help"] for step in STEPS)]
    lines += [["train", "-c", "paper", "--help"], ["train", "--epoch", "3"], ["trian"], ["--version"]]
    script = f"""
from resnet_tutorial import cli
for argv in {lines}:
    try:
        cli.main(argv)
    except SystemExit as stop:
        assert stop.code == (0 if not argv or argv[-1] in ("--help", "--version") else 2), argv"""
    assert loaded(script, HEAVY) == []


@pytest.mark.parametrize("package", LAZY)
def test_every_public_name_is_there_when_asked_for(package):
    module = importlib.import_module(package)
    modules = {path.stem for path in Path(module.__file__).parent.iterdir()}
    assert {*module.__all__, "__name__"} <= set(dir(module)) and not modules & set(module.__all__)
    assert all(hasattr(module, name) for name in dir(module))
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'reset'"):
        module.reset  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'reset'"):
        exec(f"from {package} import reset")
