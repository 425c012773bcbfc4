"""Train a network, once or with several seeds."""

from functools import partial

from ..figures.results import compare
from ..training import train_from
from ..training.distributed import read_world, report_failure
from ..training.seeds import choose_seeds, train_seeds
from .arguments import TrainArgs


def run(args: TrainArgs) -> None:
    tell = partial(print, flush=True)
    if args.seeds:
        records = report_failure(train_seeds)(args.run, choose_seeds(args.seeds, args.run.seed), log=tell)
        if read_world().rank == 0:
            tell(f"\n{compare(records)}")
    else:
        report_failure(train_from)(args.run, log=tell)
