"""Blocks and networks as diagrams (SVG), read off the code that runs and never drawn by hand."""

import operator
from collections.abc import Iterable
from html import escape
from pathlib import Path

import torch
from torch import fx, nn

from ..models import ResNet, ZeroPadShortcut
from .colors import COLORS

ROW, COLUMN, BOX = 36, 190, 130  # px: distance of two steps, width of a chart, width of a box
TINTS = {"ReLU": f"{COLORS[5]}55", "BatchNorm": "#88888844", "+": f"{COLORS[4]}66"}
STYLE = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")


class Diagram:
    """A drawing that a notebook shows as SVG, in the colors of the page.

    Attributes:
        drawings: the SVG elements.
        text: what they show, in words.
    """

    def __init__(self, drawings: list[str], text: str):
        self.drawings, self.text = drawings, text

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return f'<div class="rt-diagram"><style>{STYLE}</style>{"".join(self.drawings)}</div>'


def draw_blocks(blocks: dict[str, nn.Module]) -> Diagram:
    """Blocks as flow charts from the input, at the top, to the output, read off what their ``forward`` does.

    A shortcut that is more than the identity is dashed, as in the figures of He et al. (2015).

    Args:
        blocks: for each title a block, also one of your own. It may add one shortcut to its branch.
    """
    charts = {title: _read_block(block) for title, block in blocks.items()}
    rows = max(len(steps) for steps, _ in charts.values())
    texts = [_in_words(title, *chart) for title, chart in charts.items()]
    drawings = [
        _svg(COLUMN, ROW * (rows + 1), text, _flow_chart(title, *chart))
        for (title, chart), text in zip(charts.items(), texts, strict=True)
    ]
    return Diagram(drawings, "\n".join(texts))


def _in_words(title: str, steps: list[str], shortcut: tuple[int, str] | None) -> str:
    words = f"{title}: {', then '.join(steps)}"
    if shortcut is None:
        return f"{words}; no shortcut"
    return f"{words}; shortcut from {steps[shortcut[0]]} to the +: {shortcut[1]}"


def _flow_chart(title: str, steps: list[str], shortcut: tuple[int, str] | None) -> Iterable[str]:
    middle = BOX / 2 + 2
    yield _text(2, ROW / 2, title, "title")
    heights = [ROW * (row + 1.5) for row in range(len(steps))]
    for step, y in zip(steps, heights, strict=True):
        if step == "+":
            yield f'<circle cx="{middle}" cy="{y}" r="11" style="fill: {TINTS[step]}"/>'
        elif step != "x":
            tint = TINTS.get(step, "none")
            yield f'<rect x="2" y="{y - 12}" width="{BOX}" height="24" rx="5" style="fill: {tint}"/>'
        yield _text(middle, y, step)
    for y in heights[1:]:
        yield _arrow(f"M{middle} {y - ROW + 12}V{y - 13}", (middle, y - 12), "down")
    if shortcut:
        start, name = shortcut
        top, end = heights[start] + (0 if start == 0 else ROW / 2), heights[steps.index("+")]
        side = BOX + 22
        kind = "shortcut" if name == "identity" else "shortcut changes"
        yield _arrow(
            f"M{middle + (9 if start == 0 else 0)} {top}H{side}V{end}H{middle + 13}", (middle + 12, end), "left", kind
        )
        yield _text(side + 14, (top + end) / 2, name, turned=True)


def draw_network(model: ResNet) -> Diagram:
    """A network as the row of its blocks, with an arc for each shortcut, dashed where it is more than the identity.

    A box is as high as the feature maps are large. Below each stage stand the channels and the size that leave it.

    Args:
        model: a network of this package.
    """
    stem, *sizes = model.arch.output_sizes()
    parts, x = _stage(0, stem, "stem", f"{model.arch.stem_channels}×{stem}×{stem}", [None])
    for info, blocks, size in zip(model.arch.stages, model.stages, sizes, strict=True):
        shortcuts = [getattr(block, "shortcut", None) for block in blocks]
        more, x = _stage(x, size, info.name, f"{info.channels}×{size}×{size}", shortcuts)
        parts += more
    more, x = _stage(x, 1, "fc", f"{model.num_classes}", [None])
    return Diagram([_svg(x, MIDDLE + 104, repr(model), parts + more)], repr(model))


def draw_nested(outer: tuple[str, str], inner: tuple[str, str]) -> Diagram:
    """A set of functions inside a larger one, and one function in each.

    Args:
        outer, inner: the name of the set, and what to say of its function, which in the outer set lies outside of the
            inner one.
    """
    parts = []
    for (name, found), ellipse, top in zip((outer, inner), ((125, 188, 123), (172, 144, 62)), (32, 148), strict=True):
        y, rx, ry = ellipse
        parts.append(f'<ellipse cx="190" cy="{y}" rx="{rx}" ry="{ry}" style="fill: {COLORS[5]}33"/>')
        parts += [_text(190, top, name, "middle"), _text(198, top + 36, found)]
        parts.append(f'<circle cx="{190 - 3.6 * len(found)}" cy="{top + 36}" r="5" style="fill: currentColor"/>')
    text = f"{outer[0]}: {outer[1]}; inside of it {inner[0]}: {inner[1]}"
    return Diagram([_svg(380, 250, text, parts)], text)


