"""Data pipelines as learners write them."""

import numpy as np
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


wrong(checks.statistics, "deviation_not_scaled")(lambda a, b: (statistics(a, b)[0], 255 * statistics(a, b)[1]))
wrong(checks.statistics, "std_before_mean")(lambda train, test: statistics(train, test)[::-1])
wrong(checks.statistics, "divided_by_all")(lambda train, test: [row / 3 for row in statistics(train, test)])


@wrong(checks.statistics, "one_for_all_channels+not_scaled")
def one_for_all_in_bytes(train, test):
    return [255 * torch.stack(row) for row in one_for_all(train, test)]


@wrong(checks.statistics, "squares_in_bytes")
def squares_in_bytes(train, test):
    mean = train.double().mean((0, 1, 2))
    return mean / 255, ((train**2).double().mean((0, 1, 2)) - mean**2).sqrt() / 255


@wrong(checks.statistics, "mean_of_two_means")
def halves(train, test):
    squares = [((images / 255) ** 2).mean((0, 1, 2)) for images in (train, test)]
    mean = ((train / 255).mean((0, 1, 2)) + (test / 255).mean((0, 1, 2))) / 2
    return mean, ((squares[0] + squares[1]) / 2 - mean**2).sqrt()


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
    ("channels_last", lambda x, m, s: (x / 255 - m) / s),
    ("axes_of_one", lambda x, m, s: normalize(x, m, s)[0]),
    ("std_before_mean+variance_for_std", lambda x, m, s: (x / 255 / s**2 - m).permute(0, 3, 1, 2)),
    ("imprecise", lambda x, m, s: normalize(x, m, s).half()),
    ("arguments_swapped", lambda x, m, s: normalize(x, s, m)),
    ("rounded", lambda x, m, s: (normalize(x, m, s) * 100).round() / 100),
)
for key, answer in normalized:
    wrong(checks.normalize, key)(answer)


def by_class(labels, n, seed, generator=None):
    """Each class rounded by itself."""
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


def stratified(labels, n, seed, generator=None):
    """Evenly spaced places in a row of all images, class by class."""
    order = torch.randperm(len(labels), generator=generator or torch.Generator().manual_seed(seed))
    row = order[labels[order].argsort(stable=True)]
    held = row[((torch.arange(n) + 0.5) * len(labels) / n).long()]
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


@wrong(checks.split, "split_masks")
def masks(labels, n, seed):
    held = torch.zeros(len(labels), dtype=torch.bool)
    held[stratified(labels, n, seed)[1]] = True
    return ~held, held


