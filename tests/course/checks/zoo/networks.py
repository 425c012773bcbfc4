"""Whole networks as learners write them."""

import functools

import torch
import torch.nn as nn
import torch.nn.functional as F

from resnet_course import checks
from resnet_tutorial.models import BasicBlock

from . import right, wrong
from .blocks import Biases, Block, Narrow, NoFinalReLU, PaddedAtEnd, PaddedBlock, ReadsTheBranch, StrideOnFirst, conv


class Net(nn.Module):
    """Right; the others change one method of it."""

    block = Block

    def __init__(self, blocks, classes):
        super().__init__()
        self.stem = self.make_stem()
        stages, channels = [], 16
        for stage, (width, n) in enumerate(zip((16, 32, 64), blocks, strict=True)):
            layers = []
            for i in range(n):
                layers.append(self.block(channels, width, self.stride(stage, i, n)))
                channels = width
            stages.append(nn.Sequential(*layers))
        self.stages = nn.Sequential(*stages)
        self.fc = nn.Linear(64, classes)

    def make_stem(self):
        return nn.Sequential(conv(3, 16), nn.BatchNorm2d(16), nn.ReLU())

    def stride(self, stage, i, n):
        return 2 if stage and i == 0 else 1

    def features(self, x):
        return self.stages(self.stem(x))

    def forward(self, x):
        return self.fc(self.features(x).mean((2, 3)))


right(checks.resnet)(Net)


@right(checks.resnet, shortcut="A")
class NetA(Net):
    block = PaddedBlock


@right(checks.resnet)
class FlatNet(nn.Module):
    """All blocks in one list, adaptive pooling, the head as a 1×1 convolution's stand-in."""

    def __init__(self, blocks, classes):
        super().__init__()
        plan = [(w, 2 if w > 16 and i == 0 else 1) for w, n in zip((16, 32, 64), blocks, strict=True) for i in range(n)]
        inputs = [16] + [w for w, _ in plan]
        self.entry, self.entry_norm = conv(3, 16), nn.BatchNorm2d(16)
        self.blocks = nn.ModuleList(Block(i, w, s) for i, (w, s) in zip(inputs, plan, strict=False))
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes))

    def forward(self, x):
        x = F.relu(self.entry_norm(self.entry(x)))
        for block in self.blocks:
            x = block(x)
        return self.head(x)


@right(checks.resnet)
class ConvolutionalHead(Net):
    def __init__(self, blocks, classes):
        super().__init__(blocks, classes)
        self.fc = nn.Conv2d(64, classes, 1)

    def forward(self, x):
        return self.fc(self.features(x).mean((2, 3), keepdim=True)).flatten(1)


@wrong(checks.resnet, "stage_stride")
class SecondStageAtFullSize(Net):
    def stride(self, stage, i, n):
        return 2 if stage == 2 and i == 0 else 1


@wrong(checks.resnet, "softmax_in_model+no_final_relu")
class SoftmaxAndNoReLU(Net):
    block = NoFinalReLU

    def forward(self, x):
        return super().forward(x).softmax(1)


@wrong(checks.resnet, "linear_bias")
class LinearWithoutBias(Net):
    def __init__(self, blocks, classes):
        super().__init__(blocks, classes)
        self.fc = nn.Linear(64, classes, bias=False)


@wrong(checks.resnet, "skip_from_branch")
class NetThatReadsTheBranch(Net):
    block = ReadsTheBranch


@wrong(checks.resnet, "stride_on_every_block")
class StrideEverywhere(Net):
    def stride(self, stage, i, n):
        return 2 if stage else 1


@wrong(checks.resnet, "never_shrinks")
class NeverShrinks(Net):
    def stride(self, stage, i, n):
        return 1


@wrong(checks.resnet, "stride_in_first_stage")
class ShrinksAtOnce(Net):
    def stride(self, stage, i, n):
        return 2 if i == 0 else 1


