"""Image files of any kind and size become uint8 RGB arrays of one size."""

import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError

# Only these decoders of Pillow are tried, whatever a file's name says.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}
_CHUNK = 256  # images that a thread decodes before it reports


@dataclass(frozen=True)
class Decoded:
    """Images of one size.

    Attributes:
        images: uint8 N × image_size × image_size × 3, RGB.
        notices: what was done to them that the user should know, one line each.
    """

    images: np.ndarray
    notices: tuple[str, ...]


def read_image(path: Path, image_size: int = 32) -> np.ndarray:
    """Read one image file.

    The orientation that a camera noted is honored; transparent parts become white; 16-bit gray is scaled to 8 bits; of
    an animation, the first frame is taken. An image of another size is scaled until its shorter side fits, and
    cropped at the center.

    Args:
        path: a BMP, GIF, JPEG, PNG, PPM, TIFF or WebP file.
        image_size: height and width of the result.

    Returns:
        uint8 image_size × image_size × 3, RGB.

    Raises:
        InputError: if the file is missing or no such image, or has more pixels than Pillow takes for safe.
    """
    return _decode(path, str(path), image_size)[0]


def decode_all(sources: Sequence[str | bytes], name_of: Callable[[int], str], image_size: int) -> Decoded:
    """Decode many images on all cores, with a progress bar if that takes more than a second.

    Args:
        sources: files, or their content.
        name_of: gives the name of the image of that index, for error messages.
        image_size: height and width of the results.

    Raises:
        InputError: if one of them cannot be read: its name and why.
    """
    from tqdm.auto import tqdm

    images = np.empty((len(sources), image_size, image_size, 3), dtype=np.uint8)
    resized, animated = np.zeros((2, len(sources)), dtype=bool)

    def decode_chunk(indices: range) -> int:
        for i in indices:
            images[i], resized[i], animated[i] = _decode(sources[i], name_of(i), image_size)
        return len(indices)

    chunks = [range(i, min(i + _CHUNK, len(sources))) for i in range(0, len(sources), _CHUNK)]
    bar = tqdm(total=len(sources), desc="decoding", unit=" images", delay=1, leave=False)
    # After an error or Ctrl-C, map cancels the chunks that have not begun.
    with bar, ThreadPoolExecutor(os.cpu_count()) as pool:
        for n in pool.map(decode_chunk, chunks):
            bar.update(n)
    return Decoded(images, tuple(_notices(int(resized.sum()), int(animated.sum()), len(sources), image_size)))


def _notices(resized: int, animated: int, n: int, image_size: int) -> list[str]:
    notices = []
    if resized:
        notices.append(
            f"{resized:,} of {n:,} images were not {image_size}×{image_size}: "
            f"scaled (shorter side to {image_size} pixels) and cropped at the center"
        )
    if animated:
        notices.append(f"{animated:,} of {n:,} images have several frames: only the first is used")
    return notices


def _decode(source: str | Path | bytes, name: str, image_size: int) -> tuple[np.ndarray, bool, bool]:
    """One image, and whether it was resized and is animated."""
    from PIL import Image, UnidentifiedImageError  # imported here: not needed for other data sets

    Image.init()  # Pillow loads the less usual decoders only when it is told to
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as image:
            _check_pixels(image)
            # Phones put a second, smaller picture into a JPEG; that is no animation.
            animated = image.format != "MPO" and getattr(image, "is_animated", False)
            pixels, resized = _to_pixels(image, image_size)
            return pixels, resized, animated
    except FileNotFoundError:
        raise InputError(f"no such image: {name}") from None
    except UnidentifiedImageError:
        raise InputError(f"{name} cannot be read as an image (it is none): repair it or remove it") from None
    except Exception as error:  # damaged images make Pillow's decoders fail in many ways
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(f"{name} cannot be read as an image ({reason}): repair it or remove it") from None


def _check_pixels(image) -> None:
    """Refuse a small file that would fill the memory."""
    from PIL import Image

    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        raise ValueError(f"{image.width}×{image.height} pixels, more than the limit of {limit:,}")


def _to_pixels(image, image_size: int) -> tuple[np.ndarray, bool]:
    """A Pillow image as uint8 image_size × image_size × 3, and whether it had another size."""
    from PIL import Image, ImageOps

    resized = image.size != (image_size, image_size)
    image = _to_rgb(ImageOps.exif_transpose(image))
    if resized:
        image = ImageOps.fit(image, (image_size, image_size), Image.Resampling.BICUBIC)
    return np.asarray(image), resized


def _to_rgb(image):
    """Any mode of Pillow as RGB: 16-bit gray scaled, transparent parts on white."""
    from PIL import Image

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
