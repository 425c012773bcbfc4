"""Networks to choose from, with their shapes and costs."""

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from types import ModuleType
from typing import Any

from ...architectures import Architecture, get_architecture
from ...errors import InputError
from ...models.cost import BYTES_IN_FLOAT32, LayerCost, summarize_architecture, total, total_activations
from ...weights import list_models
from ..tables import NUMBER, Cell, html_table, scrolling
from .page import STATIC, STYLE, WORDS, form, load_ipywidgets

KINDS = {"resnet": "ResNet", "plain": "plain networks", "preact": "pre-activation"}
FAMILIES = {"four-stage": "four stages", "three-stage": "three stages"}
NETWORK_STYLE = """
.rt-nets:has([value={name}]:checked) .rt-hidden[data-net={name}] {{ display: revert; }}
.rt-nets.rt-nets:has([value={name}]:checked) :is(th, td)[data-net={name}] {{
  border-inline-width: 3px; position: sticky; left: 0; right: 0; color: var(--rt-text);
  background: linear-gradient(#8883, #8883) var(--rt-page);
}}
@container (max-width: 40em) {{
  .rt-nets:has([value={name}]:checked) :is(th, td)[data-net]:not([data-net={name}]) {{ display: none; }}
}}
"""
GROUP_STYLE = """
.rt-nets:has(.rt-row[data-group={group}] :checked) .rt-hidden[data-group={group}] {{ display: revert; }}
"""


@dataclass(frozen=True)
class Network:
    """A network with its costs.

    Attributes:
        arch: its record.
        rows: what each part costs for one image.
        code: the line of Python that builds it, and the command that prints its costs.
    """

    arch: Architecture
    rows: tuple[LayerCost, ...]
    code: str

    @property
    def label(self) -> str:
        """Its title, short enough for the head of a column."""
        return self.arch.title.replace("Pre-activation ResNet", "PreAct")

    @property
    def group(self) -> str:
        """The networks that stand side by side."""
        return f"{self.arch.kind}-{self.arch.family}"


class ArchitectureTable:
    """What `architecture_table` returns: it shows itself in a notebook, and as text elsewhere."""

    def __init__(self, networks: tuple[Network, ...]):
        self.networks = networks

    def __repr__(self) -> str:
        return "\n".join(map(_summary, self.networks))

    def _repr_html_(self) -> str:
        groups: dict[str, list[Network]] = {}
        for network in self.networks:
            groups.setdefault(network.group, []).append(network)
        style = [STYLE, *(NETWORK_STYLE.format(name=network.arch.name) for network in self.networks)]
        style += [GROUP_STYLE.format(group=group) for group in groups]
        rows = "".join(_radio_row(group, members, self.networks[0]) for group, members in groups.items())
        parts = [f"<fieldset><legend>Choose a network</legend>{rows}</fieldset>", _status(self.networks)]
        parts += [_table(group, members) for group, members in groups.items()]
        parts += [_panel(network, "rt-hidden") for network in self.networks]
        return form(style, parts)


def architecture_table(names: Sequence[str] | None = None) -> ArchitectureTable:
    """A table of networks to choose from, which needs neither a kernel nor a script.

    It shows networks of one kind and family side by side, and for the chosen one the shapes and costs of each part, for
    a 32×32 image and ten classes.

    Args:
        names: names as for `create_model`; None takes all that `list_models` gives. The first is chosen at first.

    Raises:
        InputError: if a name is no network, or there is none.
    """
    names = list_models() if names is None else names
    if not names:
        raise InputError("the table has no network: give at least one name, such as 'resnet20'")
    return ArchitectureTable(tuple(dict.fromkeys(describe_network(name) for name in names)))


def explore_architectures() -> Any:
    """Controls for kind, network, shortcut, stem, width and image size, and below them the shapes and costs.

    Where the environment variable ``RESNET_TUTORIAL_STATIC`` is set, as when the book is built, there will be no kernel
    behind the controls: then this is the `architecture_table` of all networks.

    Returns:
        An ipywidgets box, or an `ArchitectureTable`.

    Raises:
        InputError: if ipywidgets is not installed.
    """
    if os.environ.get(STATIC):
        return architecture_table()
    return _explorer(load_ipywidgets("explorer", "take architecture_table()"))


def _explorer(widgets: ModuleType) -> Any:
    """The controls, by description, and what they do."""
    kind = widgets.Dropdown(options=[(label, kind) for kind, label in KINDS.items()], description="kind")
    network = widgets.Dropdown(options=list_models("resnet*"), value="resnet20", description="network")
    shortcut = widgets.Dropdown(options=[("its own", None), *zip("ABC", "ABC", strict=True)], description="shortcut")
    stem = widgets.Dropdown(options=["cifar", "imagenet"], description="stem")
    width = widgets.Dropdown(options=[0.25, 0.5, 1.0, 2.0, 4.0], value=1.0, description="width ×")
    size = widgets.BoundedIntText(value=32, min=8, max=512, description="image size")
    shown = widgets.HTML()

    def new_kind(change: dict) -> None:
        depth = get_architecture(network.value).depth
        shortcut.value, shortcut.disabled = None, kind.value == "plain"
        names = list_models(f"{kind.value}*")
        network.options = names
        network.value = f"{kind.value}{depth}" if f"{kind.value}{depth}" in names else f"{kind.value}20"

    def update(change: dict | None = None) -> None:
        chosen = describe_network(network.value, shortcut.value, stem.value, width.value, size.value)
        shown.value = f'<div class="rt-nets"><style>{STYLE}</style><p>{_summary(chosen)}</p>{_panel(chosen)}</div>'

    kind.observe(new_kind, names="value")
    controls = [kind, network, shortcut, stem, width, size]
    for control in controls[1:]:
        control.observe(update, names="value")
    update()
    return widgets.VBox([widgets.HBox(controls[:3]), widgets.HBox(controls[3:]), shown])