@wrong(checks.resnet, "stride_on_last_block")
class ShrinksLate(Net):
    def stride(self, stage, i, n):
        return 2 if stage and i == n - 1 else 1


@wrong(checks.resnet, "softmax_in_model")
class Softmax(Net):
    def forward(self, x):
        return super().forward(x).softmax(1)


@wrong(checks.resnet, "log_softmax_in_model")
class LogSoftmax(Net):
    def forward(self, x):
        return F.log_softmax(super().forward(x), dim=1)


@wrong(checks.resnet, "relu_on_logits")
class ReLUOnLogits(Net):
    def forward(self, x):
        return super().forward(x).relu()


@wrong(checks.resnet, "max_for_mean_pooling")
class MaxPooling(Net):
    def forward(self, x):
        return self.fc(F.adaptive_max_pool2d(self.features(x), 1).flatten(1))


class LateReLU(Net):
    def __init__(self, blocks, classes):
        super().__init__(blocks, classes)
        last = self.stages[2][-1]
        last.forward = lambda x: last.branch(x) + last.skip(x)


@wrong(checks.resnet, "pool_before_relu")
class PoolBeforeReLU(LateReLU):
    def forward(self, x):
        return self.fc(self.features(x).mean((2, 3)).relu())


wrong(checks.resnet, "last_relu_missing")(LateReLU)


@wrong(checks.resnet, "pool_in_stem+stem_conv")
class ImageNetStem(Net):
    def make_stem(self):
        return nn.Sequential(conv(3, 16, 7, 2), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(3, 2, 1))


@wrong(checks.resnet, "stem_conv")
class LargeStem(Net):
    def make_stem(self):
        return nn.Sequential(conv(3, 16, 7, 2), nn.BatchNorm2d(16), nn.ReLU())


@wrong(checks.resnet, "pool_in_stem")
class PoolInStem(Net):
    def make_stem(self):
        return super().make_stem().append(nn.MaxPool2d(3, 2, 1))


@wrong(checks.resnet, "stem_conv")
class StridedStem(Net):
    def make_stem(self):
        return nn.Sequential(conv(3, 16, 3, 2), nn.BatchNorm2d(16), nn.ReLU())


@wrong(checks.resnet, "stem_conv")
class WideStem(Net):
    def make_stem(self):
        return nn.Sequential(conv(3, 16, 7), nn.BatchNorm2d(16), nn.ReLU())


@wrong(checks.resnet, "pool_in_stem")
class HalvedStem(Net):
    def make_stem(self):
        return super().make_stem().append(nn.MaxPool2d(2))


@wrong(checks.resnet, "block_kind", block="bottleneck")
class BasicForBottleneck(Net):
    """The kind of block that was handed in is not used."""


@wrong(checks.resnet, "no_relu_in_stem")
class LinearStem(Net):
    def make_stem(self):
        return nn.Sequential(conv(3, 16), nn.BatchNorm2d(16))


@wrong(checks.resnet, "no_norm_in_stem")
class BareStem(Net):
    def make_stem(self):
        return nn.Sequential(conv(3, 16), nn.ReLU())


@wrong(checks.resnet, "classes_off")
class TenClasses(Net):
    def __init__(self, blocks, classes):
        super().__init__(blocks, 10)


@wrong(checks.resnet, "block_count")
class OneBlockMore(Net):
    def __init__(self, blocks, classes):
        super().__init__([n + 1 for n in blocks], classes)


@wrong(checks.resnet, "shared_conv+shared_norm")
class RepeatedBlock(Net):
    """``[block] * n`` is one block, n times."""

    def __init__(self, blocks, classes):
        super().__init__(blocks, classes)
        for stage in self.stages:
            for i in range(2, len(stage)):
                stage[i] = stage[1]

    def forward(self, x):
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        return self.fc(x.mean((2, 3)))


