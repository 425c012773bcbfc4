"""A site that needs nothing from elsewhere: no other host, no kernel, no server.

Formulas become MathML when the book is built, so no page loads a script for them. The search also works from `file://`.
Of the theme's two thousand icons only those in use are kept. Buttons that need the repository's address appear when
`_config.yml` names it.
"""

import re
from pathlib import Path

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

LOG = logging.getLogger(__name__)
ICON = re.compile(r'"?([\w-]+)"?:\[\d+,\d+,\[([^\]]*)\],"[^"]*",(?:"[^"]*"|\["[^"]*","[^"]*"\])\],?')
# A page that was opened from a folder may not read the pages that hold the words around a hit.
SEARCH = "if (location.protocol === 'file:') DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;"


def mathml(formula: nodes.Element, display: str) -> str:
    """A formula as MathML. What the converter does not know fails the build, as every warning does."""
    text = formula.astext()
    result = convert(text, display=display)
    if unknown := re.search(r">(\\\w+|&)<", result):
        LOG.warning("no MathML for %s in %r", unknown[1], text, location=formula)
    return result


def visit_inline(self: HTML5Translator, node: nodes.Element) -> None:
    self.body.append(self.starttag(node, "span", "", CLASS="math") + mathml(node, "inline") + "</span>")
    raise nodes.SkipNode


def visit_block(self: HTML5Translator, node: nodes.Element) -> None:
    self.body.append(self.starttag(node, "div", CLASS="math"))
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append(mathml(node, "block") + "</div>\n")
    raise nodes.SkipNode


def choose_buttons(app: Sphinx, config: Config) -> None:
    """No button leads nowhere: without an address of the repository there are none that need it."""
    options = config.html_theme_options
    known = bool(options.get("repository_url"))
    options["use_repository_button"] = options["use_issues_button"] = known
    if not known:
        options["launch_buttons"] = {}


def keep_used_icons(app: Sphinx, error: Exception | None) -> None:
    """Cut the theme's icon script, the heaviest part of a first visit, down to the icons that the pages name."""
    site = Path(app.outdir)
    script = site / "_static/scripts/fontawesome.js"
    if error or not script.exists():
        return
    sources = [*site.glob("**/*.html"), *(path for path in site.glob("_static/**/*.js") if path != script)]
    used = {name for path in sources for name in re.findall(r"\bfa-([\w-]+)", path.read_text(encoding="utf-8"))}

    def keep(icon: re.Match) -> str:
        names = {icon[1], *re.findall(r'"([\w-]+)"', icon[2])}  # its own, and older ones
        return icon[0] if names & used else ""

    script.write_text(ICON.sub(keep, script.read_text(encoding="utf-8")), encoding="utf-8")


def setup(app: Sphinx) -> dict:
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    app.add_js_file(None, body=SEARCH, priority=900)
    app.connect("config-inited", choose_buttons, priority=900)
    app.connect("build-finished", keep_used_icons)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
