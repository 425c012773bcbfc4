import os
import random
import resource
import zipfile

import numpy as np
import pytest
import torch

from resnet_tutorial import InputError, create_model
from resnet_tutorial.training import load_checkpoint, model_from_checkpoint
from resnet_tutorial.training.checkpoint import (
    has_checkpoint,
    newest_checkpoint,
    random_states,
    restore_random_states,
    run_folder,
    save_checkpoint,
    save_newest,
)


def state(epoch: int) -> dict:
    return {"epoch": epoch, "model_state": {"weight": torch.arange(1000.0) + epoch}}


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_last_two_and_the_best_are_kept(tmp_path):
    for epoch in range(4):
        save_newest(tmp_path, state(epoch), best=epoch == 1)
    assert names(tmp_path) == ["best.pt", "last.pt", "previous.pt"]
    epochs = {name: load_checkpoint(tmp_path / name)["epoch"] for name in names(tmp_path)}
    assert epochs == {"best.pt": 1, "last.pt": 3, "previous.pt": 2}
    assert load_checkpoint(tmp_path)["epoch"] == 3


def test_other_readers_open_it_too(tmp_path):
    """The checksum is the comment of a zip archive, as which torch.save writes."""
    save_checkpoint(tmp_path / "last.pt", state(5))
    found = torch.load(tmp_path / "last.pt", weights_only=True)
    assert torch.equal(found["model_state"]["weight"], torch.arange(1000.0) + 5)
    with zipfile.ZipFile(tmp_path / "last.pt") as archive:
        assert archive.testzip() is None and archive.comment.startswith(b"sha256:")


def damage(path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "cut in half":
        del content[len(content) // 2 :]
    elif how == "last byte missing":
        del content[-1:]
    elif how == "one bit turned":
        content[len(content) // 2] ^= 1
    elif how == "checksum gone":
        del content[-71:]
    else:
        content[:] = b"hello\n" * (how == "text")
    path.write_bytes(content)


@pytest.mark.parametrize(
    "how", ["cut in half", "last byte missing", "one bit turned", "checksum gone", "text", "empty"]
)
def test_a_damaged_one_is_noticed_and_the_one_before_is_used(tmp_path, how, capsys):
    save_newest(tmp_path, state(1))
    save_newest(tmp_path, state(2))
    damage(tmp_path / "last.pt", how)
    lines = []
    for path in (tmp_path, tmp_path / "last.pt"):
        assert load_checkpoint(path, lines.append)["epoch"] == 1
    assert len(lines) == 2 and "last.pt is damaged" in lines[0] and "previous.pt (after epoch 1)" in lines[0]
    load_checkpoint(tmp_path)
    assert "previous.pt" in capsys.readouterr().err
    damage(tmp_path / "previous.pt", how)
    with pytest.raises(
        InputError, match=r"last.pt and previous.pt in .* are damaged .*: use another folder, or delete"
    ):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("how", ["damaged", "gone"])
def test_of_three_the_best_alone_is_whole(tmp_path, how):
    save_newest(tmp_path, state(1), best=True)
    save_newest(tmp_path, state(2))
    for name in ("last.pt", "previous.pt"):
        (tmp_path / name).unlink()
        if how == "damaged":
            (tmp_path / name).write_bytes(b"cut")
    lines = []
    assert has_checkpoint(tmp_path)
    assert load_checkpoint(tmp_path, lines.append)["epoch"] == 1
    assert len(lines) == 1 and "the checkpoint before it, best.pt (after epoch 1)" in lines[0]


def test_a_folder_named_by_its_checkpoint(tmp_path):
    save_newest(tmp_path, state(1), best=True)
    assert run_folder(tmp_path / "last.pt") == run_folder(tmp_path) == tmp_path
    assert run_folder(tmp_path / "new") == tmp_path / "new"
    with pytest.raises(InputError, match=r"best.pt is a file: name the folder"):
        run_folder(tmp_path / "best.pt")


def test_a_kill_between_the_two_renames(tmp_path):
    save_newest(tmp_path / "run", state(1))
    save_newest(tmp_path / "run", state(2))
    (tmp_path / "run" / "last.pt").rename(tmp_path / "run" / "previous.pt")
    lines = []
    assert load_checkpoint(newest_checkpoint(tmp_path), lines.append)["epoch"] == 2
    assert "last.pt is missing" in lines[0]


def test_the_newest_run_may_be_one_of_several_seeds(tmp_path):
    for age, place in enumerate(("seeds/seed1", "run")):
        save_newest(tmp_path / place, state(1))
        os.utime(tmp_path / place / "last.pt", (1e9 - age, 1e9 - age))
    assert newest_checkpoint(tmp_path) == tmp_path / "seeds" / "seed1" / "last.pt"


def test_a_full_disk_leaves_the_old_ones(tmp_path):
    save_newest(tmp_path, state(1))
    save_newest(tmp_path, state(2))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(InputError, match=r"cannot write .* free some space"):
            save_newest(tmp_path, state(3), best=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_best_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    save_newest(tmp_path, state(1))
    (tmp_path / "best.pt").mkdir()
    with pytest.raises(InputError, match=r"cannot write .*best.pt"):
        save_newest(tmp_path, state(2), best=True)
    assert names(tmp_path) == ["best.pt", "last.pt"] and load_checkpoint(tmp_path)["epoch"] == 1


def test_every_generator_goes_on_where_it_was():
    draw = lambda: (torch.rand(3).tolist(), random.random(), np.random.rand(2).tolist())  # noqa: E731
    states = random_states()
    first = draw()
    restore_random_states(states)
    assert draw() == first


def test_a_checkpoint_of_the_first_format_still_predicts(tmp_path):
    model = create_model("resnet8", num_classes=2)
    old = {"format": 1, "model": "resnet8", "model_state": model.state_dict(), "classes": ["a", "b"], "epoch": 1}
    torch.save(old, tmp_path / "last.pt")
    loaded = model_from_checkpoint(load_checkpoint(tmp_path))
    assert torch.equal(loaded.fc.weight, model.fc.weight)


def test_a_newer_format_is_refused_also_where_an_older_one_lies_beside_it(tmp_path):
    save_newest(tmp_path, state(1))
    save_newest(tmp_path, state(2))
    torch.save({"format": 99, **state(3)}, tmp_path / "last.pt")
    with pytest.raises(InputError, match="newer version"):
        load_checkpoint(tmp_path)


def test_a_checkpoint_with_code_in_it_runs_nothing(tmp_path):
    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "was here"),)

    torch.save({"format": 1, "model_state": Hostile()}, tmp_path / "last.pt")
    with pytest.raises(InputError, match="damaged or no checkpoint"):
        load_checkpoint(tmp_path)
    assert not (tmp_path / "was here").exists()


def test_other_files_are_no_checkpoints(tmp_path):
    torch.save({"weight": torch.zeros(1)}, tmp_path / "last.pt")
    with pytest.raises(InputError, match="holds no run to load"):
        load_checkpoint(tmp_path)
    with pytest.raises(InputError, match="no checkpoint at"):
        load_checkpoint(tmp_path / "nowhere")
