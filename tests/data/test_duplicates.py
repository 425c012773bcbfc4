import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from resnet_tutorial import ImageDataset, InputError
from resnet_tutorial.data import Duplicate, find_duplicates


def pictures(n: int, seed: int, size: int = 32) -> torch.Tensor:
    """Colored shapes on colored ground: smooth areas and edges, as photographs have."""
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(n):
        image = Image.new("RGB", (size, size), tuple(rng.integers(0, 200, 3).tolist()))
        draw = ImageDraw.Draw(image)
        for _ in range(12):
            x, y = rng.integers(-4, size, 2).tolist()
            w, h = rng.integers(2, size // 2 + 1, 2).tolist()
            draw.ellipse((x, y, x + w, y + h), fill=tuple(rng.integers(0, 200, 3).tolist()))
        images.append(np.asarray(image))
    return torch.from_numpy(np.stack(images))


def dataset(images: torch.Tensor, split: str = "train") -> ImageDataset:
    return ImageDataset(images, torch.zeros(len(images), dtype=torch.int64), ("any",), "toy", split)


def recompressed(image: torch.Tensor) -> torch.Tensor:
    buffer = io.BytesIO()
    Image.fromarray(image.numpy()).save(buffer, "JPEG", quality=75)
    return torch.from_numpy(np.asarray(Image.open(buffer)).copy())


CHANGES = {
    "brighter": lambda image: image + 40,
    "less contrast": lambda image: (image * 0.6 + 30).to(torch.uint8),
    "recompressed": recompressed,
    "noisy": lambda image: image + torch.randint(0, 8, image.shape, generator=torch.Generator().manual_seed(0)).byte(),
    "mirrored": lambda image: image.flip(1),
    "mirrored and recompressed": lambda image: recompressed(image.flip(1)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_planted_duplicates_are_found_and_nothing_else(change):
    train, test = pictures(700, 1), pictures(560, 2)
    for place, source in ((7, 650), (559, 3)):
        test[place] = CHANGES[change](train[source])
    found = find_duplicates(dataset(train), dataset(test, "test"))
    assert sorted((pair.second, pair.first) for pair in found) == [(7, 650), (559, 3)]
    assert all(pair.mirrored == change.startswith("mirrored") and not pair.exact for pair in found)
    assert [pair.distance for pair in found] == sorted(pair.distance for pair in found)


def test_equal_bytes_are_exact_also_in_images_without_details():
    train, test = pictures(40, 1), pictures(10, 2)
    train[5] = train[30] = test[2] = 77
    test[3] = train[11]
    assert find_duplicates(dataset(train), dataset(test)) == [
        Duplicate(5, 2, 0.0, exact=True),
        Duplicate(11, 3, 0.0, exact=True),
        Duplicate(30, 2, 0.0, exact=True),
    ]


def test_an_image_that_matches_both_ways_is_one_pair_with_the_nearer_distance():
    half = pictures(1, 3)[0, :, :16]
    image = torch.cat([half, half.flip(1)], dim=1)
    image[4:6, 4:6] += 50
    (pair,) = find_duplicates(dataset(image[None]), dataset(recompressed(image)[None]))
    (turned,) = find_duplicates(dataset(image[None]), dataset(recompressed(image.flip(1))[None]))
    assert (pair.exact, pair.mirrored, turned.mirrored) == (False, False, True)


def test_images_alike_in_all_but_details_are_no_duplicates():
    """Two skies with another bird each."""
    sky = torch.linspace(100, 200, 32).byte()[:, None, None].expand(32, 32, 3)
    first, second = sky.clone(), sky.clone()
    first[8:10, 8:10], second[20:22, 22:24] = 0, 0
    assert find_duplicates(dataset(first[None]), dataset(second[None])) == []
    assert len(find_duplicates(dataset(first[None]), dataset(second[None]), limit=1.0)) == 1


def test_the_limit_is_the_largest_distance():
    train = pictures(5, 1)
    test = torch.stack([recompressed(image) for image in train])
    distances = [pair.distance for pair in find_duplicates(dataset(train), dataset(test))]
    assert len(distances) == 5
    assert len(find_duplicates(dataset(train), dataset(test), limit=distances[2])) == 3


@pytest.mark.parametrize("size", [5, 20, 33])
def test_images_of_any_size_are_compared(size):
    train = pictures(20, 1, size)
    (pair,) = find_duplicates(dataset(train), dataset(train[4:5] // 2 + 60))
    assert pair.first == 4


def test_wrong_input_is_refused():
    with pytest.raises(InputError, match="same size"):
        find_duplicates(dataset(pictures(2, 0)), dataset(pictures(2, 0, 16)))
    with pytest.raises(InputError, match="limit must be"):
        find_duplicates(dataset(pictures(2, 0)), dataset(pictures(2, 0)), limit=1.5)
