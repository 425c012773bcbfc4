import json
import os
import signal
import time
from dataclasses import replace
from types import SimpleNamespace

import filelock
import pytest
import torch
import torch.utils

from resnet_tutorial import InputError, Recipe, TrainConfig, Trainer
from resnet_tutorial.data import Transform
from resnet_tutorial.training import Stopped, load_checkpoint, model_from_checkpoint, predict, read_record, trainer
from resnet_tutorial.training.checkpoint import save_checkpoint
from resnet_tutorial.training.parts import make_loader
from tests.conftest import make_dataset

RECIPE = Recipe(epochs=3, batch_size=16, lr=0.05, random_erasing=0.25)
ALL_AT_ONCE = {
    "recipe": replace(RECIPE, mixup=0.2, ema=0.8, accumulate=2, clip_grad_norm=1.0, label_smoothing=0.1),
    "stochastic_depth": 0.3,
    "num_workers": 1,
}
SETTINGS = {
    "one-cycle": {},
    "everything": ALL_AT_ONCE,
    "fine-tuning": {"recipe": replace(RECIPE, freeze="stem,conv2_x", backbone_lr=0.01, ema=0.5, balanced=True)},
    "muon": {"recipe": replace(RECIPE, optimizer="Muon", decay_norm_and_bias=False)},
    "growing images": {"recipe": replace(RECIPE, initial_scale=0.5, growing_share=0.9)},
    "cosine": {"recipe": replace(RECIPE, lr_scheduler="CosineAnnealingLR", warmup_epochs=1)},
    "steps": {"recipe": replace(RECIPE, steps=8, lr_scheduler="MultiStepLR", schedule_unit="step", milestones=(4,))},
}


def make(folder, *, recipe=RECIPE, log=lambda line: None, **options) -> Trainer:
    """A run on the corners: 36 images to train, which are three steps an epoch, the last of them smaller."""
    config = TrainConfig(**{"model": "resnet8", "ckpt_dir": folder, "recipe": recipe, "precision": "fp32"} | options)
    return Trainer(config, make_dataset(40), make_dataset(20, "test", 1), log=log)


def run(folder, epochs=None, **options) -> Trainer:
    """Train; stop after some epochs as a crash would."""
    one = make(folder, **options)
    if epochs is None:
        one.fit()
        return one
    original = one._run_epoch

    def stop_early():
        if one.epoch == epochs:
            raise KeyboardInterrupt
        return original()

    one._run_epoch = stop_early
    with pytest.raises(KeyboardInterrupt):
        one.fit()
    return one


def stop_after(one: Trainer, steps: int, number: int = signal.SIGTERM) -> str:
    """Train until a signal comes during a step; return the message."""
    original = one._is_interrupted

    def ask():
        if one._polls + 1 == steps:
            os.kill(os.getpid(), number)
        return original()

    one._is_interrupted = ask
    with pytest.raises(Stopped) as stop:
        one.fit()
    assert stop.value.status == 128 + number
    return str(stop.value)


def same(one: Trainer, other: Trainer) -> None:
    """Every weight and statistic, the whole history but for times, and the score are equal to the last bit."""
    for key, value in one.model.state_dict().items():
        assert torch.equal(value, other.model.state_dict()[key]), key
    rows = [
        [{k: v for k, v in row.items() if k not in ("seconds", "images_per_second")} for row in t.record.history]
        for t in (one, other)
    ]
    assert rows[0] == rows[1] and one.record.test == other.record.test


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_resumed_run_ends_with_the_same_bits(tmp_path, setting):
    """Left between two epochs, and in the middle of one, before and after its last step."""
    whole = run(tmp_path / "whole", **SETTINGS[setting])
    run(tmp_path / "between", epochs=2, **SETTINGS[setting])
    same(run(tmp_path / "between", resume=True, **SETTINGS[setting]), whole)
    for steps in (1, 5, 6) if setting == "everything" else (5,):
        folder = tmp_path / f"after {steps}"
        told = stop_after(make(folder, **SETTINGS[setting]), steps)
        assert (
            f"after step {(steps - 1) % 3 + 1} of epoch {(steps - 1) // 3 + 1}" in told and "--resume goes on" in told
        )
        same(run(folder, resume=True, **SETTINGS[setting]), whole)


