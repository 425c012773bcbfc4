"""List the recipes, or print one."""

import textwrap

from ..text import count
from ..training import RecipeCard, list_recipes, load_card
from .arguments import RecipesArgs

WIDTH = 100


def run(args: RecipesArgs) -> None:
    if args.name is not None:
        card = load_card(args.name)
        # What the file says about its recipe is a comment here, because it does not hold for a changed one.
        for key, text in (("about", card.about), ("source", card.source), ("expected", card.expected)):
            if text:
                print(textwrap.fill(f"{key}: {text}", WIDTH, initial_indent="# ", subsequent_indent="#   "))
        print(card.recipe.to_yaml(card.model), end="")
        return
    cards = [load_card(name) for name in list_recipes()]
    for card, above in zip(cards, [None, *cards], strict=False):
        print(_entry(card, above))
    print("\nOne whole: resnet-tutorial recipes NAME")
    print("To train with it: resnet-tutorial train -c NAME, or print it into a file, change that, and train -c FILE")


def _entry(card: RecipeCard, above: RecipeCard | None) -> str:
    """A recipe with its source and expected accuracy; the same source is not said twice."""
    recipe = card.recipe
    same = above and above.about == card.about
    length = count(recipe.epochs, "epoch") if recipe.steps is None else count(recipe.steps, "step")
    lines = [f"{card.name:18}  {length:12}  {f'the same for {card.model}' if same else card.about}"]
    said = [f"expected: {card.expected}"]
    if not (above and above.source == card.source):
        said.append(f"source: {card.source}")
    lines += [textwrap.fill(text, WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 6) for text in said]
    return "\n".join(lines)
