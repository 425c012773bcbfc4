"""The commands that use a trained network, as a user runs them."""

import csv
import json
import os
import re
import shutil
import textwrap

import numpy as np
import pytest
import torch
from PIL import Image

from resnet_tutorial import Recipe, TrainConfig, create_model, export_weights, save_weights
from resnet_tutorial.data import folder
from resnet_tutorial.training import describe_machine, load_trained, read_record, train_from
from resnet_tutorial.training.bench import Report
from tests.conftest import write_image_folder
from tests.test_cli import refused, run
from tests.training.test_export import writes_onnx


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with one run in it, made once, and with the images that it was trained on."""
    place = tmp_path_factory.mktemp("place")
    root = write_image_folder(place / "corners")
    folder = place / "runs" / "resnet8-corners-seed0"
    recipe = Recipe(epochs=1, batch_size=16)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESNET_TUTORIAL_CACHE", str(place / "cache"))
        train_from(
            TrainConfig("resnet8", root=root, recipe=recipe, ckpt_dir=folder, precision="fp32"), lambda line: None
        )
    return place


@pytest.fixture
def trained(place, monkeypatch, own_cache):
    """The run; the folder that holds it is the working directory."""
    monkeypatch.chdir(place)
    return place / "runs" / "resnet8-corners-seed0"


@pytest.fixture
def image_folder(place):
    return place / "corners"


@pytest.fixture
def weights(trained, tmp_path):
    """The trained network as a file of weights that leaves mean and classes open."""
    save_weights(load_trained(trained).model, tmp_path / "bare.safetensors")
    return tmp_path / "bare.safetensors"


def test_evaluate_agrees_with_the_record(trained, capsys):
    code, out, _ = run(capsys, "evaluate", trained, "--json")
    answer, record = json.loads(out), read_record(trained / "record.json")
    assert code == 0 and answer["accuracy"] == record.test["accuracy"] and answer["images"] == 8
    assert answer["loss"] == pytest.approx(record.test["loss"], rel=1e-5)
    assert answer["data"]["fingerprint"] == record.data["test_fingerprint"] and answer["notes"] == []
    assert sum(map(sum, answer["confusion"])) == 8 and answer["top5"] is None
    _, out, _ = run(capsys, "evaluate", "--flip")
    assert "8 images, each also mirrored" in out and re.search(r"calibration error \d+\.\d\d %", out)
    assert [entry["name"] for entry in answer["classes"]] == ["left", "right"]


def test_evaluate_weights(weights, image_folder, capsys):
    numbers = ["--mean", "0.4", "0.4", "0.4", "--std", "0.2", "0.2", "0.2"]
    assert "does not say which mean" in refused(capsys, "evaluate", weights, image_folder)
    assert "name the data folder" in refused(capsys, "evaluate", weights, *numbers)
    assert "leave out --mean, --std" in refused(capsys, "evaluate", "runs/resnet8-corners-seed0", *numbers)
    code, out, _ = run(capsys, "evaluate", weights, image_folder, *numbers)
    assert code == 0 and "note: the file does not name its classes" in out and "8 images" in out


def test_a_guessed_mean_is_called_one_by_every_command(image_folder, tmp_path, capsys, own_cache):
    state = export_weights(create_model("resnet8", num_classes=10, shortcut="B"), "chenyaofo")
    torch.save(state, tmp_path / "a.pt")
    images = np.zeros((10, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(10)  # the guess is one for ten classes
    np.savez(tmp_path / "ten.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    numbers = ["--mean", "0.4", "0.4", "0.4", "--std", "0.2", "0.2", "0.2"]
    for command in (
        ["evaluate", tmp_path / "a.pt", tmp_path / "ten.npz", "--json"],
        ["predict", image_folder / "test/left/000.png", "--checkpoint", tmp_path / "a.pt", "--json"],
        ["export", tmp_path / "b.safetensors", tmp_path / "a.pt"],
    ):
        code, out, err = run(capsys, *command)
        assert code == 0 and err.count("note: mean and std assumed") == 1 and "give --mean --std" in err
        assert "export" not in command or "note: the file says so, too: mean and std assumed" in out
        if "--json" in command:
            answer = json.loads(out)
            assert "predict" in command or "assumed" in answer["notes"][-1]
        code, out, err = run(capsys, *command, *numbers)
        assert code == 0 and "assumed" not in out + err


@pytest.fixture
def numbers(place, tmp_path, own_cache):
    """Images in the class folders 9 and 10."""
    for part in ("train", "test"):
        for old, new in (("left", "10"), ("right", "9")):
            shutil.copytree(place / "corners" / part / old, tmp_path / "numbers" / part / new)
    return tmp_path / "numbers"


def test_numbers_as_classes_of_weights_that_do_not_name_them(weights, numbers, capsys):
    flags = ["--mean", "0.4", "0.4", "0.4", "--std", "0.2", "0.2", "0.2"]
    _, out, _ = run(capsys, "evaluate", weights, numbers, *flags)
    assert "taken to be that of the data, 9, 10; sorted as text they would be 10, 9" in out


def test_a_run_that_sorted_numbers_as_text_is_scored_and_goes_on(numbers, tmp_path, monkeypatch, capsys):
    argv = ["train", numbers, "--model", "resnet8", "--epochs", "1", "--ckpt-dir", tmp_path / "run"]
    with monkeypatch.context() as patch:
        patch.setattr(folder, "_in_order", lambda names: tuple(sorted(names)))
        assert run(capsys, *argv)[0] == 0
    record = read_record(tmp_path / "run" / "record.json")
    answer = json.loads(run(capsys, "evaluate", tmp_path / "run", "--json")[1])
    assert answer["accuracy"] == record.test["accuracy"] and answer["notes"] == []
    assert [entry["name"] for entry in answer["classes"]] == ["10", "9"]
    for words in (["train", "--resume", "--ckpt-dir", tmp_path / "run"], [*argv, "--resume", "auto"]):
        code, out, _ = run(capsys, *words)
        assert code == 0 and "resuming" in out


def test_a_run_keeps_its_share_for_the_test_and_what_it_left_out(numbers, tmp_path, capsys, caplog):
    shutil.rmtree(numbers / "test")
    (numbers / "train" / "9" / "001.png").write_bytes(b"")
    argv = ["train", numbers, "--model", "resnet8", "--epochs", "1", "--ckpt-dir", tmp_path / "run"]
    assert "--skip-unreadable" in refused(capsys, *argv, "--test-share", "0.25")
    code, out, _ = run(capsys, *argv, "--test-share", "0.25", "--skip-unreadable")
    record = read_record(tmp_path / "run" / "record.json")
    assert code == 0 and "8 to test" in out and record.data["left_out"] == {"train": 1}
    assert "--test-share 0.25 --skip-unreadable" in record.command
    answer = json.loads(run(capsys, "evaluate", tmp_path / "run", "--json")[1])
    assert answer["accuracy"] == record.test["accuracy"] and answer["notes"] == []
    code, out, _ = run(capsys, "train", "--resume", "--ckpt-dir", tmp_path / "run")
    assert code == 0 and "resuming" in out
    assert "the test share must be between 0 and 1, got 1" in refused(capsys, *argv, "--test-share", "1")


def test_class_folders_without_parts_are_split_and_scored(numbers, tmp_path, capsys):
    """Of the run's own images those that were split off, wherever they lie; of other images all."""
    argv = ["train", numbers / "train", "--model", "resnet8", "--epochs", "1", "--ckpt-dir", tmp_path / "run"]
    code, out, _ = run(capsys, *argv, "--test-share", "0.25")
    assert code == 0 and "8 to test" in out
    moved = (numbers / "train").rename(tmp_path / "moved")
    code, out, _ = run(capsys, "evaluate", tmp_path / "run", moved)
    assert "(8 images)" in out and "note" not in out
    _, out, _ = run(capsys, "evaluate", tmp_path / "run", numbers / "test")
    assert "(8 images)" in out and "not the test part that belongs to the run" in out
    run(capsys, "export", tmp_path / "net.safetensors", tmp_path / "run")
    moved.rename(numbers / "train")
    shutil.rmtree(numbers / "test")
    assert "name the folder of the class folders" in refused(capsys, "evaluate", tmp_path / "net.safetensors", numbers)


