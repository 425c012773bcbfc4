"""Checks of the arithmetic of convolutions: shapes, parameters, costs, receptive field, and a convolution by hand."""

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from .report import Finding, Result, grade
from .space import Space, mistake, mistakes
from .values import check_values, compare_values

# Every remainder of a division by 2 and by 3 is there, and each argument once alone.
# fmt: off
SIZE_CASES = (
    (5, 3, 1, 0), (5, 3, 1, 1), (6, 3, 2, 0), (5, 2, 2, 0), (7, 3, 3, 0), (8, 3, 3, 1), (9, 4, 1, 0), (32, 3, 1, 1),
    (32, 3, 2, 1), (32, 1, 2, 0), (8, 3, 2, 2), (33, 1, 2, 0), (224, 7, 2, 3), (15, 5, 3, 2), (14, 5, 3, 2),
)
PARAMETER_CASES = (
    (1, 1, 3, False), (2, 3, 1, False), (2, 3, 1, True), (3, 2, 2, True), (3, 16, 3, False), (16, 32, 1, True),
    (8, 4, 5, True), (64, 64, 3, False),
)
MACS_CASES = (
    (1, 1, 2, 3, 1, 0), (2, 3, 1, 4, 1, 0), (1, 2, 3, 5, 2, 0), (2, 1, 3, 3, 1, 1), (1, 1, 3, 6, 2, 1),
    (1, 1, 3, 6, 2, 0),
    (1, 2, 3, 4, 1, 2), (3, 16, 3, 32, 1, 1), (16, 32, 3, 32, 2, 1), (16, 32, 1, 16, 2, 0), (8, 8, 5, 9, 1, 0),
)
FIELD_CASES = (
    ([(3, 1)],), ([(5, 2)],), ([(3, 1), (3, 1)],), ([(3, 2), (3, 1)],), ([(3, 1), (3, 2)],),
    ([(3, 2), (5, 1), (3, 1)],), ([(7, 2), (3, 2), (3, 1)],), ([(3, 1), (3, 2), (1, 2), (3, 1)],),
    ([(3, 1), (3, 3), (3, 2), (3, 2), (5, 1)],), ([(2, 1), (4, 2), (2, 2)],),
)
# fmt: on


def _size(
    size: int, kernel: int, stride: int, padding: int, *, sides=2, cover=lambda k: k, extra=0, strided=True,
    divide=operator.floordiv, plus=1, pad=lambda k, p: p, formula=None,
) -> int:  # fmt: skip
    if formula:
        return formula(size, kernel, stride, padding)
    room = size + sides * pad(kernel, padding) - cover(kernel) + extra
    return divide(room, stride if strided else 1) + plus


def _up(a: int, b: int) -> int:
    return math.ceil(a / b)


