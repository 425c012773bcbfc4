"""Augmentation: each image gets its own crop, flip and erased rectangle, in a few operations for a whole batch.

Random numbers are drawn on the CPU, so a seed gives the same images on every device.
"""

import math

import torch


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
    mirrored = torch.rand(n, 1, generator=generator) < (0.5 if flip else 0.0)
    rows = top + torch.arange(height)
    # Reading the columns from right to left is the flip.
    columns = left + torch.where(mirrored, torch.arange(width - 1, -1, -1), torch.arange(width))
    padded = torch.nn.functional.pad(images, (0, 0, pad, pad, pad, pad))
    # One flat index per pixel: a single gather does crop and flip.
    pixel = rows[:, :, None] * padded.shape[2] + columns[:, None, :]
    pixel = pixel + torch.arange(n)[:, None, None] * (padded.shape[1] * padded.shape[2])
    flat = padded.view(-1, channels)
    return flat[pixel.view(-1).to(images.device)].view(n, height, width, channels)


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
    y, x = torch.arange(height), torch.arange(width)
    in_rows = (y >= top[:, None]) & (y < (top + h)[:, None])
    in_columns = (x >= left[:, None]) & (x < (left + w)[:, None])
    chosen = fits & (torch.rand(n, generator=generator) < probability)
    erased = chosen[:, None, None] & in_rows[:, :, None] & in_columns[:, None, :]
    return images.masked_fill_(erased[:, None].to(images.device), 0.0)


def normalize(images: torch.Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> torch.Tensor:
    """Turn uint8 images into what a network reads: (image / 255 - mean) / std, channel by channel.

    Args:
        images: uint8 N × H × W × 3.
        mean: mean of each channel, as a fraction of 255.
        std: standard deviation of each channel, likewise.

    Returns:
        float32 N × 3 × H × W, in channels-last memory order.
    """
    scale = torch.tensor([1 / (255 * s) for s in std], device=images.device)
    shift = torch.tensor([m / s for m, s in zip(mean, std, strict=True)], device=images.device)
    return images.float().mul_(scale).sub_(shift).permute(0, 3, 1, 2)
