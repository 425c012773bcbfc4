"""Checks of the arithmetic of convolutions: shapes, parameters, costs, receptive field, and a convolution by hand."""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from . import compare
from .compare import Wrong
from .report import Result, grade

SIZE_CASES = ((32, 3, 1, 1), (32, 3, 2, 1), (32, 1, 2, 0), (224, 7, 2, 3), (15, 5, 3, 2), (9, 4, 1, 0))
PARAMETER_CASES = ((3, 16, 3, False), (16, 32, 1, True), (8, 4, 5, True), (64, 64, 3, False))
MACS_CASES = ((3, 16, 3, 32, 1, 1), (16, 32, 3, 32, 2, 1), (16, 32, 1, 16, 2, 0), (8, 8, 5, 9, 1, 0))
FIELD_CASES = (([(3, 1)],), ([(3, 1), (3, 1)],), ([(7, 2), (3, 2), (3, 1)],), ([(3, 1), (3, 2), (1, 2), (3, 1)],))

SIZE_MISTAKES = (
    Wrong(
        "padding_once",
        lambda n, k, s, p: (n + p - k) // s + 1,
        "Your sizes fit a border on one side only.",
        "How many sides of the image does padding widen?",
    ),
    Wrong(
        "no_padding",
        lambda n, k, s, p: (n - k) // s + 1,
        "Your sizes do not depend on the padding.",
        "What does padding do to the size that the kernel walks over?",
    ),
    Wrong(
        "one_position_short",
        lambda n, k, s, p: (n + 2 * p - k) // s,
        "Your sizes are one too small.",
        "A kernel as large as the image: how many positions does it have?",
    ),
    Wrong(
        "rounded_up",
        lambda n, k, s, p: math.ceil((n + 2 * p - k) / s) + 1,
        "Where the stride does not divide evenly, your sizes are one too large.",
        "May the kernel's last step hang over the border?",
    ),
    Wrong(
        "not_whole",
        lambda n, k, s, p: (n + 2 * p - k) / s + 1,
        "Some of your sizes are no whole numbers.",
        "What happens to a last step that does not fit?",
    ),
    Wrong(
        "stride_ignored",
        lambda n, k, s, p: n + 2 * p - k + 1,
        "Your sizes do not depend on the stride.",
        "With stride 2, how many of the positions are visited?",
    ),
    Wrong(
        "kernel_ignored",
        lambda n, k, s, p: (n + 2 * p) // s,
        "Your sizes do not depend on the kernel.",
        "At how many places does a kernel of 3 fit into a row of 5?",
    ),
)
PARAMETER_MISTAKES = (
    Wrong(
        "bias_always",
        lambda i, o, k, bias: i * o * k * k + o,
        "You count a bias also where there is none.",
        "What does the last argument say?",
    ),
    Wrong(
        "bias_never",
        lambda i, o, k, bias: i * o * k * k,
        "You never count the bias.",
        "What does the last argument say?",
    ),
    Wrong(
        "bias_of_inputs",
        lambda i, o, k, bias: i * o * k * k + bias * i,
        "You count one bias for each channel that comes in.",
        "To what is the bias added: to what comes in, or to what leaves?",
    ),
    Wrong(
        "one_bias",
        lambda i, o, k, bias: i * o * k * k + bias,
        "You count a single bias for the whole layer.",
        "Do all filters share one?",
    ),
    Wrong(
        "kernel_not_squared",
        lambda i, o, k, bias: i * o * k + bias * o,
        "You count one row of each kernel.",
        "How many numbers does a kernel of 3 have?",
    ),
    Wrong(
        "one_channel_in",
        lambda i, o, k, bias: o * k * k + bias * o,
        "Your count does not depend on the channels that come in.",
        "How many channels does each filter read?",
    ),
)


def _size(n: int, kernel: int, stride: int, padding: int) -> int:
    return (n + 2 * padding - kernel) // stride + 1


def _macs(i: int, o: int, k: int, n: int, s: int, p: int) -> int:
    return i * o * k * k * _size(n, k, s, p) ** 2


MACS_MISTAKES = (
    Wrong(
        "size_of_input",
        lambda i, o, k, n, s, p: i * o * k * k * n**2,
        "You count the positions of what comes in.",
        "How often is the kernel applied: once for each position of the input, or of the output?",
    ),
    Wrong(
        "flops",
        lambda *a: 2 * _macs(*a),
        "Your counts are twice as high.",
        "Is a multiplication with its addition one operation here, or two?",
    ),
    Wrong(
        "one_row",
        lambda i, o, k, n, s, p: i * o * k * k * _size(n, k, s, p),
        "You count the positions of one row.",
        "How many positions does a square feature map have?",
    ),
    Wrong(
        "parameters_for_macs",
        lambda i, o, k, n, s, p: i * o * k * k,
        "You count each weight once, as if it were applied at one position.",
        "At how many positions is the same kernel applied?",
    ),
    Wrong(
        "depthwise",
        lambda i, o, k, n, s, p: o * k * k * _size(n, k, s, p) ** 2,
        "Your count does not depend on the channels that come in.",
        "How many channels does each filter read?",
    ),
)


def _field(layers: Sequence[tuple[int, int]], *, own_stride_first: bool = False) -> int:
    field, step = 1, 1
    for kernel, stride in layers:
        step *= stride if own_stride_first else 1
        field += (kernel - 1) * step
        step *= 1 if own_stride_first else stride
    return field


