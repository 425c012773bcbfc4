"""The versions that the workflows test are those that pyproject.toml promises."""

import re
from pathlib import Path

import pytest
import yaml

from tests.test_packaging import PROJECT

WORKFLOWS = sorted((Path(__file__).parents[1] / ".github/workflows").glob("*.yml"))


def bound(name: str) -> str:
    """The lowest version of a dependency, as in `torch>=2.6`."""
    (requirement,) = (entry for entry in PROJECT["dependencies"] if re.fullmatch(rf"{name}>=[\d.]+", entry))
    return requirement.partition(">=")[2]


def test_the_oldest_versions_are_the_bounds_and_the_newest_are_free():
    (path,) = (path for path in WORKFLOWS if path.stem == "tests")
    matrix = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]["test"]["strategy"]["matrix"]
    oldest, newest = matrix["versions"]
    assert f">={oldest['python']}" == PROJECT["requires-python"]
    assert oldest["torch"] == f"torch=={bound('torch')}.* torchvision=={bound('torchvision')}.*"
    assert newest["torch"] == "torch torchvision" and newest["python"] > oldest["python"]
    assert [name.partition("-")[0] for name in matrix["os"]] == ["ubuntu", "macos", "windows"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_may_do_no_more_than_they_need(path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert "timeout-minutes" in job or "permissions" in job