def test_evaluate_reads_the_part_that_it_needs(numbers, tmp_path, capsys):
    run(capsys, "train", numbers, "--model", "resnet8", "--epochs", "1", "--ckpt-dir", tmp_path / "run")
    shutil.rmtree(numbers / "train")
    record = read_record(tmp_path / "run" / "record.json")
    for data in (numbers, numbers / "test"):
        answer = json.loads(run(capsys, "evaluate", tmp_path / "run", data, "--json")[1])
        assert answer["accuracy"] == record.test["accuracy"] and answer["notes"] == []
    next((numbers / "test" / "9").iterdir()).write_bytes(b"")
    assert "--skip-unreadable" in refused(capsys, "evaluate", tmp_path / "run", numbers)
    _, out, _ = run(capsys, "evaluate", tmp_path / "run", numbers, "--skip-unreadable")
    assert "note: images that cannot be read, and were left out: 1" in out


def test_a_single_class_is_nothing_to_learn(numbers, tmp_path, capsys):
    for part in ("train", "test"):
        shutil.rmtree(numbers / part / "9")
    told = refused(capsys, "train", numbers, "--model", "resnet8", "--ckpt-dir", tmp_path / "run")
    assert "has one class, '10'" in told and not (tmp_path / "run").exists()


def test_a_new_run_starts_from_the_weights_of_another(trained, image_folder, tmp_path, capsys):
    argv = ["train", image_folder, "--model", "resnet8", "--epochs", "1", "--ckpt-dir", tmp_path / "on"]
    message = refused(capsys, "train", "--resume", "--ckpt-dir", trained, "--lr", "0.01")
    assert "lr was 0.3, now it is 0.01" in message and f"start from these weights (--weights {trained})" in message
    still = ["--lr", "1e-12", "--lr-scheduler", "none", "--momentum", "0", "--weight-decay", "0", "--pretrained"]
    code, out, _ = run(capsys, *argv, *still, trained)
    assert code == 0 and f"note: the weights at the start are those of {trained}; images are normalized by" in out
    old, new = (load_trained(folder).model.state_dict() for folder in (trained, tmp_path / "on"))
    assert all(torch.allclose(old[name], new[name], atol=1e-6) for name in old if name.endswith(("weight", "bias")))
    record = read_record(tmp_path / "on" / "record.json")
    assert record.options == {"pretrained": trained.name} and f"--pretrained {trained.name}" in record.command
    assert run(capsys, "train", "--resume", "--ckpt-dir", tmp_path / "on")[0] == 0
    assert run(capsys, "evaluate", tmp_path / "on", "--json")[0] == 0
    assert "pretrained resnet8-corners-seed0" in run(capsys, "compare", trained, tmp_path / "on")[1]


