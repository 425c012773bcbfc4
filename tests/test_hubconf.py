"""The networks through torch.hub."""

import importlib.util
import shutil
from pathlib import Path

import pytest
import torch

from resnet_tutorial import InputError, create_model, list_models, list_pretrained

ROOT = Path(__file__).parents[1]
SMALL = ["resnet20", "plain32", "preact44", "resnet18"]


def load(name: str, *args, **options):
    return torch.hub.load(str(ROOT), name, *args, source="local", trust_repo=True, **options)


@pytest.fixture
def cached_repository(tmp_path, monkeypatch):
    """A repository that torch.hub has downloaded before; `list` and `help` know no other."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "someone_repository_main"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "hubconf.py", folder)
    return "someone/repository:main"


@pytest.mark.parametrize("name", SMALL)
def test_load_builds_what_create_model_builds(name):
    torch.manual_seed(0)
    ours = create_model(name, num_classes=7, in_channels=1, width=0.5)
    torch.manual_seed(0)
    theirs = load(name, num_classes=7, in_channels=1, width=0.5)
    assert type(theirs) is type(ours) and theirs.arch == ours.arch
    torch.testing.assert_close(dict(theirs.state_dict()), dict(ours.state_dict()), rtol=0, atol=0)


def test_other_depths_and_wrong_options():
    assert load("create_model", "resnet8", 5).arch.depth == 8
    with pytest.raises(InputError, match="shortcut must be"):
        load("resnet20", shortcut="D")


def test_trained_networks_come_trained():
    network, tag = next(iter(list_pretrained())).split(".")
    model = load(network, pretrained=True)
    assert torch.equal(model.conv1.weight, create_model(network, pretrained=tag).conv1.weight)


def test_list_and_help(cached_repository):
    options = {"trust_repo": True, "skip_validation": True}
    assert sorted(torch.hub.list(cached_repository, verbose=False, **options)) == sorted(
        ["create_model", *list_models()]
    )
    words = torch.hub.help(cached_repository, "preact164", **options)
    assert "Pre-activation ResNet-164" in words and "18, 18, 18 bottleneck" in words and "stochastic_depth" in words
    assert "no shortcuts" in torch.hub.help(cached_repository, "plain20", **options)


def test_dependencies_are_those_of_the_package():
    tomllib = pytest.importorskip("tomllib")  # Python 3.11 and newer
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    spec = importlib.util.spec_from_file_location("hubconf", ROOT / "hubconf.py")
    spec.loader.exec_module(hubconf := importlib.util.module_from_spec(spec))
    modules = {"pillow": "PIL", "pyyaml": "yaml"}
    packages = [requirement.split(">=")[0] for requirement in project["dependencies"]]
    assert sorted(hubconf.dependencies) == sorted(modules.get(package, package) for package in packages)
