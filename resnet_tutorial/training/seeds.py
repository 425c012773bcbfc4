"""One experiment with several seeds."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from ..errors import InputError
from .config import TrainConfig
from .record import RunRecord
from .run_folder import RunFolder
from .trainer import Trainer, data_of


def choose_seeds(numbers: Sequence[int], first: int = 0) -> tuple[int, ...]:
    """The seeds that ``--seeds`` means: one number is how many, from ``first`` on; several are the seeds themselves.

    Raises:
        InputError: if there are none, or one is named twice.
    """
    if len(numbers) == 1:
        numbers = range(first, first + numbers[0])
    if not numbers:
        raise InputError("--seeds takes how many seeds, at least 1, or the seeds themselves, as in --seeds 0 1 2")
    if len(set(numbers)) < len(numbers):
        raise InputError(f"--seeds names a seed twice: {' '.join(map(str, numbers))}")
    return tuple(numbers)


def train_seeds(config: TrainConfig, seeds: Sequence[int], log: Callable[[str], None] = print) -> list[RunRecord]:
    """Run a training once for each seed, one after the other.

    Each seed has a folder of its own: ``runs/<model>-<data>-seed<seed>``, or ``seed<seed>`` in the ``ckpt_dir`` of the
    config. A run that is finished there is left as it is, and one that was broken off goes on.

    Args:
        config: the run; its ``seed`` and ``resume`` are not looked at.
        seeds: the seeds.
        log: receives one line at a time.

    Raises:
        InputError: as of `train_from`, also if a folder holds another run.
    """
    records = []
    with data_of(config) as parts:
        for i, seed in enumerate(seeds):
            folder = config.ckpt_dir and config.ckpt_dir / f"seed{seed}"
            one = replace(config, seed=seed, ckpt_dir=folder, resume="auto")
            trainer = Trainer(one, *parts, log=log)
            finished = RunFolder(trainer.folder).is_finished()
            trainer.log(
                f"seed {seed} ({i + 1} of {len(seeds)}){': finished before, nothing to do' if finished else ''}"
            )
            if finished:
                trainer.log = lambda line: None
            records.append(trainer.fit())
    return records
