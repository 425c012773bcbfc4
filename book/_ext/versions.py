"""The directive `versions`: the machine that builds the book and what it builds it with, as a table."""

from importlib.metadata import version

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.application import Sphinx

from resnet_tutorial.training import describe_machine

TOOLS = ("torchvision", "numpy", "matplotlib", "ipywidgets", "jupyter-book", "Sphinx", "myst-nb")


class Versions(Directive):
    def run(self) -> list[nodes.Node]:
        facts = {**describe_machine(), **{tool: version(tool) for tool in TOOLS}}
        lines = ["| part | version |", "|---|---|", *(f"| {name} | {fact} |" for name, fact in facts.items())]
        table = nodes.container()
        self.state.nested_parse(StringList(lines, "versions"), self.content_offset, table)
        return table.children


def setup(app: Sphinx) -> dict:
    app.add_directive("versions", Versions)
    return {"parallel_read_safe": True}
