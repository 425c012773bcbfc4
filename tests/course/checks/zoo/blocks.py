"""Blocks as learners write them."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from resnet_course import checks

from . import right, wrong


def conv(i, o, k=3, s=1, bias=False):
    return nn.Conv2d(i, o, k, s, k // 2, bias=bias)


class Block(nn.Module):
    """Right; the others change one line of it."""

    def __init__(self, i, w, s, bias=False, strides=None, skip_stride=None):
        super().__init__()
        a, b = strides or (s, 1)
        self.conv1, self.bn1 = conv(i, w, 3, a, bias), nn.BatchNorm2d(w)
        self.conv2, self.bn2 = conv(w, w, 3, b, bias), nn.BatchNorm2d(w)
        self.relu = nn.ReLU()
        self.skip = nn.Identity()
        if i != w or s != 1:
            self.skip = nn.Sequential(conv(i, w, 1, skip_stride or s), nn.BatchNorm2d(w))

    def branch(self, x):
        return self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))

    def forward(self, x):
        return self.relu(self.branch(x) + self.skip(x))


right(checks.basic_block)(Block)


@wrong(checks.basic_block, "no_final_relu")
class NoFinalReLU(Block):
    def forward(self, x):
        return self.branch(x) + self.skip(x)


@wrong(checks.basic_block, "relu_before_addition")
class ReLUBeforeAddition(Block):
    def forward(self, x):
        out = self.relu(self.branch(x))
        out += self.skip(x)
        return out


@wrong(checks.basic_block, "relu_twice")
class ReLUTwice(Block):
    def forward(self, x):
        return self.relu(self.relu(self.branch(x)) + self.skip(x))


@wrong(checks.basic_block, "relu_on_shortcut")
class ReLUOnShortcut(Block):
    def forward(self, x):
        return self.relu(self.branch(x) + self.relu(self.skip(x)))


@wrong(checks.basic_block, "shortcut_not_added")
class NotAdded(Block):
    def forward(self, x):
        self.skip(x)
        return self.relu(self.branch(x))


@wrong(checks.basic_block, "branch_not_added")
class BranchLost(Block):
    def forward(self, x):
        self.branch(x)
        return self.relu(self.skip(x))


@wrong(checks.basic_block, "shortcut_twice")
class AddedTwice(Block):
    def forward(self, x):
        out = self.branch(x)
        out += self.skip(x)
        return self.relu(out + self.skip(x))


@wrong(checks.basic_block, "multiplied")
class Multiplied(Block):
    def forward(self, x):
        return self.relu(self.branch(x) * self.skip(x))


@wrong(checks.basic_block, "shortcut_subtracted")
class Subtracted(Block):
    def forward(self, x):
        return self.relu(self.branch(x) - self.skip(x))


@wrong(checks.basic_block, "input_overwritten")
class InPlaceReLU(Block):
    def forward(self, x):
        return self.relu(self.branch(F.relu(x, inplace=True)) + self.skip(x))


@wrong(checks.basic_block, "input_overwritten")
class InPlaceAddition(Block):
    def forward(self, x):
        skip, out = self.skip(x), self.branch(x)
        skip += out
        return self.relu(skip)


@wrong(checks.basic_block, "norm_after_addition")
class NormAfterAddition(Block):
    def forward(self, x):
        out = self.conv2(self.relu(self.bn1(self.conv1(x))))
        return self.relu(self.bn2(out + self.skip(x)))


@wrong(checks.basic_block, "norm_after_relu")
class NormAfterReLU(Block):
    def branch(self, x):
        return self.bn2(self.conv2(self.bn1(self.relu(self.conv1(x)))))


@wrong(checks.basic_block, "no_norm")
class NoNorm(Block):
    def branch(self, x):
        return self.conv2(self.relu(self.conv1(x)))


@wrong(checks.basic_block, "no_relu_between")
class NoReLUBetween(Block):
    def branch(self, x):
        return self.bn2(self.conv2(self.bn1(self.conv1(x))))


@wrong(checks.basic_block, "pre_activation")
class PreActivation(Block):
    def __init__(self, i, w, s):
        super().__init__(i, w, s)
        self.bn1 = nn.BatchNorm2d(i)

    def forward(self, x):
        out = self.conv1(self.relu(self.bn1(x)))
        return self.conv2(self.relu(self.bn2(out))) + self.skip(x)


@wrong(checks.basic_block, "stride_on_last_convolution")
class StrideOnSecond(Block):
    def __init__(self, i, w, s):
        super().__init__(i, w, s, strides=(1, s))


@wrong(checks.basic_block, "stride_shortcut_only")
class StrideInShortcutAlone(Block):
    def __init__(self, i, w, s):
        super().__init__(i, w, s, strides=(1, 1))


@wrong(checks.basic_block, "stride_branch_only")
class StrideInBranchAlone(Block):
    def __init__(self, i, w, s):
        super().__init__(i, w, s, skip_stride=1)


@wrong(checks.basic_block, "stride_twice")
class StrideOnBoth(Block):
    def __init__(self, i, w, s):
        super().__init__(i, w, s, strides=(s, s))


@wrong(checks.basic_block, "no_norm_on_projection")
class BareProjection(Block):
    def __init__(self, i, w, s):
        super().__init__(i, w, s)
        if i != w or s != 1:
            self.skip = conv(i, w, 1, s)


@wrong(checks.basic_block, "relu_on_projection")
class ReLUOnProjection(Block):
    def __init__(self, i, w, s):
        super().__init__(i, w, s)
        if i != w or s != 1:
            self.skip.append(nn.ReLU())


@wrong(checks.basic_block, "projection_always")
class ProjectionAlways(Block):
    def __init__(self, i, w, s):
        super().__init__(i, w, s)
        self.skip = nn.Sequential(conv(i, w, 1, s), nn.BatchNorm2d(w))


@wrong(checks.basic_block, "projection_never")
class ProjectionNever(Block):
    def __init__(self, i, w, s):
        super().__init__(i, w, s)
        self.skip = nn.Identity()


@wrong(checks.basic_block, "projection_by_stride_only")
class ProjectionByStride(Block):
    def __init__(self, i, w, s):
        super().__init__(i, w, s)
        if s == 1:
            self.skip = nn.Identity()


@wrong(checks.basic_block, "projection_by_channels_only")
class ProjectionByChannels(Block):
    def __init__(self, i, w, s):
        super().__init__(i, w, s)
        if i == w:
            self.skip = nn.Identity()


@wrong(checks.basic_block, "conv_bias")
class Biases(Block):
    def __init__(self, i, w, s):
        super().__init__(i, w, s, bias=True)


@wrong(checks.basic_block, "shared_norm")
class SharedNorm(Block):
    def __init__(self, i, w, s):
        super().__init__(i, w, s)
        self.bn2 = self.bn1


@wrong(checks.basic_block, "shared_conv+unused_layers")
class SharedConvolution(Block):
    def branch(self, x):
        if x.shape[1] != self.conv1.out_channels or self.conv1.stride != (1, 1):
            return super().branch(x)
        return self.bn2(self.conv1(self.relu(self.bn1(self.conv1(x)))))


@wrong(checks.basic_block, "unused_layers")
class UnusedLayers(Block):
    def __init__(self, i, w, s):
        super().__init__(i, w, s)
        self.conv3 = conv(w, w)


@wrong(checks.basic_block, "padding_missing")
class NoPadding(Block):
    def __init__(self, i, w, s):
        super().__init__(i, w, s)
        self.conv1.padding = self.conv2.padding = (0, 0)


@wrong(checks.basic_block, "gradient_cut")
class Detached(Block):
    def forward(self, x):
        return self.relu(self.branch(x).detach() + self.skip(x))


@wrong(checks.basic_block, "gradient")
class ShortcutDetached(Block):
    def forward(self, x):
        return self.relu(self.branch(x) + self.skip(x).detach())


@wrong(checks.basic_block, "norm_ignores_eval")
class AlwaysBatchStatistics(Block):
    def __init__(self, i, w, s):
        super().__init__(i, w, s)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.track_running_stats, module.running_mean, module.running_var = False, None, None


@wrong(checks.basic_block, "random_output")
class Dropout(Block):
    def forward(self, x):
        return self.relu(F.dropout(self.branch(x), 0.5, self.training) + self.skip(x))


@wrong(checks.basic_block, "returns_none")
class NoReturn(Block):
    def forward(self, x):
        self.relu(self.branch(x) + self.skip(x))


wrong(checks.basic_block, "already_built")(Block(4, 4, 1))
wrong(checks.basic_block, "not_callable")("Block")


@wrong(checks.basic_block, "dtype_changed")
class SinglePrecision(Block):
    def forward(self, x):
        return super().forward(x.float())


@wrong(checks.basic_block, "no_module")
def not_a_module(i, w, s):
    return lambda x: x


def pad(x, channels, s, before):
    new = channels - x.shape[1]
    return F.pad(x[:, :, ::s, ::s], (0, 0, 0, 0, before(new), new - before(new)))


class PaddedBlock(Block):
    """Option A, with the zeros where a function of their number says."""

    before = staticmethod(lambda new: new // 2)

    def __init__(self, i, w, s):
        super().__init__(i, w, s)
        self.skip, self.w, self.s = nn.Identity(), w, s

    def forward(self, x):
        return self.relu(self.branch(x) + pad(x, self.w, self.s, self.before))


right(checks.basic_block, shortcut="A")(PaddedBlock)
wrong(checks.basic_block, "padding_for_projection")(PaddedBlock)
wrong(checks.basic_block, "projection_for_padding", shortcut="A")(Block)


@wrong(checks.basic_block, "padding_at_end", shortcut="A")
class PaddedAtEnd(PaddedBlock):
    before = staticmethod(lambda new: 0)


@wrong(checks.basic_block, "padding_at_start", shortcut="A")
class PaddedAtStart(PaddedBlock):
    before = staticmethod(lambda new: new)


@wrong(checks.basic_block, "shortcut_pooled", shortcut="A")
class PooledShortcut(PaddedBlock):
    def forward(self, x):
        return self.relu(self.branch(x) + pad(F.avg_pool2d(x, self.s), self.w, 1, self.before))


@right(checks.zero_padding)
def pad_both(x, channels, s):
    new, x = channels - x.shape[1], x[:, :, ::s, ::s]
    before, after = (x.new_zeros(len(x), side, *x.shape[2:]) for side in (new // 2, new - new // 2))
    return torch.cat((before, x, after), dim=1)


@wrong(checks.zero_padding, "odd_zero_lost")
def pad_both_alike(x, channels, s):
    side = (channels - x.shape[1]) // 2
    return pad_both(x, x.shape[1] + 2 * side, s)


@wrong(checks.zero_padding, "padding_at_end")
def pad_end(x, channels, s):
    return pad(x, channels, s, lambda new: 0)


@wrong(checks.zero_padding, "shortcut_pooled")
def pad_pooled(x, channels, s):
    return pad_both(F.avg_pool2d(x, s), channels, 1)


@wrong(checks.zero_padding, "shape")
def pad_with_too_many(x, channels, s):
    return F.pad(x[:, :, ::s, ::s], (0, 0, 0, 0, channels, channels))


class Narrow(nn.Module):
    """A right bottleneck; the others change one argument."""

    def __init__(self, i, w, s, strides=None, expansion=4):
        super().__init__()
        a, b, c = strides or (1, s, 1)
        o = w * expansion
        self.a, self.na = conv(i, w, 1, a), nn.BatchNorm2d(w)
        self.b, self.nb = conv(w, w, 3, b), nn.BatchNorm2d(w)
        self.c, self.nc = conv(w, o, 1, c), nn.BatchNorm2d(o)
        same = i == o and s == 1
        self.skip = nn.Identity() if same else nn.Sequential(conv(i, o, 1, s), nn.BatchNorm2d(o))

    def branch(self, x):
        return self.nc(self.c(F.relu(self.nb(self.b(F.relu(self.na(self.a(x))))))))

    def forward(self, x):
        return F.relu(self.branch(x) + self.skip(x))


right(checks.bottleneck)(Narrow)


@wrong(checks.bottleneck, "expansion_off")
class ExpansionTwo(Narrow):
    def __init__(self, i, w, s):
        super().__init__(i, w, s, expansion=2)


@wrong(checks.bottleneck, "expansion_off")
class ExpansionForgottenInBranch(Narrow):
    def __init__(self, i, w, s):
        super().__init__(i, w, s)
        self.c, self.nc = conv(w, w, 1), nn.BatchNorm2d(w)


@wrong(checks.bottleneck, "stride_on_first_convolution")
class StrideOnFirst(Narrow):
    def __init__(self, i, w, s):
        super().__init__(i, w, s, strides=(s, 1, 1))


@wrong(checks.bottleneck, "stride_on_last_convolution")
class StrideOnThird(Narrow):
    def __init__(self, i, w, s):
        super().__init__(i, w, s, strides=(1, 1, s))


@wrong(checks.bottleneck, "no_final_relu")
class NarrowNoFinalReLU(Narrow):
    def forward(self, x):
        return self.branch(x) + self.skip(x)


# Siblings, settings, and two mistakes at once


@wrong(checks.basic_block, "skip_from_branch")
class ReadsTheBranch(Block):
    """The commonest of all: x is overwritten on the way."""

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        return F.relu(x + self.skip(x))


@wrong(checks.basic_block, "no_final_relu+shortcut_twice")
class TwoMistakes(Block):
    def forward(self, x):
        return self.branch(x) + self.skip(x) + self.skip(x)


@wrong(checks.basic_block, "norm_missing")
class FirstNormMissing(Block):
    def branch(self, x):
        return self.bn2(self.conv2(self.relu(self.conv1(x))))


@wrong(checks.basic_block, "norm_missing")
class LastNormMissing(Block):
    def branch(self, x):
        return self.conv2(self.relu(self.bn1(self.conv1(x))))


@wrong(checks.basic_block, "no_relu_between+other_end")
class LinearAndTanh(Block):
    def forward(self, x):
        return torch.tanh(self.bn2(self.conv2(self.bn1(self.conv1(x)))) + self.skip(x))


@wrong(checks.basic_block, "other_activation")
class BendsWithGELU(Block):
    def branch(self, x):
        return self.bn2(self.conv2(F.gelu(self.bn1(self.conv1(x)))))


@wrong(checks.basic_block, "no_norm_on_projection+stride_on_last_convolution")
class LateStrideAndBareProjection(Block):
    def __init__(self, i, w, s):
        super().__init__(i, w, s, strides=(1, s))
        if i != w or s != 1:
            self.skip = conv(i, w, 1, s)


def with_layers(key, **settings):
    """A block whose second convolution, or whose BatchNorm, is set otherwise."""

    @wrong(checks.basic_block, key)
    class Reset(Block):
        def __init__(self, i, w, s):
            super().__init__(i, w, s)
            convs = {name: value for name, value in settings.items() if name not in ("eps", "momentum", "affine")}
            if convs:
                self.conv2 = nn.Conv2d(w, w, **{"kernel_size": 3, "padding": 1, "bias": False, **convs})
            else:
                self.bn1 = nn.BatchNorm2d(w, **settings)


with_layers("dilated", dilation=2, padding=2)
with_layers("border_not_zero", padding_mode="reflect")
with_layers("border_not_zero", padding_mode="circular")
with_layers("grouped", groups=2)
with_layers("kernel_size", kernel_size=5, padding=2)
with_layers("kernel_size", kernel_size=1, padding=0)
with_layers("conv_bias", bias=True)
with_layers("grouped", groups=2, bias=True)
with_layers("norm_eps", eps=1e-2)
with_layers("norm_momentum", momentum=0.0)
with_layers("norm_momentum", momentum=0.99)
with_layers("norm_not_learned", affine=False)


@wrong(checks.basic_block, "other_norm")
class GroupNormalized(Block):
    def __init__(self, i, w, s):
        super().__init__(i, w, s)
        self.bn1 = nn.GroupNorm(1, w)


@wrong(checks.basic_block, "stride_fixed")
class AlwaysStrideTwo(Block):
    def __init__(self, i, w, s):
        super().__init__(i, w, s, strides=(2, 1))


@wrong(checks.basic_block, "projection_kernel")
class WideProjection(Block):
    def __init__(self, i, w, s):
        super().__init__(i, w, s)
        if i != w or s != 1:
            self.skip[0] = conv(i, w, 3, s)


@wrong(checks.basic_block, "evaluation_differs")
class OtherInEvaluation(Block):
    def forward(self, x):
        return super().forward(x) if self.training else self.branch(x) + self.skip(x)


@wrong(checks.basic_block, "frozen")
class Frozen(Block):
    def __init__(self, i, w, s):
        super().__init__(i, w, s)
        self.bn2.weight.requires_grad_(False)


@wrong(checks.basic_block, "crash")
class SecondClassForgotten(Block):
    def forward(self, x):
        return self.relu(self.branch(x) + self.shortcut(x))


class Named(Block):
    def __init__(self, i, w, s=1):
        super().__init__(i, w, s)


def identity(key):
    return lambda change: wrong(checks.identity_start, key)(Named, change)


def not_written(block):
    raise NotImplementedError


right(checks.identity_start)(Named, lambda block: nn.init.zeros_(block.bn2.weight))
identity("nothing_changed")(lambda block: None)
identity("cannot_learn")(lambda block: nn.init.zeros_(block.bn1.weight))
identity("too_many_changed")(lambda block: nn.init.zeros_(block.conv2.weight))
identity("frozen")(lambda block: nn.init.zeros_(block.bn2.weight).requires_grad_(False))
identity("no_identity")(lambda block: nn.init.ones_(block.bn2.bias))
identity("not_written")(not_written)

# Right answers in other styles


@right(checks.basic_block)
class Lazy(nn.Module):
    """Layers that take their channels from what comes in."""

    def __init__(self, i, w, s):
        super().__init__()
        self.conv1, self.bn1 = nn.LazyConv2d(w, 3, s, 1, bias=False), nn.LazyBatchNorm2d()
        self.conv2, self.bn2 = nn.LazyConv2d(w, 3, 1, 1, bias=False), nn.LazyBatchNorm2d()
        lazy = nn.Sequential(nn.LazyConv2d(w, 1, s, bias=False), nn.LazyBatchNorm2d())
        self.skip = lazy if (i, s) != (w, 1) else nn.Identity()

    def forward(self, x):
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + self.skip(x))


@right(checks.basic_block)
class InSequence(nn.Module):
    def __init__(self, inp, planes, stride):
        super().__init__()
        self.shortcut = nn.Sequential()  # made and called before the branch
        if stride != 1 or inp != planes:
            self.shortcut = nn.Sequential(conv(inp, planes, 1, stride), nn.BatchNorm2d(planes))
        body = [conv(inp, planes, 3, stride), nn.BatchNorm2d(planes), nn.ReLU(inplace=True)]
        self.body = nn.Sequential(*body, conv(planes, planes), nn.BatchNorm2d(planes))

    def forward(self, inputs):
        identity = self.shortcut(inputs)
        return torch.relu(torch.add(identity, self.body(inputs)))


@right(checks.basic_block)
class InPlaceWhereItMay(Block):
    def forward(self, x):
        out = self.branch(x)
        out += self.skip(x)
        return F.relu_(out)


@right(checks.basic_block)
class SlicedShortcut(Block):
    """Every second position first, then a projection of stride 1."""

    def __init__(self, i, w, s):
        super().__init__(i, w, s, skip_stride=1)
        self.s = s

    def forward(self, x):
        return self.relu(self.branch(x) + self.skip(x[:, :, :: self.s, :: self.s]))


@right(checks.basic_block)
class ClampedSum(Block):
    def forward(self, x):
        return (self.skip(x) + self.branch(x)).clamp(min=0)


class ConvNorm(nn.Sequential):
    def __init__(self, i, o, k, s):
        super().__init__(nn.ZeroPad2d(k // 2), nn.Conv2d(i, o, k, s, bias=False), nn.BatchNorm2d(o))


@right(checks.basic_block)
class PaddedBefore(nn.Module):
    """Padding as a layer of its own: the convolution reads a larger input."""

    def __init__(self, i, w, s):
        super().__init__()
        self.one, self.two = ConvNorm(i, w, 3, s), ConvNorm(w, w, 3, 1)
        self.proj = ConvNorm(i, w, 1, s) if (i, s) != (w, 1) else None

    def forward(self, x):
        y = self.two(self.one(x).relu())
        return (y + (x if self.proj is None else self.proj(x))).relu()


@right(checks.basic_block)
class Functional(nn.Module):
    """Parameters of its own and functions only."""

    def __init__(self, i, w, s):
        super().__init__()
        self.s = s
        self.w1, self.w2 = nn.Parameter(torch.randn(w, i, 3, 3)), nn.Parameter(torch.randn(w, w, 3, 3))
        self.ws = nn.Parameter(torch.randn(w, i, 1, 1)) if (i, s) != (w, 1) else None
        for n in range(2 if self.ws is None else 3):
            self.register_parameter(f"g{n}", nn.Parameter(torch.ones(w)))
            self.register_parameter(f"b{n}", nn.Parameter(torch.zeros(w)))
            self.register_buffer(f"m{n}", torch.zeros(w))
            self.register_buffer(f"v{n}", torch.ones(w))

    def norm(self, x, n):
        g, b, m, v = (getattr(self, f"{name}{n}") for name in "gbmv")
        return F.batch_norm(x, m, v, g, b, training=self.training)

    def forward(self, x):
        out = F.relu(self.norm(F.conv2d(x, self.w1, stride=self.s, padding=1), 0))
        out = self.norm(F.conv2d(out, weight=self.w2, padding="same"), 1)
        skip = x if self.ws is None else self.norm(torch.conv2d(x, self.ws, stride=self.s), 2)
        return F.relu(out + skip)


class HandNorm(nn.Module):
    """BatchNorm as one multiplication and one addition."""

    def __init__(self, n):
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.ones(n)), nn.Parameter(torch.zeros(n))
        self.register_buffer("mean", torch.zeros(n))
        self.register_buffer("var", torch.ones(n))

    def forward(self, x):
        mean, var = self.mean, self.var
        if self.training:
            mean, var = x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3), correction=0)
            with torch.no_grad():
                self.mean.lerp_(mean, 0.1)
                self.var.lerp_(x.var(dim=(0, 2, 3)), 0.1)
        a = self.scale * torch.rsqrt(var + 1e-5)
        return x * a[:, None, None] + (self.shift - mean * a)[:, None, None]


@right(checks.basic_block)
class Fused(Block):
    def __init__(self, i, w, s):
        super().__init__(i, w, s)
        self.bn1, self.bn2 = HandNorm(w), HandNorm(w)
        if (i, s) != (w, 1):
            self.skip[1] = HandNorm(w)


@right(checks.basic_block)
class ByUnfolding(Block):
    """The second convolution as a product of matrices."""

    def __init__(self, i, w, s):
        super().__init__(i, w, s)
        self.conv2 = None
        self.weight = nn.Parameter(torch.randn(w, w, 3, 3))

    def branch(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        columns = F.unfold(out, 3, padding=1)
        return self.bn2((self.weight.flatten(1) @ columns).view(out.shape))


@right(checks.bottleneck)
def narrow_from_layers(i, w, s):
    class Residual(nn.Module):
        def __init__(self, inner, outer):
            super().__init__()
            self.paths = nn.ModuleList([inner, outer])

        def forward(self, x):
            return sum(path(x) for path in self.paths).clamp_min(0.0)

    inner = nn.Sequential(
        *(conv(i, w, 1), nn.BatchNorm2d(w), nn.ReLU(True), conv(w, w, 3, s), nn.BatchNorm2d(w), nn.ReLU(True)),
        *(conv(w, 4 * w, 1), nn.BatchNorm2d(4 * w)),
    )
    same = (i, s) == (4 * w, 1)
    return Residual(inner, nn.Identity() if same else nn.Sequential(conv(i, 4 * w, 1, s), nn.BatchNorm2d(4 * w)))


@wrong(checks.basic_block, "nothing_added_unchanged")
class OnlyProjectionsAdded(Block):
    def forward(self, x):
        branch = self.branch(x)
        return self.relu(branch if isinstance(self.skip, nn.Identity) else branch + self.skip(x))


@wrong(checks.basic_block, "stride_fixed", shortcut="A")
class EverySecondPosition(PaddedBlock):
    def forward(self, x):
        same = x.shape[1] == self.w and self.s == 1
        return self.relu(self.branch(x) + (x if same else pad(x, self.w, 2, self.before)))


@wrong(checks.basic_block, "padding_missing")
class Cropped(Block):
    def __init__(self, i, w, s):
        super().__init__(i, w, s)
        self.conv1.padding = self.conv2.padding = 0

    def forward(self, x):
        branch = self.branch(x)
        return branch + self.skip(x)[:, :, : branch.shape[2], : branch.shape[3]]