@pytest.mark.parametrize("start", ["resnet20.cifar10", "weights of the run"])
def test_a_last_layer_for_other_classes_is_new(trained, numbers, tmp_path, capsys, start):
    """Ten classes of CIFAR-10, and as many classes of other names."""
    name, model = (start, "resnet20") if start == "resnet20.cifar10" else (trained, "resnet8")
    argv = ["train", numbers, "--model", model, "--epochs", "1", "--ckpt-dir", tmp_path / "run", "--pretrained", name]
    code, _, _ = run(capsys, *argv, "--lr", "1e-12", "--weight-decay", "0")
    old, new = load_trained(name).model, load_trained(tmp_path / "run").model
    assert code == 0 and torch.allclose(old.conv1.weight, new.conv1.weight, atol=1e-6)
    assert new.fc.weight.shape[0] == 2 and not torch.allclose(old.fc.weight[:2], new.fc.weight, atol=1e-2)


def test_a_channel_that_is_the_same_everywhere_is_noted(tmp_path, own_cache, capsys):
    for path in write_image_folder(tmp_path / "corners").rglob("*.png"):
        pixels = np.array(Image.open(path))
        pixels[..., 2] = 255
        Image.fromarray(pixels).save(path)
    argv = ["train", tmp_path / "corners", "--model", "resnet8", "--epochs", "1", "--ckpt-dir", tmp_path / "run"]
    code, out, _ = run(capsys, *argv)
    assert code == 0 and out.count("note: the blue channel of all training images is the same, so its std is") == 1
    assert read_record(tmp_path / "run" / "record.json").data["std"][2] == 1