def test_checkpoints_within_an_epoch_change_nothing(tmp_path):
    whole = run(tmp_path / "whole")
    often = make(tmp_path / "often", checkpoint_minutes=1e-9)
    saved, save = [], often._save
    often._save = lambda *args: (saved.append(often.parts.batches.state_dict()["batch"]), save(*args))
    often.fit()
    assert saved == [1, 2, 3, 0] * 3 + [0]
    same(often, whole)


def test_training_images_grow_and_all_others_have_their_size(tmp_path):
    one = make(tmp_path, recipe=replace(RECIPE, initial_scale=0.5, growing_share=0.6, validation=0.1))
    sizes = []
    one.model.register_forward_hook(lambda model, inputs, out: sizes.append((model.training, inputs[0].shape[2])))
    one.fit()
    assert [size for training, size in sizes if training] == [16] * 3 + [24] * 3 + [
        32
    ] * 3  # at 0, 1/3 and 2/3 of the run
    assert {size for training, size in sizes if not training} == {32}


def test_a_run_of_a_version_with_fewer_settings_goes_on(tmp_path):
    stop_after(make(tmp_path), 4)
    state = load_checkpoint(tmp_path)
    del state["record"]["recipe"]["rest_lr"]
    save_checkpoint(tmp_path / "last.pt", state)
    resumed = run(tmp_path, resume=True)
    same(resumed, run(tmp_path / "whole"))
    assert "rest_lr" in read_record(tmp_path / "record.json").recipe


def test_a_run_goes_on_from_the_checkpoint_before_a_damaged_one(tmp_path):
    whole = run(tmp_path / "whole")
    run(tmp_path / "cut", epochs=2)
    (tmp_path / "cut" / "last.pt").write_bytes(b"PK cut off")
    lines = []
    resumed = run(tmp_path / "cut", resume=True, log=lines.append)
    assert "last.pt is damaged" in lines[0] and "after epoch 1 of 3" in lines[1]
    same(resumed, whole)


def test_resume_auto_starts_goes_on_and_leaves_a_finished_run_alone(tmp_path):
    stop_after(make(tmp_path, resume="auto"), 4)
    finished = run(tmp_path, resume="auto")
    assert len(finished.record.history) == 3
    before = (tmp_path / "last.pt").read_bytes()
    assert run(tmp_path, resume="auto").record.test == finished.record.test
    assert (tmp_path / "last.pt").read_bytes() == before
    with pytest.raises(InputError, match="no checkpoint"):
        run(tmp_path / "nothing", resume=True)


def test_the_second_signal_does_not_wait(tmp_path, request, capfd):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    one = make(tmp_path)
    original = one._run_steps

    def twice():
        scores = original()
        os.kill(os.getpid(), signal.SIGINT)
        while not one._signals.received:  # two that are under way at once may arrive as one
            pass
        os.kill(os.getpid(), signal.SIGINT)
        return scores

    one._run_steps = twice
    with pytest.raises(KeyboardInterrupt) as stop:
        one.fit()
    assert "saving; Ctrl-C again abandons that" in capfd.readouterr().err and str(stop.value) == "nothing is saved yet"
    assert not isinstance(stop.value, Stopped) and not (tmp_path / "last.pt").exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(("accumulate", "images", "parts"), [(1, 33, 2), (8, 33, 16), (8, 36, 18)])
def test_no_single_image_goes_through_a_network_that_cannot_normalize_it(tmp_path, accumulate, images, parts):
    """Behind an ImageNet stem, images of 32×32 end as one value per channel; 33 are two batches and one image."""
    options = {"model": "resnet18", "stem": "imagenet", "width": 0.125, "train_size": images}
    recipe = replace(RECIPE, epochs=1, validation=0.0, accumulate=accumulate)
    one, seen = make(tmp_path / "run", recipe=recipe, **options), []
    one.model.register_forward_pre_hook(lambda model, x: seen.append(len(x[0])) if model.training else None)
    one.fit()
    assert (sum(seen), min(seen) >= 2, len(seen)) == (images, True, parts)
    small = make(tmp_path / "small", recipe=recipe, train_size=33)  # ends with 8×8 values per channel
    assert len(small.parts.batches) == 3
    with pytest.raises(InputError, match=r"--accumulate 16 makes parts of one image, .* use --accumulate 8 at most"):
        make(tmp_path, recipe=replace(recipe, accumulate=16), **options)
    with pytest.raises(InputError, match=r"batches of one image, .* use a larger --batch-size, or more images"):
        make(tmp_path, recipe=recipe, **{**options, "train_size": 1})


