"""Those who listen to a run: each gets the row of an epoch, as `RunRecord` holds it, once the epoch is saved."""

import math
from collections.abc import Callable
from pathlib import Path

from ..data import ImageDataset
from ..errors import InputError
from .record import RunRecord

Listener = Callable[[dict], object]


class EpochLines:
    """A line for each epoch, and one more if the network does not learn.

    Args:
        log: receives the lines.
        epochs: number of epochs of the run.
        train_set: the training images.
        lr: the learning rate of the recipe.
    """

    def __init__(self, log: Callable[[str], None], epochs: int, train_set: ImageDataset, lr: float):
        counts = train_set.labels.bincount()
        self.log, self.epochs, self.lr, self.warned = log, epochs, lr, False
        self.guessing, self.chance = math.log(len(counts)), 100 * (counts.max() / counts.sum()).item()

    def __call__(self, row: dict) -> None:
        width = len(str(self.epochs))
        val = f"  val {row['val_accuracy']:5.2f} %" if "val_accuracy" in row else ""
        self.log(
            f"epoch {row['epoch']:{width}}/{self.epochs}  lr {row['lr']:.5f}  loss {row['loss']:.4f}  "
            f"train {row['train_accuracy']:5.2f} %{val}  {row['images_per_second']:,.0f} images/s  "
            f"{row['seconds']:.1f} s"
        )
        if self.warned:
            return
        self.warned, advice = True, f"lower --lr, which is {self.lr:g}"
        if row["loss"] > 2 * self.guessing:
            self.log(f"note: a loss of {row['loss']:.4g} is far above that of guessing, {self.guessing:.2f}: {advice}")
        elif row["epoch"] == self.epochs and row["train_accuracy"] < 1.1 * self.chance:
            self.log(
                f"note: in the end the network is no better than guessing ({self.chance:.2f} %): train longer, "
                f"or {advice}"
            )
        else:
            self.warned = False


class TensorBoard:
    """The history for TensorBoard.

    Args:
        folder: of the run.
        epoch: epochs that are finished already; what an earlier attempt wrote after them goes.

    Raises:
        InputError: if TensorBoard is not installed.
    """

    def __init__(self, folder: Path, epoch: int):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise InputError(
                "--tensorboard needs TensorBoard: pip install tensorboard, or leave the flag out"
            ) from None
        self.writer = SummaryWriter(str(folder / "tensorboard"), purge_step=epoch + 1)

    def __call__(self, row: dict) -> None:
        for name in row.keys() - {"epoch"}:
            self.writer.add_scalar(name, row[name], row["epoch"])
        self.writer.flush()


def headline(record: RunRecord, device: str) -> str:
    """What is trained, on what, where."""
    data = record.data
    parts = f"{data['train']:,} images to train"
    parts += f", {data['validation']:,} to validate" if data["validation"] else ""
    parts += f", {data['test']:,} to test"
    where = f"{device}, {record.precision}" + (f", {record.processes} processes" if record.processes > 1 else "")
    return f"{record.model} ({record.parameters:,} parameters) on {data['name']}: {parts}; {where}"
