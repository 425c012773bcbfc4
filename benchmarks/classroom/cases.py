"""The class: who hands in what, and what it must earn. The points were worked out by hand from the tasks and checks.

A check divides its points over its steps; the comment beside a case names the steps that fail. A function that is wrong
for some values keeps at most half.
"""

import json
from typing import Any

import nbformat

from .hostile import HOSTILE
from .notebooks import (
    Case,
    about,
    above,
    answer_cell,
    emptied,
    in_test,
    own_cell,
    swap,
    without,
    write,
)

ONE, THREE, FOUR, FIVE, SIX = (
    "1_convolution",
    "3_bottleneck_and_resnet",
    "4_data_pipeline",
    "5_training_loop",
    "6_small_study",
)
BEHIND_LAST_RELU = "F.relu(self.bn2(self.conv2(out)) + self.shortcut(x))"

SEQUENTIAL = """
class BasicBlock(nn.Module):
    def __init__(self, cin, cout, step=1):
        nn.Module.__init__(self)
        def conv(a, b, k, s): return nn.Conv2d(a, b, k, stride=s, padding=k // 2, bias=False)
        self.f = nn.Sequential(conv(cin, cout, 3, step), nn.BatchNorm2d(cout), nn.ReLU(inplace=True),
                               conv(cout, cout, 3, 1), nn.BatchNorm2d(cout))
        same = cin == cout and step == 1
        self.g = nn.Sequential() if same else nn.Sequential(conv(cin, cout, 1, step), nn.BatchNorm2d(cout))
    def forward(self, x): return torch.relu(self.f(x) + self.g(x))
"""
LISTED = """
class BasicBlock(nn.Module):
    def __init__(self, in_channels: int, width: int, stride: int = 1):
        super().__init__()
        self.convolutions = nn.ModuleList()
        self.norms = nn.ModuleList()
        for c, k, s in [(in_channels, 3, stride), (width, 3, 1), (in_channels, 1, stride)]:
            self.convolutions.append(nn.LazyConv2d(width, k, s, k // 2, bias=False))
            self.norms.append(nn.BatchNorm2d(width))
            self.convolutions[-1](torch.zeros(1, c, 4, 4))
        if (in_channels, 1) == (width, stride):
            del self.convolutions[2], self.norms[2]

    def forward(self, x):
        y = x
        for i, (f, n) in enumerate(zip(self.convolutions[:2], self.norms[:2])):
            y = n(f(y))
            y = y.clamp(min=0) if i == 0 else y
        y = y + (self.norms[2](self.convolutions[2](x)) if len(self.norms) > 2 else x)
        return torch.where(y > 0, y, torch.zeros_like(y))
"""
PADDED_BY_HAND = """
def zero_pad(x, channels, stride):
    n, c, h, w = x[..., ::stride, ::stride].shape
    y = torch.zeros(n, channels, h, w, dtype=x.dtype, device=x.device)
    first = (channels - c) // 2
    y[:, first:first + c] = x[..., ::stride, ::stride]
    return y
"""
MEASURED = """
def predict(v):
    made = {}
    for option in "AB":
        layers = [nn.Conv2d(v.width, 2 * v.width, 3, bias=False), nn.Conv2d(2 * v.width, 2 * v.width, 3, bias=False),
                  nn.BatchNorm2d(2 * v.width), nn.BatchNorm2d(2 * v.width)]
        if option == "B":
            layers += [nn.Conv2d(v.width, 2 * v.width, 1, bias=False), nn.BatchNorm2d(2 * v.width)]
        numbers = [(p.numel(), p.dim()) for layer in layers for p in layer.parameters()]
        made["parameters_" + option.lower()] = sum(n for n, _ in numbers)
        made["macs_" + option.lower()] = sum(n * (v.size // 2) ** 2 for n, dim in numbers if dim == 4)
    return {**made, "zeros": v.width // 2}
"""
UNFOLDED = """
def convolve(x, weight, stride, padding):
    out, k = weight.shape[0], weight.shape[-1]
    columns = F.unfold(x, k, padding=padding, stride=stride)
    height = (x.shape[2] + 2 * padding - k) // stride + 1
    return (weight.reshape(out, -1) @ columns).reshape(len(x), out, height, -1)
"""
BACKWARDS = """
def receptive_field(layers):
    if not layers:
        return 1
    (kernel, stride), *rest = layers
    return (receptive_field(rest) - 1) * stride + kernel
"""
FUNCTIONAL_BOTTLENECK = """
class Bottleneck(nn.Module):
    expansion = 4
    def __init__(self, i, w, s=1):
        super().__init__()
        self.a, self.b, self.c = (nn.Conv2d(*z, bias=False) for z in ((i, w, 1), (w, w, 3, s, 1), (w, 4 * w, 1)))
        self.na, self.nb, self.nc = map(nn.BatchNorm2d, (w, w, 4 * w))
        if s > 1 or i != 4 * w:
            self.p, self.np = nn.Conv2d(i, 4 * w, 1, s, bias=False), nn.BatchNorm2d(4 * w)
    def forward(self, x):
        z = x
        for layer, norm in ((self.a, self.na), (self.b, self.nb)):
            z = norm(layer(z)).relu()
        z = self.nc(self.c(z))
        z = z + (self.np(self.p(x)) if hasattr(self, "p") else x)
        return z.relu_()
"""
SPLIT_BY_HAND = """
def stratified_split(labels, n_held, seed):
    g = torch.Generator().manual_seed(seed)
    classes = labels.unique().tolist()
    share = {k: int((labels == k).sum()) * n_held / len(labels) for k in classes}
    take = {k: int(share[k]) for k in classes}
    for k in sorted(classes, key=lambda k: take[k] - share[k])[: n_held - sum(take.values())]:
        take[k] += 1
    held = []
    for k in classes:
        members = torch.where(labels == k)[0]
        held.append(members[torch.randperm(len(members), generator=g)[: take[k]]])
    held = torch.cat(held)
    return torch.tensor(sorted(set(range(len(labels))) - set(held.tolist()))), held
"""
EPOCH_BY_HAND = """
def train_epoch(model, batches, optimizer):
    model.train(True)
    nats = n = 0.0
    for x, y in batches:
        for p in model.parameters():
            p.grad = None
        each = -model(x).log_softmax(1).gather(1, y[:, None])
        each.mean().backward()
        optimizer.step()
        nats, n = nats + float(each.sum()), n + len(y)
    return nats / n
"""

