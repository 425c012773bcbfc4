"""A site that needs nothing from elsewhere: no other host, no kernel, no server. And one that loads quickly.

Formulas become MathML when the book is built, so no page loads a script for them; the letters that they use come with
the site. The search works from `file://`, too. What needs the repository's address, or the site's, appears when
`_config.yml` names it. Pictures are packed tighter, without loss, and wait until they are scrolled to. Of the theme's
two thousand icons only those in use are kept. A figure drawn as HTML has the alternative text of its cell.
"""

import base64
import hashlib
import html
import re
from pathlib import Path

import ziamath
from docutils import nodes
from fontTools import subset
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
CHAPTER = re.compile(r'<span id="document-([^"]+)"></span>')
ID = re.compile(r'\bid="([^"]+)"')
# Two lines in a row with gaps, one of them wider than a phone.
COLUMNS = re.compile(r"^(?=.{45}|.*\n.{45}).*\S {2,}\S.*\n.*\S {2,}\S", re.MULTILINE)
STYLE = re.compile(r"<style>.*?</style>", re.DOTALL)
MATH = re.compile(r"<math\b.*?</math>", re.DOTALL)
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
    # On a narrow screen a formula scrolls, with the keyboard, too.
    self.body.append(self.starttag(node, "div", CLASS="math", tabindex="0"))
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
    # A card, shown where someone shares a page, needs the site's address, too.
    config.ogp_site_url = config.html_baseurl
    config.ogp_social_cards = {"enable": bool(config.html_baseurl)}


def drop_thebe(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None) -> None:
    """Jupyter Book adds the scripts of Thebe, which runs cells on another host, whether it is in use or not."""
    for kind in ("script_files", "css_files"):
        files = context.get(kind, [])
        context[kind] = [file for file in files if "thebe" not in f"{file} {getattr(file, 'attributes', '')}".lower()]


def describe_figures(app: Sphinx, doctree: nodes.document) -> None:
    """MyST-NB gives the alternative text of a cell to its images; a figure in HTML has the same right."""
    for cell in doctree.findall(nodes.container):
        alt = (cell.get("cell_metadata") or {}).get("mystnb", {}).get("image", {}).get("alt")
        for part in cell.findall(nodes.raw) if alt else ():
            text = part.astext()
            for kind in ("rt-chart", "rt-pictures"):
                named = f'<div role="group" aria-label="{html.escape(alt)}" class="{kind}"'
                text = text.replace(f'<div class="{kind}"', named, 1)
            part[:] = [nodes.Text(text)]


def mark_columns(app: Sphinx, doctree: nodes.document) -> None:
    """Printed columns are told from lines of text, which a narrow screen may wrap."""
    for block in doctree.findall(nodes.literal_block):
        if block.get("language") == "myst-ansi" and COLUMNS.search(block.astext()):
            block["classes"].append("rt-columns")


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
            text = re.sub(rf'href="({re.escape(app.config.root_doc)}|\w+)\.html#', 'href="#', text)
            text = text.replace('"../whole.html"', '"#"').replace(f'"#document-{app.config.root_doc}"', '"#"')
            text = unique_ids(text.replace('href="../slides/', 'href="slides/'))
        else:  # the footer's link, which the theme writes as it stands in the settings
            text = text.replace('href="index.html#', f'href="{root}book/index.html#')
        text = styles_once(text).replace("<img ", '<img loading="lazy" ')
        page.write_text(text.replace('<summary aria-label="Toggle hidden content">', "<summary>"), encoding="utf-8")
    pack_pictures(site)
    keep_used_icons(site)
    ship_math_font(site)
    if app.config.html_baseurl:
        pages = [path.relative_to(site).as_posix() for path in sorted(site.glob("book/*.html"))]
        addresses = "".join(f"<url><loc>{html.escape(app.config.html_baseurl + page)}</loc></url>" for page in pages)
        head = '<?xml version="1.0" encoding="utf-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
        (site / "sitemap.xml").write_text(f"{head}{addresses}</urlset>\n", encoding="utf-8")


def styles_once(text: str) -> str:
    """A page with each style sheet of its figures once, in its head: a browser takes up each anew."""
    head, end, body = text.partition("</head>")
    return head + "".join(dict.fromkeys(STYLE.findall(body))) + end + STYLE.sub("", body)


def unique_ids(text: str) -> str:
    """The single page without ids that stand twice: what an earlier chapter has gets this chapter's name in front."""
    first, *chapters = CHAPTER.split(text)
    seen, parts = set(ID.findall(first)), [first]
    for name, chapter in zip(chapters[::2], chapters[1::2], strict=True):
        ids = set(ID.findall(chapter))
        for one in ids & seen:
            new = f"{Path(name).name}-{one}"
            chapter = chapter.replace(f'id="{one}"', f'id="{new}"').replace(f'href="#{one}"', f'href="#{new}"')
        seen |= ids
        parts += [f'<span id="document-{name}"></span>', chapter]
    return "".join(parts)


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


def ship_math_font(site: Path) -> None:
    """The glyphs of STIX Two Math that the formulas use: not every machine has a font for mathematics."""
    formulas = [text for page in site.glob("**/*.html") for text in MATH.findall(page.read_text(encoding="utf-8"))]
    options = subset.Options(flavor="woff", layout_features=["*"])
    font = subset.load_font(Path(ziamath.__file__).parent / "fonts" / "STIXTwoMath-Regular.ttf", options)
    subsetter = subset.Subsetter(options)
    # A root is an element, and its sign in no text.
    subsetter.populate(text=html.unescape(re.sub(r"<[^>]+>", "", "".join(formulas))) + "√")
    subsetter.subset(font)
    subset.save_font(font, site / "_static" / "math.woff", options)


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
    app.connect("doctree-read", describe_figures)
    app.connect("doctree-read", mark_columns)
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
