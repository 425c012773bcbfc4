"""Checks of the data pipeline: split, statistics, normalization, augmentation, batches."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from . import compare
from .compare import Wrong
from .contain import Outcome, contained
from .report import Finding, Result, grade

Batches = Iterable[tuple[Tensor, Tensor]]
PAD = 4


def _channels(images: Tensor) -> tuple[Tensor, Tensor]:
    pixels = images.double().flatten(0, 2) / 255
    return pixels.mean(dim=0), pixels.std(dim=0, correction=0)


def _statistics(train: Tensor, _test: Tensor) -> Tensor:
    return torch.stack(_channels(train))


def _one_for_all(train: Tensor, _test: Tensor) -> Tensor:
    return torch.stack([(train / 255).double().mean().expand(3), (train / 255).double().std(correction=0).expand(3)])


def _variance(train: Tensor, _test: Tensor) -> Tensor:
    mean, std = _channels(train)
    return torch.stack([mean, std**2])


def _mean_of_stds(train: Tensor, _test: Tensor) -> Tensor:
    stds = [_channels(image[None])[1] for image in train]
    return torch.stack([_channels(train)[0], torch.stack(stds).mean(dim=0)])


def _std_of_means(train: Tensor, _test: Tensor) -> Tensor:
    means = torch.stack([_channels(image[None])[0] for image in train])
    return torch.stack([means.mean(dim=0), means.std(dim=0, correction=0)])


STATISTICS_MISTAKES = (
    Wrong(
        "statistics_of_test",
        lambda train, test: _statistics(test, test),
        "Your numbers are those of the test images.",
        "Which images may a decision that is made before testing look at?",
    ),
    Wrong(
        "statistics_of_both",
        lambda train, test: _statistics(torch.cat((train, test)), test),
        "The test images take part in your numbers.",
        "Which images may a decision that is made before testing look at?",
    ),
    Wrong(
        "one_for_all_channels",
        _one_for_all,
        "Your three channels have the same numbers.",
        "Over which of the four axes do you take the mean?",
    ),
    Wrong(
        "not_scaled",
        lambda train, test: 255 * _statistics(train, test),
        "Your numbers go with images from 0 to 255.",
        "In which unit does the task want them?",
    ),
    Wrong(
        "variance_for_std",
        _variance,
        "Your second row is the square of what is wanted.",
        "What is the last step from the variance to the standard deviation?",
    ),
    Wrong(
        "mean_of_stds",
        _mean_of_stds,
        "Your deviations are means over those of single images.",
        "Do two images that are each of one color spread?",
    ),
    Wrong(
        "std_of_means",
        _std_of_means,
        "Your deviations are those of the images' means.",
        "Which numbers should the deviation be taken over: images, or pixels?",
    ),
)


def _normalized(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    return ((images.double() / 255 - mean) / std).permute(0, 3, 1, 2)


NORMALIZE_MISTAKES = (
    Wrong(
        "view_for_permute",
        lambda images, mean, std: ((images.double() / 255 - mean) / std).reshape(len(images), 3, *images.shape[1:3]),
        "Your shape is right, but colors and positions are mixed up.",
        "Does reshape move an axis, or only count the same numbers anew?",
    ),
    Wrong(
        "not_scaled",
        lambda images, mean, std: ((images.double() - mean) / std).permute(0, 3, 1, 2),
        "Your numbers are hundreds of standard deviations large.",
        "In which unit are mean and standard deviation given?",
    ),
    Wrong(
        "std_before_mean",
        lambda images, mean, std: (images.double() / 255 / std - mean).permute(0, 3, 1, 2),
        "You divide before you subtract.",
        "What should the mean of the result be?",
    ),
    Wrong(
        "mean_ignored",
        lambda images, mean, std: (images.double() / 255 / std).permute(0, 3, 1, 2),
        "Your result has no negative numbers.",
        "What should the mean of the result be?",
    ),
    Wrong(
        "std_ignored",
        lambda images, mean, std: (images.double() / 255 - mean).permute(0, 3, 1, 2),
        "Your result is centered, but its spread is that of the images.",
        "What should the standard deviation of the result be?",
    ),
    Wrong(
        "std_multiplied",
        lambda images, mean, std: ((images.double() / 255 - mean) * std).permute(0, 3, 1, 2),
        "Your result spreads less than before.",
        "What should the standard deviation of the result be?",
    ),
    Wrong(
        "scaled_only",
        lambda images, mean, std: (images.double() / 255).permute(0, 3, 1, 2),
        "Your result does not depend on mean and standard deviation.",
        "What are the other two arguments for?",
    ),
    Wrong(
        "colors_reversed",
        lambda images, mean, std: ((images.double() / 255 - mean) / std).permute(0, 3, 1, 2).flip(1),
        "Red and blue have changed places.",
        "Which order of the colors do the images have?",
    ),
    Wrong(
        "axes_swapped",
        lambda images, mean, std: ((images.double() / 255 - mean) / std).permute(0, 3, 2, 1),
        "Your images lie on their side.",
        "Which axis is the height, before and after?",
    ),
)


def statistics(function: Callable[[Tensor, Tensor], Any], *, points: float = 3) -> Result:
    """Check mean and standard deviation of each color channel, as fractions of 255.

    Args:
        function: the learner's function of training and test images (uint8 N × H × W × 3); it returns mean and standard
            deviation, three numbers each.
        points: points of a right answer.
    """
    with compare.seeded():
        cases = [(_images(20, 255), _images(10, 100)), (_images(12, 180), _images(12, 255))]
    # n or n - 1 under the root makes no difference that matters.
    steps = compare.compare_values(function, cases, _statistics, STATISTICS_MISTAKES, tolerance=2e-3)
    return grade("Statistics", points, steps)


def normalize(function: Callable[[Tensor, Tensor, Tensor], Tensor], *, points: float = 2) -> Result:
    """Check what turns bytes into a network's input.

    Args:
        function: the learner's function of images (uint8 N × H × W × 3), mean and standard deviation (float64, 3
            numbers each, as fractions of 255); it returns N × 3 × H × W.
        points: points of a right answer.
    """
    mean, std = torch.tensor([[0.2, 0.5, 0.4], [0.3, 0.2, 0.25]], dtype=torch.float64)
    with compare.seeded():
        cases = [(_images(3, 255, size=8), mean, std), (_images(2, 255, size=6), std, mean)]
    steps = compare.compare_values(function, cases, _normalized, NORMALIZE_MISTAKES, tolerance=1e-4)
    return grade("Normalization", points, steps)


def split(function: Callable[[Tensor, int, int], tuple[Tensor, Tensor]], *, points: float = 4) -> Result:
    """Check a split into training and validation part, stratified and by seed.

    Args:
        function: the learner's function of labels (int64, N), number of images to hold out, and seed; it returns the
            indices of the training part and of the part that is held out.
        points: points of a right answer.
    """
    with compare.seeded():
        labels = torch.arange(4).repeat_interleave(torch.tensor([40, 60, 20, 80]))[torch.randperm(200)]
        state = torch.get_rng_state()
        outcomes = [contained(_indices, function, labels.clone(), n, seed) for n, seed in ((50, 0), (50, 0), (50, 1))]
        moved = not torch.equal(state, torch.get_rng_state())
    problem = next((outcome.problem for outcome in outcomes if outcome.problem), None)
    if problem:
        return grade("Split", points, [problem])
    first, again, other = (outcome.value for outcome in outcomes)
    return grade(
        "Split",
        points,
        [_parts(*first, labels), _order(*first, labels) or _order(*other, labels), _seeds(first, again, other, moved)],
    )


def augmentation(
    function: Callable[[Tensor, torch.Generator], Tensor], *, size: tuple[int, int] = (8, 8), points: float = 5
) -> Result:
    """Check crop and flip for a batch: 4 black pixels on each side, a window of the old size, half of them mirrored.

    Args:
        function: the learner's function of images (uint8 N × H × W × 3) and a generator of random numbers; it returns
            as many images of the same size.
        size: height and width of the images.
        points: points of a right answer.
    """
    height, width = size
    with compare.seeded():
        images = _images(600, 255, size=max(size), lowest=1)[:, :height, :width].contiguous()
        kept, state = images.clone(), torch.get_rng_state()
        generator = torch.Generator().manual_seed(0)
        outcome, again = (contained(function, images, generator) for _ in range(2))
        moved = not torch.equal(state, torch.get_rng_state())
    problem = outcome.problem or again.problem or _explain_images(outcome.value, images, kept)
    if problem:
        return grade("Augmentation", points, [problem])
    draws = _draws(kept, outcome.value)
    steps = [_explain_windows(kept, outcome.value, draws)]
    if steps[0] is None:
        steps += [_explain_crops(draws), _explain_flips(draws)]
    steps.append(_explain_source(outcome, again, moved))
    return grade("Augmentation", points, steps)


def batches(function: Callable[[Tensor, Tensor, int, bool, torch.Generator], Batches], *, points: float = 4) -> Result:
    """Check batches for training (in random order, cropped) and for testing (every image once, in order, as it is).

    Args:
        function: the learner's function of images (uint8 N × H × W × 3), labels (int64 N), batch size, whether to
            train, and a generator of random numbers; it returns or yields batches of images and labels.
        points: points of a right answer.
    """
    with compare.seeded():
        images, labels = _images(22, 255, size=8, lowest=1), torch.arange(22)
        make = partial(_collect, function, images.clone(), labels.clone())
        test, train = (contained(make, training) for training in (False, True))
    steps = [outcome.problem for outcome in (test, train)]
    if not any(steps):
        *tested, sizes = test.value
        sizes = _explain_sizes(sizes, len(images)) or _explain_sizes(train.value[2], len(images))
        steps = [_explain_test(tested, images), *_explain_training(train.value[:2], images), sizes]
    return grade("Batches", points, steps)


def _images(n: int, highest: int, size: int = 6, lowest: int = 0) -> Tensor:
    """Noise; the channels differ, and so do the images."""
    noise = torch.randint(lowest, highest + 1, (n, size, size, 3))
    brightness = torch.rand(n, 1, 1, 1) * torch.tensor([1.0, 0.7, 0.4])
    return (noise * (0.4 + 0.6 * brightness)).clamp(lowest).to(torch.uint8)


def _indices(function: Callable, labels: Tensor, n: int, seed: int) -> tuple[Tensor, Tensor]:
    train, held = function(labels, n, seed)
    return tuple(torch.as_tensor(part).flatten().long() for part in (train, held))


def _parts(train: Tensor, held: Tensor, labels: Tensor) -> Finding | None:
    both = torch.cat((train, held))
    if set(train.tolist()) & set(held.tolist()):
        seen = f"{len(set(train.tolist()) & set(held.tolist()))} images stand in both parts."
        return Finding("split_overlap", seen, "What does a validation score say about images that were trained on?")
    if len(held) == 150:
        return Finding("split_swapped", "The part to hold out is the larger one.", "In which order are they returned?")
    if len(held) != 50:
        return Finding("split_size", f"You hold out {len(held)} images of 50.", "Which argument says how many?")
    if len(both) != len(labels):
        seen = f"{len(labels) - len(both)} images stand in neither part."
        return Finding("split_incomplete", seen, "Where do the images go that are not held out?")
    return None


def _order(train: Tensor, held: Tensor, labels: Tensor) -> Finding | None:
    if sorted(held.tolist()) in (list(range(50)), list(range(150, 200))):
        seen = "You hold out the first or the last images, in the order of the file."
        return Finding("split_in_order", seen, "What if the file were sorted by class?")
    share, counts = torch.bincount(labels, minlength=4) / 4, torch.bincount(labels[held], minlength=4)
    if ((counts - share).abs() > 1).any():
        seen = f"The classes have {share.int().tolist()} images in proportion; you hold out {counts.tolist()}."
        return Finding(
            "split_unstratified", seen, "Over what should the draw be made, if each class is to keep its share?"
        )
    return None


def _seeds(first: Sequence[Tensor], again: Sequence[Tensor], other: Sequence[Tensor], moved: bool) -> Finding | None:
    held, held_again, held_other = (set(parts[1].tolist()) for parts in (first, again, other))
    if held != held_again:
        seen = "The same seed gives another split on the second call."
        return Finding("split_irreproducible", seen, "Where do your random numbers come from?")
    if held == held_other:
        seen = "Two seeds give the same split."
        return Finding("split_seed_ignored", seen, "Where does the seed enter?")
    if moved:
        seen = "Your split changes PyTorch's own random numbers, and so everything that is drawn after it."
        return Finding("global_seed", seen, "What can hold random numbers of its own?")
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


def _draws(images: Tensor, augmented: Tensor, mode: str = "constant", dim: int = 2) -> Draws:
    n, height, width = images.shape[:3]
    padded = F.pad(images.permute(0, 3, 1, 2).double(), (PAD,) * 4, mode=mode).permute(0, 2, 3, 1).to(torch.uint8)
    side = 2 * PAD + 1
    found = torch.zeros(n, side, side, 2, dtype=torch.bool)
    for top in range(side):
        for left in range(side):
            window = padded[:, top : top + height, left : left + width]
            found[:, top, left, 0] = (augmented == window).flatten(1).all(dim=1)
            found[:, top, left, 1] = (augmented == window.flip(dim)).flatten(1).all(dim=1)
    return Draws(found)


def _explain_images(augmented: Any, images: Tensor, kept: Tensor) -> Finding | None:
    if not isinstance(augmented, Tensor):
        seen = f"Your function gives back a {type(augmented).__name__}, no tensor."
        return compare.none_returned(augmented) or Finding("no_tensor", seen, "What does the task want returned?")
    if not torch.equal(images, kept):
        seen = "Your function changes the images that it was given."
        return Finding("input_overwritten", seen, "In the next epoch, what will you crop from?")
    if augmented.shape != images.shape:
        seen = f"{tuple(images.shape)} went in, {tuple(augmented.shape)} came out."
        return Finding("shape", seen, "How large is the window that you cut, and what from?")
    return None


def _explain_windows(images: Tensor, augmented: Tensor, draws: Draws) -> Finding | None:
    if draws.known:
        return None
    if _draws(images, augmented, dim=1).known:
        seen = "Your images are mirrored from top to bottom."
        return Finding("flip_upside_down", seen, "Which axis of N × H × W × C is the width?")
    for mode in ("reflect", "replicate"):
        if _draws(images, augmented, mode=mode).known:
            seen = "The border around your images is made of their own pixels."
            return Finding("border_not_black", seen, "With what does the task pad?")
    if _draws(images.flip(0), augmented).known:
        seen = "Images have changed places in the batch."
        return Finding("order_changed", seen, "Do the labels know of it? Which axis do you flip?")
    missing = int((~draws.found.flatten(1).any(dim=1)).sum())
    seen = f"{missing} of {len(images)} images are no window of the padded original, mirrored or not."
    return Finding("no_window", seen, "Look at one image before and after: what has become of it?")


def _explain_crops(draws: Draws) -> Finding | None:
    top, left, _ = draws.unpack()
    seen_tops, seen_lefts = set(top.tolist()), set(left.tolist())
    if seen_tops == seen_lefts == {PAD}:
        return Finding("never_cropped", "No window is moved.", "Where are the corners of the windows drawn?")
    if len(seen_tops) == len(seen_lefts) == 1:
        seen = "All images of the batch are moved by the same distance."
        return Finding("same_crop", seen, "How many pairs of numbers must be drawn for a batch of N?")
    if torch.equal(top, left):
        seen = "Every window is moved as far down as to the right."
        return Finding("diagonal_crop", seen, "How many numbers does each window need?")
    edges = {0, 2 * PAD}
    if not (edges <= seen_tops and edges <= seen_lefts):
        low, high = min(seen_tops | seen_lefts), max(seen_tops | seen_lefts)
        seen = f"Your windows start {low} to {high} pixels from the corner of the padded image."
        return Finding("crop_range", seen, "At how many places fits a window into a row that is 8 pixels longer?")
    return None


def _explain_flips(draws: Draws) -> Finding | None:
    share = draws.unpack()[2].double().mean().item()
    if share == 0:
        return Finding("never_flipped", "No image is mirrored.", "What becomes of the result of flip?")
    if share == 1:
        return Finding("all_flipped", "All images are mirrored.", "Is one number drawn for the batch, or one for each?")
    if not 0.35 < share < 0.65:
        seen = f"{100 * share:.0f} % of the images are mirrored."
        return Finding("flip_share", seen, "How often does the paper mirror an image?")
    return None


def _explain_source(outcome: Outcome, again: Outcome, moved: bool) -> Finding | None:
    if compare.same(outcome.value, again.value):
        seen = "Two calls in a row give the same images."
        return Finding("always_the_same", seen, "Is there a seed set inside? What should every epoch see?")
    if moved:
        seen = "Your random numbers do not come from the generator alone."
        return Finding("generator_ignored", seen, "Which argument do torch.randint and torch.rand take for that?")
    return None


def _collect(function: Callable, images: Tensor, labels: Tensor, training: bool) -> tuple[Tensor, Tensor, list[int]]:
    made = list(function(images, labels, 4, training, torch.Generator().manual_seed(3)))
    return torch.cat([x for x, _ in made]), torch.cat([y for _, y in made]).long(), [len(y) for _, y in made]


def _explain_sizes(sizes: list[int], n: int) -> Finding | None:
    if sum(sizes) < n or sizes == [4] * (n // 4) + [n % 4]:
        return None
    seen = f"Asked for batches of 4, you give {len(sizes)} of {min(sizes)} to {max(sizes)} images."
    return Finding("batch_size", seen, "Which argument says how many images a batch has?")


def _explain_test(batches: Sequence[Tensor], images: Tensor) -> Finding | None:
    found, labels = batches
    if sorted(labels.tolist()) != list(range(len(images))):
        seen = f"{len(labels)} of {len(images)} test images come, {len(set(labels.tolist()))} of them different."
        return Finding("test_incomplete", seen, "What becomes of a last batch that is not full?")
    if not torch.equal(found, images[labels]):
        if found.shape == images.shape and _draws(images[labels], found).known:
            seen = "Your test images are cropped or mirrored."
            return Finding("test_augmented", seen, "What would a second evaluation of the same network give?")
        return Finding(
            "test_changed", "Your test images are not those that went in.", "Do images and labels still match?"
        )
    if labels.tolist() != list(range(len(images))):
        seen = "Your test images come in another order than in the file."
        return Finding("test_shuffled", seen, "Which prediction belongs to which file, if the order is random?")
    return None


def _explain_training(
    batches: tuple[Tensor, Tensor], images: Tensor
) -> tuple[Finding | None, Finding | None, Finding | None]:
    found, labels = batches
    if len(set(labels.tolist())) < len(labels) or not set(labels.tolist()) <= set(range(len(images))):
        seen = f"Among {len(labels)} training labels of one epoch, {len(set(labels.tolist()))} are different."
        repeated = Finding("train_repeated", seen, "How often should each image come in an epoch?")
        return repeated, repeated, repeated
    order = matching = augmented = None
    if labels.tolist() == list(range(len(images))):
        seen = "Your training images come in the order of the file."
        order = Finding("train_not_shuffled", seen, "What is the random generator for?")
    draws = _draws(images[labels], found) if found.shape == images[labels].shape else None
    if draws is None or not draws.known:
        seen = "Images and labels do not belong together any more."
        matching = Finding("labels_left_behind", seen, "Are both put into the same order?")
    elif torch.equal(found, images[labels]):
        seen = "Your training images are neither cropped nor mirrored."
        augmented = Finding("train_not_augmented", seen, "What does training do that testing does not?")
    return order, matching, augmented