@functools.lru_cache(maxsize=200)
def describe_network(
    name: str, shortcut: str | None = None, stem: str = "cifar", width: float = 1.0, image_size: int = 32
) -> Network:
    """A network by name and options, with its costs for one square image and ten classes.

    Raises:
        InputError: if no network has that name, or an option does not fit.
    """
    arch = get_architecture(name).with_options(shortcut, stem, width)
    rows = summarize_architecture(arch, image_size=image_size)
    options = {"shortcut": (shortcut, None), "stem": (stem, "cifar"), "width": (width, 1.0)}
    given = {key: value for key, (value, default) in options.items() if value != default}
    arguments = "".join(f", {key}={value!r}" for key, value in given.items()).replace("'", '"')
    flags = given if image_size == 32 else given | {"image-size": image_size}
    command = f"resnet-tutorial summary {arch.name}" + "".join(f" --{key} {value}" for key, value in flags.items())
    return Network(arch, tuple(rows), f'create_model("{arch.name}"{arguments})\n{command}')


def _radio_row(group: str, networks: list[Network], chosen: Network) -> str:
    """The radio buttons of one group."""
    label = f"{KINDS[networks[0].arch.kind]}, {FAMILIES[networks[0].arch.family]}"
    buttons = "".join(
        f'<label><input type="radio" name="network" value="{network.arch.name}"{" checked" * (network is chosen)}>'
        f"{network.label}</label>"
        for network in networks
    )
    attributes = f'class="rt-row" role="group" aria-label="{label}" data-group="{group}"'
    return f'<div {attributes}><span aria-hidden="true">{label}</span><div>{buttons}</div></div>'


def _status(networks: Sequence[Network]) -> str:
    """One line on the chosen network, which a screen reader speaks when it changes."""
    spans = (f'<span class="rt-hidden" data-net="{n.arch.name}">{_summary(n)}</span>' for n in networks)
    return f'<p role="status">{"".join(spans)}</p>'


def _summary(network: Network) -> str:
    parameters, macs = total(network.rows)
    sizes = [f"{row.output}×{row.output}" for row in network.rows[:-1]]
    return (
        f"{network.arch.title}: {parameters:,} parameters, {macs / 1e6:,.1f} million MACs, "
        f"{_megabytes(network)} MB kept for the backward pass, feature maps from {sizes[0]} down to {sizes[-1]}. "
    )


def _megabytes(network: Network) -> str:
    return f"{total_activations(network.rows) * BYTES_IN_FLOAT32 / 1e6:,.1f}"


def _table(group: str, networks: list[Network]) -> str:
    """The networks of a group side by side, as in the paper's table 1."""
    rows, totals = networks[0].rows, [total(n.rows) for n in networks]
    columns = {
        "part": [*(row.name for row in rows), "parameters", "MACs", "activations"],
        "output": [*(f"{row.output}×{row.output}" for row in rows), "", "million", "MB"],
    }
    for network, (parameters, macs) in zip(networks, totals, strict=True):
        whole = (f"{parameters:,}", f"{macs / 1e6:,.1f}", _megabytes(network))
        columns[network.label] = [*(_consists_of(network, row) for row in network.rows), *whole]
    chosen = {n.label: f'data-net="{n.arch.name}"' for n in networks}
    table = html_table(columns, "Side by side, for a 32×32 image. The chosen network is framed.", attributes=chosen)
    return f'<div class="rt-hidden" data-group="{group}">{scrolling(table, "Networks side by side")}</div>'


def _consists_of(network: Network, row: LayerCost) -> str:
    """What a part consists of, short: the layers of a block one below the other."""
    if row.name == "fc":
        return f"{network.arch.features} → {row.channels}"
    repeats, _, block = row.what.rpartition(" × [")
    text = f"[{block} × {repeats}"
    return Cell(text, text.replace("; ", "<br>")) if repeats else row.what


def _panel(network: Network, visibility: str = "") -> str:
    """One network part by part, and how to build it."""
    title, (parameters, macs), kept = network.arch.title, total(network.rows), total_activations(network.rows)
    rows = network.rows
    columns = {
        "part": [*(row.name for row in rows), "all"],
        "consists of": [*(row.what for row in rows), ""],
        "output": [*(f"{row.channels} × {row.output} × {row.output}" for row in rows[:-1]), f"{rows[-1].channels}", ""],
        "parameters": _shares([row.parameters for row in rows], parameters),
        "MACs": _shares([row.macs for row in rows], macs),
        "activations": _shares([row.activations for row in rows], kept),
        "receptive field": [*(f"{row.receptive_field:,}×{row.receptive_field:,}" for row in rows), ""],
    }
    attributes = dict.fromkeys(columns, NUMBER) | {"part": "", "consists of": WORDS, "output": ""}
    caption = f"{title}, part by part: channels × height × width, and costs for one image"
    table = scrolling(html_table(columns, caption, attributes=attributes), f"{title}, part by part")
    code = f"<p>To build it, and to print this table:</p><pre><code>{escape(network.code, quote=False)}</code></pre>"
    return f'<div class="{visibility}" data-net="{network.arch.name}">{table}{code}</div>'


def _shares(values: list[int], whole: int) -> list[str]:
    """Numbers, each with a bar for its share of the whole, which stands behind them."""
    look = 'class="rt-number rt-share" style="--share: {:.1f}%"'
    return [*(Cell(f"{value:,}", attributes=look.format(100 * value / whole)) for value in values), f"{whole:,}"]
