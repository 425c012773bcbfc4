"""The commands, as a user runs them."""

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from resnet_tutorial import __version__, cli, create_model, list_models, summarize
from resnet_tutorial.cli.parser import parse
from resnet_tutorial.training import load_checkpoint
from resnet_tutorial.training.checkpoint import save_checkpoint

FAST = ["--epochs", "1", "--batch-size", "16", "--precision", "fp32"]


def run(capsys, *argv) -> tuple[int, str, str]:
    """Run a command in this process; return status, output and error output."""
    with pytest.raises(SystemExit) as stop:
        cli.main([str(a) for a in argv])
    out, err = capsys.readouterr()
    return stop.value.code or 0, out, err


def refused(capsys, *argv, status=1) -> str:
    """Run a command that must fail with one line."""
    code, _, err = run(capsys, *argv)
    assert code == status and err.startswith("error: ") and err.count("\n") == 1, err
    return err


@pytest.fixture
def trained(image_folder, tmp_path, monkeypatch, capsys):
    """A folder with one run in it, as working directory."""
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, "train", image_folder, *FAST)
    assert code == 0 and "test accuracy" in out and err == ""  # no progress bar, which is for terminals
    return tmp_path / "runs" / "resnet20-corners-seed0"


def test_train_evaluate_predict(trained, image_folder, capsys):
    for argv in (["evaluate"], ["evaluate", trained], ["evaluate", trained / "last.pt", image_folder]):
        code, out, _ = run(capsys, *argv)
        assert code == 0 and re.search(r"accuracy \d+\.\d\d % .*, loss", out) and "left" in out and "note" not in out
    code, out, _ = run(capsys, "predict", image_folder / "test/left/000.png", image_folder / "test/right/001.png")
    assert code == 0 and len(out.splitlines()) == 2 and re.search(r"(left|right) \d+\.\d %", out)


