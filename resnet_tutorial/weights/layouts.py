"""The table of layouts: what somebody's code calls the tensors of a network.

Reading and writing follow from it: a layout is a prefix for a block and a few names, never a special case in the code.
"""

import difflib
import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from ..errors import InputError
from .state_facts import KINDS, StateFacts

MeanStd = tuple[tuple[float, ...], tuple[float, ...]]


CONVS = ("conv1", "conv2", "conv3")
NORMS = ("bn1", "bn2", "bn3")
PROJECTION = re.compile(r"short|skip|down|proj|ident")  # what other people call one, in parts
_FAMILIES = {"three-stage": 3, "four-stage": 4}


@dataclass(frozen=True)
class Layout:
    """What somebody's code calls the tensors of a network, and which networks it can hold.

    Attributes:
        name: the name for ``layout=``.
        title: whose networks these are.
        block: prefix of a block, with its numbers ``{stage}`` and ``{block}``.
        projection: names of a projection's convolution and BatchNorm inside a block.
        head: the linear layer.
        stem: convolution and BatchNorm of the stem.
        convs: the convolutions inside a block, in their order.
        norms: the BatchNorms inside a block, in their order.
        first: numbers of the first stage and of its first block.
        body: what stands in front of every name but the head's in files of that code.
        kinds: kinds of networks that it holds.
        families: three-stage networks, four-stage networks, or both.
        blocks: kinds of blocks.
        shortcuts: shortcut options that the code can build.
        conv_head: whether the linear layer is written as a 1×1 convolution.
        mean_std: mean and standard deviation that the published ten-class networks were trained with, if known.
    """

    name: str
    title: str
    block: str
    projection: tuple[str, str]
    head: str
    stem: tuple[str, str] = ("conv1", "bn1")
    convs: tuple[str, str, str] = CONVS
    norms: tuple[str, str, str] = NORMS
    first: tuple[int, int] = (1, 0)
    body: str = ""
    kinds: tuple[str, ...] = ("resnet",)
    families: tuple[str, ...] = ("three-stage", "four-stage")
    blocks: tuple[str, ...] = ("basic", "bottleneck")
    shortcuts: tuple[str, ...] = ("B",)
    conv_head: bool = False
    mean_std: MeanStd | None = None

    @functools.cached_property
    def rules(self) -> tuple[tuple[str, str], ...]:
        """Pairs of templates for the start of a name: in this layout, in ours."""
        theirs = (*self.convs, *self.norms, *self.projection)
        ours = (*CONVS, *NORMS, "shortcut.0", "shortcut.1")
        return (
            (self.stem[0], "conv1"),
            (self.stem[1], "bn1"),
            ("norm", "norm"),
            (self.head, "fc"),
            *((f"{self.block}.{a}", f"stages.{{stage}}.{{block}}.{b}") for a, b in zip(theirs, ours, strict=True)),
        )

    def to_ours(self, name: str) -> str | None:
        """The name of a tensor in this package; None if the layout has no such tensor."""
        return _rename(name, self.rules, -self.first[0], -self.first[1])

    def from_ours(self, name: str) -> str:
        """The name in this layout of a tensor of this package."""
        return _rename(name, [(ours, theirs) for theirs, ours in self.rules], *self.first) or name

    def block_of(self, name: str) -> str | None:
        """The prefix of the block that a tensor of this layout stands in; None if it stands in none."""
        match = _pattern(self.block, r"\..+").fullmatch(name)
        return match and name.removesuffix(match["rest"])

    def misfit(self, facts: StateFacts) -> str | None:
        """Why the code that this layout belongs to has no such network, in words; None if it has."""
        if facts.kind not in self.kinds:
            return f"{self.title} have {KINDS[self.kinds[0]]}, it has {KINDS[facts.kind]}"
        if not set(facts.options) & set(self.shortcuts):
            padding = ", and the code there would have to pad zeros on both sides" if "A" in facts.options else ""
            options = " or ".join(facts.options) or "no known one"
            return f"{self.title} have shortcut option {' or '.join(self.shortcuts)}, it has {options}{padding}"
        if not any(_FAMILIES[family] == len(facts.blocks) for family in self.families):
            return f"{self.title} have {_FAMILIES[self.families[0]]} stages, it has {len(facts.blocks)}"
        if facts.block not in self.blocks:
            return f"{self.title} have {self.blocks[0]} blocks only"
        return None

    def unreadable(self, facts: StateFacts) -> str | None:
        """Why such tensors under this layout's names do not tell which network they belong to; None if they do."""
        if facts.kind == "preact" and not facts.final_norm:
            return (
                "its pre-activation blocks end without the last BatchNorm and ReLU, as in kuangliu's PreActResNet; "
                "networks here have them (He et al. 2016b), so it would compute something else"
            )
        if facts.kind not in self.kinds:
            return f"it has {KINDS[facts.kind]}, {self.title} have {KINDS[self.kinds[0]]}"
        if facts.projection_kernel not in (None, 1):
            k = facts.projection_kernel
            return f"its projections are {k}×{k} convolutions, and those of the paper and of networks here 1×1"
        if facts.options == ("A",) and "A" not in self.shortcuts:
            return (
                f"it has no shortcut parameters, and {self.title} have no option A: "
                "where its code pads the zeros (if at all) cannot be told from the file"
            )
        if facts.kind == "preact" and facts.block not in self.blocks:
            return "timm's first basic block adds its input before BatchNorm and ReLU, the paper's and ours after them"
        return None


