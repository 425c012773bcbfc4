"""Shapes-10: a data set of drawn shapes that the package makes by itself, with no download.

Every picture is 32x32 RGB and shows one of ten shapes.  A shape is described by its *signed distance
function*: the distance in pixels from a point to the outline, negative inside the shape.  From it follow the
filled shape, its outline of any thickness, and smooth (anti-aliased) edges.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.random import PCG64, Generator, SeedSequence

from .cache import Parts, Reading, cached
from .dataset import ImageDataset

NAME = "Shapes-10"

CLASSES: tuple[str, ...] = (
    "circle",
    "triangle",
    "square",
    "star",
    "cross",
    "heart",
    "crescent",
    "arrow",
    "hourglass",
    "flower",
)

# Raise this number whenever the pictures change, so that no old cache file is read.
GENERATOR_VERSION = 1

TRAIN_SIZE, TRAIN_SEED = 50_000, 2015
TEST_SIZE, TEST_SEED = 10_000, 1512

_SIDE = 32  # pixels
_BLOCK = 250  # pictures drawn at once; part of the data set's definition, since each block has its own seed
_MAX_ANGLE = np.pi / 6  # upright within 30 degrees: at any angle, a short training run learns nothing yet
_WANDER = 0.5  # how far centers stray from the middle, as a share of the room there is
_CLUTTER_STROKES = 3
_COVERING_STROKES = 3

# Coordinates of the pixel centers; they broadcast to (pictures, 32, 32).
_PIXELS = np.arange(_SIDE, dtype=np.float32) + np.float32(0.5)
_X, _Y = _PIXELS[None, None, :], _PIXELS[None, :, None]


# --- Shapes: signed distances in a frame where every shape has a radius of about 1 and y points down ---


def _ring_of_corners(radii: Sequence[float], count: int) -> np.ndarray:
    """Return ``count`` corners around the origin, first one on top, whose radii repeat the given ones."""
    angles = 2 * np.pi * np.arange(count) / count
    radius = np.resize(radii, count)
    return np.stack([radius * np.sin(angles), -radius * np.cos(angles)], axis=1)


def _heart_corners(count: int = 20) -> np.ndarray:
    """Return corners along the well-known heart curve."""
    t = 2 * np.pi * np.arange(count) / count
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    return np.stack([x, y - 2.5], axis=1) / 16


_POLYGONS: dict[str, np.ndarray] = {
    "triangle": _ring_of_corners([1.1], 3),
    "square": np.array([(-0.78, -0.78), (0.78, -0.78), (0.78, 0.78), (-0.78, 0.78)]),
    "star": _ring_of_corners([1.1, 0.45], 10),
    "cross": np.array(
        [
            *((-0.3, -1), (0.3, -1), (0.3, -0.3), (1, -0.3), (1, 0.3), (0.3, 0.3)),
            *((0.3, 1), (-0.3, 1), (-0.3, 0.3), (-1, 0.3), (-1, -0.3), (-0.3, -0.3)),
        ]
    ),
    "heart": _heart_corners(),
    "flower": _ring_of_corners([1.05, 1, 0.75, 0.5, 0.75, 1], 30),
    "arrow": np.array([(0, -1.1), (0.8, -0.1), (0.27, -0.1), (0.27, 1), (-0.27, 1), (-0.27, -0.1), (-0.8, -0.1)]),
    "hourglass": np.array([(-0.75, -1), (0.75, -1), (0.15, 0), (0.75, 1), (-0.75, 1), (-0.15, 0)]),
}


def _polygon_distance(x: np.ndarray, y: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Return the signed distance from points to a polygon, one edge after the other."""
    squared = np.full(np.broadcast(x, y).shape, np.inf, dtype=np.float32)
    inside = np.zeros(squared.shape, dtype=bool)
    corners = corners.astype(np.float32)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        edge_x, edge_y = bx - ax, by - ay
        from_a_x, from_a_y = x - ax, y - ay
        along = (from_a_x * edge_x + from_a_y * edge_y) / (edge_x**2 + edge_y**2)
        along = np.clip(along, 0, 1)  # the nearest point lies on the edge, not beyond its ends
        squared = np.minimum(squared, (from_a_x - along * edge_x) ** 2 + (from_a_y - along * edge_y) ** 2)
        if edge_y != 0:
            # A ray to the right crosses the outline of a polygon an odd number of times from inside.
            left_of_edge = from_a_x < from_a_y * (edge_x / edge_y)
            inside ^= ((y >= ay) != (y >= by)) & left_of_edge
    return np.sqrt(squared) * np.where(inside, np.float32(-1), np.float32(1))