def test_both_readmes_ways_to_say_it(image_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    root = image_folder
    first = (
        f"train --root {root} --batch_size 32 --num_workers 1 --num_epochs 1 --lr 0.001 --optimizer AdamW "
        "--lr_scheduler CosineAnnealingLR --t_max 10 --model_name ResNet20 --random_seed 0 --ckpt_dir ./checkpoints "
        "--pin_memory --transform"
    )
    code, out, _ = run(capsys, *first.split())
    assert code == 0 and (tmp_path / "checkpoints" / "last.pt").is_file()
    assert out.splitlines()[0].startswith("resnet20 (")
    code, out, _ = run(
        capsys, "train", "-c", "cifar10_resnet32", "--model", "resnet20", root, "--epochs", "1", "--warmup-epochs", "0"
    )
    assert code == 0 and "milestones [100, 150] lie at or after the end" in out
    recipe = (tmp_path / "runs" / "resnet20-corners-seed0" / "recipe.yml").read_text()
    assert "random_erasing: 0.25" in recipe and "normalization: imagenet" in recipe


def test_resume_takes_data_as_typed_or_where_it_has_moved(image_folder, tmp_path, monkeypatch, capsys):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    typed = os.path.relpath(image_folder)
    assert run(capsys, "train", typed, *FAST)[0] == 0
    assert run(capsys, "train", typed, *FAST, "--resume")[0] == 0
    moved = image_folder.rename(tmp_path / "work" / image_folder.name)
    assert run(capsys, "train", moved, "--resume")[0] == 0
    assert "two data folders" in refused(capsys, "train", moved, "--resume", "--root", tmp_path)


def test_the_checkpoint_of_a_run_names_it(trained, image_folder, capsys):
    code, out, err = run(capsys, "train", "--resume", "--ckpt-dir", trained / "last.pt")
    assert code == 0 and f"resuming {trained} after epoch 1" in out and not err
    message = refused(capsys, "train", image_folder, *FAST, "--ckpt-dir", trained / "last.pt")
    assert f"{trained} holds a run already" in message and "delete its .pt files to start afresh" in message
    assert "record.json is a file" in refused(capsys, "train", image_folder, "--ckpt-dir", trained / "record.json")


@pytest.mark.parametrize("where", ["recipe", "run"])
def test_a_run_of_a_newer_version_is_refused(trained, capsys, where):
    state = load_checkpoint(trained)
    (state["record"]["recipe"] if where == "recipe" else state["run"])["unheard_of"] = 1
    save_checkpoint(trained / "last.pt", state)
    assert "does not know (unheard_of): a newer version" in refused(capsys, "train", "--resume")


def test_summary(capsys):
    code, out, _ = run(capsys, "summary", "ResNet20")
    assert code == 0 and out.startswith("ResNet-20: shortcut A") and "269,722" in out and "40,551,040" in out
    _, out, _ = run(capsys, "summary", "resnet20", "--layers")
    assert "stages.2.2.conv2" in out and "269,722" in out and "40,551,040" in out


def test_summary_of_all_networks(capsys):
    _, out, _ = run(capsys, "summary")
    lines = out.splitlines()
    assert [line.split()[0] for line in lines] == list_models() and max(map(len, lines)) <= 100
    assert "resnet20   three-stage basic         269,722 parameters    40.6 million MACs" in lines
    _, out, _ = run(capsys, "summary", "Plain*", "--width", "0.5")
    assert [line.split()[0] for line in out.splitlines()] == list_models("plain*")


def test_summary_for_programs(capsys):
    options = {"shortcut": "C", "stem": "imagenet", "width": 0.5, "in_channels": 1, "num_classes": 7}
    argv = [word for key, value in options.items() for word in (f"--{key.replace('_', '-')}", value)]
    _, out, _ = run(capsys, "summary", "preact56", *argv, "--json")
    answer = json.loads(out)
    assert (answer["name"], answer["title"], answer["depth"]) == ("preact56", "Pre-activation ResNet-56", 56)
    assert answer["options"] == options | {"checkpoint_activations": False, "image_size": 32}
    model = create_model("preact56", **options)
    assert answer["totals"]["parameters"] == sum(p.numel() for p in model.parameters())
    assert answer["rows"] == [asdict(row) for row in summarize(model)]
    assert sum(row["activations"] for row in answer["rows"]) == answer["totals"]["activations"]
    _, out, _ = run(capsys, "summary", "plain1?", "--json")
    assert [answer["name"] for answer in json.loads(out)] == ["plain18"]


def test_recipes_and_help(capsys):
    assert "cifar10_resnet32" in run(capsys, "recipes")[1]
    assert run(capsys, "--version")[1].startswith(f"resnet-tutorial {__version__}, torch ")
    main_help = run(capsys, "--help")[1]
    assert all(word in main_help for word in [*cli.COMMANDS, "--version"])
    code, out, _ = run(capsys, "train", "--help", "all")
    assert code == 0 and "--num-epochs" in out and "Learning rate at its highest" in out
    assert "None}" not in out and "None," not in out and "(default: )" not in out
    groups = ["run", "how long", "optimizer", "regularization and augmentation", "machine"]
    assert all(f"\n\n{title}:\n  " in out for title in groups)
    steps = run(capsys, "train", "-c", "paper", "--help", "all")[1]
    assert "(default: 64000)" not in out and "(default: 64000)" in steps


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_the_help_of_each_command_fits_a_screen(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    lines = run(capsys, command, "--help")[1].splitlines()
    assert len(lines) <= 52 and max(map(len, lines)) <= 100


def test_the_help_on_training_names_every_flag(capsys):
    short, full = (run(capsys, "train", "--help", *more)[1] for more in ([], ["all"]))
    flags = set(re.findall(r"(?<![\w-])--[a-z]\w+(?:-\w+)*", full)) | set(re.findall(r"--\[no-\]([\w-]+)", full))
    named = set(re.findall(r"[a-z][\w-]+", short.replace("--no-", "--")))
    second = {"--random-seed", "--num-workers"}  # another spelling of one that is named
    assert {flag.removeprefix("--") for flag in flags - second} <= named


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("train --resume DATA", {"data": Path("DATA"), "resume": True}),
        ("train --resume auto DATA", {"data": Path("DATA"), "resume": "auto"}),
        ("train --seeds 0 1 DATA --lr 1e-3", {"data": Path("DATA"), "seeds": (0, 1), "lr": 1e-3}),
        (
            "train --milestones=3 --no_nesterov DATA --batch_size=8",
            {"milestones": (3,), "nesterov": False, "batch_size": 8},
        ),
        (
            "train --no-progress --data-on-device --rand-augment 2 9 DATA",
            {"data": Path("DATA"), "data_on_device": True},
        ),
        ("train --progress --root DATA", {"data": None, "root": Path("DATA"), "progress": True}),
        ("evaluate RUN --flip DATA", {"checkpoint": Path("RUN"), "data": Path("DATA"), "mean": None}),
        (
            "predict one --top 2 two --weights net.pt",
            {"images": (Path("one"), Path("two")), "checkpoint": Path("net.pt")},
        ),
        ("predict -- --not_a_flag.png", {"images": (Path("--not_a_flag.png"),)}),
        ("export net.onnx", {"file": Path("net.onnx"), "checkpoint": None, "input": "uint8"}),
        ("bench", {"models": ("resnet20",), "batch_size": None, "channels_last": True}),
        ("download cifar100 --mirror a b --mirror c", {"name": "cifar100", "mirror": ("a", "b", "c")}),
    ],
)
def test_words_are_understood_in_any_order(line, values):
    command, *words = line.split()
    args = parse(cli.COMMANDS[command], command, words)
    inner = [getattr(args, name, args) for name in ("run", "weights")]
    found = vars(getattr(inner[0], "recipe", args)) | vars(inner[0]) | vars(inner[1]) | vars(args)
    assert values == {name: found[name] for name in values}