RIGHT = [
    Case("right", "as in the key"),
    Case(
        "right",
        "nn.Sequential, other names",
        (write("BasicBlock", SEQUENTIAL), swap("start_as_identity", "block.bn2", "block.f[-1]")),
    ),
    Case(
        "right",
        "lists of layers, clamp for ReLU",
        (write("BasicBlock", LISTED), swap("start_as_identity", "block.bn2", "block.norms[1]")),
    ),
    Case("right", "zeros written by hand", (write("zero_pad", PADDED_BY_HAND),)),
    Case("right", "counts layers that it builds", (write("predict", MEASURED),)),
    Case(
        "right",
        "in place, own cells, much printing",
        (
            swap("BasicBlock", "F.relu(self.bn1(self.conv1(x)))", "self.bn1(self.conv1(x)).relu_()"),
            own_cell("import math, numpy as np\nfor i in range(300): print('look', i, math.sqrt(i))\nnp.arange(9)"),
        ),
    ),
    Case("right", "unfolded", (write("convolve", UNFOLDED),), assignment=ONE),
    Case("right", "recursive, backwards", (write("receptive_field", BACKWARDS),), assignment=ONE),
    Case("right", "functional bottleneck", (write("Bottleneck", FUNCTIONAL_BOTTLENECK),), assignment=THREE),
    Case("right", "largest remainders", (write("stratified_split", SPLIT_BY_HAND),), assignment=FOUR),
    Case("right", "log-softmax by hand", (write("train_epoch", EPOCH_BY_HAND),), assignment=FIVE),
    # The written parts, 3 and 9 points, wait for a reader.
    Case("right", "a small study", lost={"written": 12}, says="verdict", assignment=SIX),
]

