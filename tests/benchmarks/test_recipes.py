import csv

import pytest

from benchmarks.recipes import WAYS, Contender, Split, fitted, main, read_length, read_way, report
from resnet_tutorial import InputError, TrainConfig, Trainer
from resnet_tutorial.training import load_recipe, pick_device
from resnet_tutorial.training.optim import learning_rates
from tests.conftest import make_dataset


def test_a_way_is_a_recipe_with_changes():
    way = read_way("modern:lr=0.8,lr_scheduler=CosineAnnealingLR,ema=0,nesterov=false")
    assert (way.lr, way.lr_scheduler, way.ema, way.nesterov) == (0.8, "CosineAnnealingLR", 0.0, False)
    assert way.label_smoothing == load_recipe("modern").label_smoothing
    assert read_way("modern:lr=0.8@36").lr == 0.8 and read_length("modern:lr=0.8@36") == 36
    assert read_length("modern") is None
    with pytest.raises(InputError):
        read_length("modern@long")
    assert read_way("ordinary loop:lr=0.2").lr == 0.2
    for words in ("modern:lr", "modern:lr=a", "modern:speed=2", "nothing", "ordinary loop:label_smoothing=0.1"):
        with pytest.raises(InputError):
            read_way(words)


@pytest.mark.parametrize("way", WAYS)
def test_in_another_length_the_schedule_has_the_same_shape(way):
    recipe, steps = read_way(way), 352
    short = fitted(recipe, 20, steps)
    assert short.total_epochs(steps) == 20
    before, after = learning_rates(recipe, steps), learning_rates(short, steps)
    for share in (0.07, 0.3, 0.45, 0.55, 0.8):
        there, here = (rates[int(share * len(rates))] for rates in (before, after))
        assert here == pytest.approx(there, rel=0.05), f"at {share:.0%} of the run"


def contender(way, rows, seed=0):
    made = object.__new__(Contender)
    made.way, made.seed, made.epochs = way, seed, len(rows)
    made.rows = [{"epoch": i, "seconds": s, "accuracy": a} for i, (s, a) in enumerate(rows, start=1)]
    return made


def test_equal_accuracy_is_where_the_worse_one_ends():
    fast = contender("modern", [(2, 40.0), (4, 70.0), (6, 75.0)])
    slow = contender("paper", [(1, 30.0), (2, 50.0), (3, 60.0), (4, 70.0)])
    assert report([fast, slow])[-1] == (
        "to 70.00 %, where the worse of the two ends, modern takes 0.50 × the epochs and 1.00 × the time of paper"
    )
    assert "paper takes 2.00 × the epochs and 1.00 × the time of modern" in report([slow, fast])[-1]


def test_a_race_without_a_finished_epoch_has_nothing_to_report():
    assert report([contender("modern", []), contender("paper", [])]) == ["no epoch was finished"]


def test_seeds_of_a_way_are_reported_with_their_spread():
    lines = report([contender("modern", [(1, 70.0)], seed=0), contender("modern", [(1, 74.0)], seed=1)])
    assert "72.00 ± 2.83 % (2 seeds)" in lines[1]


def test_ours_is_what_the_trainer_does(tmp_path):
    """Same seed, same images: the same accuracies, so that the comparison is about the shipped recipes."""
    train, val = make_dataset(120).hold_out(30, seed=0)
    words = "modern:epochs=2,batch_size=30,lr=0.05"
    device = pick_device(TrainConfig(device="cpu"))
    ours = Contender(words, "resnet8", Split(train, val, pad=4), 3, device, None)
    rows = [ours.epoch(), ours.epoch()]
    recipe = read_way(words + ",validation=0.25")
    config = TrainConfig(model="resnet8", seed=3, ckpt_dir=tmp_path, recipe=recipe, progress=False, device="cpu")
    record = Trainer(config, make_dataset(120), val, log=lambda line: None).fit()
    assert [row["accuracy"] for row in rows] == [row["val_accuracy"] for row in record.history]


def test_all_ways_take_turns_and_every_epoch_is_logged(image_folder, tmp_path, capsys):
    log = tmp_path / "log.csv"
    main([str(image_folder), "--epochs", "2", "--network", "resnet8", "--size", "16", "--log", str(log)])
    said = capsys.readouterr().out
    assert "images of 16×16" in said and said.count("× the epochs") == len(WAYS) - 1
    rows = list(csv.DictReader(log.read_text().splitlines()))
    assert [(row["way"], row["epoch"]) for row in rows] == [(way, epoch) for epoch in "12" for way in WAYS]


@pytest.mark.parametrize(
    "flags", [("--size", "0"), ("--epochs", "0"), ("--train-size", "0"), ("--log", "none/log.csv")]
)
def test_what_cannot_be_raced_is_refused_at_once(flags, capsys):
    with pytest.raises(SystemExit) as end:
        main(["no folder", *flags])
    assert end.value.code == 2 and flags[0] in capsys.readouterr().err


def test_a_log_is_not_written_over(tmp_path):
    (tmp_path / "log.csv").write_text("hours of work")
    with pytest.raises(SystemExit):
        main(["no folder", "--log", str(tmp_path / "log.csv")])
    assert (tmp_path / "log.csv").read_text() == "hours of work"
