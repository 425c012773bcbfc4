"""Data pipelines as learners write them."""

import torch
import torch.nn.functional as F

from resnet_course import checks
from resnet_tutorial.data import crop_and_flip

from . import right, wrong


@right(checks.statistics)
def statistics(train, test):
    pixels = train.float().div(255)
    return pixels.mean((0, 1, 2)), pixels.std((0, 1, 2))


wrong(checks.statistics, "statistics_of_test")(lambda train, test: statistics(test, test))
wrong(checks.statistics, "statistics_of_both")(lambda train, test: statistics(torch.cat((train, test)), None))
wrong(checks.statistics, "not_scaled")(lambda train, test: [255 * row for row in statistics(train, test)])


@wrong(checks.statistics, "one_for_all_channels")
def one_for_all(train, test):
    pixels = train / 255
    return [pixels.mean()] * 3, [pixels.std()] * 3


@wrong(checks.statistics, "variance_for_std")
def variance(train, test):
    return (train / 255).mean((0, 1, 2)), (train / 255).var((0, 1, 2))


@wrong(checks.statistics, "mean_of_stds")
def mean_of_stds(train, test):
    each = [(image / 255).std((0, 1), correction=0) for image in train]
    return (train / 255).mean((0, 1, 2)), torch.stack(each).mean(0)


@wrong(checks.statistics, "std_of_means")
def std_of_means(train, test):
    means = (train / 255).mean((1, 2))
    return means.mean(0), means.std(0, correction=0)


@right(checks.normalize)
def normalize(images, mean, std):
    x = images.permute(0, 3, 1, 2) / 255
    return (x - mean.view(3, 1, 1)) / std.view(3, 1, 1)


@right(checks.normalize)
def normalize_folded(images, mean, std):
    """One multiplication, one subtraction."""
    return (images * (1 / (255 * std)) - mean / std).movedim(-1, 1)


normalized = (
    ("view_for_permute", lambda x, m, s: ((x / 255 - m) / s).view(-1, 3, *x.shape[1:3])),
    ("not_scaled", lambda x, m, s: ((x - m) / s).permute(0, 3, 1, 2)),
    ("std_before_mean", lambda x, m, s: (x / 255 / s - m).permute(0, 3, 1, 2)),
    ("mean_ignored", lambda x, m, s: (x / 255 / s).permute(0, 3, 1, 2)),
    ("std_ignored", lambda x, m, s: (x / 255 - m).permute(0, 3, 1, 2)),
    ("std_multiplied", lambda x, m, s: ((x / 255 - m) * s).permute(0, 3, 1, 2)),
    ("scaled_only", lambda x, m, s: x.permute(0, 3, 1, 2) / 255),
    ("colors_reversed", lambda x, m, s: normalize(x, m, s)[:, [2, 1, 0]]),
    ("axes_swapped", lambda x, m, s: normalize(x, m, s).mT),
    ("shape", lambda x, m, s: (x / 255 - m) / s),
)
for key, answer in normalized:
    wrong(checks.normalize, key)(answer)


def stratified(labels, n, seed, generator=None):
    generator = generator or torch.Generator().manual_seed(seed)
    held = []
    for k in labels.unique():
        of_class = (labels == k).nonzero()[:, 0]
        order = torch.randperm(len(of_class), generator=generator)
        held.append(of_class[order[: round(len(of_class) * n / len(labels))]])
    held = torch.cat(held)
    rest = torch.ones(len(labels), dtype=torch.bool)
    rest[held] = False
    return rest.nonzero()[:, 0], held


right(checks.split)(stratified)


@wrong(checks.split, "split_overlap")
def overlap(labels, n, seed):
    return torch.arange(len(labels)), stratified(labels, n, seed)[1]


@wrong(checks.split, "split_swapped")
def swapped(labels, n, seed):
    return stratified(labels, n, seed)[::-1]


