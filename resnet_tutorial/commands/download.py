"""Download a data set."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional, UseAppendAction

from ..data import download_dataset, load_dataset
from ..data.load import DATA_VARIABLE
from ..data.sources import SOURCES
from .common import parse

DOWNLOADS = Path("data/datasets")


@dataclass(frozen=True)
class DownloadArgs:
    """Download CIFAR-10 or CIFAR-100 (170 MB each) and check it; go on where an earlier download was cut off."""

    name: Positional[Literal["cifar10", "cifar100"]] = "cifar10"
    """Data set."""
    root: Path | None = None
    """Folder to put it into; without one, that of RESNET_TUTORIAL_DATA, or data/datasets."""
    mirror: UseAppendAction[tuple[tuple[str, ...], ...]] = ()
    """Addresses to try first: of the archive, or, with a slash at the end, of a folder that holds it."""


def download_command(argv: list[str]) -> None:
    args = parse(DownloadArgs, "download", argv)
    root = args.root or os.environ.get(DATA_VARIABLE) or DOWNLOADS
    path = download_dataset(args.name, root, [url for urls in args.mirror for url in urls])
    if path.name != SOURCES[args.name].archive:
        load_dataset(args.name, path)  # a copy from elsewhere: raises where it is damaged
    print(f"{SOURCES[args.name].title} is in {path}")
