"""Decode image files. It imports nothing of this package: it also runs as a process of its own, quick to start."""

import functools
import io
import os
import pickle
import signal
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

# What Pillow knows and is no still picture: films, documents, and what it hands to another program.
_NOT_STILL = {"BUFR", "EPS", "FLI", "GRIB", "HDF5", "MPEG", "PDF", "WMF"}


class Picture(NamedTuple):
    """A decoded image.

    Attributes:
        pixels: uint8 image_size × image_size × 3, RGB.
        resized: whether it had another size.
        animated: whether it has several frames.
        top: the largest value, on the scale 0 to 255, of an image of 16 bits; 255 for others.
    """

    pixels: np.ndarray
    resized: bool
    animated: bool
    top: int


@functools.cache
def suffixes() -> dict[str, str]:
    """The suffixes of still pictures that the installed Pillow reads, in lower case, and the format of each."""
    Image.init()  # Pillow loads the less usual decoders only when it is told to
    readable = {*Image.OPEN, "MPO"} - _NOT_STILL  # an MPO is read as the JPEG that it begins with
    return {suffix: kind for suffix, kind in Image.registered_extensions().items() if kind in readable}


def _formats(suffix: str) -> list[str]:
    """The decoders to try. What begins in no way of its own (TGA, Photo CD) is only known by its suffix."""
    kinds = {*suffixes().values()}
    return [
        kind for kind, (_, begins) in Image.OPEN.items() if kind in kinds and (begins or suffixes().get(suffix) == kind)
    ]


def decode(source: str | Path | bytes, image_size: int) -> Picture:
    """Decode one image, by its content where it tells the format, whatever the file's suffix says.

    Args:
        source: a file, or its content.
        image_size: height and width of the result.

    Raises:
        ValueError: if it is no image or damaged, or has more pixels than Pillow takes for safe: why, in one line.
    """
    suffix = "" if isinstance(source, bytes) else os.path.splitext(source)[1].lower()
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=_formats(suffix)) as image:
            _check_pixels(image)
            # Phones put a second, smaller picture into a JPEG; that is no animation.
            animated = image.format != "MPO" and getattr(image, "is_animated", False)
            deep = image.mode.startswith("I") or ";16" in str([tile[3] for tile in image.tile])
            resized = image.size != (image_size, image_size)
            pixels = _to_pixels(image, image_size)
            return Picture(pixels, resized, animated, int(pixels.max()) if deep else 255)
    except UnidentifiedImageError:
        empty = not (source if isinstance(source, bytes) else os.path.getsize(source))
        raise ValueError("it is empty" if empty else "no picture of a known format") from None
    except FileNotFoundError:
        raise ValueError("a link that leads nowhere") from None
    except Exception as error:  # damaged images make Pillow's decoders fail in many ways
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0] or type(error).__name__
        raise ValueError(reason) from None


def decode_many(sources: list[str | bytes], image_size: int) -> tuple[np.ndarray, np.ndarray, dict[int, str]]:
    """Decode images.

    Returns:
        Images, uint8 N × image_size × image_size × 3; of each, whether it was resized, whether it is animated, and its
        ``top``, int64 N × 3; and which could not be read, by index, and why. Their images are black.
    """
    images = np.zeros((len(sources), image_size, image_size, 3), dtype=np.uint8)
    facts, failures = np.full((len(sources), 3), (0, 0, 255)), {}
    for i, source in enumerate(sources):
        try:
            images[i], *facts[i] = decode(source, image_size)
        except ValueError as error:
            failures[i] = str(error)
    return images, facts, failures


def serve() -> None:
    """Answer the requests on standard input until it ends. Ctrl-C is the business of the process that asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            request = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump(decode_many(*request), sys.stdout.buffer, protocol=pickle.HIGHEST_PROTOCOL)
        sys.stdout.buffer.flush()


def _check_pixels(image: Image.Image) -> None:
    """Refuse a small file that would fill the memory."""
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        raise ValueError(f"{image.width}×{image.height} pixels, more than the limit of {limit:,}")


def _to_pixels(image: Image.Image, image_size: int) -> np.ndarray:
    image = _to_rgb(ImageOps.exif_transpose(image))
    if image.size != (image_size, image_size):
        image = ImageOps.fit(image, (image_size, image_size), Image.Resampling.BICUBIC)
    return np.asarray(image)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Any mode of Pillow as RGB: 16-bit gray scaled, transparent parts on white."""
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers, not 8 or 16 bits")
    if image.mode.startswith("I"):
        return Image.fromarray(_from_16_bits(np.asarray(image))).convert("RGB")
    if "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _from_16_bits(values: np.ndarray) -> np.ndarray:
    """Scale 0…65535 to 0…255; Pillow's own conversion would clip at 255."""
    values = values.astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError("its pixels are 32-bit numbers, not 8 or 16 bits")
    return ((values * 255 + 32767) // 65535).astype(np.uint8)


if __name__ == "__main__":
    serve()
