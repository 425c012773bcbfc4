"""Augmentations to choose from, with images before and after."""

import os
from html import escape
from pathlib import Path
from typing import Any

import torch

from ...data import ImageDataset, Transform
from ...errors import InputError
from ..pictures import strip
from .page import CHOICE_STYLE, STATIC, STYLE, form, in_words, load_ipywidgets, radio_buttons

AUGMENTATIONS = {  # how strong each can be, as options of a Transform; the first is shown first
    "crop and flip": {"up to 4 pixels": {"augment": True}},
    "random erasing": {
        "every image": {"erase": 1.0},
        "half of the images": {"erase": 0.5},
        "a quarter of the images": {"erase": 0.25},
    },
    "cutout": {f"{side}×{side} pixels": {"cutout": side} for side in (16, 8, 24)},
    "MixUp": {f"alpha {alpha}": {"mixup": alpha} for alpha in (1.0, 0.2)},
    "CutMix": {f"alpha {alpha}": {"cutmix": alpha} for alpha in (1.0, 0.2)},
    "RandAugment": {f"2 operations, magnitude {size}": {"rand_augment": (2, size)} for size in (9, 3, 20, 30)},
}
IMAGE_STYLE = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")


class AugmentationGallery:
    """What `augmentation_gallery` returns: it shows itself in a notebook, and as text elsewhere."""

    def __init__(self, dataset: ImageDataset, labels: list[int], images: int):
        self.dataset = dataset
        self.labels = labels
        self.images = images

    def __repr__(self) -> str:
        names = ", ".join(self.dataset.classes[label] for label in self.labels)
        return f"{names}, each after {', '.join(AUGMENTATIONS)}"

    def _repr_html_(self) -> str:
        classes = {str(label): escape(self.dataset.classes[label]) for label in self.labels}
        kinds = {str(i): kind for i, kind in enumerate(AUGMENTATIONS)}
        style = [STYLE, IMAGE_STYLE]
        for group, choices in (("class", classes), ("kind", kinds)):
            style += [CHOICE_STYLE.format(group=group, value=value) for value in choices]
        parts = [
            radio_buttons("class", "Choose a class", classes),
            radio_buttons("kind", "Choose an augmentation", kinds),
        ]
        for i, strengths in enumerate(AUGMENTATIONS.values()):
            if len(strengths) > 1:
                choices = {str(j): strength for j, strength in enumerate(strengths)}
                style += [CHOICE_STYLE.format(group=f"strength-{i}", value=value) for value in choices]
                buttons = radio_buttons(f"strength-{i}", "Choose its strength", choices)
                parts.append(f'<div class="rt-hidden" data-kind="{i}">{buttons}</div>')
        parts.append(f'<p role="status">{in_words("class", classes)}, {in_words("kind", kinds)}</p>')
        parts += [self._class_html(label) for label in self.labels]
        return form(style, parts)

    def _class_html(self, label: int) -> str:
        """The images of one class, and what each augmentation makes of them."""
        parts = [_originals(self.dataset, label, self.images)]
        for i, (kind, strengths) in enumerate(AUGMENTATIONS.items()):
            shown = [_augmented(self.dataset, label, kind, strength, self.images) for strength in strengths]
            if len(shown) > 1:
                shown = [f'<div class="rt-hidden" data-strength-{i}="{j}">{each}</div>' for j, each in enumerate(shown)]
            parts.append(f'<div class="rt-hidden" data-kind="{i}">{"".join(shown)}</div>')
        return f'<div class="rt-hidden" data-class="{label}">{"".join(parts)}</div>'


def augmentation_gallery(dataset: ImageDataset, images: int = 5) -> AugmentationGallery:
    """Images of a class to choose, and below them the same images after an augmentation to choose.

    Each can be had in several strengths. It needs neither a kernel nor a script. Of a data set of many classes it shows
    the first five, so that a page stays small.

    Args:
        dataset: where the images come from.
        images: how many of each class.

    Raises:
        InputError: if the data set has images of fewer than two classes: MixUp and CutMix mix two.
    """
    return AugmentationGallery(dataset, _classes_with_images(dataset)[:5], images)