def _circle_distance(x: np.ndarray, y: np.ndarray, radius: float, center_x: float = 0) -> np.ndarray:
    """Return the signed distance from points to a circle."""
    return np.sqrt((x - np.float32(center_x)) ** 2 + y**2) - np.float32(radius)


def _crescent_distance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the signed distance to a disk from which a second disk took a bite."""
    return np.maximum(_circle_distance(x, y, 1, 0.15), -_circle_distance(x, y, 0.75, 0.6))


def _signed_distance(name: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the signed distance from points to the named shape, float32, in the shape's own frame."""
    if name == "circle":
        return _circle_distance(x, y, 0.9)
    if name == "crescent":
        return _crescent_distance(x, y)
    return _polygon_distance(x, y, _POLYGONS[name])


# --- Pictures: layers of color painted over each other, in arrays of shape (pictures, 3, 32, 32) ---


def _uniform(rng: Generator, low: float, high: float, *shape: int) -> np.ndarray:
    """Return float32 random numbers between two bounds."""
    return np.float32(low) + np.float32(high - low) * rng.random(shape, dtype=np.float32)


def _coverage(distance: np.ndarray) -> np.ndarray:
    """Return how much of each pixel a shape covers, 0 to 1, from the distance in pixels."""
    return np.clip(np.float32(0.5) - distance, 0, 1)


def _paint(canvas: np.ndarray, coverage: np.ndarray, color: np.ndarray) -> None:
    """Paint a color over the covered part of the pictures, in place."""
    canvas += coverage[:, None] * (color - canvas)


def _shape_coverage(labels: np.ndarray, rng: Generator) -> np.ndarray:
    """Draw each picture's shape at a random place, size and angle, filled or as an outline."""
    n = len(labels)
    radius = _uniform(rng, 8, 12.5, n, 1, 1)
    center_x, center_y = (16 + _WANDER * _uniform(rng, -1, 1, n, 1, 1) * (17 - radius) for _ in range(2))
    angle = rng.uniform(-_MAX_ANGLE, _MAX_ANGLE, (n, 1, 1))
    cos, sin = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    dx, dy = (_X - center_x) / radius, (_Y - center_y) / radius
    x, y = cos * dx + sin * dy, cos * dy - sin * dx

    distance = np.empty((n, _SIDE, _SIDE), dtype=np.float32)
    for label, name in enumerate(CLASSES):
        rows = np.flatnonzero(labels == label)
        distance[rows] = _signed_distance(name, x[rows], y[rows]) * radius[rows]

    thickness = _uniform(rng, 1.3, 3.0, n, 1, 1)
    outlined = rng.random((n, 1, 1)) < 0.5
    outline = np.abs(distance + thickness / 2) - thickness / 2
    return _coverage(np.where(outlined, outline, distance))


def _stroke_coverage(width: np.ndarray, length: float, rng: Generator) -> np.ndarray:
    """Draw one straight stroke with round ends per picture, of given width (n, 1, 1), at a random place and angle."""
    n = len(width)
    angle = rng.uniform(0, np.pi, (n, 1, 1))
    cos, sin = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    dx, dy = (axis - _uniform(rng, 0, _SIDE, n, 1, 1) for axis in (_X, _Y))
    half_length = _uniform(rng, 0, length / 2, n, 1, 1)
    beyond_end = np.maximum(np.abs(cos * dx + sin * dy) - half_length, 0)
    distance = np.sqrt(beyond_end**2 + (cos * dy - sin * dx) ** 2)
    return _coverage(distance - width / 2)


