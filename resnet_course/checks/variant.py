"""Numbers of a student's own: drawn from the name, the same on every machine and in every year."""

import hashlib
from dataclasses import dataclass

from resnet_tutorial.errors import InputError

WIDTHS = (8, 10, 12, 14, 16, 20)
BLOCKS = (1, 2, 3, 4)
SIZES = (24, 28, 32, 36, 40)
CLASSES = tuple(range(4, 13))
KERNELS = (3, 5, 7)


@dataclass(frozen=True)
class Variant:
    """What one student computes with, so that copied numbers show.

    Attributes:
        seed: for random numbers, below 2**31.
        width: channels of the first stage.
        blocks: residual blocks in each stage.
        size: height (= width) of an image, in pixels.
        classes: number of classes.
        kernel: height (= width) of a kernel, odd.
    """

    seed: int
    width: int
    blocks: int
    size: int
    classes: int
    kernel: int


def variant(name: str) -> Variant:
    """The numbers of one student.

    Args:
        name: the student's name, as the instructor's list has it; blanks around it do not count.

    Raises:
        InputError: if there is no name.
    """
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"a variant needs a student's name, got {name!r}: write it in quotes")
    name = name.strip()
    return Variant(
        seed=_draw(name, "seed") % 2**31,
        width=_choose(name, "width", WIDTHS),
        blocks=_choose(name, "blocks", BLOCKS),
        size=_choose(name, "size", SIZES),
        classes=_choose(name, "classes", CLASSES),
        kernel=_choose(name, "kernel", KERNELS),
    )


def _choose(name: str, field: str, values: tuple[int, ...]) -> int:
    return values[_draw(name, field) % len(values)]


def _draw(name: str, field: str) -> int:
    # Each field has a draw of its own: a new field leaves the others as they are.
    return int.from_bytes(hashlib.sha256(f"{field}:{name}".encode()).digest()[:8], "big")