STEP, LEAST, MIDDLE = 34, 98, 76  # px: from block to block, least width of a stage, height of the line


def _stage(x: float, size: int, name: str, label: str, shortcuts: list[nn.Module | None]) -> tuple[list[str], float]:
    """The boxes of a stage from x on, their shortcuts, and what leaves it below; and where the next one begins."""
    width = max(STEP * len(shortcuts), LEAST)
    edge = (width - STEP * len(shortcuts)) / 2
    half = 6 + 1.3 * min(size, 36)
    parts = [f'<path d="M{x} {MIDDLE}h{edge}M{x + width} {MIDDLE}h-{edge}"/>']
    for i, shortcut in enumerate(shortcuts):
        left = x + edge + i * STEP
        parts.append(f'<path d="M{left} {MIDDLE}h8m18 0h8"/>')
        parts.append(f'<rect x="{left + 8}" y="{MIDDLE - half}" width="18" height="{2 * half}" rx="3"/>')
        parts += _arc(left + 2, MIDDLE - half - 12, shortcut)
    middle = x + width / 2
    return [*parts, _text(middle, MIDDLE + 72, name, "large"), _text(middle, MIDDLE + 90, label, "large")], x + width


def _arc(x: float, top: float, shortcut: nn.Module | None) -> list[str]:
    """The shortcut around a block, from the line before it to the line behind it."""
    if shortcut is None:
        return []
    kind = "shortcut" if isinstance(shortcut, nn.Identity) else "shortcut changes"
    end = x + STEP - 4
    over = f"V{top + 8}Q{x} {top} {x + 8} {top}H{end - 8}Q{end} {top} {end} {top + 8}"
    return [f'<path class="{kind}" d="M{x} {MIDDLE}{over}V{MIDDLE}"/>']


def _svg(width: float, height: float, text: str, parts: Iterable[str]) -> str:
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return f'<svg {size} role="img" aria-label="{escape(text)}">{"".join(parts)}</svg>'


def _text(x: float, y: float, text: str, kind: str = "", turned: bool = False) -> str:
    turn = f' transform="rotate(90 {x} {y})"' if turned else ""
    mark = f' class="{kind}"' if kind else ""
    return f'<text x="{x}" y="{y}"{mark}{turn}>{escape(text)}</text>'


def _arrow(path: str, tip: tuple[float, float], direction: str, kind: str = "") -> str:
    x, y = tip
    head = (
        f"M{x - 4} {y - 6}L{x} {y}L{x + 4} {y - 6}"
        if direction == "down"
        else f"M{x + 6} {y - 4}L{x} {y}L{x + 6} {y + 4}"
    )
    mark = f' class="{kind}"' if kind else ""
    return f'<path d="{path}"{mark}/><path d="{head}"/>'


class _BlockTracer(fx.Tracer):
    """Traces a block and keeps every module inside it whole."""

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return True


def _read_block(block: nn.Module) -> tuple[list[str], tuple[int, str] | None]:
    """The steps of a block in order, and its shortcut: the number of steps before it, and its name."""
    graph = _BlockTracer().trace(block)
    path = _path_to_input(next(node for node in graph.nodes if node.op == "output").all_input_nodes[0])
    steps = [text for node in path if (text := _step_name(block, node))]
    sums = [node for node in path if _is_sum(node)]
    if not sums:
        return steps, None
    beside = min(map(_path_to_input, sums[0].all_input_nodes), key=len)
    shared = [node for node in beside if node in path]
    before = [text for node in shared if (text := _step_name(block, node))]
    own = [text for node in beside if node not in path and (text := _step_name(block, node))]
    return steps, (len(before) - 1, ", ".join(own) or "identity")


def _path_to_input(node: fx.Node) -> list[fx.Node]:
    """The way from the input to a node; at an addition it follows the branch, which is the longer way."""
    before = node.all_input_nodes if _is_sum(node) else node.all_input_nodes[:1]
    return [*max(map(_path_to_input, before), key=len, default=[]), node]


def _is_sum(node: fx.Node) -> bool:
    return node.op == "call_function" and node.target in (operator.add, operator.iadd, torch.add)


def _step_name(block: nn.Module, node: fx.Node) -> str:
    """What a step is called in a flow chart; empty for a module that changes nothing."""
    if node.op == "placeholder":
        return "x"
    if node.op == "call_module":
        return _module_name(block.get_submodule(node.target))
    if _is_sum(node):
        return "+"
    return {"relu": "ReLU"}.get(name := getattr(node.target, "__name__", str(node.target)), name)


def _module_name(module: nn.Module) -> str:
    if isinstance(module, nn.Conv2d):
        stride = f", /{module.stride[0]}" if module.stride[0] > 1 else ""
        return f"{module.kernel_size[0]}×{module.kernel_size[1]} conv, {module.out_channels}{stride}"
    if isinstance(module, ZeroPadShortcut):
        return f"zeros, /{module.stride}" if module.stride > 1 else "zeros"
    if isinstance(module, nn.Sequential):
        return ", ".join(filter(None, map(_module_name, module)))
    names = {nn.Identity: "", nn.BatchNorm2d: "BatchNorm", nn.ReLU: "ReLU"}
    return names.get(type(module), type(module).__name__)