WRONG = [
    # Four of the five steps are blocks, and each of them differs.
    Case(
        "wrong",
        "no last ReLU",
        (swap("BasicBlock", BEHIND_LAST_RELU, BEHIND_LAST_RELU[7:-1]),),
        {"option-b": 4.8},
        "gives negative numbers",
    ),
    # The same; and behind a branch of zeros its ReLU passes no gradient, so no block can learn: two of three.
    Case(
        "wrong",
        "ReLU before the addition",
        (swap("BasicBlock", BEHIND_LAST_RELU, "F.relu(self.bn2(self.conv2(out))) + self.shortcut(x)"),),
        {"option-b": 4.8, "identity": 2},
        "before the two paths meet",
    ),
    # One of the five: more channels, same size.
    Case(
        "wrong",
        "projects by stride alone",
        (swap("BasicBlock", "stride != 1 or in_channels != width", "stride != 1"),),
        {"option-b": 1.2},
        "projects the shortcut where only the channels change",
    ),
    # Two of the five: blocks with stride 2.
    Case(
        "wrong",
        "stride on the second convolution",
        (
            swap(
                "BasicBlock",
                "width, 3, stride, 1,",
                "width, 3, 1, 1,",
                "nn.Conv2d(width, width, 3, 1, 1,",
                "nn.Conv2d(width, width, 3, stride, 1,",
            ),
        ),
        {"option-b": 2.4},
        "last convolution takes the stride",
    ),
    # Three of the five: blocks that project.
    Case(
        "wrong",
        "no BatchNorm on the projection",
        (swap("BasicBlock", "nn.Sequential(projection, nn.BatchNorm2d(width))", "projection"),),
        {"option-b": 3.6},
        "projection",
    ),
    # The step of the layers.
    Case("wrong", "biases left in", (swap("BasicBlock", "3, 1, 1, bias=False", "3, 1, 1"),), {"option-b": 1.2}, "bias"),
    Case(
        "wrong",
        "input overwritten",
        (swap("BasicBlock", "F.relu(self.bn1(self.conv1(x)))", "F.relu(self.bn1(self.conv1(x.relu_())))"),),
        {"option-b": 4.8},
        "input",
    ),
    # Two of three cases add channels; in option A two of five blocks do.
    Case(
        "wrong",
        "zeros at the end",
        (swap("zero_pad", "new // 2, new - new // 2", "0, new"),),
        {"zeros": 2, "option-a": 1.6},
        "behind the old ones",
    ),
    # One of three cases has an odd number of channels more; half of the points are left.
    Case(
        "wrong",
        "zero left over goes before",
        (swap("zero_pad", "new // 2, new - new // 2", "new - new // 2, new // 2"),),
        {"zeros": 1.5},
        "one more of them stands before",
    ),
    Case(
        "wrong",
        "idle projection",
        (
            swap(
                "PaddedBlock",
                "        self.bn2 =",
                "        self.idle = nn.Conv2d(in_channels, width, 1)\n        self.bn2 =",
            ),
        ),
        {"option-a": 0.8},
        "never used",
    ),
    # One of five numbers.
    Case(
        "wrong",
        "BatchNorm of the projection not counted",
        (swap("predict", "3 * 2 * d", "2 * 2 * d"),),
        {"costs": 0.8},
        "parameters_b",
    ),
    Case(
        "wrong",
        "projection's MACs not counted",
        (swap("predict", "(weights + c * d) * positions", "weights * positions"),),
        {"costs": 0.8},
        "macs_b",
    ),
    # One of three steps: how many numbers changed.
    Case(
        "wrong",
        "last convolution set to zero",
        (swap("start_as_identity", "block.bn2.weight", "block.conv2.weight"),),
        {"identity": 1},
        "fewer would do",
    ),
    # All five numbers hang on the width.
    Case(
        "wrong",
        "numbers of a friend",
        (swap("predict", "c, d, positions = v.width", 'v = checks.variant("$FRIEND")\n    c, d, positions = v.width'),),
        {"costs": 4},
        "parameters_a",
    ),
    # Half of the points of either function, and three of five numbers.
    Case(
        "wrong",
        "padding on one side",
        (swap("output_size", "2 * padding", "padding"),),
        {"size": 1.5, "macs": 1.5, "predict": 2.4},
        "border on one side",
        ONE,
    ),
    Case(
        "wrong",
        "kernel flipped",
        (swap("convolve", "weight[:, :, a, b]", "weight[:, :, -1 - a, -1 - b]"),),
        {"byhand": 5},
        "turned by half a circle",
        ONE,
    ),
    Case(
        "wrong",
        "calls F.conv2d",
        (swap("convolve", "    x = F.pad", "    return F.conv2d(x, weight, None, stride, padding)\n    x = F.pad"),),
        {"byhand": 5},
        "Which functions does the task rule out",
        ONE,
    ),
    # Two of three steps: both networks; the layers are right. The same again with bottlenecks.
    Case(
        "wrong",
        "softmax in the network",
        (swap("ResNet", "mean(dim=(2, 3)))", "mean(dim=(2, 3))).softmax(1)"),),
        {"resnet": 5.33, "deep": 2.67},
        "Your outputs are probabilities",
        THREE,
    ),
    # Two of four cases have bottlenecks.
    Case(
        "wrong",
        "bottlenecks counted as two layers",
        (swap("depth", '"bottleneck": 3', '"bottleneck": 2'),),
        {"depth": 1.5},
        "two layers in a bottleneck",
        THREE,
    ),
    Case(
        "wrong",
        "statistics of the test part",
        (swap("channel_statistics", "train.double()", "test.double()"),),
        {"statistics": 4},
        "test",
        FOUR,
    ),
    # A quarter: the test images; order, content and sizes of the rest are right.
    Case(
        "wrong",
        "test images augmented",
        (
            swap(
                "batches",
                "crop_and_flip(images[part], generator) if training else images[part]",
                "crop_and_flip(images[part], generator)",
            ),
        ),
        {"batches": 1.75},
        "test",
        FOUR,
    ),
    # Three fifths: the weights; the mean loss is that of this training.
    Case(
        "wrong",
        "gradients not zeroed",
        (swap("train_epoch", "        optimizer.zero_grad()\n", ""),),
        {"train_epoch": 3},
        "gradients of the steps before",
        FIVE,
    ),
    # The weights, with SGD and with AdamW; the epochs done are right.
    Case(
        "wrong",
        "resume forgets momentum",
        (swap("load", '    optimizer.load_state_dict(state["optimizer"])\n', ""),),
        {"resume": 5.33},
        "momentum",
        FIVE,
    ),
]

