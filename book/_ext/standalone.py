"""A site that needs nothing from elsewhere: no other host, no kernel, no server. And one that loads quickly.

Formulas become MathML when the book is built, so no page loads a script for them. The search works from `file://`, too.
Buttons that need the repository's address appear when `_config.yml` names it. Pictures are packed tighter, without
loss, and wait until they are scrolled to. Of the theme's two thousand icons only those in use are kept.
"""

import base64
import hashlib
import re
from pathlib import Path

from docutils import nodes
from latex2mathml.converter import convert
from PIL import Image
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

LOG = logging.getLogger(__name__)
ICON = re.compile(r'"?([\w-]+)"?:\[\d+,\d+,\[([^\]]*)\],"[^"]*",(?:"[^"]*"|\["[^"]*","[^"]*"\])\],?')
EMBEDDED = re.compile(r'src="data:image/png;base64,([^"]{2000,})"')
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


def drop_thebe(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None) -> None:
    """Jupyter Book adds the scripts of Thebe, which runs cells on another host, whether it is in use or not."""
    for kind in ("script_files", "css_files"):
        files = context.get(kind, [])
        context[kind] = [file for file in files if "thebe" not in f"{file} {getattr(file, 'attributes', '')}".lower()]


def finish(app: Sphinx, error: Exception | None) -> None:
    """Make the pages lighter once they are written."""
    site = Path(app.outdir)
    if error or app.builder.format != "html":
        return
    single = app.builder.name == "singlehtml"
    for page in [path for path in site.glob("**/*.html") if "_static" not in path.parts]:
        # The single page is to lie in the root: Sphinx writes its links so.
        root = "" if single else "../" * (len(page.relative_to(site).parts) - 1)
        text = page.read_text(encoding="utf-8")
        text = EMBEDDED.sub(lambda match, root=root: f'src="{root}_images/{store(match[1], site)}"', text)
        if single:  # all is on this page: Sphinx misses that for names of the package
            text = re.sub(rf'href="(?:{app.config.root_doc}|\w+)\.html#', 'href="#', text).replace(
                '"../whole.html"', '"#"'
            )
            text = text.replace('href="../slides/', 'href="slides/')
        page.write_text(text.replace("<img ", '<img loading="lazy" '), encoding="utf-8")
    pack_pictures(site)
    keep_used_icons(site)


def store(data: str, site: Path) -> str:
    """Write a picture that is embedded in a page into a file, which a page that hides it need not load."""
    content = base64.b64decode(data)
    path = site / "_images" / f"{hashlib.sha256(content).hexdigest()}.png"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path.name


def pack_pictures(site: Path) -> None:
    """Replace each PNG by a WebP of the same pixels where that is smaller."""
    smaller = {}
    for path in site.glob("_images/*.png"):
        packed = path.with_suffix(".webp")
        Image.open(path).save(packed, lossless=True)
        kept, other = (packed, path) if packed.stat().st_size < path.stat().st_size else (path, packed)
        other.unlink()
        smaller[path.name] = kept.name
    for page in site.glob("**/*.html"):
        text = page.read_text(encoding="utf-8")
        new = re.sub(r"(?<=_images/)[\w.-]+\.png", lambda match: smaller.get(match[0], match[0]), text)
        page.write_text(new, encoding="utf-8")


def keep_used_icons(site: Path) -> None:
    """Cut the theme's icon script, the heaviest part of a first visit, down to the icons that the pages name."""
    script = site / "_static/scripts/fontawesome.js"
    if not script.exists():
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
    app.connect("html-page-context", drop_thebe, priority=900)
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