@wrong(checks.split, "split_repeated")
def drawn_twice(labels, n, seed):
    train, held = stratified(labels, n, seed)
    return train, held[torch.arange(len(held)) // 2 * 2]


wrong(checks.split, "split_size")(by_class)
wrong(checks.split, "split_no_pair")(lambda labels, n, seed: stratified(labels, n, seed)[0])


@wrong(checks.split, "split_uneven")
def some_never(labels, n, seed):
    """The last images of a class are never held out."""
    held = stratified(labels, n, seed)[1]
    drawn = torch.Generator().manual_seed(seed)
    places = []
    for k, count in enumerate(torch.bincount(labels[held]).tolist()):
        of_class = (labels == k).nonzero()[:, 0]
        of_class = of_class[: max(count, len(of_class) * 3 // 4)]
        places.append(of_class[torch.randperm(len(of_class), generator=drawn)[:count]])
    rest = torch.ones(len(labels), dtype=torch.bool)
    rest[torch.cat(places)] = False
    return rest.nonzero()[:, 0], torch.cat(places)


@wrong(checks.split, "global_seed")
def seed_of_numpy(labels, n, seed):
    np.random.seed(seed)
    return stratified(labels, n, np.random.randint(10**6))


@right(checks.split)
def seeded_numpy(labels, n, seed):
    parts = stratified(labels, n, int(np.random.default_rng(seed).integers(10**6)))
    return [part.numpy() for part in parts]


def window(images, top, left, mirrored, pad=4, mode="constant", axis=1, value=None, square=False):
    """Image by image."""
    height, width, cut = *images.shape[1:3], []
    width = height if square else width
    for image, row, column, flip in zip(images, top.tolist(), left.tolist(), mirrored.tolist(), strict=True):
        wide = (
            F.pad(image.permute(2, 0, 1).float(), (pad,) * 4, mode=mode, value=value).permute(1, 2, 0).to(torch.uint8)
        )
        piece = wide[row : row + height, column : column + width]
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


@wrong(checks.augmentation, "square_only")
def squares(images, generator):
    return window(images, *draw(len(images), generator), square=True)


def shifted(**options):
    return lambda images, generator: window(images, *draw(len(images), generator), **options)


wrong(checks.augmentation, "border_not_black")(shifted(mode="replicate"))
wrong(checks.augmentation, "border_white")(shifted(value=255.0))
wrong(checks.augmentation, "flip_of_colors")(shifted(axis=2))
wrong(checks.augmentation, "flip_upside_down+border_not_black")(shifted(axis=0, mode="reflect"))
wrong(checks.augmentation, "pad_size")(lambda x, g: window(x, *draw(len(x), g, high=11), pad=5))
right(checks.augmentation)(lambda x, g: torch.cat([one_by_one(x[i : i + 1], g) for i in range(len(x))]))


@wrong(checks.augmentation, "flip_not_drawn")
def first_half_mirrored(images, generator):
    top, left, _ = draw(len(images), generator)
    return window(images, top, left, torch.arange(len(images)) < len(images) // 2)


@wrong(checks.augmentation, "flip_linked")
def coin_from_place(images, generator):
    top, left, _ = draw(len(images), generator)
    return window(images, top, left, 9 * top + left > 40)


@wrong(checks.augmentation, "crop_uneven")
def mostly_in_the_middle(images, generator):
    top, left, mirrored = draw(len(images), generator, high=5)
    more = torch.randint(0, 5, (2, len(images)), generator=generator)
    return window(images, top + more[0], left + more[1], mirrored)


@wrong(checks.augmentation, "crop_range")
def eight_places_and_mirrored_first(images, generator):
    top, left, mirrored = draw(len(images), generator, high=8)
    return window(images, top, torch.where(mirrored, 8 - left, left), mirrored)


@wrong(checks.augmentation, "generator_ignored")
def numbers_of_numpy(images, generator):
    n = len(images)
    top, left = torch.from_numpy(np.random.randint(0, 9, (2, n)))
    return window(images, top, left, torch.from_numpy(np.random.rand(n) < 0.5))


@wrong(checks.augmentation, "always_the_same")
def own_generator(images, generator):
    return one_by_one(images, torch.Generator().manual_seed(generator.initial_seed()))


@wrong(checks.augmentation, "one_direction")
def down_only(images, generator):
    top, left, mirrored = draw(len(images), generator)
    return window(images, top, left * 0 + 4, mirrored)


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


@wrong(checks.augmentation, "window_size")
def padded_only(images, generator):
    return F.pad(images, (0, 0, 4, 4, 4, 4))


@wrong(checks.augmentation, "argument_changed")
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


wrong(checks.batches, "labels_first")(lambda *given: [(y, x) for x, y in batches(*given)])
wrong(checks.batches, "no_batches")(lambda *given: [])
wrong(checks.batches, "no_pairs")(lambda *given: [x for x, _ in batches(*given)])


@wrong(checks.batches, "shuffled_batches")
def batches_shuffled(images, labels, size, training, generator):
    made = list(batches(images, labels, size, training, generator, shuffle=False))
    return [made[i] for i in torch.randperm(len(made), generator=generator)] if training else made


@wrong(checks.batches, "generator_ignored")
def order_from_elsewhere(images, labels, size, training, generator):
    order = torch.randperm(len(images)) if training else torch.arange(len(images))
    return batches(images[order], labels[order], size, training, generator, shuffle=False)


@wrong(checks.batches, "same_order")
def one_order(images, labels, size, training, generator):
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(1))
    order = order if training else torch.arange(len(images))
    return batches(images[order], labels[order], size, training, generator, shuffle=False)


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


@wrong(checks.augmentation, "one_coin")
def one_coin(images, generator):
    top, left, mirrored = draw(len(images), generator)
    return window(images, top, left, mirrored[:1].expand(len(images)))


@wrong(checks.augmentation, "exactly_half")
def exactly_half(images, generator):
    top, left, _ = draw(len(images), generator)
    return window(images, top, left, torch.randperm(len(images), generator=generator) % 2 == 0)


wrong(checks.augmentation, "single_skipped")(lambda x, generator: crop_and_flip(x, generator) if len(x) > 1 else x)


@wrong(checks.batches, "argument_changed")
def shuffled_in_place(images, labels, size, training, generator):
    order = torch.randperm(len(labels), generator=generator) if training else torch.arange(len(labels))
    images.copy_(images[order])
    labels.copy_(labels[order])
    return [(crop_and_flip(x, generator) if training else x, y) for x, y in batches(images, labels, size, False, None)]


wrong(checks.statistics, "spread_of_test")(lambda a, b: (statistics(a, b)[0], statistics(b, a)[1]))
wrong(checks.statistics, "constant")(lambda a, b: ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
wrong(checks.normalize, "brackets_missing")(lambda x, mean, std: (x / 255 - mean / std).movedim(-1, 1))
wrong(checks.split, "split_labels")(lambda labels, n, seed: [labels[part] for part in stratified(labels, n, seed)])
wrong(checks.augmentation, "dtype_changed")(lambda x, generator: crop_and_flip(x, generator).float())


@wrong(checks.batches, "batch_empty")
def one_batch_more(images, labels, size, training, generator):
    order = torch.randperm(len(images), generator=generator) if training else torch.arange(len(images))
    for i in range(len(images) // size + 1):
        part = order[i * size : (i + 1) * size]
        yield crop_and_flip(images[part], generator) if training and len(part) else images[part], labels[part]
