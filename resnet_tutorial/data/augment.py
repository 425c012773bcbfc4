"""Augmentation: each image gets its own crop, flip and erased rectangle, in a few operations for a whole batch.

The work is done where the images are, on the CPU or on a GPU. Random numbers are drawn on the CPU, so a seed gives the
same images on every device.
"""

import math
from dataclasses import dataclass

import torch
from torch.overrides import TorchFunctionMode

from ..errors import InputError


def crop_and_flip(images: torch.Tensor, generator: torch.Generator, pad: int = 4, flip: bool = True) -> torch.Tensor:
    """Pad with black, cut a random window of the old size, mirror half of the images (He et al. 2016, section 4.2).

    Args:
        images: uint8 N × H × W × C.
        generator: source of the random numbers, on the CPU.
        pad: pixels of black on each side.
        flip: whether to mirror each image left to right with probability 1/2.

    Returns:
        uint8 N × H × W × C.
    """
    n, height, width, channels = images.shape
    top, left = torch.randint(0, 2 * pad + 1, (2, n, 1), generator=generator)
    mirrored = torch.rand(n, generator=generator) < (0.5 if flip else 0.0)
    padded = torch.nn.functional.pad(images, (0, 0, pad, pad, pad, pad)).contiguous()
    # A row of a window is a run of pixels that lie side by side in memory: `runs` names every run, wherever it starts.
    starts = (torch.arange(n)[:, None] * padded.shape[1] + top + torch.arange(height)) * padded.shape[2] + left
    runs = padded.as_strided((padded.numel() // channels - width + 1, width * channels), (channels, 1))
    windows = runs.index_select(0, _send(starts.view(-1), images)).view(n, height, width, channels)
    mirrored = _send(mirrored.nonzero()[:, 0], images)
    return windows.index_copy_(0, mirrored, windows.index_select(0, mirrored).flip(2))


def random_erase(images: torch.Tensor, generator: torch.Generator, probability: float) -> torch.Tensor:
    """Set a random rectangle to zero in some of the images (Zhong et al. 2020), with torchvision's default sizes.

    Args:
        images: float N × C × H × W, normalized, so that zero is the mean color. Changed in place.
        generator: source of the random numbers, on the CPU.
        probability: share of the images that lose a rectangle of 2 to 33 % of their area.

    Returns:
        The same tensor.
    """
    n, _, height, width = images.shape
    # Ten tries each: a rectangle that does not fit is drawn again.
    draws = torch.rand(4, 10, n, generator=generator)
    area = height * width * (0.02 + draws[0] * (0.33 - 0.02))
    aspect = torch.exp(math.log(0.3) + draws[1] * (math.log(3.3) - math.log(0.3)))
    h, w = (area * aspect).sqrt().round(), (area / aspect).sqrt().round()
    fits = (h < height) & (w < width)
    first = fits.int().argmax(dim=0, keepdim=True)
    h, w, u, v, fits = (x.gather(0, first)[0] for x in (h, w, draws[2], draws[3], fits))
    top, left = (u * (height - h + 1)).floor(), (v * (width - w + 1)).floor()
    chosen = fits & (torch.rand(n, generator=generator) < probability)
    return _blank(images, top, left, h * chosen, w)


def cutout(images: torch.Tensor, generator: torch.Generator, side: int) -> torch.Tensor:
    """Set a square to zero in every image (DeVries and Taylor 2017, section 3).

    The center may be any pixel, so part of the square may lie outside the image.

    Args:
        images: float N × C × H × W, normalized, so that zero is the mean color. Changed in place.
        generator: source of the random numbers, on the CPU.
        side: side of the square in pixels; the paper's best were 16 for CIFAR-10 and 8 for CIFAR-100.

    Returns:
        The same tensor.
    """
    n, _, height, width = images.shape
    top = torch.randint(0, height, (n,), generator=generator) - side // 2
    left = torch.randint(0, width, (n,), generator=generator) - side // 2
    sides = torch.full((n,), side)
    return _blank(images, top, left, sides, sides)


def normalize(images: torch.Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> torch.Tensor:
    """Turn uint8 images into what a network reads: (image / 255 - mean) / std, channel by channel.

    Args:
        images: uint8 N × H × W × 3.
        mean: mean of each channel, as a fraction of 255.
        std: standard deviation of each channel, likewise.

    Returns:
        float32 N × 3 × H × W, in channels-last memory order.
    """
    # Repeated along a whole row of pixels: operations over long rows are quicker than over three numbers at a time.
    # Sent like random numbers: a tensor made on a GPU from numbers would make the CPU wait for the step before.
    mean, std = (_send(torch.tensor(numbers).repeat(images.shape[2]), images) for numbers in (mean, std))
    rows = (images.flatten(2) / 255).sub_(mean).div_(std)
    return rows.view(images.shape).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class Transform:
    """All that happens to images between the data set and the network, in this order. Without options: evaluation.

    Attributes:
        mean, std: per channel, as fractions of 255.
        augment: crop and flip each image at random (`crop_and_flip`).
        erase: probability of random erasing (`random_erase`).
        cutout: side of the square that each image loses, in pixels (`cutout`); 0 for none.
        rand_augment: number of operations and their magnitude, 0 to 30, for torchvision's RandAugment
            (Cubuk et al. 2020), such as ``(2, 9)``. It works on one image at a time, which is slow.
        mixup: parameter alpha of torchvision's MixUp (Zhang et al. 2018); 0 for none.
        cutmix: parameter alpha of torchvision's CutMix (Yun et al. 2019); 0 for none. With both, each batch gets one of
            the two, with equal chances.
        size: height and width to scale the images to behind crop and flip, in pixels; None leaves them as they are.

    Raises:
        InputError: if a value is out of range.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    augment: bool = False
    erase: float = 0.0
    cutout: int = 0
    rand_augment: tuple[int, int] | None = None
    mixup: float = 0.0
    cutmix: float = 0.0
    size: int | None = None

    def __post_init__(self):
        operations, magnitude = self.rand_augment or (1, 0)
        for name, ok, rule in (
            ("mean", len(self.mean) == 3, "three numbers, for red, green and blue"),
            ("std", len(self.std) == 3 and all(s > 0 for s in self.std), "three numbers above 0"),
            ("erase", 0 <= self.erase <= 1, "in [0, 1]"),
            ("cutout", self.cutout >= 0, "at least 0"),
            ("rand_augment", operations >= 1 and 0 <= magnitude <= 30, "(operations from 1 on, magnitude 0 to 30)"),
            ("mixup", self.mixup >= 0, "at least 0"),
            ("cutmix", self.cutmix >= 0, "at least 0"),
            ("size", self.size is None or self.size >= 1, "at least 1"),
        ):
            if not ok:
                raise InputError(f"{name} must be {rule}, got {getattr(self, name)}")

    def __call__(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Map uint8 N × H × W × 3 to float32 N × 3 × H × W, or size × size; random numbers come from the generator."""
        if self.augment:
            images = crop_and_flip(images, generator)
        if self.rand_augment is not None:
            images = _rand_augment(images, generator, *self.rand_augment)
        batch = normalize(images, self.mean, self.std)
        if self.size not in (None, batch.shape[2]):
            scaled = torch.nn.functional.interpolate(batch, size=(self.size,) * 2, mode="bilinear", antialias=True)
            batch = scaled.contiguous(memory_format=torch.channels_last)
        if self.cutout > 0:
            batch = cutout(batch, generator, self.cutout)
        return random_erase(batch, generator, self.erase) if self.erase > 0 else batch

    def mix(
        self, batch: torch.Tensor, labels: torch.Tensor, classes: int, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mix each image and its label with a neighbor's in the batch, by MixUp or CutMix; without both, do nothing.

        Args:
            batch: float32 N × 3 × H × W.
            labels: int64, N.
            classes: number of classes.
            generator: source of the random numbers, on the CPU.

        Returns:
            Images of the same shape, and as labels float32 N × classes, the share of each class; each row adds up to 1.
            ``cross_entropy`` takes them as they are.
        """
        if not (self.mixup or self.cutmix):
            return batch, labels
        from torchvision.transforms import v2  # heavy, and most runs do not need it

        choices = [
            mixer(alpha=alpha, num_classes=classes)
            for mixer, alpha in ((v2.MixUp, self.mixup), (v2.CutMix, self.cutmix))
            if alpha > 0
        ]
        with _DrawsFrom(generator):
            batch, labels = v2.RandomChoice(choices)(batch, labels)
        return batch.contiguous(memory_format=torch.channels_last), labels


class _DrawsFrom(TorchFunctionMode):
    """Inside, random functions draw from a generator of ours: torchvision's transforms know only the global one.

    A mode holds in its own thread only, so loaders and training do not disturb each other.
    """

    RANDOM = (torch.rand, torch.randint, torch.multinomial, torch._sample_dirichlet)

    def __init__(self, generator: torch.Generator):
        self.generator = generator

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in self.RANDOM:
            kwargs = {**kwargs, "generator": self.generator}
        return func(*args, **kwargs)


def _rand_augment(images: torch.Tensor, generator: torch.Generator, operations: int, magnitude: int) -> torch.Tensor:
    from torchvision.transforms import v2  # heavy, and most runs do not need it

    transform = v2.RandAugment(operations, magnitude)
    with _DrawsFrom(generator):
        return torch.stack([transform(image) for image in images.permute(0, 3, 1, 2)]).permute(0, 2, 3, 1)


def _blank(
    images: torch.Tensor, top: torch.Tensor, left: torch.Tensor, height: torch.Tensor, width: torch.Tensor
) -> torch.Tensor:
    """Set to zero, in place, one rectangle of each image; the bounds are CPU tensors of N numbers."""
    top, bottom, left, right = _send(torch.stack([top, top + height, left, left + width]), images)[..., None]
    y, x = (torch.arange(size, device=images.device) for size in images.shape[2:])
    rows, columns = (y >= top) & (y < bottom), (x >= left) & (x < right)
    return images.masked_fill_((rows[:, :, None] & columns[:, None, :])[:, None], 0.0)


def _send(tensor: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Move what was made on the CPU to where the images are; the CPU does not wait for it."""
    return tensor.to(images.device, non_blocking=True)
