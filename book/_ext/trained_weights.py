"""The trained networks of the package: a directive that prints their cards, and their weights beside the site."""

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.application import Sphinx

from resnet_tutorial import list_pretrained
from resnet_tutorial.figures.classifier import write_weights
from resnet_tutorial.weights import pretrained_file, read_weights


def card(name: str) -> list[str]:
    """One network's facts, read from its file, as a table in Markdown."""
    path = pretrained_file(name)
    about = read_weights(path).metadata
    told, record, arch = about["published"], about["record"], about["architecture"]
    tag = name.partition(".")[2]
    channels = ("red", "green", "blue")
    facts = {
        "get it": f'`create_model("{arch["name"]}", {len(about["classes"])}, pretrained="{tag}")`',
        "network": f"{arch['name']}, shortcut option {arch['shortcut']}, {record['parameters']:,} parameters",
        "trained on": f"{told['data']}: {record['data']['train']:,} images, {len(record['history'])} epochs",
        "classes": ", ".join(about["classes"]),
        "accuracy": f"{told['accuracy']:.2f} % of {told['test_images']:,} test images, last epoch, one seed",
        "accuracy of this file": f"{told['accuracy_half']:.2f} % of the same images, scored from half precision",
        **{
            f"mean and std, {color}": f"{mean:.4f}, {std:.4f}"
            for color, mean, std in zip(channels, about["mean"], about["std"], strict=True)
        },
        "file": f"{path.stat().st_size / 1e6:.2f} MB, safetensors, half precision",
        "record of the run": f"`{told['record']}`, {told['date']}, commit {told['commit'] or 'unknown'}",
        "repeat it": f"`{record['command']}`",
        "license": told["license"],
    }
    return [
        f"## {name}",
        "",
        "| fact | value |",
        "|---|---|",
        *(f"| {fact} | {text} |" for fact, text in facts.items()),
        "",
    ]


class ModelCards(Directive):
    def run(self) -> list[nodes.Node]:
        lines = [line for name in list_pretrained() for line in card(name)]
        section = nodes.container()
        self.state.nested_parse(StringList(lines, "model-cards"), self.content_offset, section, match_titles=True)
        return section.children


def lay_weights_beside(app: Sphinx, error: Exception | None) -> None:
    """The classifier in the browser loads them when a reader asks for them."""
    if error is None and app.builder.format == "html":
        write_weights(app.outdir)


def setup(app: Sphinx) -> dict:
    app.add_directive("model-cards", ModelCards)
    app.connect("build-finished", lay_weights_beside)
    return {"parallel_read_safe": True}
