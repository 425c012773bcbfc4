"""Images that two data sets share: the same bytes, or the same picture in another brightness, mirrored or recompressed.

A network that has seen a test image in training is asked what it remembers, not what it understands. About 3 % of
CIFAR-10's test images have a near-duplicate in the training part (Barz and Denzler 2020).
"""

import hashlib
from collections import defaultdict
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ..errors import InputError
from .dataset import ImageDataset

_CHUNK = 500  # images compared at once: with 50,000 others, 100 MB of scores
_COARSE_SIDE = 8  # pixels of the small copies
_COARSE_LIMIT = 0.1
_LUMA = (0.299, 0.587, 0.114)  # shares of red, green and blue in brightness (ITU-R BT.601)


@dataclass(frozen=True)
class Duplicate:
    """A pair of images that show the same.

    Attributes:
        first: index in the first data set.
        second: index in the second data set.
        distance: 0 for the same picture, about 1 for unrelated ones: 1 minus the correlation of the details.
        mirrored: whether one must be mirrored left to right to match the other.
        exact: whether the bytes are the same.
    """

    first: int
    second: int
    distance: float
    mirrored: bool = False
    exact: bool = False


def find_duplicates(first: ImageDataset, second: ImageDataset, limit: float = 0.4) -> list[Duplicate]:
    """Find the pairs of one image from each data set that are equal or nearly so.

    Two steps, so that all pairs can be compared. Copies of 8×8 pixels, each with its mean taken away and scaled to
    length 1, are multiplied with each other: pairs whose correlation is below 0.9 are dropped. For the rest the details
    count: the brightness of the image minus a blurred copy of it. Blue skies are alike in all but the details.
    Brightness, contrast and compression hardly change either correlation; a shift by more than a pixel does, so such
    pairs are missed. An image of one color has no details and is found by its bytes only.

    Args:
        first: for instance the training part.
        second: for instance the test part, with images of the same size.
        limit: largest distance. On CIFAR-10 nearly all pairs up to 0.4 are true ones; look at those above it.

    Returns:
        The pairs, nearest first.

    Raises:
        InputError: if the images of the two differ in size, or the limit is not in [0, 1].
    """
    sizes = [tuple(dataset.images.shape[1:3]) for dataset in (first, second)]
    if sizes[0] != sizes[1]:
        raise InputError(f"images of {sizes[0]} and {sizes[1]} pixels cannot be compared: give both the same size")
    if not 0 <= limit <= 1:
        raise InputError(f"limit must be in [0, 1], got {limit}")
    found = [*_near(first.images, second.images, limit), *_exact(first, second)]
    pairs = {(pair.first, pair.second): pair for pair in found}  # of a pair found twice, the later one stays
    return sorted(pairs.values(), key=lambda pair: (pair.distance, pair.first, pair.second))


def _exact(first: ImageDataset, second: ImageDataset) -> list[Duplicate]:
    indices = defaultdict(list)
    for i, digest in enumerate(_digests(first.images)):
        indices[digest].append(i)
    same = [(i, j) for j, digest in enumerate(_digests(second.images)) for i in indices.get(digest, ())]
    return [Duplicate(i, j, 0.0, exact=True) for i, j in same]


def _digests(images: torch.Tensor) -> list[bytes]:
    return [hashlib.sha256(image).digest() for image in images.contiguous().numpy()]


def _near(first: torch.Tensor, second: torch.Tensor, limit: float) -> list[Duplicate]:
    """Pairs up to the limit, the farthest first, so that of a pair found plain and mirrored the nearer is the later."""
    references = torch.cat([_coarse(part) for part in first.split(_CHUNK)])
    found = []
    for start in range(0, len(second), _CHUNK):
        part = second[start : start + _CHUNK]
        for mirrored, images in ((False, part), (True, part.flip(2))):
            scores = _coarse(images) @ references.T
            rows = (scores.amax(dim=1) > 1 - _COARSE_LIMIT).nonzero()[:, 0]  # few: a search in all scores is slow
            hits, i = (scores[rows] > 1 - _COARSE_LIMIT).nonzero(as_tuple=True)
            j = rows[hits]
            distance = _distances(first, images, i, j)
            close = distance <= limit
            columns = (i[close].tolist(), (j[close] + start).tolist(), distance[close].tolist())
            found += [Duplicate(*pair, mirrored) for pair in zip(*columns, strict=True)]
    return sorted(found, key=lambda pair: -pair.distance)


def _distances(first: torch.Tensor, second: torch.Tensor, i: torch.Tensor, j: torch.Tensor) -> torch.Tensor:
    """1 minus the correlation of details, for each pair of indices."""
    chunks = zip(i.split(_CHUNK), j.split(_CHUNK), strict=True)
    correlations = [(_details(first[a]) * _details(second[b])).sum(dim=1) for a, b in chunks]
    return (1 - torch.cat(correlations)).clamp(min=0)


def _coarse(images: torch.Tensor) -> torch.Tensor:
    return _unit(F.adaptive_avg_pool2d(images.permute(0, 3, 1, 2).float(), _COARSE_SIDE))


def _details(images: torch.Tensor) -> torch.Tensor:
    # Brightness alone: compression leaves it fairly intact, and coarsens colors.
    pixels = (images.float() @ torch.tensor(_LUMA))[:, None]
    return _unit(pixels - F.avg_pool2d(pixels, 5, stride=1, padding=2, count_include_pad=False))


def _unit(images: torch.Tensor) -> torch.Tensor:
    """Rows of length 1 and mean 0: their products are correlations."""
    rows = images.flatten(1)
    return F.normalize(rows - rows.mean(dim=1, keepdim=True), eps=1e-3)