def test_every_seed_holds_out_the_same_images_and_none_of_the_test_part(tmp_path):
    train, test = make_dataset(200), make_dataset(20, "test", 1)
    parts = [
        Trainer(TrainConfig(ckpt_dir=tmp_path / str(seed), seed=seed, precision="fp32"), train, test) for seed in (0, 1)
    ]
    for one in parts:
        kept, held = one.parts.train_set, one.parts.val_set
        assert (len(kept), len(held), held.counts().tolist()) == (180, 20, [10, 10])
        assert one.test_set is test
        both = torch.cat([kept.images, held.images]).flatten(1)
        assert torch.equal(both.unique(dim=0), train.images.flatten(1).unique(dim=0))
        data = one._new_record().data
        assert data["loaded_fingerprint"] == train.fingerprint != data["train_fingerprint"] == kept.fingerprint
    assert parts[0].parts.val_set.fingerprint == parts[1].parts.val_set.fingerprint


def test_what_a_run_leaves(tmp_path):
    one = run(tmp_path / "run")
    files = ["best.pt", "last.pt", "log.csv", "previous.pt", "recipe.yml", "record.json"]
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == files
    record = read_record(tmp_path / "run" / "record.json")
    assert record == one.record
    assert [row["epoch"] for row in record.history] == [1, 2, 3]
    assert record.data["train"] == 36 and record.data["validation"] == 4 and record.parameters == 74_770
    assert "--epochs 3 --batch-size 16 --lr 0.05 --random-erasing 0.25" in record.command
    assert f"--precision {record.precision}" in record.command  # whatever another machine would choose
    assert str(tmp_path) not in json.dumps(record.__dict__)  # a record may be published
    lines = (tmp_path / "run" / "log.csv").read_text().splitlines()
    assert len(lines) == 4 and lines[0].startswith("epoch,lr,loss")


def test_the_checkpoint_predicts_by_itself(tmp_path, image_folder):
    run(tmp_path / "run", recipe=replace(RECIPE, epochs=12))
    state = load_checkpoint(tmp_path / "run")
    answers = predict(state, sorted((image_folder / "test" / "right").iterdir()))
    assert [answer.classes[0] for answer in answers] == ["right"] * 4
    assert all(sum(a.probabilities) == pytest.approx(1) for a in answers)
    assert not model_from_checkpoint(state).training


def test_without_validation_all_images_train(tmp_path):
    record = run(tmp_path, recipe=replace(RECIPE, epochs=1, validation=0.0)).record
    assert record.data["train"] == 40 and "val_accuracy" not in record.history[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "resnet14"}, "another model: it was resnet8, now it is resnet14"),
        (
            {"shortcut": "C", "width": 0.5},
            "other options: (shortcut was not given, now it is C|width was not given, now it is 0.5)",
        ),
        ({"seed": 3}, "another seed"),
        ({"recipe": replace(RECIPE, lr=0.1)}, "another recipe: lr was 0.05, now it is 0.1"),
        ({"train_size": 20}, "other data: train was 36, now it is 18"),
    ],
)
def test_a_run_is_resumed_only_as_itself(tmp_path, change, message):
    run(tmp_path, epochs=1)
    with pytest.raises(InputError, match=message):
        run(tmp_path, resume=True, **change)


def test_other_data_of_the_same_size_are_noticed(tmp_path):
    run(tmp_path, epochs=1)
    config = TrainConfig("resnet8", ckpt_dir=tmp_path, recipe=RECIPE, precision="fp32", resume=True)
    with pytest.raises(InputError, match="other data"):
        Trainer(config, make_dataset(40, seed=9), make_dataset(20, "test", 1), log=lambda line: None).fit()


