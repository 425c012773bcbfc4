"""Train a network, once or with several seeds."""

from ..training import train
from ..training.distributed import leave_world, report_failure
from ..training.seeds import choose_seeds, train_seeds
from .arguments import TrainArgs


def run(args: TrainArgs) -> None:
    if args.seeds:
        report_failure(train_seeds)(args.run, choose_seeds(args.seeds, args.run.seed), log=_print)
    else:
        report_failure(train)(args.run, log=_print)
    leave_world()


def _print(line: str) -> None:
    print(line, flush=True)