def test_predict_for_programs(weights, trained, image_folder, capsys):
    pictures = [image_folder / "test/left/000.png", image_folder / "test/right/001.png"]
    code, out, _ = run(capsys, "predict", *pictures, "--json", "--top", "1")
    answers = json.loads(out)
    assert code == 0 and [answer["path"] for answer in answers] == list(map(str, pictures))
    assert all(len(answer["classes"]) == 1 and answer["classes"][0]["probability"] >= 0.5 for answer in answers)
    assert "holds weights, and no image" in refused(capsys, "predict", weights)
    assert "--top must be at least 1" in refused(capsys, "predict", pictures[0], "--top", "0")


def test_predict_goes_on_past_bad_files_and_takes_folders(trained, image_folder, tmp_path, capsys):
    """Images of odd kinds in a folder and below it, a text under the name of an image, and a file that is not there."""
    (tmp_path / "deep").mkdir()
    Image.new("RGBA", (40, 30), (255, 0, 0, 0)).save(tmp_path / "deep" / "clear.PNG")
    Image.new("L", (1, 1)).save(tmp_path / "dot.png")
    (tmp_path / "note.png").write_text("hello")
    (tmp_path / "note.txt").write_text("no image, and not asked about")
    (tmp_path / ".hidden.png").write_text("no image, and not asked about")
    code, out, err = run(capsys, "predict", "gone.png", tmp_path, image_folder / "test/left/000.png", "--top", "1")
    assert code == 1
    told = [line.rpartition(": ")[0] for line in out.splitlines()]
    assert told == [
        str(tmp_path / "deep" / "clear.PNG"),
        str(tmp_path / "dot.png"),
        f"{image_folder}/test/left/000.png",
    ]
    passed, gone, note = err.splitlines()
    assert passed == f"note: {tmp_path}: passed over, as no images: 1 .txt"
    assert gone == "error: no such image: gone.png"
    assert note.startswith(f"error: {tmp_path / 'note.png'} cannot be read as an image (no picture of a known format)")
    code, out, err = run(capsys, "predict", "gone.png", tmp_path / "*.png", "--json")
    assert code == 1 and [answer["path"] for answer in json.loads(out)] == [str(tmp_path / "dot.png")]
    (tmp_path / "empty").mkdir()
    assert "empty holds no images: name another" in refused(capsys, "predict", tmp_path / "empty")
    (tmp_path / "empty" / "a.heic").write_text("")
    assert "holds no images (passed over, as no images: 1 .heic)" in refused(capsys, "predict", tmp_path / "empty")


def test_predict_names_that_no_terminal_shows_and_images_that_are_black(trained, tmp_path, capsys, caplog):
    for name in (b"caf\xe9.jfif", b"the.JPE"):
        with open(os.fsencode(tmp_path) + b"/" + name, "wb") as file:
            Image.new("RGB", (32, 32)).save(file, "jpeg")
    Image.fromarray(np.full((32, 32), 300, np.uint16)).save(tmp_path / "scan.png")
    code, out, _ = run(capsys, "predict", tmp_path)
    assert code == 0 and [line.partition(":")[0].rpartition("/")[2] for line in out.splitlines()] == [
        "caf?.jfif",
        "scan.png",
        "the.JPE",
    ]
    assert "less than 1 % of their range, and are nearly black here: 1 of 3" in caplog.text
    assert len(json.loads(run(capsys, "predict", tmp_path, "--json")[1])) == 3


@pytest.mark.parametrize("name", [pytest.param("net.onnx", marks=writes_onnx), "net.pt2", "net.safetensors"])
def test_export(trained, tmp_path, capsys, name):
    code, out, _ = run(capsys, "export", tmp_path / name, "--input", "unit")
    assert code == 0 and name in out and (tmp_path / name).stat().st_size > 250_000
    assert out.count("differ from the network's by at most") == (name != "net.safetensors")
    assert ("images: float32, N × 3 × 32 × 32" in out) == (name != "net.safetensors")
    assert "classes in the order of the logits: left, right\nimages of 32×32, mean 0.3" in out
    assert ("the file itself applies them" in out) == (name != "net.safetensors")
    code = textwrap.dedent("\n".join(line for line in out.splitlines() if line.startswith("  ")))
    images = torch.zeros(2, 3, 32, 32)
    names = {"images": images.numpy() if name == "net.onnx" else images}
    exec(code, names)  # the lines that were printed
    assert "model" in names if name == "net.safetensors" else names["logits"].shape == (2, 2)


