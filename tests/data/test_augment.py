import pytest
import torch
from torchvision import transforms as v1
from torchvision.transforms import functional as F
from torchvision.transforms import v2

from resnet_tutorial import InputError
from resnet_tutorial.data import Transform, crop_and_flip, cutout, normalize, random_erase

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
UNIT = Transform((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(n: int, size: int = 32) -> torch.Tensor:
    return torch.randint(1, 256, (n, size, size, 3), dtype=torch.uint8, generator=seeded(99))


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
    for draw in draws(crop_and_flip(coordinates(n), seeded())):
        counts[draw] = counts.get(draw, 0) + 1
    assert len(counts) == 162
    chi_square = sum((c - n / 162) ** 2 / (n / 162) for c in counts.values())
    assert 108 < chi_square < 220  # 161 degrees of freedom: outside by chance once in 500, too even or too uneven


def test_pixels_are_torchvisions_for_equal_draws():
    """Crop, flip, ToTensor and Normalize with the same offsets: every pixel equal, to the last bit."""
    images = noise(200)
    ours = Transform(MEAN, STD, augment=True)(images, seeded(3))
    for i, (row, column, flip) in enumerate(draws(crop_and_flip(coordinates(200), seeded(3)))):
        picture = F.crop(F.pad(F.to_pil_image(images[i].numpy()), 4), 4 + row, 4 + column, 32, 32)
        picture = F.hflip(picture) if flip else picture
        assert torch.equal(ours[i], F.normalize(F.to_tensor(picture), MEAN, STD))


@pytest.mark.parametrize(("height", "width", "pad"), [(32, 32, 4), (9, 5, 2), (5, 9, 0), (1, 1, 3), (8, 8, 12)])
def test_other_sizes_and_paddings(height, width, pad):
    images = torch.randint(1, 256, (60, height, width, 3), dtype=torch.uint8, generator=seeded(1))
    out = crop_and_flip(images, seeded(), pad=pad)
    padded = torch.nn.functional.pad(images, (0, 0, pad, pad, pad, pad))
    for i in range(60):
        windows = padded[i].unfold(0, height, 1).unfold(1, width, 1).permute(0, 1, 3, 4, 2).flatten(0, 1)
        assert any(torch.equal(out[i], w) or torch.equal(out[i], w.flip(1)) for w in windows)


def test_the_images_of_the_data_set_stay_as_they_are():
    images = noise(20)
    before = images.clone()
    everything = Transform(MEAN, STD, augment=True, erase=1.0, cutout=8, rand_augment=(2, 9), mixup=1.0)
    everything.mix(everything(images, seeded()), torch.zeros(20, dtype=torch.int64), 2, seeded())
    assert torch.equal(images, before)


def test_without_flip_nothing_is_mirrored():
    out = crop_and_flip(coordinates(200), seeded(), flip=False)
    assert not any(flip for _, _, flip in draws(out))


def test_images_are_scaled_as_torchvision_does_it():
    images = noise(3)
    got = Transform(MEAN, STD, size=20)(images, seeded())
    expected = F.resize(normalize(images, MEAN, STD), [20, 20], antialias=True)
    assert got.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(got, expected)
    augmented = Transform(MEAN, STD, augment=True)(images, seeded())  # with the same draws
    torch.testing.assert_close(
        Transform(MEAN, STD, augment=True, size=16)(images, seeded()), F.resize(augmented, [16, 16], antialias=True)
    )


def test_random_erasing_has_torchvisions_sizes():
    ours = random_erase(torch.ones(4000, 1, 32, 32), seeded(), 0.25)
    share = (ours == 0).float().mean(dim=(1, 2, 3))
    erased = share[share > 0]
    assert len(erased) / len(share) == pytest.approx(0.25, abs=0.03)
    assert erased.min() > 0.015 and erased.max() < 0.35

    torch.manual_seed(0)
    theirs = torch.stack([v1.RandomErasing(p=1.0)(torch.ones(1, 32, 32)) for _ in range(2000)])
    assert erased.mean().item() == pytest.approx((theirs == 0).float().mean().item(), abs=0.01)
    # A rectangle: every erased row is erased over the same columns.
    for image in ours[share > 0][:50, 0]:
        rows = image[(image == 0).any(dim=1)]
        assert (rows == rows[0]).all()


@pytest.mark.parametrize("side", [1, 7, 16, 40])
def test_cutout_blanks_one_square_around_any_pixel(side):
    blank = cutout(torch.ones(4000, 2, 16, 16), seeded(), side) == 0
    assert torch.equal(blank[:, 0], blank[:, 1])
    rows, columns = blank[:, 0].any(dim=2), blank[:, 0].any(dim=1)
    assert torch.equal(blank[:, 0], rows[:, :, None] & columns[:, None, :])
    # By hand: each of the 16 centers equally likely, the square cut off at the borders.
    sizes = [len(set(range(c - side // 2, c - side // 2 + side)) & set(range(16))) for c in range(16)]
    for along in (rows, columns):
        assert set(along.sum(dim=1).tolist()) == set(sizes)
        assert along.sum(dim=1).float().mean().item() == pytest.approx(sum(sizes) / 16, rel=0.03)
    assert (rows.float().argmax(dim=1) != columns.float().argmax(dim=1)).any() or side == 40


def test_cutout_comes_after_normalization_so_the_square_has_the_mean_color():
    batch = Transform(MEAN, STD, cutout=16)(noise(50), seeded())
    assert ((batch == 0).all(dim=1).sum(dim=(1, 2)) >= 64).all()


MIXES = [{"mixup": 0.2}, {"mixup": 1.0}, {"cutmix": 1.0}, {"mixup": 0.4, "cutmix": 1.0}]


@pytest.mark.parametrize("options", MIXES)
def test_mixed_labels_are_the_shares_of_the_mixed_images(options):
    """Each image is a constant, another one in each image: the shares can be read off the pixels."""
    n = 8
    images = torch.eye(n)[:, :, None, None].expand(n, n, 16, 16).contiguous()
    labels = torch.arange(n)
    weights = set()
    for seed in range(20):
        mixed, soft = Transform(MEAN, STD, **options).mix(images, labels, n, seeded(seed))
        assert soft.shape == (n, n) and soft.dtype == torch.float32
        torch.testing.assert_close(soft.sum(dim=1), torch.ones(n))
        torch.testing.assert_close(mixed.mean(dim=(2, 3)), soft)
        assert mixed.is_contiguous(memory_format=torch.channels_last)
        weights.add(round(soft[0, 0].item(), 4))
    assert len(weights) > 10


def test_both_mixers_take_turns():
    images = torch.eye(4)[:, :, None, None].expand(4, 4, 16, 16).contiguous()
    both = Transform(MEAN, STD, mixup=1.0, cutmix=1.0)
    cut = [
        torch.equal(mixed, mixed.round())
        for mixed in (both.mix(images, torch.arange(4), 4, seeded(seed))[0] for seed in range(80))
    ]
    assert 25 < sum(cut) < 55


def test_without_mixing_labels_stay_class_numbers():
    images, labels = torch.rand(4, 3, 8, 8), torch.arange(4)
    assert UNIT.mix(images, labels, 4, seeded()) == (images, labels)


def test_rand_augment_is_torchvisions_image_by_image():
    images = noise(8)
    ours = Transform((0.0,) * 3, (1 / 255,) * 3, rand_augment=(2, 9))(images, seeded(5))
    torch.manual_seed(5)
    transform = v2.RandAugment(2, 9)
    theirs = torch.stack([transform(image) for image in images.permute(0, 3, 1, 2)])
    torch.testing.assert_close(ours, theirs.float())
    assert not torch.equal(theirs, images.permute(0, 3, 1, 2))


EVERYTHING = Transform(MEAN, STD, True, 0.5, 4, (2, 9), 0.4, 1.0)


def test_all_random_numbers_come_from_the_generator():
    """Also those of torchvision, which knows only the global one."""

    def run(seed):
        generator = seeded(seed)
        return EVERYTHING.mix(EVERYTHING(noise(16), generator), torch.arange(16) % 4, 4, generator)

    torch.manual_seed(1)
    before = torch.get_rng_state()
    images, labels = run(0)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    again, labels_again = run(0)
    assert torch.equal(images, again) and torch.equal(labels, labels_again)
    assert not torch.equal(images, run(1)[0])


@pytest.mark.parametrize(
    "wrong",
    [
        {"std": (1.0, 0.0, 1.0)},
        {"erase": 1.5},
        {"cutout": -1},
        {"rand_augment": (0, 9)},
        {"rand_augment": (2, 31)},
        {"mixup": -0.1},
        {"cutmix": -1.0},
    ],
)
def test_values_out_of_range_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(InputError, match=f"^{name} must be "):
        Transform(**{"mean": MEAN, "std": STD, **wrong})
