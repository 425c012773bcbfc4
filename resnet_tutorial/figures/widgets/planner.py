"""A run to plan."""

import os
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

from ...analysis.budget import STATES, Machine, Plan, find_machine, plan
from ...architectures import get_architecture
from ...errors import InputError
from ...weights import list_models
from ..tables import NUMBER, Cell, html_table, scrolling
from .networks import KINDS
from .page import STATIC, STYLE, load_ipywidgets, script

PLAN_STYLE = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
PLAN_NUMBERS = {"epochs": 10, "batch size": 128, "training images": 50_000}
CHECKPOINTING = "recompute activations (a third more time for a step)"
PLAN_SCRIPT = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")


class RunPlanner:
    """What `run_planner` returns: it shows itself in a notebook, and as text elsewhere."""

    def __init__(self, machines: dict[str, Machine], model: str = "resnet20"):
        if not machines:
            raise InputError(
                "no machine to plan for: take those of read_machines, from resnet_tutorial.analysis.budget"
            )
        self.machines = machines
        self.model = get_architecture(model).name
        self.names = list(dict.fromkeys([*list_models(), self.model]))

    def __repr__(self) -> str:
        return "\n".join(str(plan(self.model, machine)) for machine in self.machines.values())

    def _repr_html_(self) -> str:
        first = plan(self.model, next(iter(self.machines.values())))
        form = f'<form method="dialog" hidden>{self._controls()}{_plan_html(first)}</form>'
        style = f"<style>{STYLE}{PLAN_STYLE}</style>"
        table = f"<noscript>{self._table()}</noscript>"
        return f'<div class="rt-nets rt-plan">{style}{form}{table}{script(PLAN_SCRIPT, self._facts())}</div>'

    def _controls(self) -> str:
        groups: dict[str, dict[str, str]] = {}
        for name in self.names:
            arch = get_architecture(name)
            groups.setdefault(KINDS[arch.kind], {})[name] = arch.title
        optimizers = {str(n): name for name, n in STATES.items()}
        selects = {
            "network": "".join(
                f'<optgroup label="{kind}">{_options(titles, self.model)}</optgroup>' for kind, titles in groups.items()
            ),
            "machine": _options({str(i): name for i, name in enumerate(self.machines)}),
            "optimizer": _options(optimizers),
        }
        controls = [
            f'<label class="rt-field">{name}<select name="{name}">{html}</select></label>'
            for name, html in selects.items()
        ]
        controls += [
            f'<label class="rt-field">{name}<input type="number" name="{name}" min="1" value="{value}"></label>'
            for name, value in PLAN_NUMBERS.items()
        ]
        controls.append(f'<label class="rt-field"><input type="checkbox" name="checkpointing"> {CHECKPOINTING}</label>')
        return f'<fieldset><legend>Plan a run</legend><div class="rt-form">{"".join(controls)}</div></fieldset>'

    def _facts(self) -> dict:
        """What the script looks up: for every network on every machine, what one image takes."""
        return {
            "machines": [
                {name: _one_image(name, machine) for name in self.names} for machine in self.machines.values()
            ],
            "numbers": list(PLAN_NUMBERS),
        }

    def _table(self) -> str:
        """Where there is no script: every network, for the numbers that the form begins with."""
        columns = {"network": [get_architecture(name).title for name in self.names]}
        for title, machine in self.machines.items():
            plans = [plan(name, machine).as_text() for name in self.names]
            columns[title] = [f"{texts['time']}, {texts['memory']}" for texts in plans]
        caption = "Time and memory: " + ", ".join(f"{name} {value:,}" for name, value in PLAN_NUMBERS.items())
        numbers = dict.fromkeys(self.machines, NUMBER)
        return scrolling(html_table(columns, caption, attributes=numbers), "Time and memory of every network")


