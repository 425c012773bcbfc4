"""Tables of layers, added up: parameters, MACs and activations of assignments 1 to 3, and what goes wrong in them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from resnet_tutorial.architectures import get_architecture

from .convolution import FIELD, SIZE, _field, _size
from .network import DEPTH, depth
from .space import Mistake, Space, mistake, mistakes, part, within
from .variant import Variant


@dataclass(frozen=True)
class Layer:
    """One layer, or several alike under one name: channels, kernel, and the size that comes in and that leaves."""

    name: str
    into: int
    out: int
    kernel: int
    before: int
    after: int
    bias: bool = False
    norm: bool = False
    times: int = 1
    weights: int = 1
    full: bool = False


def add_up(
    layers: Sequence[Layer], *, norm=2, bias="its own", side=2, in_macs=(), macs=1, full=False, where=2, **changed: Any
) -> dict[str, int]:
    """Parameters, MACs and activations; options named ``layer.field`` change that field of that layer."""
    found = dict.fromkeys(("parameters", "macs", "activations"), 0)
    for one in layers:
        new = part(one.name, changed)
        one = replace(one, **{k: v(one) if callable(v) else v for k, v in new.items()})
        weights = one.weights * one.into * one.out * one.kernel**side
        biases = one.out * {"its own": one.bias, "never": False, "always": True}[bias]
        positions = (one.before if full or one.full else one.after) ** where
        found["parameters"] += one.times * (weights + biases + norm * one.norm * one.out)
        more = biases * ("bias" in in_macs) + one.norm * one.out * (2 * ("norm" in in_macs) + ("norm once" in in_macs))
        found["macs"] += macs * one.times * (weights + more) * positions
        found["activations"] += one.times * one.out * positions
    return found


COUNTED = "Which layers does the task count?"
OF_LAYER = "Write each layer down with its channels, its kernel and the size that leaves it: which entry differs?"
# fmt: off
COUNTS = (
    mistake("all_at_full_size", "every layer is counted at the size that comes in.",
            "Which size does a layer with a stride leave, and what do those after it read?", heart=True, full=True),
    mistake("flops", "a multiplication and its addition are counted as two.", "What is one MAC?", macs=2),
    mistake("one_row", "the positions of one row are counted.", "How many positions does a square map have?", where=1),
    mistake("parameters_for_macs", "each weight is counted once, as if there were a single position.",
            "At how many positions is a kernel applied?", where=0),
    mistake("bias_in_macs", "a bias is counted as MACs.", "Does an addition alone count?", in_macs=("bias",)),
    mistake("bias_never", "no bias is counted.", "Which of the layers has one?", bias="never"),
    mistake("bias_always", "a bias is counted in every layer.", "Which of the layers has one?", bias="always"),
    mistake("kernel_not_squared", "each kernel is counted with one row.", "How many numbers has a kernel of 3?",
            side=1),
)
NORMS = (
    mistake("norm_left_out", "BatchNorm's own numbers are missing.", "What does BatchNorm learn?", norm=0),
    mistake("norm_one_number", "BatchNorm is counted with one number a channel.",
            "What does BatchNorm do to a channel, and how many numbers does that take?", norm=1),
    mistake("norm_four_numbers", "BatchNorm is counted with four numbers a channel.",
            "Which of its numbers are learned, and which are measured?", norm=4),
    *mistakes("norm_in_macs", "BatchNorm is counted as MACs.", COUNTED, "in_macs", [("norm",), ("norm once",)]),
    mistake("norm_in_macs", "BatchNorm is counted as MACs, and so is a bias.", COUNTED, in_macs=("norm", "bias")),
)


def single_layers(names: Sequence[str], norms: bool) -> tuple[Mistake, ...]:
    """What can be wrong with single layers of a table."""
    kinds = (
        ("left_out", "{} missing.", {"times": 0}),
        ("weights_left_out", "the weights are missing: of {}.", {"weights": 0}),
        ("at_full_size", "the size that comes in is taken for {}.", {"full": True}),
        ("reads_too_few", "too few channels come in: into {}.", {"into": lambda one: one.into // 2}),
        ("reads_too_many", "too many channels come in: into {}.", {"into": lambda one: 2 * one.into}),
        ("reads_its_own", "as many channels come in as leave: of {}.", {"into": lambda one: one.out}),
        ("gives_too_few", "too few channels leave {}.", {"out": lambda one: one.out // 2}),
        ("gives_too_many", "too many channels leave {}.", {"out": lambda one: 2 * one.out}),
        ("other_kernel", "another kernel is taken for {}.", {"kernel": lambda one: 1 if one.kernel > 1 else 3}),
        ("other_bias", "a bias is missing, or there is one too many: of {}.", {"bias": lambda one: not one.bias}),
        ("one_more", "one layer too many is counted: of {}.", {"times": lambda one: one.times + 1}),
        ("one_less", "one layer too few is counted: of {}.", {"times": lambda one: one.times - 1}),
        *((("norm_missing", "BatchNorm is missing after {}.", {"norm": False}),) if norms else ()),
    )
    return tuple(
        mistake(key, seen.format(name), OF_LAYER, **{f"{name}.{field}": value for field, value in change.items()})
        for key, seen, change in kinds for name in names
    )


def _three(v: Variant, *, carried=True, pads=(True, True), strides=(1, 2, 1), kept="all", chain=(0, 1, 2), double=2,
           kernel=None, **options: Any) -> dict:
    """The three layers of assignment 1."""
    kernel = kernel or v.kernel
    table = [
        ("the first layer", 3, v.width, kernel, strides[0], kernel // 2 if pads[0] else 0),
        ("the second layer", v.width, double * v.width, 3, strides[1], 1 if pads[1] else 0),
        ("the third layer", double * v.width, v.classes, 1, strides[2], 0),
    ]
    layers, size = [], v.size
    for name, into, out, kernel, stride, padding in table:
        size = size if carried else v.size
        after = _size(size, kernel, stride, padding, **part("size", options))
        layers.append(Layer(name, into, out, kernel, size, after, bias=name == "the third layer"))
        size = after
    found = add_up(layers, **options)
    outputs = [one.out * one.after**2 for one in layers]
    found["activations"] = {
        "all": found["activations"], "last": outputs[-1], "largest": max(outputs), "first": outputs[0],
        "but last": sum(outputs[:-1]), "with input": sum(outputs) + 3 * v.size**2,
        "read": 3 * v.size**2 + sum(outputs[:-1]), "positions": sum(one.after**2 for one in layers),
        "channels": sum(one.out for one in layers),
    }[kept]
    pairs = [(table[i][3], table[i][4]) for i in chain]
    return {**found, "size": size, "field": _field(pairs, **part("field", options))}


ACTIVATIONS = "Which numbers does the task count: of which layers, and what of each?"
SEEN = "In which order does the image meet the layers?"
THREE = Space(
    _three,
    (
        mistake("size_not_carried", "every layer is taken to read the image itself.",
                "What does the second layer read? And the third?", heart=True, carried=False),
        *mistakes("activations_off", "what you count are {}.", ACTIVATIONS, "kept",
                  {"the last layer's outputs alone": "last", "the outputs of the largest layer alone": "largest",
                   "the first layer's outputs alone": "first", "the outputs without the last layer's": "but last",
                   "the outputs together with the image": "with input", "the numbers that the layers read": "read",
                   "positions, without their channels": "positions", "channels, without their positions": "channels"}),
        *mistakes("padding_missing", "{} without padding.", "What does the table say about it?", "pads",
                  {"the first layer is taken": (False, True), "the second layer is taken": (True, False),
                   "both layers are taken": (False, False)}),
        *mistakes("strides_off", "{}.", "Which layers have which stride?", "strides",
                  {"the second layer is taken without its stride": (1, 1, 1),
                   "the third layer is taken to have a stride, too": (1, 2, 2),
                   "the first layer is taken to have a stride, too": (2, 2, 1),
                   "another layer is taken to have the stride": (2, 1, 1)}),
        mistake("width_kept", "the second layer is taken to give as many channels as the first.",
                "How many channels does the table give to it, and to the layer after it?", double=1),
        *mistakes("kernel_fixed", "the first kernel is taken to be {}.", "What does v say of it?", "kernel", (3, 5, 7)),
        *mistakes("field_of_others", "the receptive field is that of {}.", SEEN, "chain",
                  {"the layers in another order": (1, 0, 2), "the layers backwards": (2, 1, 0),
                   "the network without its first layer": (1, 2), "the network without its second layer": (0, 2),
                   "the first layer alone": (0,), "the second layer alone": (1,), "the last layer alone": (2,)}),
        *COUNTS,
        *single_layers(("the first layer", "the second layer", "the third layer"), norms=False),
        *within("field", FIELD.mistakes),
        *within("size", SIZE.mistakes),
    ),
)


def _options(v: Variant, *, zeros=lambda c, d: (d - c) // 2, **options: Any) -> dict[str, int]:
    """The block of assignment 2, with options A and B."""
    c, d, half = v.width, 2 * v.width, v.size // 2
    branch = [
        Layer("the first convolution", c, d, 3, v.size, half, norm=True),
        Layer("the second convolution", d, d, 3, half, half, norm=True),
    ]
    if options.pop("second_full", False):
        branch[1] = replace(branch[1], after=v.size)
    a = add_up(branch, **options)
    b = add_up([*branch, Layer("the projection", c, d, 1, v.size, half, norm=True)], **options)
    return {"parameters_a": a["parameters"], "macs_a": a["macs"], "parameters_b": b["parameters"], "macs_b": b["macs"],
            "zeros": zeros(c, d)}


FILL = "How many channels are new, and how are they spread over the two sides?"
COSTS = Space(
    _options,
    (
        *mistakes("zeros_off", "it is {}.", FILL, "zeros",
                  {"the number of all new channels": lambda c, d: d - c, "none": lambda c, d: 0,
                   "a quarter of the new channels": lambda c, d: (d - c) // 4,
                   "the number of all channels that leave": lambda c, d: d,
                   "half of those that leave": lambda c, d: d // 2,
                   "a third of the new channels": lambda c, d: (d - c) // 3,
                   "a quarter of those that come in": lambda c, d: c // 4}),
        mistake("second_at_full_size", "the second convolution is taken to work at the full size, too.",
                "What does it read?", heart=True, second_full=True, full=True),
        *COUNTS, *NORMS,
        *single_layers(("the first convolution", "the second convolution", "the projection"), norms=True),
    ),
)


def _network(v: Variant, *, halvings=(0, 1, 1), first_projects=False, layer_size=None, rest=1, **options: Any) -> dict:
    """The network of assignment 3."""
    widths = get_architecture("resnet20").widths
    size, channels = v.size, widths[0]
    layers = [Layer("the stem", 3, widths[0], 3, size, size, norm=True)]
    for stage, width in enumerate(widths):
        before, size = size, size >> halvings[stage]
        if stage or first_projects:
            layers.append(Layer("the projections", channels, width, 1, before, size, norm=True))
        name = "the first convolutions of stages 2 and 3" if stage else "the other 3×3 convolutions"
        layers.append(Layer(name, channels, width, 3, before, size, norm=True))
        more = Layer("the other 3×3 convolutions", width, width, 3, size, size, norm=True)
        layers += [replace(more, before=v.size)] * (2 * v.blocks - rest)
        channels = width
    layers.append(Layer("the linear layer", channels, v.classes, 1, 1, 1, bias=True))
    found = add_up(layers, **options)
    return {"depth": depth("basic", (v.blocks,) * 3, **part("depth", options)),
            "size": layer_size(v) if layer_size else size,
            "parameters": found["parameters"], "macs": found["macs"]}


HALVED = "Which stages halve the size?"
NETWORK = Space(
    _network,
    (
        *COUNTS, *NORMS[:3],
        *(replace(one, options={**one.options, "the linear layer.norm": False}) for one in NORMS[3:]),
        *mistakes("halvings_off", "the size is halved {}.", HALVED, "halvings",
                  {"three times": (1, 1, 1), "once": (0, 0, 1), "never": (0, 0, 0),
                   "before each stage but the last": (1, 1, 0)}),
        *mistakes("last_size_off", "it is {}.", HALVED, "layer_size",
                  {"half of the image's": lambda v: v.size // 2, "an eighth of the image's": lambda v: v.size // 8,
                   "the image's own": lambda v: v.size, "that after the mean": lambda v: 1,
                   "8, as for 32 × 32": lambda v: 8}),
        mistake("first_stage_projects", "stage 1 has a projection here.", "Does its shape change?",
                first_projects=True),
        mistake("first_counted_twice", "each stage has one 3×3 convolution too many.",
                "How many does a stage have, together with its first?", rest=0),
        mistake("one_layer_a_stage_less", "each stage has one 3×3 convolution too few.",
                "How many does a stage have, together with its first?", rest=2),
        *single_layers(("the stem", "the projections", "the first convolutions of stages 2 and 3",
                        "the other 3×3 convolutions", "the linear layer"), norms=True),
        *(replace(one, finding=replace(one.finding, heart=True)) for one in single_layers(("the projections",),
                True)[:1]),
        *within("depth", DEPTH.mistakes),
    ),
)
# fmt: on