@wrong(checks.resnet, "unregistered_layers")
class PlainList(Net):
    def __init__(self, blocks, classes):
        super().__init__(blocks, classes)
        self.hidden = list(self.stages)
        del self.stages

    def features(self, x):
        x = self.stem(x)
        for stage in self.hidden:
            x = stage(x)
        return x


@wrong(checks.resnet, "no_final_relu")
class NetOfBlocksWithoutReLU(Net):
    block = NoFinalReLU


@wrong(checks.resnet, "conv_bias")
class NetWithBiases(Net):
    block = Biases


@wrong(checks.resnet, "padding_at_end", shortcut="A")
class NetPaddedAtEnd(Net):
    block = PaddedAtEnd


@right(checks.resnet, block="bottleneck")
class DeepNet(Net):
    block = Narrow

    def __init__(self, blocks, classes):
        super().__init__(blocks, classes)
        stages, channels = [], 16
        for stage, (width, n) in enumerate(zip((16, 32, 64), blocks, strict=True)):
            for i in range(n):
                stages.append(self.block(channels, width, self.stride(stage, i, n)))
                channels = 4 * width
        self.stages, self.fc = nn.Sequential(*stages), nn.Linear(channels, classes)


@wrong(checks.resnet, "stride_on_first_convolution", block="bottleneck")
class DeepNetStrideOnFirst(DeepNet):
    block = StrideOnFirst


class AnyBlock(Net):
    """Right for any class of blocks."""

    def __init__(self, blocks, classes, block=BasicBlock):
        nn.Module.__init__(self)
        self.stem, layers, channels = self.make_stem(), [], 16
        for stage, (width, n) in enumerate(zip((16, 32, 64), blocks, strict=True)):
            for i in range(n):
                layers.append(self.choose(block)(channels, width, self.stride(stage, i, n)))
                channels = width * self.times(block)
        self.stages, self.fc = nn.Sequential(*layers), nn.Linear(channels, classes)

    def choose(self, block):
        return block

    def times(self, block):
        return block.expansion


right(checks.resnet)(AnyBlock)


@wrong(checks.resnet, "block_not_exchangeable")
class OneKindOfBlock(AnyBlock):
    def choose(self, block):
        return BasicBlock

    def times(self, block):
        return 1


@wrong(checks.resnet, "block_not_exchangeable")
class NoExpansion(AnyBlock):
    def times(self, block):
        return 1


@wrong(checks.resnet, "other_inputs")
class FixedWindow(Net):
    def forward(self, x):
        return self.fc(F.avg_pool2d(self.features(x), 8)[:, :, 0, 0])


@wrong(checks.resnet, "other_inputs")
class Squeezed(Net):
    def forward(self, x):
        return self.fc(self.features(x).mean((2, 3)).squeeze())


wrong(checks.resnet, "built_once")(functools.lru_cache(Net))
wrong(checks.resnet, "built_in_evaluation_mode")(lambda blocks, classes: Net(blocks, classes).eval())


@wrong(checks.resnet, "global_seed")
def seeded(blocks, classes):
    torch.manual_seed(1)
    return Net(blocks, classes)


@wrong(checks.resnet, "input_changed")
class ScalesItsInput(Net):
    def forward(self, x):
        return super().forward(2 * x - 1)


@right(checks.resnet)
class MeanOfLogits(Net):
    """The linear layer reads every position, and its answers are averaged."""

    def forward(self, x):
        return self.fc(self.features(x).flatten(2).transpose(1, 2)).mean(1)


@wrong(checks.resnet, "block_count")
class FromTheBack(Net):
    def __init__(self, blocks, classes):
        super().__init__(blocks[::-1], classes)


@wrong(checks.resnet, "built_once")
class SharedStages(Net):
    kept = nn.Sequential()

    def __init__(self, blocks, classes):
        super().__init__(blocks, classes)
        self.kept.append(self.stages)
        self.stages = self.kept[0]
