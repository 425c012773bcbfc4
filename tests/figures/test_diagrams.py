"""Diagrams are read off the code that runs."""

import re

import pytest
import torch.nn.functional as F

from resnet_tutorial import create_model
from resnet_tutorial.figures.diagrams import draw_blocks, draw_nested, draw_network
from resnet_tutorial.models import BasicBlock, Bottleneck, PlainBasicBlock, PreActBasicBlock


def drawn(block):
    """The texts of a flow chart, and the heights from which and to which its shortcut leads, in steps."""
    [svg] = draw_blocks({"the block": block}).drawings
    title, *texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert title == "the block"
    paths = re.findall(r'd="M[\d.]+ ([\d.]+)H[\d.]+V([\d.]+)', svg)
    return texts, [[float(y) / 36 - 1.5 for y in path] for path in paths]


BRANCH = ["x", "3×3 conv, 8", "BatchNorm", "ReLU", "3×3 conv, 8", "BatchNorm"]


@pytest.mark.parametrize(
    "block, steps, name",
    [
        (BasicBlock(8, 8), [*BRANCH, "+", "ReLU"], "identity"),
        (BasicBlock(8, 8, 1, "C"), [*BRANCH, "+", "ReLU"], "1×1 conv, 8, BatchNorm"),
        (BasicBlock(4, 8, 1, "A"), [*BRANCH, "+", "ReLU"], "zeros"),
        (BasicBlock(4, 8, 2, "A"), ["x", "3×3 conv, 8, /2", *BRANCH[2:], "+", "ReLU"], "zeros, /2"),
        (Bottleneck(8, 2), None, "identity"),
    ],
)
def test_blocks_are_drawn_with_their_shortcuts(block, steps, name):
    texts, heights = drawn(block)
    assert texts[-1] == name
    assert steps is None or texts[:-1] == steps
    assert heights == [[0, texts.index("+")]]


def test_a_plain_block_is_drawn_without_shortcut():
    assert drawn(PlainBasicBlock(8, 8)) == ([*BRANCH, "ReLU"], [])


def test_the_drawing_shows_where_a_wrong_block_has_its_relu():
    class ReluFirst(BasicBlock):
        def forward(self, x):
            return F.relu(self.branch(x)) + x

    class NoLastRelu(BasicBlock):
        def forward(self, x):
            return x + self.branch(x)

    assert drawn(ReluFirst(8, 8))[0] == [*BRANCH, "ReLU", "+", "identity"]
    assert drawn(NoLastRelu(8, 8))[0] == [*BRANCH, "+", "identity"]


def test_an_activated_shortcut_leaves_below_the_first_relu():
    texts, heights = drawn(PreActBasicBlock(4, 8, 2, "B", drop=0.5, activate_shortcut=True))
    branch = ["BatchNorm", "ReLU", "3×3 conv, 8, /2", "BatchNorm", "ReLU", "3×3 conv, 8", "StochasticDepth"]
    assert texts == ["x", *branch, "+", "1×1 conv, 8, /2"]
    [(start, end)] = heights
    assert texts.index("ReLU") < start < texts.index("3×3 conv, 8, /2") and end == texts.index("+")


def test_a_shortcut_that_changes_its_input_is_dashed():
    same, changed = draw_blocks({"a": BasicBlock(8, 8), "b": BasicBlock(8, 16, 2, "B")}).drawings
    assert 'class="shortcut"' in same and "changes" not in same
    assert 'class="shortcut changes"' in changed


def test_the_drawing_says_in_words_what_it_shows():
    diagram = draw_blocks({"my <block>": BasicBlock(8, 8)})
    assert repr(diagram).startswith("my <block>: x, then 3×3 conv, 8, then BatchNorm")
    assert repr(diagram).endswith("shortcut from x to the +: identity")
    assert 'role="img" aria-label="my &lt;block&gt;: x' in diagram._repr_html_()


@pytest.mark.parametrize("name, blocks, dashed", [("resnet20", 9, 2), ("resnet50", 16, 4), ("plain20", 9, 0)])
def test_a_network_has_a_box_for_each_block_and_an_arc_for_each_shortcut(name, blocks, dashed):
    [svg] = draw_network(create_model(name)).drawings
    assert svg.count("<rect") == blocks + 2  # and the stem and the linear layer
    assert svg.count('class="shortcut') == (0 if name == "plain20" else blocks)
    assert svg.count("changes") == dashed


def test_a_set_lies_inside_a_larger_one_with_a_function_in_each():
    drawn = draw_nested(("20 layers", "61 % wrong"), ("8 layers", "a < b"))
    assert str(drawn) == "20 layers: 61 % wrong; inside of it 8 layers: a < b"
    numbers = r'cx="([\d.]+)" cy="(\d+)"'
    outer, inner = re.findall(rf'<ellipse {numbers} rx="(\d+)" ry="(\d+)"', drawn.drawings[0])
    points = re.findall(rf"<circle {numbers}", drawn.drawings[0])

    def holds(ellipse: tuple[str, ...], point: tuple[str, str]) -> bool:
        x, y, rx, ry = map(float, ellipse)
        return ((float(point[0]) - x) / rx) ** 2 + ((float(point[1]) - y) / ry) ** 2 < 1

    assert [(holds(outer, point), holds(inner, point)) for point in points] == [(True, False), (True, True)]
    assert "a &lt; b" in drawn._repr_html_() and "a < b" not in drawn.drawings[0]