def run_planner(machines: dict[str, Machine], model: str = "resnet20") -> RunPlanner:
    """A form that plans a run, and needs no kernel: a small script beside it looks up what `plan` computed.

    Args:
        machines: from `resnet_tutorial.analysis.budget.read_machines`.
        model: the network that is chosen at first.

    Raises:
        InputError: if there is no machine, or no network of that name.
    """
    return RunPlanner(machines, model)


def explore_budget(machines: dict[str, Machine]) -> Any:
    """Controls for network, machine, epochs, batch size, images and optimizer, and below them time and memory.

    Where the environment variable ``RESNET_TUTORIAL_STATIC`` is set, as when the book is built, there will be no kernel
    behind the controls: then this is the `run_planner`.

    Args:
        machines: from `resnet_tutorial.analysis.budget.read_machines`.

    Returns:
        An ipywidgets box, or a `RunPlanner`.

    Raises:
        InputError: if ipywidgets is not installed, or there is no machine.
    """
    planner = run_planner(machines)
    if os.environ.get(STATIC):
        return planner
    widgets = load_ipywidgets("planner", "take run_planner(machines)")
    network = widgets.Dropdown(options=planner.names, value=planner.model, description="network")
    machine = widgets.Dropdown(options=list(machines), description="machine")
    optimizer = widgets.Dropdown(options=list(STATES), description="optimizer")
    epochs, batch, images = (
        widgets.BoundedIntText(value=value, min=1, max=10**9, description=name) for name, value in PLAN_NUMBERS.items()
    )
    saving = widgets.Checkbox(description=CHECKPOINTING)
    shown = widgets.HTML()

    def update(change: dict | None = None) -> None:
        planned = plan(
            network.value,
            find_machine(machines, machine.value),
            epochs=epochs.value,
            batch_size=batch.value,
            images=images.value,
            optimizer=optimizer.value,
            checkpoint_activations=saving.value,
        )
        shown.value = f'<div class="rt-nets rt-plan"><style>{STYLE}{PLAN_STYLE}</style>{_plan_html(planned)}</div>'

    controls = [network, machine, optimizer, epochs, batch, images, saving]
    for control in controls:
        control.observe(update, names="value")
    update()
    return widgets.VBox([widgets.HBox(controls[:3]), widgets.HBox(controls[3:6]), saving, shown])


def _one_image(name: str, machine: Machine) -> dict:
    """A plan of one image, with all activations and without."""
    plans = [plan(name, machine, epochs=1, batch_size=1, images=1, checkpoint_activations=c) for c in (False, True)]
    return {
        "title": get_architecture(name).title,
        "basis": plans[0].as_text()["basis"],
        "seconds": [each.seconds for each in plans],
        "memory": asdict(plans[0].memory),
        "activations": [each.memory.activations for each in plans],
    }


def _options(choices: dict[str, str], chosen: str | None = None) -> str:
    return "".join(
        f'<option value="{value}"{" selected" if value == chosen else ""}>{escape(text)}</option>'
        for value, text in choices.items()
    )


def _plan_html(planned: Plan) -> str:
    """The results of a plan: a sentence that a screen reader speaks when it changes, a table, and what it rests on."""
    texts = planned.as_text()
    summary, basis = (f'<span data-plan="{name}">{escape(texts.pop(name))}</span>' for name in ("summary", "basis"))
    parts = {name: f"memory: {name}" for name in asdict(planned.memory)} | {"memory": "memory, all counted"}
    parts["copies"] = "memory: 16-bit copies of the weights"
    columns = {
        "part": [parts.get(name, name) for name in texts],
        "takes": [Cell(text, attributes=f'{NUMBER} data-plan="{name}"') for name, text in texts.items()],
    }
    rows = ["class=rt-whole" if name in ("time", "memory") else "" for name in texts]
    table = scrolling(html_table(columns, rows=rows, head=False), "Time and memory")
    return f'<p role="status">{summary}</p><div class="rt-results">{table}</div><p>{basis}</p>'
