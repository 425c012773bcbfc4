"""List the recipes, or print one."""

import textwrap
from dataclasses import dataclass

from tyro.conf import Positional

from ..training import list_recipes, load_card
from .common import parse

WIDTH = 100


@dataclass(frozen=True)
class RecipesArgs:
    """List the shipped recipes with source and expected accuracy, or print one as a YAML file."""

    name: Positional[str | None] = None
    """Recipe to print, a shipped one or a YAML file: as a start for one's own, for train -c FILE."""


def recipes_command(argv: list[str]) -> None:
    args = parse(RecipesArgs, "recipes", argv)
    if args.name is not None:
        card = load_card(args.name)
        print(card.recipe.to_yaml(card.model), end="")
        return
    for name in list_recipes():
        card = load_card(name)
        print(f"{name}: {card.about}")
        values = card.recipe.summary().replace("\n", "; ")
        for title, text in (("values", values), ("source", card.source), ("expected", card.expected)):
            print(textwrap.fill(f"  {title:8}  {text}", WIDTH, subsequent_indent=" " * 12))