_NAMES = {"block": "layer{stage}.{block}", "projection": ("downsample.0", "downsample.1"), "head": "fc"}
_LINEAR_NAMES = {"block": "layer{stage}.{block}", "projection": ("shortcut.0", "shortcut.1"), "head": "linear"}
_CHILDREN = _NAMES | {"block": "{stage}.{block}", "stem": ("0", "1")}  # nn.Sequential(*network.children())

LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout(
            "resnet_tutorial",
            "this package's networks",
            block="stages.{stage}.{block}",
            projection=("shortcut.0", "shortcut.1"),
            head="fc",
            first=(0, 0),
            kinds=("resnet", "plain", "preact"),
            shortcuts=("A", "B", "C", "none"),
        ),
        Layout("torchvision", "torchvision's and timm's networks", **_NAMES, families=("four-stage",)),
        Layout(
            "chenyaofo",
            "chenyaofo's CIFAR networks",
            **_NAMES,
            families=("three-stage",),
            blocks=("basic",),
            mean_std=((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
        ),
        Layout("kuangliu", "kuangliu's CIFAR networks", **_LINEAR_NAMES, families=("four-stage",)),
        Layout(
            "idelbayev",
            "Idelbayev's CIFAR networks",
            **_LINEAR_NAMES,
            families=("three-stage",),
            blocks=("basic",),
            shortcuts=("A",),
            mean_std=((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ),
        Layout(
            "timm_resnetv2",
            "timm's pre-activation networks",
            block="stages.{stage}.blocks.{block}",
            projection=("downsample.conv", "downsample.norm"),
            head="head.fc",
            stem=("stem.conv", "stem.norm"),
            norms=("norm1", "norm2", "norm3"),
            first=(0, 0),
            kinds=("preact",),
            families=("four-stage",),
            blocks=("bottleneck",),
            conv_head=True,
        ),
        Layout(
            "hysts",
            "hysts' networks",
            block="stage{stage}.block{block}",
            projection=("shortcut.conv", "shortcut.bn"),
            head="fc",
            stem=("conv", "bn"),
            first=(1, 1),
        ),
        Layout(
            "weiaicunzai",
            "weiaicunzai's CIFAR networks",
            block="conv{stage}_x.{block}",
            projection=("shortcut.0", "shortcut.1"),
            head="fc",
            stem=("conv1.0", "conv1.1"),
            convs=("residual_function.0", "residual_function.3", "residual_function.6"),
            norms=("residual_function.1", "residual_function.4", "residual_function.7"),
            first=(2, 0),
            families=("four-stage",),
        ),
        Layout(
            "transformers",
            "the networks of transformers",
            block="encoder.stages.{stage}.layers.{block}",
            projection=("shortcut.convolution", "shortcut.normalization"),
            head="classifier.1",
            stem=("embedder.embedder.convolution", "embedder.embedder.normalization"),
            convs=("layer.0.convolution", "layer.1.convolution", "layer.2.convolution"),
            norms=("layer.0.normalization", "layer.1.normalization", "layer.2.normalization"),
            first=(0, 0),
            body="resnet.",
        ),
        Layout("sequential", "torchvision's networks cut into their children", **_CHILDREN, first=(4, 0)),
        Layout("sequential_cifar", "networks without max-pooling cut into their children", **_CHILDREN, first=(3, 0)),
    )
}


def get_layout(name: str) -> Layout:
    """The layout of a name.

    Raises:
        InputError: if there is none.
    """
    if name not in LAYOUTS:
        near = difflib.get_close_matches(str(name).lower(), LAYOUTS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(f"no layout is called {name!r}: {hint}there are {', '.join(LAYOUTS)}")
    return LAYOUTS[name]


def find_networks(names: Iterable[str]) -> dict[str, tuple[int, Layout]]:
    """Where networks of these layouts are among the names of tensors.

    Returns:
        The prefix in front of each network, which may be empty, with how many of the names behind it are known, and to
        which layout.
    """
    names, found = list(names), {}
    for layout in LAYOUTS.values():
        first = layout.from_ours("stages.0.0.conv1.weight")
        for prefix in [name.removesuffix(first) for name in names if f".{name}".endswith(f".{first}")]:
            known = sum(layout.to_ours(name[len(prefix) :]) is not None for name in names if name.startswith(prefix))
            if known > found.get(prefix, (0,))[0]:
                found[prefix] = known, layout
    return found


def tell_by_place(network: Mapping[str, Tensor], layout: Layout, beside: Mapping[str, Tensor]) -> dict[str, str]:
    """Our names for layers under names that the layout does not know: the one layer of the shape that a place has.

    Args:
        network: tensors under the layout's names, most of them.
        layout: the layout.
        beside: the file's other tensors, among which may be a head or a stem that the network lacks.

    Returns:
        For each layer, by the name in front of ``.weight``, where it belongs.
    """
    taken = {layout.to_ours(name) for name in network}
    unknown = {name: value for name, value in network.items() if layout.to_ours(name) is None}
    places = {4: "conv1", 1: "bn1", 2: "fc"}
    fitting: dict[str, list[str]] = {}
    for state in (unknown, beside):
        for name, value in state.items():
            module, found = name.removesuffix(".weight"), places
            if module == name or (value.ndim == 1 and f"{module}.running_mean" not in state):
                continue
            if state is unknown and (block := layout.block_of(name)):
                stem = layout.to_ours(f"{block}.{layout.convs[0]}.weight").removesuffix(".conv1.weight")
                is_projection = PROJECTION.search(module.removeprefix(block))
                found = {4: f"{stem}.shortcut.0", 1: f"{stem}.shortcut.1"} if is_projection else {}
            fitting.setdefault(found.get(value.ndim), []).append(module)
        if "conv1.weight" in taken:
            places = {2: "fc"}  # a BatchNorm beside a network that has its stem is not the stem's
    alone = {modules[0]: place for place, modules in fitting.items() if place and len(modules) == 1}
    return {module: place for module, place in alone.items() if f"{place}.weight" not in taken}


@functools.cache
def _pattern(template: str, rest: str = r"\.[^.]+") -> re.Pattern[str]:
    numbers = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>0|[1-9]\\d{0,4})", re.escape(template))
    return re.compile(rf"{numbers}(?P<rest>{rest})", re.ASCII)


def _rename(name: str, rules: Iterable[tuple[str, str]], stages: int, blocks: int) -> str | None:
    """Rewrite the start of a name by the first rule that fits, with its numbers shifted; None if none does."""
    for source, target in rules:
        if match := _pattern(source).fullmatch(name):
            stage, block = (int(match.groupdict().get(key, 0)) for key in ("stage", "block"))
            if "{stage}" in source and min(stage + stages, block + blocks) < 0:
                return None
            return target.format(stage=stage + stages, block=block + blocks) + match["rest"]
    return None
