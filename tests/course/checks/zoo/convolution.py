"""Arithmetic of convolutions as learners write it."""

import functools
import math

import torch
import torch.nn.functional as F

from resnet_course import checks

from . import right, wrong

sizes = (
    ("padding_once", lambda n, k, s, p: (n + p - k) // s + 1),
    ("no_padding", lambda n, k, s, p: (n - k) // s + 1),
    ("one_position_short", lambda n, k, s, p: (n + 2 * p - k) // s),
    ("rounded_up", lambda n, k, s, p: math.ceil((n + 2 * p - k) / s + 1)),
    ("not_whole", lambda n, k, s, p: (n + 2 * p - k) / s + 1),
    ("stride_ignored", lambda n, k, s, p: n + 2 * p - k + 1),
    ("kernel_ignored", lambda n, k, s, p: (n + 2 * p) // s),
    ("returns_none", lambda n, k, s, p: None),
    ("argument_returned", lambda n, k, s, p: n),
    ("constant", lambda n, k, s, p: 16),
    ("added_before_division", lambda n, k, s, p: (n + 2 * p - k + 1) // s),
    ("no_padding+one_position_short", lambda n, k, s, p: (n - k) // s),
    ("padding_once+stride_ignored", lambda n, k, s, p: n + p - k + 1),
    ("shift", lambda n, k, s, p: positions(n, k, s, p) + 7),
    ("shape", lambda n, k, s, p: (positions(n, k, s, p),) * 2),
    ("right_for_some", lambda n, k, s, p: (n + 2 * p - k) // s + s),
    ("no_number", lambda n, k, s, p: "many"),
)
for key, answer in sizes:
    wrong(checks.output_size, key)(answer)


@right(checks.output_size)
def size_by_counting(n, k, s, p):
    return len(range(-p, n + p - k + 1, s))


@right(checks.output_size)
def size_by_asking(n, k, s, p):
    return F.conv2d(torch.zeros(1, 1, n, n), torch.zeros(1, 1, k, k), stride=s, padding=p).shape[-1]


counts = (
    ("bias_always", lambda i, o, k, bias: o * (i * k**2 + 1)),
    ("bias_never", lambda i, o, k, bias: o * i * k**2),
    ("bias_elsewhere", lambda i, o, k, bias: i * (o * k**2 + bias)),
    ("bias_elsewhere", lambda i, o, k, bias: i * o * k**2 + (1 if bias else 0)),
    ("kernel_not_squared", lambda i, o, k, bias: i * o * k + (o if bias else 0)),
    ("one_channel_in", lambda i, o, k, bias: o * k**2 + (o if bias else 0)),
)
for key, answer in counts:
    wrong(checks.conv_parameters, key)(answer)


@right(checks.conv_parameters)
def parameters_of_the_layer(i, o, k, bias):
    return sum(p.numel() for p in torch.nn.Conv2d(i, o, k, bias=bias).parameters())


def positions(n, k, s, p):
    return (n - k + 2 * p) // s + 1


costs = (
    ("size_of_input", lambda i, o, k, n, s, p: n * n * o * i * k * k),
    ("flops", lambda i, o, k, n, s, p: 2 * positions(n, k, s, p) ** 2 * o * i * k * k),
    ("one_row", lambda i, o, k, n, s, p: positions(n, k, s, p) * o * i * k * k),
    ("parameters_for_macs", lambda i, o, k, n, s, p: o * i * k * k),
    ("one_channel_in", lambda i, o, k, n, s, p: positions(n, k, s, p) ** 2 * o * k * k),
)
costs += (
    ("bias_added", lambda i, o, k, n, s, p: positions(n, k, s, p) ** 2 * o * (i * k * k + 1)),
    ("no_padding", lambda i, o, k, n, s, p: positions(n, k, s, 0) ** 2 * o * i * k * k),
    ("stride_ignored", lambda i, o, k, n, s, p: positions(n, k, 1, p) ** 2 * o * i * k * k),
    ("flops+bias_added", lambda i, o, k, n, s, p: 2 * positions(n, k, s, p) ** 2 * o * (i * k * k + 1)),
    ("padding_once+kernel_not_squared", lambda i, o, k, n, s, p: positions(n - p, k, s, p) ** 2 * o * i * k),
)
for key, answer in costs:
    wrong(checks.conv_macs, key)(answer)


@right(checks.conv_macs)
def macs(i, o, k, n, s, p):
    return positions(n, k, s, p) ** 2 * o * i * k * k


@wrong(checks.receptive_field, "strides_ignored")
def field_without_strides(layers):
    field = 1
    for kernel, _ in layers:
        field += kernel - 1
    return field


@wrong(checks.receptive_field, "own_stride_counted")
def field_with_own_stride(layers):
    field = jump = 1
    for kernel, stride in layers:
        jump *= stride
        field += (kernel - 1) * jump
    return field


@wrong(checks.receptive_field, "all_strides")
def field_with_all_strides(layers):
    return 1 + sum(kernel - 1 for kernel, _ in layers) * math.prod(stride for _, stride in layers)


@wrong(checks.receptive_field, "last_stride_only")
def field_with_one_stride(layers):
    field, last = 1, 1
    for kernel, stride in layers:
        field, last = field + (kernel - 1) * last, stride
    return field


wrong(checks.receptive_field, "walked_backwards")(lambda layers: field_backwards(layers[::-1]))
wrong(checks.receptive_field, "pixel_missing")(lambda layers: field_backwards(layers) - 1)
wrong(checks.receptive_field, "kernels_added")(lambda layers: sum(kernel for kernel, _ in layers))
wrong(checks.receptive_field, "last_kernel_only")(lambda layers: layers[-1][0])


@right(checks.receptive_field)
def field_backwards(layers):
    field = 1
    for kernel, stride in reversed(layers):
        field = (field - 1) * stride + kernel
    return field


@right(checks.convolution_by_hand)
def with_loops(x, weight, stride, padding):
    x = F.pad(x, (padding,) * 4)
    k = weight.shape[-1]
    rows = []
    for top in range(0, x.shape[2] - k + 1, stride):
        lefts = range(0, x.shape[3] - k + 1, stride)
        rows.append(
            torch.stack(
                [torch.einsum("ncij,ocij->no", x[..., top : top + k, left : left + k], weight) for left in lefts], -1
            )
        )
    return torch.stack(rows, -2)


@wrong(checks.convolution_by_hand, "kernel_flipped")
def flipped(x, weight, stride, padding):
    return with_loops(x, torch.flip(weight, (-1, -2)), stride, padding)


@wrong(checks.convolution_by_hand, "kernel_transposed")
def transposed(x, weight, stride, padding):
    return with_loops(x, weight.mT, stride, padding)


@wrong(checks.convolution_by_hand, "first_channel_only")
def first_channel(x, weight, stride, padding):
    return with_loops(x[:, [0]], weight[:, [0]], stride, padding)


@wrong(checks.convolution_by_hand, "mean_for_sum")
def mean(x, weight, stride, padding):
    return with_loops(x, weight, stride, padding) / weight[0].numel()


@wrong(checks.convolution_by_hand, "padding_ignored")
def unpadded(x, weight, stride, padding):
    return with_loops(x, weight, stride, 0)


@wrong(checks.convolution_by_hand, "stride_ignored")
def unstrided(x, weight, stride, padding):
    return with_loops(x, weight, 1, padding)


@right(checks.convolution_by_hand)
def into_float32(x, weight, stride, padding):
    """What is allocated without a dtype."""
    y = torch.zeros(with_loops(x, weight, stride, padding).shape)
    y[:] = with_loops(x, weight, stride, padding)
    return y


wrong(checks.convolution_by_hand, "ready_made")(lambda x, w, s, p: F.conv2d(x, w, stride=s, padding=p))


@wrong(checks.convolution_by_hand, "ready_made")
def in_three_dimensions(x, weight, stride, padding):
    return F.conv3d(x[:, :, None], weight[:, :, None], None, (1, stride, stride), (0, padding, padding))[:, :, 0]


@wrong(checks.convolution_by_hand, "kernel_flipped+padding_ignored+stride_ignored")
def three_mistakes(x, weight, stride, padding):
    return flipped(x, weight, 1, 0)


@wrong(checks.convolution_by_hand, "some_sides")
def padded_before(x, weight, stride, padding):
    return with_loops(F.pad(x, (padding, 0, padding, 0)), weight, stride, 0)


@wrong(checks.convolution_by_hand, "factor")
def tripled(x, weight, stride, padding):
    return 3 * with_loops(x, weight, stride, padding)


@wrong(checks.convolution_by_hand, "value")
def first_row_lost(x, weight, stride, padding):
    y = with_loops(x, weight, stride, padding)
    return torch.cat((0 * y[:, :, :1], y[:, :, 1:]), dim=2)


@wrong(checks.convolution_by_hand, "one_side")
def last_column_lost(x, weight, stride, padding):
    return with_loops(x, weight, stride, padding)[..., :-1]


@wrong(checks.convolution_by_hand, "edge_for_zeros")
def edged(x, weight, stride, padding):
    return with_loops(F.pad(x, (padding,) * 4, mode="replicate"), weight, stride, 0)


# What a cell can do to its notebook


@wrong(checks.output_size, "crash")
def crashes(n, k, s, p):
    return n / 0


@wrong(checks.output_size, "exit")
def quits(n, k, s, p):
    raise SystemExit


@wrong(checks.output_size, "crash")
def recurses(n, k, s, p):
    return recurses(n, k, s, p)


@wrong(checks.output_size, "memory")
def hoards(n, k, s, p):
    return torch.zeros(10**12).shape[0]


wrong(checks.output_size, "tensor_returned")(lambda n, k, s, p: torch.tensor((n + 2 * p - k) // s + 1))
wrong(checks.output_size, "own_padding")(lambda n, k, s, p: (n + 2 * (k // 2) - k) // s + 1)


@wrong(checks.receptive_field, "argument_changed")
def empties_its_list(layers):
    layers.reverse()
    field = 1
    for kernel, stride in layers:
        field = (field - 1) * stride + kernel
    return field


@wrong(checks.receptive_field, "carried_over")
def goes_on_counting(layers, sums=[0]):  # noqa: B006
    sums[0] += 1
    field = empties_its_list(list(layers))
    return field if sums[0] <= 9 else field + 1


wrong(checks.receptive_field, "backward_rule")(
    lambda layers: functools.reduce(lambda field, layer: field * layer[1] + layer[0] - 1, layers[::-1], 1)
)


wrong(checks.output_size, "part_divided")(lambda n, k, s, p: n + 2 * p - k // s + 1)
wrong(checks.output_size, "transposed_convolution")(lambda n, k, s, p: (n - 1) * s - 2 * p + k)
wrong(checks.conv_macs, "argument_ignored")(lambda c, d, k, n, s, p: c * d * k * k * 30**2)
wrong(checks.conv_parameters, "nothing_without_bias")(lambda c, d, k, b: (c * d * k * k + d) * b)
wrong(checks.receptive_field, "first_layer_only")(lambda layers: layers[0][0])


@wrong(checks.receptive_field, "even_kernel_made_odd")
def neighbors(layers):
    return 1 + sum(k // 2 * 2 * math.prod(s for _, s in layers[:i]) for i, (k, _) in enumerate(layers))


wrong(checks.convolution_by_hand, "images_missing")(lambda x, w, s, p: with_loops(x[:1], w, s, p))


@wrong(checks.convolution_by_hand, "orders_differ")
def weights_channels_last(x, weight, stride, padding):
    return with_loops(x, weight.permute(0, 2, 3, 1).reshape(weight.shape), stride, padding)


@wrong(checks.convolution_by_hand, "random")
def with_noise(x, weight, stride, padding):
    return with_loops(x, weight, stride, padding) + torch.rand(1)