def test_a_loss_that_is_no_number_stops_the_run(tmp_path):
    recipe = replace(RECIPE, lr_scheduler="none", lr=1e-3)
    one = make(tmp_path, recipe=recipe)
    original, steps = one.parts.step, []

    def poisoned(images, labels, divisor):
        steps.append(1)
        return original(images * float("nan") if len(steps) == 5 else images, labels, divisor)

    one.parts.step = poisoned
    with pytest.raises(InputError, match=r"the loss is nan from step 5 on \(epoch 2, learning rate 0.001\)") as stop:
        one.fit()
    assert "start again with a lower --lr; the run" in str(stop.value) and "saved after epoch 1" in str(stop.value)
    assert all(value.isfinite().all() for value in load_checkpoint(tmp_path)["model_state"].values())
    with pytest.raises(InputError, match="nothing is saved yet"):
        run(tmp_path / "at once", recipe=replace(RECIPE, lr=1e20))


def test_a_run_that_does_not_learn_is_noted_once(tmp_path):
    def notes(folder, **scores):
        lines = []
        one = make(folder, log=lines.append)
        original = one._run_epoch
        one._run_epoch = lambda: original() | scores
        one.fit()
        return [line for line in lines if line.startswith("note:")]

    (note,) = notes(tmp_path / "exploding", loss=1.5)
    assert note == "note: a loss of 1.5 is far above that of guessing, 0.69: lower --lr, which is 0.05"
    (note,) = notes(tmp_path / "guessing", loss=0.69, train_accuracy=51.0)
    assert "no better than guessing (50.00 %)" in note and "lower --lr" in note
    assert notes(tmp_path / "learning", loss=1.3, train_accuracy=60.0) == []


