import pytest
import torch

from resnet_tutorial.data import crop_and_flip, normalize, random_erase


def coordinates(n: int, size: int = 32) -> torch.Tensor:
    """Images whose pixels hold their own row, column and image: a crop can be read off them."""
    image = torch.stack(
        [
            torch.arange(size)[:, None].expand(size, size) + 1,
            torch.arange(size)[None, :].expand(size, size) + 1,
            torch.full((size, size), 7),
        ],
        dim=-1,
    )
    return image.to(torch.uint8).expand(n, -1, -1, -1).contiguous()


def draws(images: torch.Tensor) -> list[tuple[int, int, bool]]:
    """Offset and flip of each crop, read off pixels in the middle, where no padding reaches."""
    middle = images[:, 16, 15:17].int()
    flips = middle[:, 0, 1] > middle[:, 1, 1]
    rows = middle[:, 0, 0] - 17
    columns = torch.where(flips, middle[:, 1, 1], middle[:, 0, 1]) - 16
    return list(zip(rows.tolist(), columns.tolist(), flips.tolist(), strict=True))


def test_each_of_the_81_crops_and_two_flips_comes_equally_often():
    n = 16_200
    counts = {}
    for draw in draws(crop_and_flip(coordinates(n), torch.Generator().manual_seed(0))):
        counts[draw] = counts.get(draw, 0) + 1
    assert len(counts) == 162
    chi_square = sum((c - n / 162) ** 2 / (n / 162) for c in counts.values())
    assert chi_square < 220  # 161 degrees of freedom: exceeded by chance once in 800


def test_pixels_are_those_of_padding_cropping_and_mirroring():
    images = torch.randint(1, 256, (50, 32, 32, 3), dtype=torch.uint8)
    marked = torch.cat([images, coordinates(50)], dim=-1)
    out = crop_and_flip(marked, torch.Generator().manual_seed(3))
    padded = torch.nn.functional.pad(images, (0, 0, 4, 4, 4, 4))
    for i, (row, column, flip) in enumerate(draws(out[..., 3:])):
        expected = padded[i, 4 + row : 36 + row, 4 + column : 36 + column]
        assert torch.equal(out[i, ..., :3], expected.flip(1) if flip else expected)


def test_images_of_a_batch_get_draws_of_their_own():
    assert len(set(draws(crop_and_flip(coordinates(64), torch.Generator().manual_seed(0))))) > 30


def test_without_flip_nothing_is_mirrored():
    out = crop_and_flip(coordinates(200), torch.Generator().manual_seed(0), flip=False)
    assert not any(flip for _, _, flip in draws(out))


def test_normalize():
    images = torch.randint(0, 256, (4, 5, 6, 3), dtype=torch.uint8)
    mean, std = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)
    out = normalize(images, mean, std)
    expected = (images.permute(0, 3, 1, 2) / 255 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    torch.testing.assert_close(out, expected)
    assert out.is_contiguous(memory_format=torch.channels_last)


def test_random_erasing_has_torchvisions_sizes():
    ours = random_erase(torch.ones(4000, 1, 32, 32), torch.Generator().manual_seed(0), 0.25)
    share = (ours == 0).float().mean(dim=(1, 2, 3))
    erased = share[share > 0]
    assert len(erased) / len(share) == pytest.approx(0.25, abs=0.03)
    assert erased.min() > 0.015 and erased.max() < 0.35

    from torchvision.transforms import RandomErasing

    torch.manual_seed(0)
    theirs = torch.stack([RandomErasing(p=1.0)(torch.ones(1, 32, 32)) for _ in range(2000)])
    assert erased.mean().item() == pytest.approx((theirs == 0).float().mean().item(), abs=0.01)
    # A rectangle: every erased row is erased over the same columns.
    for image in ours[share > 0][:50, 0]:
        rows = image[(image == 0).any(dim=1)]
        assert (rows == rows[0]).all()