FIELD_MISTAKES = (
    Wrong(
        "strides_ignored",
        lambda layers: 1 + sum(k - 1 for k, _ in layers),
        "Your receptive fields do not depend on the strides.",
        "Behind a stride of 2, how many pixels apart do two neighbors look?",
    ),
    Wrong(
        "own_stride_counted",
        lambda layers: _field(layers, own_stride_first=True),
        "A layer's own stride already widens its own kernel in your count.",
        "Does a layer's stride act on what it reads, or on what the next layer reads?",
    ),
    Wrong(
        "kernels_added",
        lambda layers: sum(k for k, _ in layers),
        "You add the kernels up.",
        "Two 3×3 convolutions, one behind the other: how many pixels of a row does one output see?",
    ),
    Wrong(
        "last_kernel_only",
        lambda layers: layers[-1][0],
        "You give the kernel of the last layer.",
        "What did each number that the last layer reads see itself?",
    ),
)


def _by_hand(x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    return F.conv2d(x, weight, None, stride, padding)


CONVOLUTION_MISTAKES = (
    Wrong(
        "kernel_flipped",
        lambda x, w, s, p: _by_hand(x, w.flip(2, 3), s, p),
        "Your kernel is turned by half a circle before it is applied.",
        "Does a layer of a network flip its kernel, as signal processing does?",
    ),
    Wrong(
        "kernel_transposed",
        lambda x, w, s, p: _by_hand(x, w.transpose(2, 3), s, p),
        "Rows and columns of your kernel have changed places.",
        "Which index of the weight goes down, and which goes right?",
    ),
    Wrong(
        "first_channel_only",
        lambda x, w, s, p: _by_hand(x[:, :1], w[:, :1], s, p),
        "Your output depends on the first channel alone.",
        "Over which indices does the sum run?",
    ),
    Wrong(
        "mean_for_sum",
        lambda x, w, s, p: _by_hand(x, w, s, p) / w[0].numel(),
        "Your outputs are means of the products.",
        "Is anything divided in the formula?",
    ),
    Wrong(
        "padding_ignored",
        lambda x, w, s, p: _by_hand(x, w, s, 0),
        "Your output is that without padding.",
        "Where do the zeros around the image enter?",
    ),
    Wrong(
        "stride_ignored",
        lambda x, w, s, p: _by_hand(x, w, 1, p),
        "Your output is that with stride 1.",
        "Which positions does the kernel visit?",
    ),
    Wrong(
        "edge_for_zeros",
        lambda x, w, s, p: _by_hand(F.pad(x, (p, p, p, p), mode="replicate"), w, s, 0),
        "Around the image you repeat its border.",
        "With what does the task pad?",
    ),
)


def output_size(function: Callable[[int, int, int, int], int], *, points: float = 2) -> Result:
    """Check the size of a convolution's output.

    Args:
        function: the learner's function of input size, kernel, stride and padding.
        points: points of a right answer.
    """
    return _check("Output size", function, SIZE_CASES, _size, SIZE_MISTAKES, points)


def conv_parameters(function: Callable[[int, int, int, bool], int], *, points: float = 2) -> Result:
    """Check the number of parameters of a convolution.

    Args:
        function: the learner's function of channels in, channels out, kernel, and whether there is a bias.
        points: points of a right answer.
    """

    def right(i: int, o: int, k: int, bias: bool) -> int:
        return i * o * k * k + bias * o

    return _check("Parameters of a convolution", function, PARAMETER_CASES, right, PARAMETER_MISTAKES, points)


def conv_macs(function: Callable[[int, int, int, int, int, int], int], *, points: float = 2) -> Result:
    """Check the multiply-accumulates of a convolution without bias, for one square image.

    Args:
        function: the learner's function of channels in, channels out, kernel, input size, stride and padding.
        points: points of a right answer.
    """
    return _check("MACs of a convolution", function, MACS_CASES, _macs, MACS_MISTAKES, points)


def receptive_field(function: Callable[[Sequence[tuple[int, int]]], int], *, points: float = 2) -> Result:
    """Check the receptive field of a chain of layers, in pixels.

    Args:
        function: the learner's function of a list of (kernel, stride), the first layer first.
        points: points of a right answer.
    """
    return _check("Receptive field", function, FIELD_CASES, _field, FIELD_MISTAKES, points)


def convolution_by_hand(function: Callable[[Tensor, Tensor, int, int], Tensor], *, points: float = 3) -> Result:
    """Check a convolution written by hand.

    Args:
        function: the learner's function of images (N × C × H × W), weight (channels out × C × K × K), stride and
            padding.
        points: points of a right answer.
    """
    with compare.seeded():
        sizes = ((2, 3, 6, 6, 4, 3, 1, 0), (1, 2, 7, 7, 3, 3, 2, 1), (2, 2, 5, 6, 2, 2, 1, 1))
        cases = [
            (_normal(n, c, h, w), _normal(out, c, kernel, kernel), stride, padding)
            for n, c, h, w, out, kernel, stride, padding in sizes
        ]
    return _check("Convolution by hand", function, cases, _by_hand, CONVOLUTION_MISTAKES, points)


def _normal(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64)


def _check(
    task: str, function: Callable, cases: Sequence[tuple], right: Callable, wrongs: Sequence[Wrong], points: float
):
    return grade(task, points, compare.compare_values(function, cases, right, wrongs))