def test_exported_weights_need_no_flags(trained, tmp_path, image_folder, capsys):
    run(capsys, "export", tmp_path / "net.safetensors")
    _, out, _ = run(capsys, "evaluate", tmp_path / "net.safetensors", image_folder, "--json")
    assert json.loads(out)["accuracy"] == read_record(trained / "record.json").test["accuracy"]
    assert "the suffix says the format" in refused(capsys, "export", tmp_path / "net.onxx")


def test_compare(trained, tmp_path, capsys):
    accuracy = read_record(trained / "record.json").test["accuracy"]
    for name, start in (("curves.png", b"\x89PNG"), ("curves.svg", b"<?xm")):
        code, out, _ = run(capsys, "compare", trained, trained / "record.json", "--plot", tmp_path / name)
        assert code == 0 and out.startswith("corners: 8 test images") and f"{accuracy:.2f} %" in out
        assert (tmp_path / name).read_bytes().startswith(start) and f"curves: {tmp_path / name}" in out
    (row,) = json.loads(run(capsys, "compare", trained, "--json")[1])["experiments"]
    assert row["network"] == "resnet8" and row["seeds"] == [0]


def test_compare_needs_the_record_only(trained, tmp_path, capsys):
    shutil.copytree(trained, tmp_path / "run")
    for name in ("last.pt", "previous.pt", "best.pt"):
        (tmp_path / "run" / name).write_bytes(b"damaged")
    code, out, err = run(capsys, "compare", tmp_path / "ru*")
    assert code == 0 and err == "" and out == run(capsys, "compare", trained)[1]


def test_compare_refuses(tmp_path, capsys):
    assert "no run at runs/*: name the folder of a run" in refused(capsys, "compare", "runs/*")
    (tmp_path / "last.pt").write_bytes(b"\x80")
    (tmp_path / "log.csv").write_bytes(b"\x80")
    assert f"name the folder of the run, {tmp_path}" in refused(capsys, "compare", tmp_path / "last.pt")
    assert "no readable run record: it is no JSON" in refused(capsys, "compare", tmp_path / "log.csv")
    (tmp_path / "last.pt").unlink()
    assert "no runs named" in refused(capsys, "compare")
    assert "holds no run" in refused(capsys, "compare", tmp_path)
    assert "written as .png" in refused(capsys, "compare", tmp_path, "--plot", "curves.bmp")
    (tmp_path / "broken.json").write_text('{"schema": 4}')
    assert "no whole run record" in refused(capsys, "compare", tmp_path / "broken.json")


def test_train_with_several_seeds(image_folder, tmp_path, own_cache, capsys):
    flags = ["--model", "resnet8", "--epochs", "1", "--batch-size", "16", "--ckpt-dir", tmp_path / "runs"]
    code, out, _ = run(capsys, "train", image_folder, *flags, "--seed", "3", "--seeds", "2")
    assert code == 0 and (tmp_path / "runs" / "seed3").is_dir() and (tmp_path / "runs" / "seed4").is_dir()
    assert "corners: 8 test images" in out and " ± " in out
    code, out, _ = run(capsys, "train", image_folder, *flags, "--resume", "--seeds", "3", "4")
    assert code == 0 and out.count("finished before") == 2
    assert "at least 1" in refused(capsys, "train", image_folder, *flags, "--seeds", "0")