@pytest.mark.parametrize(
    ("argv", "message", "status"),
    [
        (["trian"], "did you mean train", 2),
        (["train", "--modle", "resnet20"], "unknown option --modle: did you mean --model? See", 2),
        (["train", "--epoch=3", "--foo"], "unknown option --epoch: did you mean --epochs? See", 2),
        (["train", "one", "two"], "unexpected 'two'; see", 2),
        (["train", "--epochs", "many"], "argument --epochs/--num-epochs: invalid int value: 'many'; see", 2),
        (["train", "--epochs"], "argument --epochs/--num-epochs: expected one argument; see", 2),
        (["train", "--lr", "-1e-3"], "error: lr must be above 0, got -0.001", 1),
        (["train", "--rand-augment", "2"], "--rand-augment: expected 2 arguments; see", 2),
        (["train", "--milestones", "DATA"], "argument --milestones: expected whole numbers, got 'DATA'; see", 2),
        (["train", "--seeds"], "argument --seeds: expected at least one argument; see", 2),
        (["train", "--device", "gpu"], "argument --device: invalid choice: 'gpu' (choose from", 2),
        (["train", "DATA", "--root", "FOLDER"], "two data folders", 1),
        (["export", "--foo"], "unknown option --foo; see resnet-tutorial export --help", 2),
        (["export"], "the following arguments are required: FILE; see", 2),
        (["classroom", "init", "course"], "the following arguments are required: --students; see", 2),
        (["classroom", "grad"], "no step of classroom is called 'grad': did you mean grade?", 2),
        (["train", "--model", "resnet21"], "did you mean resnet20", 1),
        (["summary", "resnet18", "--image-size", "4"], "at least 8", 1),
        (["summary", "resnet18", "--shortcut", "D"], "argument --shortcut: invalid choice: 'D' (choose from", 2),
        (["summary", "--shortcut", "B", "--json"], "plain18 is a plain network", 1),
        (["summary", "resnet18", "--num-classes", "0"], "num_classes must be at least 1", 1),
        (["summary", "plian*"], "no network matches 'plian*'", 1),
        (["summary", "--layers"], "name it", 1),
        (["train", "--seed", "-1"], "seed must be at least 0", 1),
        (["train", "-c", "quikc"], "did you mean quick", 1),
        (["train", "nowhere"], "does not exist", 1),
        (["train", "--device", "mps"], "no mps device", 1),
        (["evaluate"], "no trained network in runs", 1),
        (["evaluate", "nowhere"], "no weights at nowhere", 1),
        (["predict", "picture.png"], "no trained network in runs", 1),
        (["predict"], "no image named", 1),
        (["train", "--resume"], "no trained network in runs", 1),
    ],
)
def test_wrong_words(tmp_path, monkeypatch, capsys, argv, message, status):
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, *argv, status=status)
    assert list(tmp_path.iterdir()) == []


def test_what_the_system_refuses_is_one_line(trained, capsys, monkeypatch):
    """A folder with mode 000 refuses even to say what is in it; root would be let in."""
    exists = Path.exists

    def refuse(path, **options):
        if path.parent == Path("runs/closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return exists(path, **options)

    Path("runs/closed").mkdir()
    monkeypatch.setattr(Path, "exists", refuse)
    for argv in (["compare", "runs/*"], ["evaluate", "runs/closed"]):
        assert "cannot use runs/closed/" in (message := refused(capsys, *argv)) and "check the path" in message


def test_a_signal_ends_the_step_saves_and_has_its_own_status(image_folder, tmp_path, capsys):
    """A real one, in the middle of an epoch."""
    argv = ["train", str(image_folder), "--model", "resnet8", "--epochs", "500", "--batch-size", "8"]
    process = subprocess.Popen(
        [sys.executable, "-m", "resnet_tutorial", *argv],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if line.startswith("epoch   1"):
            process.send_signal(signal.SIGTERM)
            break
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "error: interrupted: the run is saved after" in err and "--resume" in err and "Traceback" not in err
    folder = tmp_path / "runs" / "resnet8-corners-seed0"
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    state = load_checkpoint(folder)
    saved = (state["epoch"], state["loader"]["batch"])
    assert saved >= (1, 0)
    message = refused(
        capsys, "train", "--resume", "auto", "--ckpt-dir", folder, image_folder, *FAST, "--model", "resnet8"
    )
    assert "another recipe" in message and "epochs was 500, now it is 1" in message


def test_an_output_that_was_closed_is_told(image_folder, tmp_path):
    """As by ``head -6``, which ends after the second epoch."""
    argv = ["train", str(image_folder), "--model", "resnet8", "--epochs", "500", "--batch-size", "8"]
    process = subprocess.Popen(
        [sys.executable, "-m", "resnet_tutorial", *argv], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    for line in process.stdout:
        if line.startswith(b"epoch   2"):
            break
    process.stdout.close()
    with process.stderr:
        err = process.stderr.read().decode()
    assert process.wait(60) == 1 and err.count("\n") == 1
    assert "error: the output was closed: the run is saved after epoch" in err and "--resume goes on with it" in err


def test_resume_alone_takes_the_settings_of_the_run(image_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options = ["--model", "resnet8", "--shortcut", "B", "--width", "0.5", "--seed", "3", "--deterministic"]
    assert run(capsys, "train", image_folder, *FAST, *options)[0] == 0
    for words in (["--resume"], ["--resume", "auto", image_folder, *FAST, *options]):
        code, out, _ = run(capsys, "train", *words)
        assert code == 0 and "resuming runs/resnet8-corners-seed3 after epoch 1 of 1" in out
