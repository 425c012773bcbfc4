"""What the pages state was measured, or was published and says by whom.

The convention: an accuracy or error in the text of a chapter, of a page, of the README or of a recipe's file has a
decimal point, or stands beside the name of a network; a difference in points has two decimals. Each such number

- is that of a record in book/results (a run's, the mean or deviation of equal runs; of training errors one decimal), or
- is in the ledger's table of published figures, or
- stands in a sentence that cites a source, or names the place in it, or
- is in `KNOWN`, with the reason.
"""

import functools
import json
import re
from pathlib import Path

import pytest

from resnet_tutorial.figures.ledger import published_accuracies
from resnet_tutorial.figures.results import experiments, read_records

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "book").glob("*.md")), *sorted((ROOT / "book").glob("*.ipynb"))]
PAGES += sorted((ROOT / "resnet_tutorial" / "training" / "recipes").glob("*.yml"))
CITED = re.compile(r"\]\(bibliography\.md\)|\((?:[A-Z][\w. ]+ \d{4}, )?(?:table|figure|section)s? \d|abstract\)")
NETWORK = re.compile(r"\b(?:resnet|plain|preact)-?\d", re.IGNORECASE)

KNOWN = {
    "91.49": "the shipped ResNet-20 in half precision, on the test images of CIFAR-10: `published` in its file",
    "11.28": "the same with zeros at the end only, measured on the same images",
    "92.45": "ResNet-32 by the widely copied recipe, as others published it: the lowest",
    "92.61": "the same: the highest",
    "0.34": "ResNet-44 minus ResNet-32 in the paper's table 6",
    "0.16": "the largest of the ledger's differences of best and last epoch, chenyaofo's ResNet-44 and 56",
    "80": "training error at which ResNet-110 ends its warm-up (He et al. 2016, section 4.2)",
}


def texts(path: Path) -> list[str]:
    """The prose of a page, without code."""
    if path.suffix != ".ipynb":
        parts = [path.read_text(encoding="utf-8")]
    else:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        parts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    return [re.sub(r"```.*?```|`[^`]*`", "", part, flags=re.DOTALL) for part in parts]


def claims(text: str) -> list[tuple[str, str]]:
    """The accuracies, errors and differences that a text states, each with its sentence."""
    found = []
    for sentence in re.split(r"(?<=[.!?])\s+(?=[A-Z*\[])|\n\s*\n|\n(?=[-*|#]|\d+\. )", text):
        numbers = re.findall(r"(?<![\d.,])(\d+\.\d+(?= ?%)|\d+\.\d\d(?= points?\b))", sentence)
        numbers += re.findall(r"(?<![\d.,])([5-9]\d\.\d\d)(?![\d,]|\.\d)", sentence)
        if NETWORK.search(sentence):
            numbers += re.findall(r"(?<![\d.,])(\d\d)(?= ?%)", sentence)
        found += [(number, " ".join(sentence.split())) for number in dict.fromkeys(numbers)]
    return found


@functools.cache
def recorded() -> set[str]:
    """Each figure of the records as a page would write it."""
    records = read_records(ROOT / "book" / "results" / "*.json")
    spreads = [spread for each in experiments(records) for spread in (each.test, each.validation) if spread]
    figures = [
        figure for spread in spreads for figure in (*spread.values, spread.mean, spread.sd) if figure is not None
    ]
    training_errors = {f"{100 - record.history[-1]['train_accuracy']:.1f}" for record in records}
    return {f"{figure:.2f}" for figure in figures} | training_errors


def unsupported(text: str) -> list[tuple[str, str]]:
    supported = recorded() | published_accuracies().keys() | KNOWN.keys()
    return [
        (number, sentence)
        for number, sentence in claims(text)
        if number not in supported and not CITED.search(sentence)
    ]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_figure_of_a_page_has_a_record_or_a_source(path):
    problems = [problem for text in texts(path) for problem in unsupported(text)]
    assert not problems, "no record, no citation: train it, cite it, or say in KNOWN why it may stand"


@pytest.mark.parametrize(
    "invented",
    [
        "Our ResNet-20 reaches **87.31 %** on the test part.",
        "ResNet-20 87.31, ResNet-32 88.02 % (measured by this project)",
        "| ResNet-56 | 87.31 |",
        "It gains 1.27 points.",
        "resnet20 ends at 87 %.",
    ],
)
def test_an_invented_figure_is_found(invented):
    assert unsupported(invented)


@pytest.mark.parametrize(
    "fair",
    [
        "The paper has 91.25 % for ResNet-20.",
        "Without the sum it has 24.19 (table 3), plain-20 has 27.94 (He et al. 2016, table 2).",
        "[Recht et al. 2019](bibliography.md) saw it fall by 4.56 points.",
        "A 95 % interval, 99.9 images, 10,000.00 steps of 0.1, version 2.16.12.",
    ],
)
def test_what_is_published_cited_or_no_accuracy_passes(fair):
    assert not unsupported(fair)


def test_nothing_is_excused_that_no_page_says():
    said = {number for path in PAGES for text in texts(path) for number, _ in claims(text)}
    assert KNOWN.keys() <= said