def _pick_colors(contrast: np.ndarray, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return background and shape colors, each (n, 3, 1, 1): the shape is lighter or darker by chance."""
    n = len(contrast)
    darker = _uniform(rng, 0.15, 0.85, n, 1, 1, 1) * (1 - contrast)
    swap = rng.random((n, 1, 1, 1)) < 0.5
    background = np.where(swap, darker + contrast, darker)
    shape = np.where(swap, darker, darker + contrast)
    return tuple(level + _tint(n, rng, 0.2) for level in (background, shape))


def _tint(n: int, rng: Generator, strength: float) -> np.ndarray:
    """Return a random change of color, (n, 3, 1, 1), that keeps the brightness."""
    tint = _uniform(rng, -strength, strength, n, 3, 1, 1)
    return tint - tint.mean(axis=1, keepdims=True)


def _smooth_field(n: int, rng: Generator, channels: int, cells: int = 4) -> np.ndarray:
    """Return smooth random fields between -1 and 1, (n, channels, 32, 32), bilinear between a coarse grid's values."""
    grid = _uniform(rng, -1, 1, n, channels, cells, cells)
    position = np.linspace(0, cells - 1, _SIDE, dtype=np.float32)
    weights = np.maximum(1 - np.abs(position[:, None] - np.arange(cells, dtype=np.float32)), 0)
    return weights @ grid @ weights.T


def _paint_strokes(canvas: np.ndarray, background: np.ndarray, width: np.ndarray, rng: Generator) -> None:
    """Paint one stroke into each picture, in a color somewhat like the background's, in place."""
    n = len(canvas)
    color = background + _uniform(rng, -0.3, 0.3, n, 1, 1, 1) + _tint(n, rng, 0.2)
    _paint(canvas, _stroke_coverage(width, 18, rng), color)


def _draw_block(labels: np.ndarray, seed: SeedSequence) -> np.ndarray:
    """Draw one picture per label, (n, 32, 32, 3) uint8, back to front."""
    n, rng = len(labels), Generator(PCG64(seed))
    # Most pictures are easy and a few are hard: a net soon learns something, and always has more to learn.
    hardness = _uniform(rng, 0, 1, n, 1, 1, 1) ** 3
    background, shape = _pick_colors(_uniform(rng, 0.4, 0.5, n, 1, 1, 1) - 0.36 * hardness, rng)
    canvas = background + 0.12 * _smooth_field(n, rng, channels=3)
    for _ in range(_CLUTTER_STROKES):
        _paint_strokes(canvas, background, _uniform(rng, 1, 4, n, 1, 1), rng)
    shading = 0.12 * _smooth_field(n, rng, channels=1, cells=2)
    _paint(canvas, _shape_coverage(labels, rng), shape + shading)
    for _ in range(_COVERING_STROKES):
        _paint_strokes(canvas, background, 1 + 7 * hardness[:, 0], rng)
    noise = rng.standard_normal(canvas.shape, dtype=np.float32)
    canvas += (0.02 + 0.14 * hardness) * noise
    pixels = np.rint(255 * np.clip(canvas, 0, 1)).astype(np.uint8)
    return np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))


def draw_shapes(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw pictures of the ten shapes; the same arguments always give the same pictures.

    Args:
        n: Number of pictures, at least 1.
        seed: Seed of the random numbers, at least 0.

    Returns:
        Images (n, 32, 32, 3) uint8 RGB, 0 to 255, and labels (n,) int64, indices into ``CLASSES``.  The classes are
        equally frequent (numbers differ by at most 1) and come in random order.

    Raises:
        ValueError: If ``n`` is less than 1 or ``seed`` is negative.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    blocks = -(-n // _BLOCK)
    label_seed, *block_seeds = SeedSequence(seed).spawn(1 + blocks)
    labels = Generator(PCG64(label_seed)).permutation(np.arange(n, dtype=np.int64) % len(CLASSES))
    label_blocks = [labels[start : start + _BLOCK] for start in range(0, n, _BLOCK)]
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        images = np.concatenate(list(pool.map(_draw_block, label_blocks, block_seeds)))
    return images, labels


# --- The data set: a fixed training and test set, kept in a cache file ---


def load_shapes10() -> Parts:
    """Return the Shapes-10 training and test sets, drawn on the first call and read from a cache file afterwards.

    Returns:
        50,000 and 10,000 images of 32 × 32 pixels. The cache file (about 185 MB) lies in the folder that the
        environment variable ``RESNET_TUTORIAL_CACHE`` names, or else in the user's cache folder.

    Raises:
        Nothing of its own: a damaged cache file is drawn again, and one that cannot be written is logged.
    """
    return cached(NAME, str(GENERATOR_VERSION), NAME, _draw)


def _draw() -> Reading:
    drawn = draw_shapes(TRAIN_SIZE, TRAIN_SEED), draw_shapes(TEST_SIZE, TEST_SEED)
    train, test = (
        ImageDataset(torch.from_numpy(images), torch.from_numpy(labels), CLASSES, NAME, split)
        for split, (images, labels) in zip(("train", "test"), drawn, strict=True)
    )
    return Reading((train, test))