UNFINISHED = [
    Case(
        "unfinished",
        "nothing written",
        (emptied("zero_pad", "BasicBlock", "PaddedBlock", "predict", "start_as_identity"),),
        {"all": 20},
        "NotImplementedError",
    ),
    Case(
        "unfinished",
        "two tasks of five",
        (emptied("BasicBlock", "PaddedBlock", "start_as_identity"),),
        {"option-b": 6, "option-a": 4, "identity": 3},
        "NotImplementedError",
    ),
    Case(
        "unfinished",
        "nothing written",
        (emptied("output_size", "convolve", "conv_parameters", "conv_macs", "receptive_field", "predict"),),
        {"all": 20},
        "NotImplementedError",
        ONE,
    ),
    Case(
        "unfinished",
        "returns nothing",
        (swap("zero_pad", "    return F.pad", "    F.pad"),),
        {"zeros": 3, "option-a": 3.2},
        "return",
    ),
]

# Every block of option A calls zero_pad, so without it four of the five steps fail.
BREAKING = [
    # No BasicBlock, so no task 5 either.
    Case(
        "crash",
        "syntax error",
        (swap("BasicBlock", "super().__init__()", "super().__init__("),),
        {"option-b": 6, "identity": 3},
        "SyntaxError",
    ),
    Case(
        "crash",
        "imports what is not there",
        (above("zero_pad", "import tensorflow"),),
        {"zeros": 3, "option-a": 3.2},
        "ModuleNotFoundError",
    ),
    # Four of five steps: the layers themselves are right. A block that stops is no identity.
    Case(
        "crash",
        "wrong shape in forward",
        (swap("BasicBlock", "self.conv2(out)", "self.conv2(x[:, :1])"),),
        {"option-b": 4.8, "identity": 3},
        "RuntimeError",
    ),
    Case(
        "crash",
        "recursion without end",
        (swap("output_size", "    return", "    return output_size(size, kernel, stride, padding)\n    return"),),
        {"size": 3, "macs": 3, "predict": 4},
        "RecursionError",
        ONE,
    ),
    Case(
        "crash",
        "sys.exit in a function",
        (swap("conv_parameters", "    return", "    import sys; sys.exit(0)\n    return"),),
        {"parameters": 2, "macs": 3, "predict": 4},
        "asks Python to quit",
        ONE,
    ),
    Case(
        "crash",
        "exit() in a cell",
        (above("PaddedBlock", "exit()"),),
        {"option-a": 4, "costs": 4, "identity": 3},
        "The kernel ended",
    ),
    Case(
        "crash",
        "os._exit in a function",
        (swap("zero_pad", "    new =", "    import os; os._exit(0)\n    new ="),),
        {"all": 20},
        "The kernel ended",
    ),
    Case(
        "crash",
        "segmentation fault",
        (above("PaddedBlock", "import ctypes; ctypes.string_at(0)"),),
        {"option-a": 4, "costs": 4, "identity": 3},
        "The kernel ended",
    ),
    Case(
        "memory",
        "a tensor of 4 TB",
        (swap("zero_pad", "    new =", "    torch.zeros(10**12)\n    new ="),),
        {"zeros": 3, "option-a": 3.2},
        "far more memory",
    ),
    Case(
        "memory",
        "hoards at the top of a cell",
        (above("start_as_identity", "hoard = []\nwhile True:\n    hoard.append(bytearray(1 << 26))"),),
        {"identity": 3},
        "MemoryError",
    ),
    Case(
        "output",
        "prints without end",
        (above("start_as_identity", "while True:\n    print('x' * 5000)"),),
        {"identity": 3},
        "still running",
    ),
    Case(
        "loop",
        "at the top of a cell",
        (above("start_as_identity", "while True:\n    pass"),),
        {"identity": 3},
        "still running",
    ),
    Case(
        "loop",
        "in a function that the tests call",
        (swap("output_size", "    return", "    while True: pass\n    return"),),
        {"size": 3, "macs": 3, "predict": 4},
        "Does every loop come to an end",
        ONE,
    ),
    Case(
        "loop",
        "in forward",
        (swap("PaddedBlock", "        out =", "        while True: pass\n        out ="),),
        {"option-a": 4},
        "Does every loop come to an end",
    ),
    Case(
        "loop",
        "in a thread",
        (
            own_cell(
                "import threading\ndef spin():\n    while True: pass\n"
                "threading.Thread(target=spin, daemon=True).start()"
            ),
        ),
    ),
    # It cannot be interrupted, so it is ended, and what follows does not run.
    Case(
        "loop",
        "ignores interrupts",
        (above("start_as_identity", "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"),),
        {"identity": 3},
        "could not be interrupted",
    ),
    Case(
        "loop",
        "waits for input",
        (above("start_as_identity", "input('go on?')"),),
        {"identity": 3},
        "StdinNotImplementedError",
    ),
]