def test_bench(capsys, monkeypatch):
    from resnet_tutorial.cli import bench as command

    given = {}

    def slow_to_measure(models, config, **numbers):
        given.update(models=models, config=config, **numbers)
        return Report(describe_machine(), "fp32", 1e9, 1.0, (), 7, 8, "short", ())

    monkeypatch.setattr(command, "bench", slow_to_measure)
    code, out, _ = run(capsys, "bench", "resnet20", "resnet56", "--images", "7", "--batch-size", "9", "--json")
    assert code == 0 and json.loads(out)["peak_flops"] == 1e9
    assert given["models"] == ("resnet20", "resnet56") and given["images"] == 7
    assert given["config"].recipe == Recipe(batch_size=9) and given["others"] is False
    assert "--all estimates" in run(capsys, "bench")[1]
    assert "--all" not in run(capsys, "bench", "--all")[1] and given["others"] is True
    assert "batch_size must be at least 1" in refused(capsys, "bench", "--batch-size", "0")


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_predictions_as_a_table(trained, image_folder, weights, tmp_path, capsys):
    pictures = image_folder / "test"
    code, out, _ = run(capsys, "predict", pictures, "--checkpoint", trained, "--csv", tmp_path / "new" / "p.csv")
    assert code == 0 and out == f"the answers for 8 images are in {tmp_path / 'new' / 'p.csv'}\n"
    answers = json.loads(run(capsys, "predict", pictures, "--checkpoint", trained, "--json")[1])
    rows = table(tmp_path / "new" / "p.csv")
    assert [row["path"] for row in rows] == [answer["path"] for answer in answers]
    for row, answer in zip(rows, answers, strict=True):
        assert row["class"] == answer["classes"][0]["class"] and list(row) == ["path", "class", "probability"]
        assert float(row["probability"]) == pytest.approx(answer["classes"][0]["probability"], abs=1e-6)
    numbers = ["--mean", "0.4", "0.4", "0.4", "--std", "0.2", "0.2", "0.2", "--checkpoint", weights]
    (tmp_path / "names.txt").write_text("links\nrechts\n")
    for names in ("links,rechts", tmp_path / "names.txt"):
        argv = ["predict", pictures, *numbers, "--classes", names, "--all", "--csv", tmp_path / "all.csv"]
        assert run(capsys, *argv)[0] == 0
        row = table(tmp_path / "all.csv")[0]
        assert list(row) == ["path", "class", "probability", "links", "rechts"]
        assert row["probability"] == row[row["class"]]
        assert float(row["links"]) + float(row["rechts"]) == pytest.approx(1, abs=1e-5)
    assert "2 classes, and 3 names are given" in refused(capsys, "predict", pictures, *numbers, "--classes", "a,b,c")
    assert "leave out --classes" in refused(capsys, "predict", pictures, "--checkpoint", trained, "--classes", "a,b")


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_a_table_that_cannot_be_written(trained, image_folder, tmp_path, capsys, command):
    (tmp_path / "file").write_text("in the way")
    words = [image_folder / "test", "--checkpoint", trained] if command == "predict" else [trained]
    message = refused(capsys, command, *words, "--csv", tmp_path / "file" / "p.csv")
    assert "cannot write" in message and sorted(p.name for p in tmp_path.iterdir()) == ["file"]


def test_each_answer_of_an_evaluation(trained, tmp_path, capsys):
    code, out, _ = run(capsys, "evaluate", trained, "--csv", tmp_path / "e.csv", "--all")
    rows = table(tmp_path / "e.csv")
    accuracy = read_record(trained / "record.json").test["accuracy"]
    assert code == 0 and "balanced" not in out and len(rows) == 8
    assert 100 * sum(row["class"] == row["answer"] for row in rows) / 8 == accuracy
    assert list(rows[0]) == ["image", "class", "answer", "probability", "left", "right"]


def test_training_takes_network_options_and_size_from_where_it_starts(image_folder, tmp_path, own_cache, capsys):
    """A network that --model would have to describe, at another size, fine-tuned, scored and asked without a word."""
    start = ["--model", "resnet8", "--shortcut", "B", "--width", "0.5", "--image-size", "16"]
    numbers = ["--mean", "0.5", "0.5", "0.5", "--std", "0.25", "0.25", "0.25"]
    argv = ["train", image_folder, "--epochs", "1", "--batch-size", "16"]
    assert run(capsys, *argv, *start, *numbers, "--ckpt-dir", tmp_path / "a")[0] == 0
    record = read_record(tmp_path / "a" / "record.json")
    assert record.data["image_size"] == 16 and record.data["mean"] == [0.5] * 3
    assert "--image-size 16" in record.command and "--mean 0.5 0.5 0.5" in record.command
    assert json.loads(run(capsys, "evaluate", tmp_path / "a", "--json")[1])["accuracy"] == record.test["accuracy"]
    assert run(capsys, "export", tmp_path / "a.safetensors", tmp_path / "a")[0] == 0
    again = json.loads(run(capsys, "evaluate", tmp_path / "a.safetensors", image_folder, "--json")[1])
    assert again["accuracy"] == record.test["accuracy"]
    for k, weights in enumerate((tmp_path / "a", tmp_path / "a.safetensors")):
        code, out, _ = run(capsys, *argv, "--weights", weights, "--ckpt-dir", tmp_path / f"b{k}")
        assert code == 0 and "resnet8 (" in out
        assert load_trained(tmp_path / f"b{k}").model.arch == load_trained(tmp_path / "a").model.arch