@wrong(checks.split, "split_size")
def too_small(labels, n, seed):
    train, held = stratified(labels, n // 2, seed)
    return train, held


@wrong(checks.split, "split_incomplete")
def incomplete(labels, n, seed):
    train, held = stratified(labels, n, seed)
    return train[:100], held


@wrong(checks.split, "split_in_order")
def in_order(labels, n, seed):
    return torch.arange(len(labels) - n), torch.arange(len(labels) - n, len(labels))


@wrong(checks.split, "split_unstratified")
def unstratified(labels, n, seed):
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    return order[n:], order[:n]


@wrong(checks.split, "split_irreproducible")
def irreproducible(labels, n, seed):
    return stratified(labels, n, seed, torch.Generator().manual_seed(torch.randint(10**6, ()).item()))


@wrong(checks.split, "split_seed_ignored")
def one_seed(labels, n, seed):
    return stratified(labels, n, 42)


@wrong(checks.split, "global_seed")
def global_seed(labels, n, seed):
    torch.manual_seed(seed)
    return stratified(labels, n, seed, torch.default_generator)


def window(images, top, left, mirrored, pad=4, mode="constant", axis=1):
    """Image by image."""
    size, cut = images.shape[1], []
    for image, row, column, flip in zip(images, top.tolist(), left.tolist(), mirrored.tolist(), strict=True):
        wide = F.pad(image.permute(2, 0, 1).float(), (pad,) * 4, mode=mode).permute(1, 2, 0).to(torch.uint8)
        piece = wide[row : row + size, column : column + size]
        cut.append(piece.flip(axis) if flip else piece)
    return torch.stack(cut)


def draw(n, generator, high=9):
    top, left = torch.randint(0, high, (2, n), generator=generator)
    return top, left, torch.rand(n, generator=generator) < 0.5


right(checks.augmentation)(crop_and_flip)


@right(checks.augmentation)
def one_by_one(images, generator):
    return window(images, *draw(len(images), generator))


right(checks.augmentation, size=(6, 10))(crop_and_flip)
wrong(checks.augmentation, "shape", size=(6, 10))(one_by_one)  # cuts squares


@wrong(checks.augmentation, "same_crop")
def same_crop(images, generator):
    n = len(images)
    top, left = (torch.randint(0, 9, (1,), generator=generator).expand(n) for _ in range(2))
    return window(images, top, left, torch.rand(n, generator=generator) < 0.5)


@wrong(checks.augmentation, "diagonal_crop")
def diagonal(images, generator):
    top, _, mirrored = draw(len(images), generator)
    return window(images, top, top, mirrored)


@wrong(checks.augmentation, "never_cropped")
def uncropped(images, generator):
    _, _, mirrored = draw(len(images), generator)
    return torch.where(mirrored[:, None, None, None], images.flip(2), images)


@wrong(checks.augmentation, "crop_range")
def short_range(images, generator):
    return window(images, *draw(len(images), generator, high=8))


@wrong(checks.augmentation, "never_flipped")
def flip_lost(images, generator):
    top, left, mirrored = draw(len(images), generator)
    return window(images, top, left, mirrored & False)


@wrong(checks.augmentation, "all_flipped")
def all_flipped(images, generator):
    top, left, mirrored = draw(len(images), generator)
    return window(images, top, left, mirrored | True)


@wrong(checks.augmentation, "flip_share")
def flipped_rarely(images, generator):
    top, left, _ = draw(len(images), generator)
    return window(images, top, left, torch.rand(len(images), generator=generator) < 0.1)


@wrong(checks.augmentation, "flip_upside_down")
def upside_down(images, generator):
    return window(images, *draw(len(images), generator), axis=0)


@wrong(checks.augmentation, "border_not_black")
def reflected(images, generator):
    return window(images, *draw(len(images), generator), mode="reflect")


@wrong(checks.augmentation, "order_changed")
def batch_flipped(images, generator):
    return window(images, *draw(len(images), generator)).flip(0)


@wrong(checks.augmentation, "no_window")
def brightened(images, generator):
    return one_by_one(images, generator) // 2


@wrong(checks.augmentation, "shape")
def padded_only(images, generator):
    return F.pad(images, (0, 0, 4, 4, 4, 4))


@wrong(checks.augmentation, "input_overwritten")
def overwrites(images, generator):
    images.copy_(one_by_one(images, generator))
    return images


@wrong(checks.augmentation, "always_the_same")
def fixed_seed(images, generator):
    return one_by_one(images, torch.Generator().manual_seed(0))


@wrong(checks.augmentation, "generator_ignored")
def global_numbers(images, generator):
    return one_by_one(images, None)


def batches(images, labels, size, training, generator, shuffle=True, augment=None, drop_last=False):
    order = torch.randperm(len(images), generator=generator) if training and shuffle else torch.arange(len(images))
    for part in order.split(size):
        if drop_last and len(part) < size:
            return
        x = images[part]
        x = crop_and_flip(x, generator) if (training if augment is None else augment) else x
        yield x, labels[part]


right(checks.batches)(batches)


@right(checks.batches)
def as_list(images, labels, size, training, generator):
    if training:
        order = torch.randperm(len(labels), generator=generator)
        images, labels = crop_and_flip(images[order], generator), labels[order]
    return [(images[i : i + size], labels[i : i + size]) for i in range(0, len(labels), size)]


wrong(checks.batches, "test_augmented")(lambda *given: batches(*given, augment=True))
wrong(checks.batches, "train_not_augmented")(lambda *given: batches(*given, augment=False))
wrong(checks.batches, "train_not_shuffled")(lambda *given: batches(*given, shuffle=False))
wrong(checks.batches, "test_shuffled")(lambda x, y, size, training, g: batches(x, y, size, True, g, augment=training))
wrong(checks.batches, "test_incomplete")(lambda *given: batches(*given, drop_last=True))


wrong(checks.batches, "batch_size")(lambda x, y, size, training, g: batches(x, y, len(x), training, g))


@wrong(checks.batches, "train_repeated")
def with_replacement(images, labels, size, training, generator):
    order = torch.randint(len(labels), (len(labels),), generator=generator) if training else torch.arange(len(labels))
    return batches(images[order], labels[order], size, training, generator, shuffle=False)


@wrong(checks.batches, "labels_left_behind")
def labels_left_behind(images, labels, size, training, generator):
    order = torch.randperm(len(labels), generator=generator) if training else torch.arange(len(labels))
    images = crop_and_flip(images[order], generator) if training else images
    return zip(images.split(size), labels.flip(0).split(size) if training else labels.split(size), strict=True)


@wrong(checks.batches, "test_changed")
def scaled_for_testing(images, labels, size, training, generator):
    for x, y in batches(images, labels, size, training, generator):
        yield (x if training else x // 2), y
