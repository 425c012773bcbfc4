"""Decode image files. It imports nothing of this package: it also runs as a process of its own, quick to start."""

import io
import pickle
import signal
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

# Only these decoders of Pillow are tried, whatever a file's name says.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")

Decoded = tuple[np.ndarray, np.ndarray, np.ndarray, tuple[int, str] | None]


def decode(source: str | Path | bytes, image_size: int) -> tuple[np.ndarray, bool, bool]:
    """Decode one image.

    Args:
        source: a file, or its content.
        image_size: height and width of the result.

    Returns:
        uint8 image_size × image_size × 3, RGB; whether it had another size; whether it has several frames.

    Raises:
        ValueError: if it is no image or damaged, or has more pixels than Pillow takes for safe: why, in one line.
    """
    Image.init()  # Pillow loads the less usual decoders only when it is told to
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as image:
            _check_pixels(image)
            # Phones put a second, smaller picture into a JPEG; that is no animation.
            animated = image.format != "MPO" and getattr(image, "is_animated", False)
            resized = image.size != (image_size, image_size)
            return _to_pixels(image, image_size), resized, animated
    except UnidentifiedImageError:
        raise ValueError(f"no {', '.join(FORMATS[:-1])} or {FORMATS[-1]} file") from None
    except Exception as error:  # damaged images make Pillow's decoders fail in many ways
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0] or type(error).__name__
        raise ValueError(reason) from None


def decode_many(sources: list[str | bytes], image_size: int) -> Decoded:
    """Decode images up to the first that cannot be.

    Returns:
        Images, whether each was resized, whether each is animated; then None, or which one failed and why.
    """
    images = np.empty((len(sources), image_size, image_size, 3), dtype=np.uint8)
    resized, animated = np.zeros((2, len(sources)), dtype=bool)
    for i, source in enumerate(sources):
        try:
            images[i], resized[i], animated[i] = decode(source, image_size)
        except ValueError as error:
            return images, resized, animated, (i, str(error))
    return images, resized, animated, None


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
