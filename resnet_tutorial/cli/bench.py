"""Measure how fast this machine trains."""

import json
from dataclasses import replace

from ..training import load_recipe
from ..training.bench import bench
from .arguments import BenchArgs


def run(args: BenchArgs) -> None:
    recipe = load_recipe(args.config)
    if args.batch_size is not None:
        recipe = replace(recipe, batch_size=args.batch_size)
    config = replace(args.run, recipe=recipe)
    report = bench(args.models, config, images=args.images, repeats=args.repeats, others=args.all)
    print(json.dumps(report.as_dict(), indent=2, ensure_ascii=False) if args.json else report)
    if not (args.all or args.json):
        print("\n--all estimates the time with the other networks, too")