STRIDE_IGNORED = mistake(
    "stride_ignored",
    "Your sizes do not depend on the stride.",
    "With stride 2, how many of the positions are visited?",
    strided=False,
)
# fmt: off
PADDING = (
    mistake("padding_once", "Your sizes fit a border on one side only.",
            "How many sides of the image does padding widen?", sides=1),
    mistake("no_padding", "Your sizes do not depend on the padding.",
            "What does padding do to the size that the kernel walks over?", sides=0),
    *mistakes("own_padding", "You pad half a kernel{}.", "Which argument says how wide the border is?", "pad",
              {", whatever padding says": lambda k, p: k // 2,
               " wherever padding is not 0": lambda k, p: k // 2 if p else 0}),
    STRIDE_IGNORED,
)
# fmt: on
HANGS_OVER = "May the kernel's last step hang over the border?"
ENDS = "A kernel as large as the image: how many positions does it have?"
# fmt: off
SIZE = Space(
    _size,
    (
        *PADDING,
        mistake("one_position_short", "You count one position too few.", ENDS, plus=0),
        mistake("rounded_up", "Where the stride does not divide evenly, you round up.", HANGS_OVER, divide=_up),
        mistake("not_whole", "Your sizes are not always whole.", HANGS_OVER, divide=operator.truediv),
        mistake("added_before_division", "You add the 1 before you divide.",
                "Of what is the 1 one more: of the pixels left over, or of the steps?", extra=1, plus=0),
        mistake("one_pixel_less", "You take one pixel too many off before you divide.", ENDS, extra=-1),
        mistake("kernel_ignored", "Your sizes do not depend on the kernel.",
                "At how many places does a kernel of 3 fit into a row of 5?", cover=lambda k: 0, plus=0),
        *mistakes("rounded_to_nearest", "You round to the nearest number.", HANGS_OVER, "divide",
                  (lambda a, b: round(a / b), lambda a, b: round(a / b + 1) - 1)),
        mistake("kernel_ignored", "Your sizes do not depend on the kernel.", "How wide is what steps?",
                cover=lambda k: 0),
        mistake("one_position_long", "You count one position too many.", ENDS, plus=2),
        mistake("kernel_twice", "You subtract the kernel twice.", "How much of a row does one kernel cover?",
                cover=lambda k: 2 * k),
        mistake("half_kernel", "You subtract half of the kernel.", "How much of a row does one kernel cover?",
                cover=lambda k: k // 2),
        mistake("kernel_made_odd", "You take an even kernel for an odd one.",
                "How much of a row does one kernel cover?", cover=lambda k: k // 2 * 2 + 1),
        *mistakes("part_divided", "You divide {} alone by the stride.", "What is divided? Mind the brackets.",
                  "formula", {"the kernel": lambda n, k, s, p: n + 2 * p - k // s + 1,
                   "the padding": lambda n, k, s, p: n - k + 2 * p // s + 1,
                   "the image": lambda n, k, s, p: n // s + 2 * p - k + 1}),
        *mistakes("image_divided", "You divide the image's size by the stride{}.", "How wide is what steps?", "formula",
                  {", whatever kernel and padding are": lambda n, k, s, p: n // s,
                   ", rounded up, whatever kernel and padding are": lambda n, k, s, p: -(-n // s),
                   " wherever that is above 1": lambda n, k, s, p: n // s if s > 1 else n + 2 * p - k + 1}),
        mistake("transposed_convolution", "Your formula is that of a transposed convolution, which enlarges images.",
                "Does a convolution with a stride give more positions, or fewer?",
                formula=lambda n, k, s, p: (n - 1) * s - 2 * p + k),
    ),
)
# fmt: on


def _parameters(
    channels_in: int, channels_out: int, kernel: int, bias: bool, *, inputs=True, outputs=True, side=2,
    has=bool, per=lambda i, o, k: o, join=operator.mul, whole=lambda b: 1,
) -> int:  # fmt: skip
    channels = join(channels_in if inputs else 1, channels_out if outputs else 1)
    weights = channels * ({"twice": 2 * kernel, "xor": kernel ^ 2}[side] if isinstance(side, str) else kernel**side)
    return (weights + has(bias) * per(channels_in, channels_out, kernel)) * whole(bias)


BIAS = "What does the last argument say?"
# fmt: off
WEIGHTS = (
    mistake("kernel_not_squared", "You count one row of each kernel.", "How many numbers does a kernel of 3 have?",
            side=1),
    mistake("one_channel_in", "Your count does not depend on the channels that come in.",
            "How many channels does each filter read?", inputs=False),
    mistake("one_filter", "Your count does not depend on the channels that leave.",
            "How many filters does the layer have?", outputs=False),
    mistake("kernel_doubled", "You count twice the side of a kernel.", "How many numbers are in a square?",
            side="twice"),
    mistake("kernel_ignored", "Your count does not depend on the kernel.", "How many numbers has one kernel?", side=0),
    mistake("kernel_cubed", "The side of your kernel comes in three times.", "How many sides has a kernel?", side=3),
    mistake("xor_for_power", "You write ^, which is no power in Python.", "Which operator is?", side="xor"),
)
PARAMETERS = Space(
    _parameters,
    (
        mistake("bias_always", "You count a bias also where there is none.", BIAS, has=lambda b: True),
        mistake("bias_never", "You never count the bias.", BIAS, has=lambda b: False),
        mistake("bias_turned", "You count the bias where there is none.", BIAS, has=lambda b: not b),
        *mistakes("bias_elsewhere", "You count {}.", "To what is one bias added, and how many are there?", "per",
                  {"one bias for each channel that comes in": lambda i, o, k: i,
                   "a single bias for the whole layer": lambda i, o, k: 1,
                   "a bias for each pair of channels": lambda i, o, k: i * o,
                   "a bias for each weight of a filter": lambda i, o, k: i * o * k * k,
                   "a bias for each place of a kernel": lambda i, o, k: o * k * k,
                   "a bias for channels of both sides": lambda i, o, k: i + o,
                   "every bias twice": lambda i, o, k: 2 * o}),
        mistake("nothing_without_bias", "Without a bias you count nothing at all.",
                "What belongs to your if, or else? Mind the brackets.", whole=bool),
        *mistakes("channels_added", "You {} channels that come in and that leave.", "How many kernels are there?",
                  "join", {"add": operator.add, "average": lambda i, o: (i + o) / 2}),
        *WEIGHTS,
    ),
)
# fmt: on


def _macs(
    channels_in: int, channels_out: int, kernel: int, size: int, stride: int, padding: int, *, times=1, bias=0, where=2,
    counted="leaves", inputs=True, outputs=True, side=2, **sizes: Any,
) -> int:  # fmt: skip
    weights = _parameters(channels_in, channels_out, kernel, False, inputs=inputs, outputs=outputs, side=side)
    given = (max(padding, 1), stride) if counted == "arguments swapped" else (stride, padding)
    positions = size if counted == "comes in" else _size(size, kernel, *given, **sizes)
    if counted == "inside":  # for each position of the kernel, the pixels that are no border
        starts = range(-padding, size + padding - kernel + 1, stride)
        inside = sum(min(start + kernel, size) - max(start, 0) for start in starts)
        return times * channels_in * channels_out * inside**2
    return times * (weights + bias * channels_out) * positions**where


# fmt: off
MACS = Space(
    _macs,
    (
        mistake("size_of_input", "You count the positions of what comes in.",
                "How often is the kernel applied: once for each position of the input, or of the output?",
                counted="comes in"),
        mistake("arguments_swapped", "Stride and padding have changed places.",
                "In which order does output_size take them?", counted="arguments swapped"),
        mistake("border_left_out", "You leave out the products with the zeros of the border.",
                "Does the kernel know which pixels are padding?", counted="inside"),
        mistake("flops", "You count two operations for each product.",
                "Is a multiplication with its addition one operation here, or two?", times=2),
        mistake("one_row", "You count the positions of one row.", "How many positions does a square feature map have?",
                where=1),
        mistake("parameters_for_macs", "You count each weight once, as if it were applied at one position.",
                "At how many positions is the same kernel applied?", where=0),
        mistake("bias_added", "You count a bias, too.", "Does this convolution have one, and is it multiplied?",
                bias=1),
        *PADDING,
        *WEIGHTS,
        *SIZE.mistakes[len(PADDING) :],
    ),
)
# fmt: on


def _field(
    layers: Sequence[tuple[int, int]], *, step=None, start=1, grow=lambda k: k - 1, turned=False, last=0,
    some=slice(None), swapped=False, end=None,
) -> int:  # fmt: skip
    layers = [pair[::-1] if swapped else pair for pair in layers][some]
    layers = layers[::-1] if turned else layers
    strides = [stride for _, stride in layers]
    steps = [(step or _before)(strides, i) for i in range(len(layers))]
    start = math.prod(strides) if start == "strides" else start
    if end:
        return end([kernel for kernel, _ in layers], strides)
    return start + sum(grow(kernel) * steps[i] for i, (kernel, _) in list(enumerate(layers))[-last:])


def _before(strides: Sequence[int], i: int) -> int:
    return math.prod(strides[:i])


APART = "After a stride of 2, how many pixels apart do two neighbors look? And after two of them?"
# fmt: off
FIELD = Space(
    _field,
    (
        mistake("strides_ignored", "Your receptive fields do not depend on the strides.", APART, step=lambda s, i: 1),
        mistake("own_stride_counted", "A layer's own stride already widens its own kernel in your count.",
                "Does a layer's stride act on what it reads, or on what the next layer reads?",
                step=lambda s, i: math.prod(s[: i + 1])),
        mistake("all_strides", "Every kernel is widened by the strides of all layers.",
                "Does a later layer's stride change what an earlier one sees?", step=lambda s, i: math.prod(s)),
        mistake("last_stride_only", "Only the stride just before counts.", APART, step=lambda s, i: ([1, *s])[i]),
        mistake("own_stride_only", "Each kernel is widened by its own stride alone.", APART, step=lambda s, i: s[i]),
        *mistakes("strides_added", "You add the strides up.", APART, "step",
                  (lambda s, i: 1 + sum(s[:i]), lambda s, i: sum(s[:i]) or 1, lambda s, i: 1 + sum(s[:i]) - i)),
        mistake("backward_rule", "You go backwards and stretch a field of 1 by the stride, too.",
                "Two pixels, seen through a stride of 2: how many pixels lie from the first to the last?",
                start="strides"),
        mistake("pair_swapped", "You take the stride for the kernel.", "Which comes first in a pair?", swapped=True),
        mistake("first_layer_left_out", "The first layer does not enter.", "Where does your loop begin?",
                some=slice(1, None)),
        mistake("first_layer_only", "Only the first layer enters.", "Is return in the loop, or after it?",
                some=slice(1)),
        mistake("last_layer_left_out", "The last layer does not enter.", "Where does your loop end?", some=slice(-1)),
        mistake("walked_backwards", "You begin at the last layer.", "Which layer reads the pixels?", turned=True),
        mistake("kernels_added", "You add the kernels up.",
                "Two 3×3 convolutions, one after the other: how many pixels of a row does one output see?",
                start=0, grow=lambda k: k, step=lambda s, i: 1),
        mistake("last_kernel_only", "You give the kernel of the last layer.",
                "What did each number that the last layer reads see itself?", last=1, step=lambda s, i: 1),
        mistake("pixel_missing", "You are one pixel short.", "What does a 1×1 convolution see?", start=0),
        mistake("kernel_for_growth", "Each layer adds its whole kernel.", "Which pixel was there already?", grow=int),
        mistake("half_kernel", "Each layer adds half of its kernel.", "To how many sides does a kernel look?",
                grow=lambda k: k // 2),
        mistake("even_kernel_made_odd", "An even kernel sees one pixel more in your count than it has.",
                "How many neighbors does a kernel of 2 read?", grow=lambda k: k // 2 * 2),
        mistake("kernels_multiplied", "You multiply the kernels.",
                "Two 3×3 convolutions, one after the other: how many pixels of a row does one output see?",
                end=lambda k, s: math.prod(k)),
        mistake("step_for_field", "You return how far apart neighbors are.", "Which of your variables is the field?",
                end=lambda k, s: math.prod(s)),
        *mistakes("area_for_side", "You return the area of the field{}.", "Which one number is asked for?", "end",
                  {"": lambda k, s: (1 + sum((n - 1) * math.prod(s[:i]) for i, n in enumerate(k))) ** 2,
                   ", and ignore the strides": lambda k, s: (1 + sum(n - 1 for n in k)) ** 2}),
    ),
)
# fmt: on


def _masked(weight: Tensor, *places: Any) -> Tensor:
    """The weights at some places of the kernel, and zeros elsewhere."""
    kept = torch.zeros_like(weight)
    kept[..., places[0], places[1]] = weight[..., places[0], places[1]]
    return kept


def _depthwise(weight: Tensor) -> Tensor:
    same = torch.arange(len(weight))[:, None] % weight.shape[1] == torch.arange(weight.shape[1])
    return weight * same[:, :, None, None]


def _by_hand(
    x: Tensor, weight: Tensor, stride: Any, padding: int, *, turn=None, mix=None, over=None, border="constant",
    sides=(1, 1, 1, 1), steps=(True, True), first=False, pad=lambda k, p: p, square=None, hangs=False, spread=False,
    cropped=False, cut=0, shift=None, end=None,
) -> Tensor:  # fmt: skip
    weight = turn(weight) if turn else weight
    weight = weight[:1].expand_as(weight) if first else weight
    x, weight = mix(x, weight) if mix else (x, weight)
    kernel = weight.shape[-1]
    x = F.pad(x, [side * pad(kernel, padding) for side in sides], mode=border)
    x = shift(x, kernel) if shift else x
    if square:
        n = x.shape[2 if square == "rows" else 3]
        x = F.pad(x, (0, n - x.shape[3], 0, n - x.shape[2]))
    if hangs:
        x = F.pad(x, [0, -(x.shape[3] - kernel) % stride, 0, -(x.shape[2] - kernel) % stride])
    rows, columns = ((n - kernel) // stride + 1 for n in x.shape[2:])
    strides = [stride if step and not (spread or cropped) else 1 for step in steps]
    y = F.conv2d(x, weight, None, strides, 0, stride if spread else 1) / (over(weight[0]) if over else 1)
    y = y[:, :, :rows, :columns] if cropped else y[:, :, : y.shape[2] - cut, : y.shape[3] - cut]
    return end(y) if end else y


VISITED = "Which positions does the kernel visit, down and to the right?"
ZEROS = "Where do the zeros around the image enter, and on how many sides?"
SUM = "Over which indices does the sum run?"
FIRST = "Which pixel does weight [0, 0] meet first?"
# fmt: off
BY_HAND = Space(
    _by_hand,
    (
        mistake("kernel_flipped", "Your kernel is turned by half a circle before it is applied.",
                "Does a layer of a network flip its kernel, as signal processing does?", turn=lambda w: w.flip(2, 3)),
        mistake("kernel_transposed", "Rows and columns of your kernel have changed places.",
                "Which index of the weight goes down, and which goes right?", turn=lambda w: w.mT),
        mistake("first_channel_only", "Your output depends on the first channel alone.", SUM,
                mix=lambda x, w: (x[:, :1], w[:, :1])),
        mistake("last_channel_only", "Your output depends on the last channel alone.", SUM,
                mix=lambda x, w: (x[:, -1:], w[:, -1:])),
        *mistakes("mean_for_sum", "Your outputs are means {}.", "Is anything divided in the formula?", "over",
                  {"of the products": lambda w: w.numel(), "over the kernel": lambda w: w[0].numel(),
                   "over the channels": len}),
        *PADDING[2:4],
        *mistakes("border_one_sided", "All of your zeros stand {}.", ZEROS, "sides",
                  {"above and on the left": (2, 0, 2, 0), "below and on the right": (0, 2, 0, 2)}),
        mistake("spread_out", "Your stride spreads the kernel out, in place of moving it.", VISITED, spread=True),
        mistake("stride_cropped", "Your kernel moves by 1, and the output is cut to the right size.", VISITED,
                cropped=True),
        mistake("hangs_over", "Your last step may hang over the border.", HANGS_OVER, hangs=True),
        mistake("last_left_out", "The last row and column of positions are missing.", ENDS, cut=1),
        mistake("square_only", "You compute the columns from the height.", "Which size goes right?", square="rows"),
        mistake("square_only", "You compute the rows from the width.", "Which size goes down?", square="columns"),
        mistake("scrambled", "Your numbers are right, but channels and positions are mixed up.",
                "Does reshape move an axis, or only count the same numbers anew?",
                end=lambda y: y.permute(0, 2, 3, 1).reshape(y.shape)),
        *mistakes("off_center", "Your kernel lies one pixel off if its size is even.", FIRST, "shift",
                  [lambda x, k, by=by: x if k % 2 else x.roll((by, by), (2, 3)) for by in (1, -1)]),
        *mistakes("off_center", "Your kernel lies one pixel off.", FIRST, "shift",
                  [lambda x, k, by=by: x.roll((by, by), (2, 3)) for by in (1, -1)]),
        mistake("padding_ignored", "Your output is that without padding.", ZEROS, sides=(0, 0, 0, 0)),
        mistake("stride_ignored", "Your output is that with stride 1.", VISITED, steps=(False, False)),
        mistake("edge_for_zeros", "Around the image you repeat its border.", "With what does the task pad?",
                border="replicate"),
        mistake("reflected_for_zeros", "Around the image you mirror it.", "With what does the task pad?",
                border="reflect"),
        *mistakes("some_sides", "You pad {} only.", ZEROS, "sides",
                  {"above and on the left": (1, 0, 1, 0), "below and on the right": (0, 1, 0, 1),
                   "on the left and right": (1, 1, 0, 0), "above and below": (0, 0, 1, 1)}),
        mistake("stride_down_only", "You step by the stride only from row to row.", VISITED, steps=(True, False)),
        mistake("stride_right_only", "You step by the stride only from column to column.", VISITED,
                steps=(False, True)),
        mistake("kernel_mirrored", "Your kernel is mirrored from left to right.", "Which index goes right?",
                turn=lambda w: w.flip(3)),
        mistake("kernel_upside_down", "Your kernel stands on its head.", "Which index goes down?",
                turn=lambda w: w.flip(2)),
        mistake("one_filter", "All channels of your output are alike.", "Which filter makes which channel?",
                first=True),
        mistake("depthwise", "Each output channel reads one input channel alone.", SUM, turn=_depthwise),
        *mistakes("part_of_kernel", "Only the {} of your kernel counts.", "Which places does your sum reach?", "turn",
                  {"last place": lambda w: _masked(w, -1, -1), "first place": lambda w: _masked(w, 0, 0),
                   "last row": lambda w: _masked(w, -1, slice(None)),
                   "first row": lambda w: _masked(w, 0, slice(None))}),
        mistake("last_places_left_out", "The last row and column of your kernel do not enter.",
                "Where does a slice of Python end?", turn=lambda w: _masked(w, slice(-1), slice(-1))),
        mistake("orders_differ", "The pixels of a window and the weights of a kernel are in different orders.",
                "In which order does each of them count channels, rows and columns?",
                turn=lambda w: w.permute(0, 2, 3, 1).reshape(w.shape)),
        mistake("channels_summed_first", "You add the channels up before you weight them.",
                "Does each channel have its own weights?", mix=lambda x, w: (x.sum(1, keepdim=True), w[:, :1])),
        mistake("channels_reversed", "Each channel meets the weights of another one.",
                "Which index do image and weight share?", mix=lambda x, w: (x.flip(1), w)),
    ),
)
# fmt: on


def output_size(function: Callable[[int, int, int, int], int], *, more: Sequence = (), points: float = 2) -> Result:
    """Check the size of a convolution's output.

    Args:
        function: the learner's function of input size, kernel, stride and padding.
        more: further cases, each with these four numbers.
        points: points of a right answer.
    """
    return check_values("Output size", points, function, SIZE, SIZE_CASES, more)


def conv_parameters(
    function: Callable[[int, int, int, bool], int], *, more: Sequence = (), points: float = 2
) -> Result:
    """Check the number of parameters of a convolution.

    Args:
        function: the learner's function of channels in, channels out, kernel, and whether there is a bias.
        more: further cases, each with these four.
        points: points of a right answer.
    """
    return check_values("Parameters of a convolution", points, function, PARAMETERS, PARAMETER_CASES, more)


def conv_macs(
    function: Callable[[int, int, int, int, int, int], int], *, more: Sequence = (), points: float = 2
) -> Result:
    """Check the multiply-accumulates of a convolution without bias, for one square image.

    Args:
        function: the learner's function of channels in, channels out, kernel, input size, stride and padding.
        more: further cases, each with these six numbers.
        points: points of a right answer.
    """
    return check_values("MACs of a convolution", points, function, MACS, MACS_CASES, more)


def receptive_field(
    function: Callable[[Sequence[tuple[int, int]]], int], *, more: Sequence = (), points: float = 2
) -> Result:
    """Check the receptive field of a chain of layers, in pixels.

    Args:
        function: the learner's function of a list of (kernel, stride), the first layer first.
        more: further lists.
        points: points of a right answer.
    """
    return check_values("Receptive field", points, function, FIELD, FIELD_CASES, [(list(m),) for m in more])


class ReadyMade(TorchFunctionMode):
    """Counts the calls of ready-made convolutions."""

    calls = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.calls += getattr(func, "__name__", "").startswith(("conv", "_conv"))
        return func(*args, **(kwargs or {}))


def convolution_by_hand(
    function: Callable[[Tensor, Tensor, int, int], Tensor], *, more: Sequence = (), points: float = 3
) -> Result:
    """Check a convolution written by hand, float32 or float64; a ready-made one earns nothing.

    Args:
        function: the learner's function of images (N × C × H × W), weight (channels out × C × K × K), stride and
            padding.
        more: further cases, each with the eight sizes N, C, H, W, channels out, K, stride and padding.
        points: points of a right answer.
    """
    small = torch.arange(1.0, 10).double().view(1, 1, 3, 3), torch.tensor([[[[1.0, 0], [0, 10]]]]).double()
    cases = [(*small, 1, 0), (*small, 1, 1), (*small, 2, 1)]
    generator = torch.Generator().manual_seed(0)
    for n, c, h, w, out, kernel, stride, padding in (
        *((2, 3, 6, 6, 4, 3, 1, 0), (2, 3, 7, 7, 3, 3, 2, 1), (2, 2, 5, 8, 2, 2, 3, 1), (1, 2, 9, 7, 3, 5, 2, 2)),
        (1, 1, 4, 4, 1, 3, 1, 2),
        *more,
    ):
        sizes = (n, c, h, w), (out, c, kernel, kernel)
        cases.append((*(torch.randn(s, generator=generator, dtype=torch.float64) for s in sizes), stride, padding))
    ready = ReadyMade()

    def watched(*case: Any) -> Tensor:
        with ready:
            return function(*case)

    steps = compare_values(watched if callable(function) else function, BY_HAND, cases)
    if ready.calls:
        steps = [Finding("ready_made", "You call a ready-made convolution.", "Which functions does the task rule out?")]
    return grade("Convolution by hand", points, steps)
