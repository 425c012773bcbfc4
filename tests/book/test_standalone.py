"""The Sphinx extension of the book, on a small book of its own."""

import base64
import io
import re
import subprocess
import sys
from pathlib import Path

import nbformat
from fontTools.ttLib import TTFont
from PIL import Image, ImageChops

ROOT = Path(__file__).parents[2]
CONF = """\
import sys
sys.path.insert(0, {extension!r})
extensions = ["myst_nb", "sphinx_thebe", "standalone"]
html_theme = "sphinx_book_theme"
html_math_renderer = "mathml"
myst_enable_extensions = ["dollarmath"]
nb_execution_mode = "off"
html_theme_options = {{
    "repository_url": {address!r},
    "repository_branch": "main",
    "launch_buttons": {{
        "colab_url": "https://colab.research.google.com",
        "binderhub_url": "https://mybinder.org",
        "notebook_interface": "jupyterlab",
    }},
}}
"""


def build(folder: Path, text: str, address: str = "", figures: tuple[str, ...] = ()) -> tuple[str, str]:
    """Build a book of one notebook, with cells that show figures. Returns its page and what the build complained of."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title\n\n" + text)])
    for figure in figures:
        output = nbformat.v4.new_output("display_data", {"text/html": figure})
        metadata = {"mystnb": {"image": {"alt": "a < b, in words"}}}
        notebook.cells.append(nbformat.v4.new_code_cell("show()", outputs=[output], metadata=metadata))
    return build_notebook(folder, notebook, address)


def build_notebook(folder: Path, notebook: nbformat.NotebookNode, address: str = "") -> tuple[str, str]:
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, folder / "index.ipynb")
    (folder / "conf.py").write_text(CONF.format(extension=str(ROOT / "book/_ext"), address=address))
    command = [sys.executable, "-m", "sphinx", "-q", str(folder), str(folder / "html")]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return (folder / "html/index.html").read_text(encoding="utf-8"), result.stderr


def test_without_an_address_nothing_leads_to_it(tmp_path):
    image, file = Image.effect_noise((120, 120), 90), io.BytesIO()
    image.save(file, "PNG")
    embedded = base64.b64encode(file.getvalue()).decode()
    formulas = "$\\sqrt{x^2}$\n\n$$\\frac{a}{b}$$ (half)"
    page, complaints = build(tmp_path, f'<img src="data:image/png;base64,{embedded}" alt="noise">\n\n{formulas}')
    assert complaints == ""
    assert "colab" not in page and "mybinder" not in page and "github" not in page
    assert "_sources/index.ipynb" in page  # the download stays
    assert "thebe" not in page.split("</head>")[0].lower()
    assert "<msup><mi>x</mi><mn>2</mn></msup>" in page and "<mfrac>" in page and "mathjax.js" not in page.lower()
    assert '<span class="eqno">(1)' in page
    with TTFont(tmp_path / "html/_static/math.woff") as font:  # what no text holds is in the font that is shipped, too
        assert {ord("𝑥"), ord("x")} & font.getBestCmap().keys() and ord("√") in font.getBestCmap()
    # An embedded picture lies in a file with the same pixels, which a page loads when it is seen.
    (source,) = re.findall(r'<img loading="lazy" src="(_images/\w+\.webp)" alt="noise">', page)
    with Image.open(tmp_path / "html" / source) as packed:
        assert ImageChops.difference(packed.convert("L"), image).getbbox() is None
    assert (tmp_path / "html/_static/scripts/fontawesome.js").stat().st_size < 150_000
    icons = (tmp_path / "html/_static/scripts/fontawesome.js").read_text(encoding="utf-8")
    assert '"magnifying-glass":[' in icons and "monero" not in icons


def test_a_figure_in_html_has_the_text_of_its_cell_and_its_style_once(tmp_path):
    figures = (
        '<div class="rt-chart" style="x"><style>.a {}</style></div>',
        '<div class="rt-pictures"><style>.a {}</style></div>',
    )
    page, complaints = build(tmp_path, "Text", figures=figures)
    assert complaints == ""
    for kind in ("rt-chart", "rt-pictures"):
        assert f'<div role="group" aria-label="a &lt; b, in words" class="{kind}"' in page
    assert page.count("<style>.a {}</style>") == 1 and "<style>.a {}</style>" in page.partition("</head>")[0]


def test_with_an_address_the_buttons_lead_to_it(tmp_path):
    page, complaints = build(tmp_path, "Text", "https://github.com/owner/name")
    assert complaints == ""
    links = set(re.findall(r'href="(https://[^"]+)"', page))
    assert "https://colab.research.google.com/github/owner/name/blob/main/index.ipynb" in links
    assert "https://mybinder.org/v2/gh/owner/name/main?urlpath=lab/tree/index.ipynb" in links
    assert "https://github.com/owner/name" in links


def test_a_formula_that_cannot_be_shown_is_a_warning(tmp_path):
    _, complaints = build(tmp_path, r"$\foo{x}$ and $\begin{aligned} a &= b \end{aligned}$")
    assert r"no MathML for \foo" in complaints and "no MathML for &" in complaints


def test_printed_columns_wider_than_a_phone_are_told_from_text(tmp_path):
    row = "{:<30}{:>20}\n"
    wide, narrow = (f.format("plain20", 1) + f.format("resnet20", 2) for f in (row, "{:<9}{:>4}\n"))
    printed = ("one sentence that is much longer than what fits into a line of a phone\n" * 2, narrow, wide)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title")])
    for text in printed:
        output = nbformat.v4.new_output("stream", name="stdout", text=text)
        notebook.cells.append(nbformat.v4.new_code_cell("print()", outputs=[output]))
    page, complaints = build_notebook(tmp_path, notebook)
    assert complaints == ""
    found = re.findall(r'<div class="([^"]*highlight-myst-ansi[^"]*)"', page)
    assert ["rt-columns" in classes for classes in found] == [False, False, True]
