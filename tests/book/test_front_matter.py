"""The front page and the reference pages say what the chapters say."""

import json
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PARTS = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"]
CHAPTERS = [chapter for part in PARTS if part.get("numbered") for chapter in part["chapters"]]


def read(name: str) -> str:
    return (ROOT / "book" / name).read_text(encoding="utf-8")


def test_the_map_shows_every_chapter_in_order_with_its_minutes():
    _, *items = re.split(r"^\d+\. \*\*\[", read("index.md").partition("chapter-map")[2], flags=re.M)
    shown = [
        (re.search(r"\]\((\w+)\.ipynb\)\*\*", item)[1], int(re.search(r"^ +(\d+) minutes · needs ", item, re.M)[1]))
        for item in items
    ]
    assert shown == [(name, minutes_of(name)) for name in (Path(chapter["file"]).name for chapter in CHAPTERS)]


def minutes_of(name: str) -> int:
    text = "".join(line for cell in json.loads(read(f"{name}.ipynb"))["cells"] for line in cell["source"])
    return int(re.search(r"about (\d+) minutes to\s+read", text)[1])


def test_the_glossary_is_in_order_and_explains_the_words_that_it_uses():
    parts = re.findall(r"```\{glossary\}\n(.*?)```", read("glossary.md"), re.S)
    terms = [re.findall(r"^(\S.*)$", part, re.M) for part in parts]
    assert all(part == sorted(part, key=str.casefold) for part in terms)
    known = [term for part in terms for term in part]
    pages = [read(f"{Path(chapter['file']).name}.ipynb") for chapter in CHAPTERS]
    used = re.findall(r"\{term\}`(?:[^`<]*<)?([^`>]+)>?`", "".join([read("glossary.md"), read("notation.md"), *pages]))
    used = [word.replace("’", "'") for word in used]  # as the site sets both
    assert len(known) == len(set(known)) and {word.casefold() for word in used} <= {word.casefold() for word in known}