def explore_augmentation(dataset: ImageDataset, images: int = 5) -> Any:
    """Controls for class, augmentation and strength, and below them images before and after.

    Where the environment variable ``RESNET_TUTORIAL_STATIC`` is set, as when the book is built, there will be no kernel
    behind the controls: then this is the `augmentation_gallery`.

    Args:
        dataset: where the images come from.
        images: how many are shown.

    Returns:
        An ipywidgets box, or an `AugmentationGallery`.

    Raises:
        InputError: if ipywidgets is not installed, or the data set has images of fewer than two classes.
    """
    if os.environ.get(STATIC):
        return augmentation_gallery(dataset, images)
    widgets = load_ipywidgets("explorer", "take augmentation_gallery(dataset)")
    choices = [(dataset.classes[label], label) for label in _classes_with_images(dataset)]
    label = widgets.Dropdown(options=choices, description="class")
    kind = widgets.Dropdown(options=list(AUGMENTATIONS), description="kind")
    strength = widgets.Dropdown(options=list(AUGMENTATIONS[kind.value]), description="strength")
    seed = widgets.BoundedIntText(value=0, min=0, max=10**6, description="seed")
    shown = widgets.HTML()

    def new_kind(change: dict) -> None:
        strength.options = list(AUGMENTATIONS[kind.value])  # chooses the first one
        update()

    def update(change: dict | None = None) -> None:
        if strength.value not in AUGMENTATIONS[kind.value]:
            return  # between two kinds: new_kind is about to bring the strengths of the new one
        before = _originals(dataset, label.value, images, seed.value)
        after = _augmented(dataset, label.value, kind.value, strength.value, images, seed.value)
        shown.value = f'<div class="rt-nets"><style>{STYLE}{IMAGE_STYLE}</style>{before}{after}</div>'

    kind.observe(new_kind, names="value")
    for control in (label, strength, seed):
        control.observe(update, names="value")
    update()
    return widgets.VBox([widgets.HBox([label, kind]), widgets.HBox([strength, seed]), shown])


def augment_class(
    dataset: ImageDataset, label: int, options: dict[str, Any], images: int = 5, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images of one class before and after a transform; MixUp and CutMix mix each with one of another class.

    Args:
        dataset: where the images come from.
        label: the class.
        options: options of `resnet_tutorial.data.Transform`.
        images: how many; fewer if the class has not as many.
        seed: which images and which draws.

    Returns:
        The images as they are and augmented, both uint8 N × H × W × 3, and the share of each class in the label,
        float32 N × classes.
    """
    generator = torch.Generator().manual_seed(seed)
    own = _draw(dataset.labels == label, images, generator)
    mean, std = _mean_std(dataset)
    transform = Transform(mean, std, **options)
    batch = transform(dataset.images[own], generator)
    labels = torch.nn.functional.one_hot(dataset.labels[own], len(dataset.classes)).float()
    if transform.mixup or transform.cutmix:
        others = _draw(dataset.labels != label, images, generator)
        partners = transform(dataset.images[others], generator)
        for i, other in enumerate(others[: len(own)]):
            # Pair by pair, as each call draws one share for its whole batch; an image is mixed with the one before it.
            pair, two = torch.stack([partners[i], batch[i]]), dataset.labels[torch.stack([other, own[i]])]
            mixed, shares = transform.mix(pair, two, len(dataset.classes), generator)
            batch[i], labels[i] = mixed[1], shares[1]
    values = batch.permute(0, 2, 3, 1) * torch.tensor(std) + torch.tensor(mean)
    return dataset.images[own], (255 * values).round().clamp(0, 255).to(torch.uint8), labels


def _draw(mask: torch.Tensor, n: int, generator: torch.Generator) -> torch.Tensor:
    indices = mask.nonzero()[:, 0]
    return indices[torch.randperm(len(indices), generator=generator)[:n]]


def _mean_std(dataset: ImageDataset) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Of some images: near enough for the color of what is erased, and quick."""
    mean, std = dataset.take(torch.arange(min(100, len(dataset)))).mean_std()
    return mean, tuple(max(s, 1e-3) for s in std)


def _classes_with_images(dataset: ImageDataset) -> list[int]:
    labels = dataset.counts().nonzero()[:, 0].tolist()
    if len(labels) < 2:
        raise InputError("augmentations are shown for at least two classes: choose a data set with more")
    return labels


def _originals(dataset: ImageDataset, label: int, images: int, seed: int = 0) -> str:
    before, _, labels = augment_class(dataset, label, {}, images, seed)
    return _figure(before, labels, dataset.classes, f"Images of the class {dataset.classes[label]}, as they are")


def _augmented(dataset: ImageDataset, label: int, kind: str, strength: str, images: int, seed: int = 0) -> str:
    _, after, labels = augment_class(dataset, label, AUGMENTATIONS[kind][strength], images, seed)
    return _figure(after, labels, dataset.classes, f"The same after {kind}, {strength}")


def _figure(images: torch.Tensor, labels: torch.Tensor, classes: tuple[str, ...], caption: str) -> str:
    """Images in a row, with the label of each below it."""
    alt = f'alt="{escape(caption)}: {len(images)} images side by side"'
    # The theme changes the colors of images in the dark, except for this class.
    img = f'<img class="dark-light" src="{strip(images)}" {alt}>'
    names = "".join(f"<li>{escape(_label_text(shares, classes))}</li>" for shares in labels)
    return f"<figure><figcaption>{escape(caption)}</figcaption>{img}<ol>{names}</ol></figure>"


def _label_text(shares: torch.Tensor, classes: tuple[str, ...]) -> str:
    parts = shares.topk(min(2, len(classes)))
    present = [(classes[k], 100 * share) for share, k in zip(*map(torch.Tensor.tolist, parts), strict=True) if share]
    return present[0][0] if len(present) == 1 else ", ".join(f"{name} {share:.0f} %" for name, share in present)