def _bytes(notebook: Any) -> bytes:
    return nbformat.writes(notebook).encode()


def _script(notebook: Any) -> bytes:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code").encode()


def _other_metadata(notebook: Any) -> None:
    for cell in notebook.cells:
        about(cell).update({"points": 100} if "points" in about(cell) else {}, locked=False)


def _unnamed(notebook: Any) -> None:
    del answer_cell(notebook, "zero_pad").metadata["nbgrader"]


def _twice(notebook: Any) -> None:
    """An early attempt stands above; of two answers the last one counts."""
    cell = answer_cell(notebook, "zero_pad")
    early = cell.copy()
    early["id"] = "early"
    early.source = "def zero_pad(x, channels, stride):\n    return x"
    notebook.cells.insert(notebook.cells.index(cell), early)


def _another_name(notebook: Any) -> None:
    cell = next(cell for cell in notebook.cells if "student" in cell.metadata.get("tags", []))
    cell.source = 'STUDENT = "$FRIEND"'


def _stale(notebook: Any) -> None:
    """Outputs that claim more than the answers earn."""
    for cell in notebook.cells:
        if "points" in about(cell):
            cell.outputs = [nbformat.v4.new_output("execute_result", data={"text/plain": "100"}, execution_count=1)]


BROKEN = [
    Case(
        "broken file",
        "a text",
        assignment=ONE,
        lost={"all": 20},
        says="could not be read as a notebook",
        file=lambda _: b"my homework",
    ),
    Case("broken file", "empty", assignment=ONE, lost={"all": 20}, says="it is empty", file=lambda _: b""),
    Case(
        "broken file",
        "cut off behind the first answer",
        assignment=ONE,
        lost={"all": 17},
        says="taken in as far as it can be read",
        file=lambda n: _bytes(n)[:9000],
    ),
    Case(
        "broken file",
        "a script",
        assignment=ONE,
        lost={"all": 20},
        says="could not be read as a notebook",
        file=_script,
        ending="py",
    ),
    Case(
        "broken file",
        "Windows line ends and a byte order mark",
        file=lambda n: json.dumps(n).replace("\\n", "\\r\\n").encode("utf-8-sig"),
    ),
    Case("broken file", "a test deleted", (without("zero_pad", test=True),), says="zeros-test was deleted"),
    Case(
        "broken file",
        "an answer deleted",
        (without("start_as_identity"),),
        {"identity": 3},
        "identity-answer was deleted",
    ),
    Case(
        "broken file",
        "tests cleared",
        (in_test("zero_pad", ""), in_test("BasicBlock", "")),
        says="were changed; the ones that you were given were put back",
    ),
    Case(
        "broken file",
        "tests that give all points",
        (
            swap("zero_pad", "new // 2, new - new // 2", "0, new"),
            in_test("zero_pad", "3.0"),
            in_test("PaddedBlock", "4.0"),
        ),
        {"zeros": 2, "option-a": 1.6},
        "were changed; the ones that you were given were put back",
    ),
    Case(
        "broken file",
        "points raised, locks opened",
        (swap("zero_pad", "new // 2, new - new // 2", "0, new"), _other_metadata),
        {"zeros": 2, "option-a": 1.6},
        "behind the old ones",
    ),
    Case(
        "broken file",
        "outputs that claim 100 points",
        (emptied("BasicBlock"), _stale),
        {"option-b": 6, "identity": 3},
        "NotImplementedError",
    ),
    Case("broken file", "an answer without its name", (_unnamed,), says="no longer marked"),
    Case("broken file", "two attempts in one file", (_twice,)),
    Case(
        "broken file",
        "a function renamed",
        (swap("zero_pad", "def zero_pad", "def pad_zeros"),),
        {"zeros": 3, "option-a": 3.2},
        "zero_pad is not defined in your answer",
    ),
    Case(
        "broken file",
        "the name of a friend",
        (_another_name, swap("predict", "3 * 2 * d", "2 * 2 * d")),
        {"costs": 0.8},
        "parameters_b",
    ),
]

CLASS = [*RIGHT, *WRONG, *UNFINISHED, *BREAKING, *BROKEN, *HOSTILE]