@pytest.mark.parametrize(
    "fail",
    [
        lambda: torch.empty(2**60),
        lambda: (_ for _ in ()).throw(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")),
    ],
    ids=["CPU", "CUDA"],
)
def test_out_of_memory_says_what_to_lower(tmp_path, fail):
    one = make(tmp_path)
    one.parts.step = lambda *batch: fail()
    with pytest.raises(InputError, match=r"out of memory: lower --batch-size; .*--accumulate 2"):
        one.fit()


def test_other_errors_keep_their_words(tmp_path):
    one = make(tmp_path)
    one.parts.step = lambda *batch: torch.zeros(2) @ torch.zeros(3)
    with pytest.raises(RuntimeError, match="size"):
        one.fit()


def test_a_full_disk_in_the_middle_of_a_run(tmp_path, monkeypatch):
    one = make(tmp_path)
    save = trainer.save_newest

    def fill_the_disk(folder, state, best):
        if state["epoch"] == 2:
            raise InputError("cannot write: no space left")
        save(folder, state, best)

    monkeypatch.setattr(trainer, "save_newest", fill_the_disk)
    with pytest.raises(InputError, match="no space left"):
        one.fit()
    monkeypatch.undo()
    same(run(tmp_path, resume=True), run(tmp_path / "whole"))


def test_a_folder_that_cannot_be_written_is_noticed_before_training(tmp_path):
    (tmp_path / "file").write_text("in the way")
    one = make(tmp_path / "file" / "run")
    one._train = lambda: pytest.fail("trained all the same")
    with pytest.raises(InputError, match=r"cannot write to .*file/run"):
        one.fit()


def test_two_runs_in_one_folder(tmp_path):
    one, other = make(tmp_path), make(tmp_path)
    with filelock.FileLock(tmp_path / ".lock"), pytest.raises(InputError, match="another run is at work in"):
        one.fit()
    one.fit()
    before = (tmp_path / "last.pt").read_bytes()
    with pytest.raises(InputError, match="holds a run already"):
        other.fit()
    assert (tmp_path / "last.pt").read_bytes() == before


def test_a_clock_that_jumps(tmp_path, monkeypatch):
    hours = iter(range(10**6, 0, -1))
    monkeypatch.setattr(time, "time", lambda: 3600.0 * next(hours))
    record = run(tmp_path).record
    assert 0 < record.seconds <= record.wall_seconds < 600


def test_the_memory_of_a_stopped_run_counts_too(tmp_path, monkeypatch):
    monkeypatch.setattr("resnet_tutorial.training.meter.peak_memory", lambda device: 9000)
    stop_after(make(tmp_path), 2)
    monkeypatch.setattr("resnet_tutorial.training.meter.peak_memory", lambda device: 4000)
    assert run(tmp_path, resume=True).record.peak_memory == 9000


def test_best_by_validation_is_kept_beside_the_last(tmp_path):
    one = make(tmp_path)
    accuracies, evaluate = iter([50.0, 75.0, 75.0]), one._evaluate
    one._evaluate = lambda batches: (
        evaluate(batches) | ({"accuracy": next(accuracies)} if batches is one.parts.val_batches else {})
    )
    record = one.fit()
    assert (record.best["epoch"], record.best["val_accuracy"], record.last["epoch"]) == (2, 75.0, 3)
    best, last = load_checkpoint(tmp_path / "best.pt"), load_checkpoint(tmp_path)
    assert (best["epoch"], last["epoch"]) == (2, 3) and best["record"]["test"] is None
    assert not torch.equal(best["model_state"]["fc.weight"], last["model_state"]["fc.weight"])


def test_the_average_is_what_is_scored_and_saved(tmp_path):
    one = run(tmp_path, **ALL_AT_ONCE)
    state = load_checkpoint(tmp_path)
    assert torch.equal(model_from_checkpoint(state).fc.weight, one.parts.ema.module.fc.weight)
    assert torch.equal(state["average"]["of"]["fc.weight"], one.model.fc.weight)
    assert not torch.equal(one.model.fc.weight, one.parts.ema.module.fc.weight)
    test = make_loader(one.config, one.parts.device, one.test_set, Transform(one.parts.mean, one.parts.std))
    assert one._evaluate(test)["loss"] == pytest.approx(one.record.test["loss"])


def test_the_warm_up_ends_with_the_training_error(tmp_path):
    recipe = replace(RECIPE, lr_scheduler="none", warmup_until_error=60.0, warmup_lr=0.001)
    rates = [row["lr"] for row in run(tmp_path / "low", recipe=recipe).record.history]
    assert rates == [0.001, 0.05, 0.05]
    rates = [
        row["lr"] for row in run(tmp_path / "high", recipe=replace(recipe, warmup_until_error=1e-3)).record.history
    ]
    assert rates == [0.001, 0.001, 0.001]


def test_what_is_global_is_as_it_was_before_and_after(tmp_path):
    """Random numbers, deterministic kernels and handlers of signals are the run's while it runs; no file is early."""

    def everything():
        kernels = (torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark)
        return (*kernels, *map(signal.getsignal, (signal.SIGINT, signal.SIGTERM))), torch.get_rng_state()

    before, numbers = everything()
    one = make(tmp_path / "run", deterministic=True, recipe=replace(RECIPE, epochs=1))
    assert not (tmp_path / "run").exists()
    seen = []
    one.listeners.append(lambda row: seen.append(everything()))
    for _ in range(2):
        after, same_numbers = everything()
        assert after == before and torch.equal(same_numbers, numbers)
        if not seen:
            one.fit()
    ((during, others),) = seen
    assert during[:2] == (True, False) and during[2] != before[2] and not torch.equal(others, numbers)


def test_tensorboard_is_asked_for_in_vain_or_gets_every_row(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match="pip install tensorboard"):
        run(tmp_path, tensorboard=True)
    written = []
    writer = SimpleNamespace(add_scalar=lambda *scalar: written.append(scalar), flush=lambda: None)
    module = SimpleNamespace(SummaryWriter=lambda folder, purge_step: writer)
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", module)
    record = run(tmp_path, tensorboard=True).record
    assert {("loss", row["loss"], row["epoch"]) for row in record.history} <= set(written)


def test_cuda_graphs_without_a_gpu(tmp_path):
    with pytest.raises(InputError, match="leave --cuda-graphs out"):
        make(tmp_path, cuda_graphs=True)


def test_a_run_of_an_older_version_cannot_go_on(tmp_path):
    run(tmp_path, epochs=1)
    state = load_checkpoint(tmp_path)
    torch.save({**state, "format": 1}, tmp_path / "last.pt")
    with pytest.raises(InputError, match="older version, whose runs cannot go on"):
        run(tmp_path, resume=True)


def test_who_watches_gets_each_row_once_it_is_saved_and_can_end_the_run(tmp_path):
    rows = []
    one = make(tmp_path)

    def watch(row):
        rows.append((row, load_checkpoint(tmp_path)["record"]["history"][-1]))
        if len(rows) == 2:
            one.stop()

    one.listeners.append(watch)
    with pytest.raises(Stopped, match="saved after epoch 2") as stopped:
        one.fit()
    assert stopped.value.status == 130
    assert [row for row, _ in rows] == [saved for _, saved in rows] == one.record.history
    same(run(tmp_path, resume=True), run(tmp_path / "whole"))
