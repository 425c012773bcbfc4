"""Checks of the data pipeline: split, statistics, normalization, augmentation, batches."""

import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .contain import Outcome, contained
from .report import Finding, Result, grade, notice
from .space import Space, mistake, mistakes, search
from .values import SIGNATURE, argument_changed, check_values, describe, none_returned, same

Batches = Iterable[tuple[Tensor, Tensor]]
PAD = 4
COUNT = 21  # images of the batches of 4: the last one has a single image
SURE = 5.0  # standard deviations: one right answer in a million is further off


def _std(x: Tensor, axes: tuple[int, ...], less: int) -> Tensor:
    """The standard deviation with n or n - 1; of a single number nothing is said."""
    n = math.prod(x.shape[axis] for axis in axes)
    return (x.var(axes, correction=0) * n / max(n - less, 1e-300)).sqrt()


def _statistics(
    train: Tensor, test: Tensor, *, of="train", unit=255, spread="std", root=True, turned=False, count=1,
    axes=(0, 1, 2), some=slice(None), less=0, mixed=None, three=True,
) -> Tensor:  # fmt: skip
    if of == "average":
        options = {"unit": unit, "spread": spread, "root": root, "turned": turned, "count": count}
        return (_statistics(train, test, **options) + _statistics(test, train, **options)) / 2
    images = {"train": train, "test": test, "both": torch.cat((train, test))}.get(of, train)[some]
    if mixed:
        images, axes = mixed(images)

    def scaled(images: Tensor) -> Tensor:
        if unit == "whole":
            return (images // 255).double()
        return images.double() / (images.max() if unit == "largest" else unit)

    pixels, others = scaled(images), scaled(test)
    mean, squares = pixels.mean(axes), (pixels**2).mean(axes)
    if of == "halves":
        mean, squares = (mean + others.mean(axes)) / 2, (squares + (others**2).mean(axes)) / 2
    if of == "test for spread":
        squares = (others**2).mean(axes) - others.mean(axes) ** 2 + mean**2
    if "bytes" in spread:
        squares = (images * images).double().mean(axes) / 255**2
    deviation = {
        "of images": lambda: (_std(pixels, (1, 2), less) ** (1 if root else 2)).mean(0) ** (1 if root else 0.5),
        "of mean image": lambda: _std(pixels.mean(0), (0, 1), less),
        "of means": lambda: _std(pixels.mean((1, 2)), (0,), less),
        "bytes, no sign": lambda: (squares - mean**2).abs().sqrt(),
        "pooled": lambda: pixels.std(correction=0).expand(mean.shape),
        "distance": lambda: (pixels - mean).abs().mean(axes),
        "squares": lambda: squares.sqrt(),
        "unscaled": lambda: (squares - mean**2).sqrt() * 255,
    }.get(spread, lambda: (squares - mean**2).sqrt())()
    deviation = deviation if root else deviation**2
    if three and axes is None:
        mean, deviation = mean.expand(3), deviation.expand(3)
    elif three:
        mean, deviation = mean[:3], deviation[:3]
    return torch.stack([deviation, mean] if turned else [mean, deviation]) * count


RESHAPE = "Does reshape move an axis, or only count the same numbers anew?"
LOOK_AT = "Which images may a decision that is made before testing look at?"
CHANNELS = "Over which of the four axes do you take the mean?"
UNIT = "In which unit does the task want them?"
OVER = "Which numbers should the deviation be taken over: images, or pixels?"
# fmt: off
STATISTICS = Space(
    _statistics,
    (
        mistake("statistics_of_test", "Your numbers are those of the test images.", LOOK_AT, of="test"),
        mistake("statistics_of_both", "The test images take part in your numbers.", LOOK_AT, of="both"),
        *mistakes("mean_of_two_means", "You average the numbers of training and test images.", LOOK_AT, "of",
                  ("halves", "average")),
        mistake("spread_of_test", "Your deviations are those of the test images.", LOOK_AT, of="test for spread"),
        mistake("one_for_all_channels", "Your three channels have the same numbers.", CHANNELS, axes=None),
        mistake("one_for_all_channels", "You give one number for all channels together.", CHANNELS,
                axes=None, three=False),
        mistake("not_scaled", "Your numbers go with images from 0 to 255.", UNIT, unit=1),
        mistake("divided_by_256", "You divide by 256.", "What is the largest number of a byte?", unit=256),
        mistake("largest_for_255", "You divide by the largest byte that occurs.", UNIT, unit="largest"),
        mistake("whole_division", "Your division leaves only 0 and 1.", "Which division keeps the fraction?",
                unit="whole"),
        mistake("variance_for_std", "Your second row is the square of what is wanted.",
                "What is the last step from the variance to the standard deviation?", root=False),
        mistake("std_of_mean_image", "Your deviations are those of the mean image.", OVER, spread="of mean image"),
        *(mistake("mean_of_stds", "Your deviations are means over those of single images.",
                  "Do two images that are each of one color spread?", spread="of images", less=n) for n in (0, 1)),
        *(mistake("std_of_means", "Your deviations are those of the images' means.", OVER, spread="of means", less=n)
          for n in (0, 1)),
        mistake("one_deviation", "Your three deviations are alike: they are taken over all colors.", OVER,
                spread="pooled"),
        mistake("first_image", "You measure the first image alone.", "Where does your loop, or your index, end?",
                some=slice(1)),
        mistake("last_image", "You measure the last image alone.", "Which variable is set anew in every turn?",
                some=slice(-1, None)),
        *mistakes("colors_mixed", "Your three rows mix colors and positions.", RESHAPE, "mixed",
                  (lambda x: (x.reshape(3, -1).T[:, None, None], (0, 1, 2)),
                   lambda x: (x.reshape(len(x), 3, *x.shape[1:3]), (0, 2, 3)))),
        *(mistake("other_axis", "Your rows belong to another axis than that of the colors.",
                  "Which of the four axes has three places, and is left over?", axes=axes, three=three)
          for axes in ((0, 2, 3), (1, 2, 3), (0, 1, 3)) for three in (True, False)),
        mistake("std_before_mean", "Your deviations come before the means.", "In which order are the two wanted?",
                turned=True),
        *mistakes("squares_in_bytes", "Your squares are taken in bytes, which begin again at 256.",
                  "What is 16 times 16 in uint8?", "spread", ("bytes", "bytes, no sign")),
        mistake("deviation_not_scaled", "Your deviations go with images from 0 to 255.", UNIT, spread="unscaled"),
        mistake("absolute_deviation", "Your deviations are means of distances.", "What is done to each distance?",
                spread="distance"),
        mistake("mean_not_subtracted", "Your deviations are taken from 0.", "From where are distances taken?",
                spread="squares"),
        mistake("divided_by_all", "You divide by the numbers of all three channels.",
                "How many numbers has one channel?", count=1 / 3),
    ),
)
# fmt: on


def _normalized(
    images: Tensor, mean: Tensor, std: Tensor, *, unit=255, center=True, spread="std", first="mean", axes=(0, 3, 1, 2),
    colors=1, own=False, swapped=False, moved=True, less=0, end=None,
) -> Tensor:  # fmt: skip
    x = images.double() // unit if own == "bytes" else images.double() / unit
    if moved == "before":
        x = x.reshape(len(x), 3, *x.shape[1:3]).permute(0, 2, 3, 1)
    if own == "wraps":
        x, center = (images - (mean * 255).round().to(torch.uint8)).double() / unit, False
    if own == "image":
        mean = x.mean((1, 2), keepdim=True)
    if swapped:
        mean, std = std, mean
    if own == "batch":
        mean, std = x.mean((0, 1, 2)), _std(x, (0, 1, 2), less)
    mean = center * mean
    by = {"std": std, "variance": std**2, "multiplied": 1 / std, "none": torch.ones_like(std), "root": std**0.5}[spread]
    x = {"mean": lambda: (x - mean) / by, "std": lambda: x / by - mean, "brackets": lambda: x - mean / by}[first]()
    x = end(x) if end else x
    if moved == "reshape":
        return x.reshape(len(x), 3, *x.shape[1:3])
    x = x.permute(axes) if moved else x
    return x.flip(1) if colors < 0 else x


CENTER, WIDTH = "What should the mean of the result be?", "What should the standard deviation of the result be?"
# fmt: off
NORMALIZED = Space(
    _normalized,
    (
        mistake("view_for_permute", "Your shape is right, but colors and positions are mixed up.", RESHAPE,
                moved="reshape"),
        mistake("not_scaled", "You subtract from and divide numbers from 0 to 255.",
                "In which unit are mean and standard deviation given?", unit=1),
        mistake("divided_by_256", "You divide by 256.", "What is the largest number of a byte?", unit=256),
        mistake("std_before_mean", "You divide before you subtract.", CENTER, first="std"),
        mistake("brackets_missing", "You divide the mean alone.", "What is divided? Mind the brackets.",
                first="brackets"),
        *mistakes("made_bytes", "Your result is made of whole numbers again.", "Which dtype does the task want?", "end",
                  (lambda x: x.to(torch.uint8).double(), torch.trunc, torch.round)),
        mistake("formula_turned", "You multiply by the deviation and add the mean.", CENTER,
                spread="multiplied", center=-1),
        mistake("mean_ignored", "Your result has no negative numbers.", CENTER, center=False),
        mistake("std_ignored", "Your result is centered, but its spread is that of the images.", WIDTH, spread="none"),
        mistake("std_multiplied", "You multiply by the standard deviation.", WIDTH, spread="multiplied"),
        mistake("variance_for_std", "You divide by the squared standard deviation.", WIDTH, spread="variance"),
        mistake("root_of_std", "You divide by the root of the standard deviation.", "Is std already a root?",
                spread="root"),
        mistake("scaled_only", "Your result does not depend on mean and standard deviation.",
                "What are the other two arguments for?", center=False, spread="none"),
        mistake("colors_reversed", "Red and blue have changed places.", "Which order of the colors do the images have?",
                colors=-1),
        mistake("axes_swapped", "Your images lie on their side.", "Which axis is the height, before and after?",
                axes=(0, 3, 2, 1)),
        mistake("channels_last", "Your channels are still the last axis.", "Which order of axes does the task want?",
                moved=False),
        mistake("arguments_swapped", "You subtract std and divide by mean.", "In which order do the arguments come?",
                swapped=True),
        *(mistake("own_statistics", "You normalize with the statistics of the batch itself.",
                "What are the other two arguments for?", own="batch", less=n) for n in (0, 1)),
        mistake("own_means", "You subtract each image's own mean.", "What is the argument mean for?", own="image"),
        mistake("mean_added", "You add the mean.", CENTER, center=-1),
        mistake("bytes_wrap", "You subtract in bytes, which begin again at 255 below 0.", "What is 3 minus 5 in uint8?",
                own="wraps"),
        mistake("reshaped_first", "Colors and positions are mixed up before you normalize.", RESHAPE, moved="before"),
        mistake("whole_division", "Your division leaves only 0 and 1.", "Which division keeps the fraction?",
                own="bytes"),
    ),
)
# fmt: on


def statistics(function: Callable[[Tensor, Tensor], Any], *, points: float = 3) -> Result:
    """Check mean and standard deviation of each color channel, as fractions of 255.

    Args:
        function: the learner's function of training and test images (uint8 N × H × W × 3); it returns mean and standard
            deviation, three numbers each.
        points: points of a right answer.
    """
    with _numbers_of(0):
        cases = [(_images(20, 255), _images(10, 100)), (_images(12, 180), _images(24, 255))]
    # n or n - 1 under the root makes no difference that matters.
    return check_values("Statistics", points, function, STATISTICS, cases, tolerance=2e-3)


def normalize(function: Callable[[Tensor, Tensor, Tensor], Tensor], *, points: float = 2) -> Result:
    """Check what turns bytes into a network's input.

    Args:
        function: the learner's function of images (uint8 N × H × W × 3), mean and standard deviation (float64, 3
            numbers each, as fractions of 255); it returns N × 3 × H × W.
        points: points of a right answer.
    """
    mean, std = torch.tensor([[0.2, 0.5, 0.4], [0.3, 0.2, 0.25]], dtype=torch.float64)
    with _numbers_of(0):
        cases = [(_images(3, 255, size=8), mean, std), (_images(2, 255, size=7)[:, :4], std, mean)]
    one = torch.tensor([[[[51, 102, 204]]]], dtype=torch.uint8), mean, 2 * std
    return check_values("Normalization", points, function, NORMALIZED, [one, *cases], tolerance=1e-4)


def split(function: Callable[[Tensor, int, int], tuple[Tensor, Tensor]], *, points: float = 4) -> Result:
    """Check a split into training and validation part, stratified and by seed.

    Args:
        function: the learner's function of labels (int64, N), number of images to hold out, and seed; it returns the
            indices of the training part and of the part that is held out.
        points: points of a right answer.
    """
    with _numbers_of(0):
        even = torch.arange(4).repeat_interleave(torch.tensor([40, 60, 20, 80]))[torch.randperm(200)]
        # No whole share of these can be held out, and no way to round class by class adds up.
        uneven = torch.arange(6).repeat_interleave(torch.tensor([10, 10, 6, 14, 10, 10]))[torch.randperm(60)]
        uneven = torch.tensor([0, 2, 3, 9, 11, 24])[uneven]  # not all classes need be there
    calls = []
    for labels, n, seed, state in ((even, 50, 0, 1), (even, 50, 0, 2), (even, 50, 1, 1), (uneven, 15, 5, 1)):
        with _numbers_of(state):
            given = labels.clone()
            calls.append(contained(function, given, n, seed))
        problem = calls[-1].problem or _look_at_parts(calls[-1].value, len(labels))
        if not problem and not torch.equal(given, labels):
            problem = argument_changed("labels")
        if problem:
            return grade("Split", points, [problem])
    first, again, other, odd = ([torch.as_tensor(part).flatten().long() for part in call.value] for call in calls)
    parts = _parts(*first, even, 50) or _parts(*odd, uneven, 15)
    shares = _shares(*first, even, 50) or _shares(*odd, uneven, 15)
    seeds = _seeds(first, again, other, calls[0].moved) or (None if parts else _evenly(function))
    return grade("Split", points, [parts, shares, seeds], [3, 2, 2])


def augmentation(
    function: Callable[[Tensor, torch.Generator], Tensor], *, size: tuple[int, int] = (8, 8), points: float = 5
) -> Result:
    """Check crop and flip for a batch: 4 black pixels on each side, a window of the old size, half of them mirrored.

    Args:
        function: the learner's function of images (uint8 N × H × W × 3) and a generator of random numbers; it returns
            as many images of the same size.
        size: height and width of the images in one of the cases; in the other they are 6 × 9.
        points: points of a right answer.
    """
    steps: list[Finding | None] = []
    for height, width in dict.fromkeys((size, (6, 9))):
        with _numbers_of(0):
            images = _images(1500, 255, size=max(height, width), lowest=1)[:, :height, :width].contiguous()
        kept, generator = images.clone(), torch.Generator().manual_seed(0)
        calls = []
        for state, source in (
            (1, generator),
            (1, generator),
            (2, torch.Generator().manual_seed(0)),
            (4, torch.Generator().manual_seed(7)),
        ):
            with _numbers_of(state):
                calls.append(contained(function, images, source))
            problem = calls[-1].problem or _explain_images(calls[-1].value, images, kept)
            if problem:  # perhaps only where images are not square
                return grade("Augmentation", points, [*steps, problem])
        draws = _draws(kept, calls[0].value)
        found = [_explain_windows(kept, calls[0].value, draws), None, None, _explain_source(calls)]
        if found[0] is None:
            alike = torch.equal(calls[0].value, calls[3].value)  # the last step says so
            found[1] = _explain_crops(draws)
            others = None if alike else _draws(kept[:100], calls[3].value[:100])
            found[2] = _explain_flips(draws, others, _shares_of_few(function, kept[:9])) or _explain_one(function, kept)
        else:
            found[1] = found[2] = found[0]
        steps = [a or b for a, b in zip(steps, found, strict=True)] if steps else found
    return grade("Augmentation", points, steps, [2, 2, 1, 2])


def batches(function: Callable[[Tensor, Tensor, int, bool, torch.Generator], Batches], *, points: float = 4) -> Result:
    """Check batches for training (in random order, cropped) and for testing (every image once, in order, as it is).

    Args:
        function: the learner's function of images (uint8 N × H × W × 3), labels (int64 N), batch size, whether to
            train, and a generator of random numbers; it returns or yields batches of images and labels.
        points: points of a right answer.
    """
    with _numbers_of(0):
        images, labels = _images(COUNT, 255, size=8, lowest=1), torch.arange(COUNT)
    images[..., 2] = 10 * labels[:, None, None] + 7  # by which an image is known, wherever it is cut
    epochs = []
    generator = torch.Generator().manual_seed(3)
    for training, state, source in (
        (False, 1, generator),
        (True, 1, generator),
        (True, 4, generator),
        (True, 2, None),
        (True, 3, None),
    ):
        source = source or torch.Generator().manual_seed(5)
        with _numbers_of(state):
            epoch = contained(_collect, function, images.clone(), labels.clone(), training, source)
        problem = epoch.problem or (epoch.value if isinstance(epoch.value, Finding) else None)
        if problem:
            return grade("Batches", points, [problem])
        epochs.append(epoch.value)
    whole = contained(_collect, function, images.clone(), labels.clone(), False, generator, COUNT // 3).value
    if isinstance(whole, Epoch) and 0 in whole.sizes:
        seen = "Where the images divide evenly, your last batch is empty."
        empty = Finding("batch_empty", seen, "Which number is the last at which a batch begins?")
        return grade("Batches", points, [None, empty])
    test, first, second, one, same_source = epochs
    matching = _explain_matching(first)
    steps = [
        _explain_test(test, images),
        _explain_order(first, second),
        matching,
        matching or _explain_augmented(first, images),
        _explain_sizes(test.sizes) or _explain_sizes(first.sizes),
        _explain_epoch_source(one, same_source),
    ]
    return grade("Batches", points, steps, [2, 1, 2, 1, 1, 1])


@contextmanager
def _numbers_of(seed: int) -> Iterator[None]:
    """All global random numbers from a seed, and afterwards as they were."""
    before = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        yield
    random.setstate(before[0])
    np.random.set_state(before[1])


def _images(n: int, highest: int, size: int = 6, lowest: int = 0) -> Tensor:
    """Noise; the channels differ, and so do the images."""
    noise = torch.randint(lowest, highest + 1, (n, size, size, 3))
    brightness = torch.rand(n, 1, 1, 1) * torch.tensor([1.0, 0.7, 0.4])
    return (noise * (0.4 + 0.6 * brightness)).clamp(lowest).to(torch.uint8)


def _look_at_parts(value: Any, number: int) -> Finding | None:
    """Whether a split is a pair of indices into so many labels."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        seen = f"Your function gives back {describe(value)}, no pair of two parts."
        return none_returned(value) or Finding("split_no_pair", seen, "Which two things does the task ask for?")
    parts = [contained(torch.as_tensor, part).value for part in value]
    if any(part is None or part.is_floating_point() for part in parts):
        return Finding("split_no_indices", "Your two parts are no whole numbers.", "What is an index into the labels?")
    if any(part.dtype == torch.bool for part in parts):
        seen = "You give back masks, true or false for each image."
        return Finding("split_masks", seen, "Which function of a mask tells the places where it is true?")
    if any(part.numel() and not 0 <= part.min() <= part.max() < number for part in parts):
        seen = f"Some of your indices do not lie between 0 and {number - 1}."
        return Finding("split_no_indices", seen, "What do they count?")
    return None


def _parts(train: Tensor, held: Tensor, labels: Tensor, n: int) -> Finding | None:
    number, sets = len(labels), (set(train.tolist()), set(held.tolist()))
    if torch.equal(torch.cat((train, held)).sort().values, labels.sort().values):
        seen = "You give back the labels of the images, not their places."
        return Finding("split_labels", seen, "What can one look the images up with?")
    for name, part, unique in (("training", train, sets[0]), ("held-out", held, sets[1])):
        if len(unique) < len(part):
            seen = f"Your {name} part has {len(part)} indices, {len(unique)} of them different."
            return Finding("split_repeated", seen, "How often may an image be drawn?")
    if sets[0] & sets[1]:
        seen = f"{len(sets[0] & sets[1])} images stand in both parts."
        return Finding("split_overlap", seen, "What does a validation score say about images that were trained on?")
    if len(held) == number - n != n:
        return Finding("split_swapped", "The part to hold out is the larger one.", "In which order are they returned?")
    if len(held) != n:
        look = (
            "What becomes of the fractions, if each class is rounded by itself?"
            if abs(len(held) - n) < 9
            else "Which argument says how many?"
        )
        return Finding("split_size", f"You hold out {len(held)} images of {n}.", look)
    if len(train) + len(held) != number:
        seen = f"{number - len(train) - len(held)} images stand in neither part."
        return Finding("split_incomplete", seen, "Where do the images go that are not held out?")
    return None


def _shares(train: Tensor, held: Tensor, labels: Tensor, n: int) -> Finding | None:
    if sorted(held.tolist()) in (list(range(n)), list(range(len(labels) - n, len(labels)))):
        seen = "You hold out the first or the last images, in the order of the file."
        return Finding("split_in_order", seen, "What if the file were sorted by class?")
    classes = int(labels.max()) + 1
    counts, share = (torch.bincount(part, minlength=classes) for part in (labels[held], labels))
    share = share * n / len(labels)
    if ((counts - share).abs() <= 1 + 1e-6).all() or (
        len(held) != n and ((counts * n / len(held) - share).abs() <= 1.5).all()
    ):
        return None
    if (counts - counts.double().mean()).abs().max() < 1 and n % classes == 0:
        seen = f"You hold out {counts[0]} images of every class."
        return Finding("split_alike", seen, "What is the share of a class?")
    wanted = [round(x, 1) for x in share.tolist()]
    seen = f"The classes' shares are {wanted[:6]}; you hold out {counts.tolist()[:6]}."
    return Finding("split_unstratified", seen, "Over what should the draw be made, if each class is to keep its share?")


def _seeds(
    first: Sequence[Tensor], again: Sequence[Tensor], other: Sequence[Tensor], moved: Sequence[str]
) -> Finding | None:
    held, held_again, held_other = (set(parts[1].tolist()) for parts in (first, again, other))
    if held != held_again:
        seen = "The same seed gives another split on the second call."
        return Finding("split_irreproducible", seen, "Where do your random numbers come from?")
    if held == held_other:
        seen = "Two seeds give the same split."
        return Finding("split_seed_ignored", seen, "Where does the seed enter?")
    if moved:
        whose = {"torch": "PyTorch's", "numpy": "NumPy's", "random": "Python's"}[moved[0]]
        seen = f"Your split changes {whose} own random numbers, and so everything that is drawn after it."
        return Finding("global_seed", seen, "What can hold random numbers of its own?")
    return None


def _evenly(function: Callable) -> Finding | None:
    """Whether over many seeds every image is held out about equally often."""
    labels, seeds = torch.arange(2).repeat_interleave(12), 96
    times = torch.zeros(24)
    for seed in range(seeds):
        outcome = contained(function, labels.clone(), 6, seed)
        problem = outcome.problem or _look_at_parts(outcome.value, len(labels))
        if problem:
            return problem
        times[torch.as_tensor(outcome.value[1]).flatten().long()] += 1
    spread = (seeds * 0.25 * 0.75) ** 0.5
    if ((times - seeds / 4).abs() > SURE * spread).any():
        rare, often = int(times.min()), int(times.max())
        seen = f"Over {seeds} seeds, one of 24 images is held out {rare} times, another {often} times."
        return Finding("split_uneven", seen, "Has every image of a class the same chance?")
    return None


@dataclass(frozen=True)
class Draws:
    """For each augmented image, which windows it equals: bool N × tops × lefts × mirrored."""

    found: Tensor

    @property
    def known(self) -> bool:
        """Whether every image is a window of its own."""
        return bool(self.found.flatten(1).any(dim=1).all())

    def unpack(self) -> tuple[Tensor, Tensor, Tensor]:
        """Top, left and mirrored of each image."""
        place = self.found.flatten(1).int().argmax(dim=1)
        side = self.found.shape[2]
        return place // 2 // side, place // 2 % side, place % 2


def _draws(images: Tensor, augmented: Tensor, *, mode="constant", value=0, dim=2, pad=PAD, order=1, colors=1) -> Draws:
    images = images.flip(0) if order < 0 else images
    augmented = augmented.flip(3) if colors < 0 else augmented
    n, height, width = images.shape[:3]
    fill = {"value": float(value)} if mode == "constant" else {}
    if mode in ("reflect", "circular") and pad >= min(height, width):
        return Draws(torch.zeros(n, 1, 1, 2, dtype=torch.bool))
    padded = F.pad(images.permute(0, 3, 1, 2).double(), (pad,) * 4, mode=mode, **fill).permute(0, 2, 3, 1)
    side, augmented = 2 * pad + 1, augmented.double()
    found = torch.zeros(n, side, side, 2, dtype=torch.bool)
    for top in range(side):
        for left in range(side):
            window = padded[:, top : top + height, left : left + width]
            found[:, top, left, 0] = (augmented == window).flatten(1).all(dim=1)
            found[:, top, left, 1] = (augmented == window.flip(dim)).flatten(1).all(dim=1)
    return Draws(found)


BORDER = "With what does the task pad, and how far?"
AXIS = "Which axis of N × H × W × C is the width?"
# fmt: off
WINDOWS = (
    mistake("flip_upside_down", "Your images are mirrored from top to bottom.", AXIS, dim=1),
    mistake("flip_of_colors", "You mirror the colors: red and blue change places.", AXIS, dim=3),
    *mistakes("border_not_black", "The border around your images is made of their own pixels.", BORDER, "mode",
              ("reflect", "replicate", "circular")),
    mistake("border_white", "The border around your images is white.", BORDER, value=255),
    *mistakes("border_gray", "The border around your images is gray.", BORDER, "value", (128, 127)),
    mistake("order_changed", "Images have changed places in the batch.",
            "Do the labels know of it? Which axis do you flip?", order=-1),
    mistake("colors_reversed", "Red and blue have changed places.", AXIS, colors=-1),
    *mistakes("pad_size", "You pad {} pixels on each side.", BORDER, "pad", (5, 6, 8)),
)
# fmt: on


def _explain_images(augmented: Any, images: Tensor, kept: Tensor) -> Finding | None:
    if not isinstance(augmented, Tensor):
        seen = f"Your function gives back a {type(augmented).__name__}, no tensor."
        return none_returned(augmented) or Finding("no_tensor", seen, "What does the task want returned?")
    if not torch.equal(images, kept):
        images.copy_(kept)
        return argument_changed("images")
    if augmented.shape != images.shape:
        seen = f"{tuple(images.shape)} went in, {tuple(augmented.shape)} came out."
        if sorted(augmented.shape) == sorted(images.shape):
            return Finding("axes_order", seen, "In which order do the dimensions stand?")
        look = "How large is the window that you cut, and what from?"
        square = len(set(augmented.shape[1:3])) == 1 < len(set(images.shape[1:3]))
        if square:
            return Finding("square_only", seen, "Which of your sizes is the height, and which the width?")
        return Finding("window_size", seen, look)
    if augmented.dtype != images.dtype:
        notice(Finding("dtype_changed", f"Your images come back as {augmented.dtype}; uint8 went in.", SIGNATURE))
    return None


def _explain_windows(images: Tensor, augmented: Tensor, draws: Draws) -> Finding | None:
    if draws.known:
        return None
    few = images[:40], augmented[:40]
    if _draws(images[-40:], augmented[:40], order=-1).known:
        return next(one.finding for one in WINDOWS if one.finding.key == "order_changed")
    known = search(WINDOWS, lambda **options: _draws(*few, **options).known, most=2)
    if known:
        return known
    hit = draws.found.flatten(1).any(dim=1)
    seen = f"{int((~hit).sum())} of {len(images)} images are no window of the padded original, mirrored or not."
    return Finding("no_window", seen, "Look at one image before and after: what has become of it?")


def _explain_crops(draws: Draws) -> Finding | None:
    top, left, mirrored = draws.unpack()
    places, n = 2 * PAD + 1, len(top)
    tops, lefts = set(top.tolist()), set(left.tolist())
    if tops == lefts == {PAD}:
        return Finding("never_cropped", "No window is moved.", "Where are the corners of the windows drawn?")
    if len(tops) == 1 and len(set(left[mirrored == 0].tolist())) <= 1:
        seen = "All images of the batch are moved by the same distance."
        return Finding("same_crop", seen, "How many pairs of numbers must be drawn for a batch of N?")
    if len(tops) == 1 or len(lefts) == 1:
        way = "down" if len(tops) == 1 else "to the right"
        seen = f"All images are moved {way} by the same distance."
        return Finding("one_direction", seen, "How many numbers does each window need?")
    straight = mirrored == (0 if (mirrored == 0).any() else 1)
    if torch.equal(top[straight], left[straight]):
        seen = "Every window is moved as far down as to the right."
        return Finding("diagonal_crop", seen, "How many numbers does each window need?")
    for name, at in (("top", top), ("left", left[straight])):
        low, high = int(at.min()), int(at.max())
        if low and low + high == places - 1:
            return Finding("pad_size", f"Your windows move by {PAD - low} pixels at most.", BORDER)
        if (low, high) != (0, places - 1):
            seen = f"Your windows start {low} to {high} pixels from the {name} of the padded image."
            return Finding("crop_range", seen, "At how many places fits a window into a row that is 8 pixels longer?")
    for at in (top, left):
        if _uneven(at, places):
            counts = torch.bincount(at, minlength=places)
            seen = f"Of {n} windows, {int(counts.min())} start at one place and {int(counts.max())} at another."
            return Finding("crop_uneven", seen, "Has every place the same chance?")
    if _linked(top, left) or _linked(top[1:], top[:-1]) or _linked(left[1:], left[:-1]):
        seen = "One place tells something about another: they are not drawn one by one."
        return Finding("crop_linked", seen, "Which numbers are drawn, and how often is each of them used?")
    return None


def _uneven(drawn: Tensor, places: int) -> bool:
    counts, mean = torch.bincount(drawn, minlength=places), len(drawn) / places
    return bool(((counts - mean).abs() > SURE * (mean * (1 - 1 / places)) ** 0.5).any())


def _linked(a: Tensor, b: Tensor) -> bool:
    """Whether two series of draws have more in common than chance gives them."""
    correlation = torch.corrcoef(torch.stack([a.double(), b.double()]))[0, 1]
    return bool(correlation.abs() > SURE / len(a) ** 0.5)


def _decided(coin: Tensor, top: Tensor, left: Tensor) -> bool:
    """Whether the places of the windows have a say in a coin."""
    cells = torch.zeros(2 * PAD + 1, 2 * PAD + 1, 2).index_put((top, left, coin.long()), torch.ones(len(coin)), True)
    n = cells.sum(2).clamp(min=1)
    surprise = ((cells[..., 0] - cells[..., 1]) ** 2 / n).sum()
    return bool(surprise > n.numel() + SURE * (2 * n.numel()) ** 0.5)


def _explain_one(function: Callable, images: Tensor) -> Finding | None:
    """Whether a batch of a single image is augmented."""
    single = [contained(function, images[i : i + 1].clone(), torch.Generator().manual_seed(i)) for i in range(4)]
    problem = next((one.problem for one in single if one.problem), None)
    if problem or not all(same(one.value, images[i : i + 1]) for i, one in enumerate(single)):
        return problem
    seen = "A batch of a single image comes back as it is."
    return Finding("single_skipped", seen, "What if the last batch has one?")


def _shares_of_few(function: Callable, images: Tensor) -> list[float]:
    """Which share of a small batch is mirrored, with some generators; nothing if these make no difference."""
    calls = [contained(function, images.clone(), torch.Generator().manual_seed(seed)).value for seed in range(8)]
    if all(isinstance(one, Tensor) and torch.equal(one, calls[0]) for one in calls):
        return []
    known = [_draws(images, one) for one in calls if isinstance(one, Tensor) and one.shape == images.shape]
    return [one.unpack()[2].double().mean().item() for one in known if one.known]


def _explain_flips(draws: Draws, others: Draws | None, few: Sequence[float]) -> Finding | None:
    top, left, mirrored = draws.unpack()
    share = mirrored.double().mean().item()
    if set(few) == {0.0, 1.0}:
        seen = "Of one batch, all images are mirrored, or none."
        return Finding("one_coin", seen, "Is one number drawn for the batch, or one for each image?")
    if share == 0:
        return Finding("never_flipped", "No image is mirrored.", "What becomes of the result of flip?")
    if share == 1:
        return Finding("all_flipped", "All images are mirrored.", "Is one number drawn for the batch, or one for each?")
    if others and others.known and torch.equal(mirrored[: len(others.found)], others.unpack()[2]):
        seen = "With another generator the same images are mirrored."
        return Finding("flip_not_drawn", seen, "Is the coin of each image thrown, or counted?")
    if abs(share - 0.5) > SURE / 2 / len(mirrored) ** 0.5:
        seen = f"{100 * share:.0f} % of the images are mirrored."
        return Finding("flip_share", seen, "How often does the paper mirror an image?")
    if len(few) > 4 and len(set(few)) == 1:
        seen = "Of every batch, equally many images are mirrored."
        return Finding("exactly_half", seen, "Does each image have a coin of its own?")
    straight = torch.where(mirrored == 0, left, 2 * PAD - left)
    if (
        _decided(mirrored, top, left)
        or _linked(mirrored[1:], mirrored[:-1])
        or any(_linked(mirrored, at) for at in (top, torch.arange(len(top))))
        or (_linked(mirrored, left) and _linked(mirrored, straight))
    ):
        seen = "Which images are mirrored depends on something else that you drew, or on their place."
        return Finding("flip_linked", seen, "How many numbers does each image need, and which of them is the coin?")
    return None


def _explain_source(calls: Sequence[Outcome]) -> Finding | None:
    first, second, again, other = (call.value for call in calls)
    if not torch.equal(first, again) or any(call.moved for call in calls):
        seen = "Your random numbers do not come from the generator alone."
        return Finding("generator_ignored", seen, "Which argument do torch.randint and torch.rand take for that?")
    if torch.equal(first, second):
        seen = "Two calls in a row give the same images."
        return Finding("always_the_same", seen, "Is there a seed set inside? What should every epoch see?")
    if torch.equal(first, other):
        seen = "Two generators give the same images."
        return Finding("generator_ignored", seen, "Which argument do torch.randint and torch.rand take for that?")
    return None


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave: all images, their labels, and the sizes of the batches."""

    images: Tensor
    labels: Tensor
    sizes: list[int]

    def known(self) -> Tensor:
        """Which image each one is, by its third channel; -1 where that cannot be told."""
        value = self.images[..., 2].flatten(1).double()
        return ((torch.where(value > 0, value, torch.nan).nanmedian(dim=1).values - 7) / 10).nan_to_num(-1)


def _collect(
    function: Callable, images: Tensor, labels: Tensor, training: bool, source: torch.Generator, size: int = 4
) -> Epoch | Finding:
    before = images.clone(), labels.clone()
    given = function(images, labels, size, training, source)
    if given is None:
        return none_returned(given)
    if not isinstance(given, Iterable):
        return Finding("no_batches", f"Your function gives back {describe(given)}.", "What can one loop over?")
    made = list(given)
    for name, old, new in zip(("images", "labels"), before, (images, labels), strict=True):
        if not torch.equal(old, new):
            return argument_changed(name)
    if not made:
        seen = "No batch comes out of your function."
        return Finding("no_batches", seen, "Does every batch reach yield or the list?")
    if any(not isinstance(batch, tuple | list) or len(batch) != 2 for batch in made):
        return Finding("no_pairs", f"A batch of yours is {describe(made[0])}, no pair.", "Which two things is a batch?")
    if any(not isinstance(part, Tensor) for batch in made for part in batch):
        seen = f"A batch of yours holds {describe(made[0][0])}, no tensor."
        return Finding("no_tensor", seen, "Which types does the task name?")
    if made[0][0].ndim == 1 and made[0][1].ndim == 4:
        seen = "Your batches hold the labels first, then the images."
        return Finding("labels_first", seen, "In which order does the task name them?")
    if any(x.shape[1:] != images.shape[1:] or y.ndim != 1 or len(x) != len(y) for x, y in made):
        x, y = next((x, y) for x, y in made if x.shape[1:] != images.shape[1:] or y.ndim != 1 or len(x) != len(y))
        seen = f"A batch of yours has images {tuple(x.shape)} and labels {tuple(y.shape)}."
        return Finding("batch_shape", seen, "What are the shapes of a batch of 4?")
    return Epoch(torch.cat([x for x, _ in made]), torch.cat([y for _, y in made]).long(), [len(y) for _, y in made])


def _explain_sizes(sizes: list[int]) -> Finding | None:
    if sum(sizes) < COUNT or sizes == [4] * 5 + [1]:
        return None
    seen = f"Asked for batches of 4, you give {len(sizes)} of {min(sizes)} to {max(sizes)} images."
    return Finding("batch_size", seen, "Which argument says how many images a batch has, and which is the odd one?")


def _missing(epoch: Epoch) -> str:
    """Where to look for images that do not come."""
    if len(epoch.sizes) == 1:
        return "Is return in the loop, or after it?"
    full = len(epoch.labels) == COUNT - COUNT % 4
    return "What becomes of a last batch that is not full?" if full else "Where does each of your slices end?"


def _explain_test(epoch: Epoch, images: Tensor) -> Finding | None:
    found, labels = epoch.images, epoch.labels
    if sorted(labels.tolist()) != list(range(COUNT)):
        seen = f"{len(labels)} of {COUNT} test images come, {len(set(labels.tolist()))} of them different."
        return Finding("test_incomplete", seen, _missing(epoch))
    if not torch.equal(found.double(), images[labels].double()):
        if _draws(images[labels], found).known:
            seen = "Your test images are cropped or mirrored."
            return Finding("test_augmented", seen, "What would a second evaluation of the same network give?")
        mixed = torch.equal(epoch.known().sort().values, torch.arange(float(COUNT), dtype=torch.float64))
        look = "Are both put into the same order?" if mixed else "What happens to them, and should it?"
        seen = (
            "Test images and labels do not belong together."
            if mixed
            else "Your test images are not those that went in."
        )
        return Finding("test_changed", seen, look)
    if labels.tolist() != list(range(COUNT)):
        seen = "Your test images come in another order than in the file."
        return Finding("test_shuffled", seen, "Which prediction belongs to which file, if the order is random?")
    return None


def _explain_order(first: Epoch, second: Epoch) -> Finding | None:
    known = first.known().tolist()
    if known == sorted(known):
        seen = "Your training images come in the order of the file."
        return Finding("train_not_shuffled", seen, "What is the random generator for?")
    if known == second.known().tolist():
        seen = "Two epochs with one generator have the same order."
        return Finding("same_order", seen, "Is a seed set inside? What should every epoch see?")
    if sorted(known[:4]) in ([4.0 * i + j for j in range(4)] for i in range(5)):
        seen = "Your first training batch holds four neighbors of the file."
        return Finding("shuffled_batches", seen, "What is shuffled: the batches, or the images?")
    return None


def _explain_matching(epoch: Epoch) -> Finding | None:
    known, labels = epoch.known(), epoch.labels
    if len(set(labels.tolist())) < len(labels) or not set(labels.tolist()) <= set(range(COUNT)):
        seen = f"Among {len(labels)} training labels of one epoch, {len(set(labels.tolist()))} are different."
        return Finding("train_repeated", seen, "How often should each image come in an epoch?")
    if len(labels) < COUNT:
        seen = f"{len(labels)} of {COUNT} training images come."
        return Finding("train_incomplete", seen, _missing(epoch))
    if same(known, labels.double()):
        return None
    if not same(known, known.round()):
        seen = "Your training images are not windows of those that went in."
        return Finding("train_changed", seen, "Does your function of task 4 pass its check?")
    seen = "Images and labels do not belong together any more."
    look = (
        "The labels come in the order of the file: what put the images into another?"
        if labels.tolist() == list(range(COUNT))
        else "Are both put into the same order?"
    )
    return Finding("labels_left_behind", seen, look)


def _explain_augmented(epoch: Epoch, images: Tensor) -> Finding | None:
    before = images[epoch.labels]
    if torch.equal(epoch.images.double(), before.double()):
        seen = "Your training images are neither cropped nor mirrored."
        return Finding("train_not_augmented", seen, "What does training do that testing does not?")
    if not _draws(before, epoch.images).known:
        seen = "Your training images are not windows of those that went in."
        return Finding("train_changed", seen, "Does your function of task 4 pass its check?")
    return None


def _explain_epoch_source(one: Epoch, other: Epoch) -> Finding | None:
    if torch.equal(one.images, other.images) and torch.equal(one.labels, other.labels):
        return None
    seen = "Two equal generators give two different epochs: not all of your random numbers come from yours."
    return Finding("generator_ignored", seen, "Which argument do torch.randperm and your crop_and_flip take for that?")
