"""Download a data set."""

import os
from pathlib import Path

from ..data import download_dataset, load_dataset
from ..data.load import DATA_VARIABLE
from ..data.sources import SOURCES
from .arguments import DownloadArgs

DOWNLOADS = Path("data/datasets")


def run(args: DownloadArgs) -> None:
    root = args.root or os.environ.get(DATA_VARIABLE) or DOWNLOADS
    path = download_dataset(args.name, root, args.mirror)
    if path.name != SOURCES[args.name].archive:
        load_dataset(args.name, path)  # a copy from elsewhere: raises where it is damaged
    print(f"{SOURCES[args.name].title} is in {path}")
