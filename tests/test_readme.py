"""The README states nothing that the code or a record does not."""

import re
import shlex
import statistics
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from resnet_course.command import STEPS
from resnet_tutorial import ARCHITECTURES, cli, create_model, export_weights, load_dataset, summarize
from resnet_tutorial.analysis import seed_difference
from resnet_tutorial.cli.parser import parse
from resnet_tutorial.models import total
from resnet_tutorial.training import load_recipe, read_record
from resnet_tutorial.weights import pretrained_file, read_weights
from resnet_tutorial.weights.layouts import LAYOUTS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


TWINS = ("Plain-20", "ResNet-20")
RESNETS = [arch for arch in ARCHITECTURES.values() if arch.kind == "resnet"]


@pytest.mark.parametrize("arch", RESNETS, ids=lambda arch: arch.name)
def test_the_table_of_networks(arch):
    with torch.device("meta"):
        parameters, macs = total(summarize(create_model(arch.name)))
    blocks = f"{', '.join(map(str, arch.blocks))} {arch.block}"
    stages = arch.family.removesuffix("-stage")
    assert f"| {arch.title} | {stages} | {blocks} | {parameters:,} | {macs / 1e6:,.1f} |" in README


def test_the_results_are_those_of_the_records():
    results = README.partition("## What is measured")[2].partition("## ")[0]
    shipped = read_weights(pretrained_file("resnet20.cifar10")).metadata["record"]
    assert f"**{shipped['test']['accuracy']:.2f} %** after {len(shipped['history'])} epochs of the recipe" in results
    assert shipped["data"]["train"] == 50_000
    spread = results.split("Fifteen epochs of `quick`")[1].split("- The same with one seed")[0]
    for title, mean, sd in re.findall(r"(ResNet-20|Plain-20) (\d\d\.\d\d) ± (\d\.\d\d) %", spread):
        seeds = [_accuracy(title, f"epochs-15-seed{seed}") for seed in range(3)]
        assert (f"{statistics.mean(seeds):.2f}", f"{statistics.stdev(seeds):.2f}") == (mean, sd)
    gap = seed_difference(*([_accuracy(name, f"epochs-15-seed{seed}") for seed in range(3)] for name in TWINS))
    assert f"{gap.value:.1f} points lower (95 % interval {gap.low:.1f} to {gap.high:.1f})" in spread.replace(
        "\n  ", " "
    )
    once, ten = results.split("The same with one seed")[1].split("Ten epochs")
    for said, seed in ((once, "epochs-15-seed0"), (ten, "seed0")):
        found = re.findall(r"(ResNet-\d+|Plain-\d+) (\d\d\.\d\d) %", said)
        assert len(found) == 2 and all(f"{_accuracy(title, seed):.2f}" == accuracy for title, accuracy in found)


def _accuracy(title, run):
    name = title.lower().replace("-", "")
    record = read_record(ROOT / f"book/results/{name}-cifar10-quick-{run}.json")
    assert record.data["train"] == 45_000
    return record.test["accuracy"]


def test_the_eight_lines_run(tmp_path, monkeypatch):
    """The README's Python, with a run of one epoch on few images, and few to score."""
    code = re.findall(r"```python\n(.*?)```", README, re.S)[0].replace("train_size=5000", "**SHORT")
    short = {"train_size": 40, "precision": "fp32", "recipe": replace(load_recipe("quick"), epochs=1, batch_size=20)}
    names = {"SHORT": short, "FEW": [part.subset(200) for part in load_dataset()]}
    code = code.replace("rt.load_dataset()", "FEW")
    monkeypatch.chdir(tmp_path)
    exec(code.replace('recipe="quick", ', ""), names)
    assert names["trained"].run["record"]["test"] == names["record"].test
    assert names["scores"].accuracy == names["record"].test["accuracy"] == names["table"].frame["test"].item()
    assert torch.equal(names["trained"].model.fc.weight, names["model"].fc.weight)


def test_the_lines_on_weights_run(tmp_path, monkeypatch):
    (code,) = (code for code in re.findall(r"```python\n(.*?)```", README, re.S) if "load_weights" in code)
    state = export_weights(create_model("resnet20"), "idelbayev")
    torch.save({"state_dict": state, "best_prec1": 91.73}, tmp_path / "resnet20-12fca82f.th")
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(code, names)
    assert names["loaded"].mean == (0.485, 0.456, 0.406)
    assert all(torch.equal(state[name], value) for name, value in names["state_dict"].items())


def test_the_table_of_layouts():
    assert re.findall(r"^\| `(\w+)` \|", README.partition("## Weights")[2].partition("## ")[0], re.M) == list(LAYOUTS)


def test_every_flag_is_known():
    """Each command of the README, as far as the parser reads it."""
    seen = set()
    for line in re.findall(r"^(?:resnet-tutorial|torchrun .* -m resnet_tutorial) (.*)$", README, re.M):
        command, *words = shlex.split(line, comments=True)
        if command == "classroom":
            parse(STEPS[words[0]], f"classroom {words[0]}", words[1:])
            continue
        parse(cli.COMMANDS[command], command, words)
        seen.add(command)
    assert {"train", "evaluate", "predict", "export", "compare", "bench", "summary", "identify"} <= seen
