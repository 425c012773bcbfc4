"""Recipe files: the ones that come with the package, and one's own.

Beside the values of a `Recipe`, a file may say what it is: ``version``, ``about``, ``source``, ``expected``, ``model``.
A shipped file may hold ``variants``: further names, each with the lines in which it differs.
"""

import difflib
import functools
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from ..errors import InputError
from ..text import natural
from .recipe import RECIPE_VERSION, Recipe, recipe_from_dict

WORDS = ("about", "source", "expected", "model")

MOST_CHANGES = 3  # more of them, and a recipe is one's own


@dataclass(frozen=True)
class RecipeCard:
    """A recipe with its origin.

    Attributes:
        name: name of a shipped recipe, or the file.
        recipe: the values.
        about: what it is for, in one line.
        source: where the values come from.
        expected: the accuracy that somebody measured with it, and who.
        model: the network that it was made for, if there is one.
    """

    name: str
    recipe: Recipe
    about: str = ""
    source: str = ""
    expected: str = ""
    model: str | None = None


def list_recipes() -> list[str]:
    """Names of the recipes that come with the package."""
    return sorted(_shipped(), key=natural)


def load_recipe(name_or_file: str) -> Recipe:
    """Load a recipe by the name of a shipped one or from a YAML file.

    Raises:
        InputError: if there is no such recipe, the file is not YAML, a key or value in it is wrong, or it is of a newer
            version of the package.
    """
    return load_card(name_or_file).recipe


def load_card(name_or_file: str) -> RecipeCard:
    """Load a recipe together with what its file says about it.

    Raises:
        InputError: as `load_recipe`.
    """
    values = dict(_shipped().get(name_or_file) or _read(name_or_file))
    version = values.pop("version", 1)
    if type(version) is not int or version > RECIPE_VERSION:
        raise InputError(
            f"the recipe {name_or_file} has version {version}, and this package reads versions up to {RECIPE_VERSION}: "
            "upgrade resnet-tutorial"
        )
    values.pop("variants", None)
    words = {key: values.pop(key) for key in WORDS if key in values}
    for key, text in words.items():
        if not isinstance(text, str):
            raise InputError(f"{key} in the recipe {name_or_file} must be text, got {text!r}")
    return RecipeCard(name_or_file, recipe_from_dict(values, name_or_file), **words)


def name_recipe(recipe: Recipe, model: str = "") -> str:
    """The shipped recipe that a recipe is or nearly is, with what was changed in it, such as ``quick, validation 0.0``.

    Args:
        recipe: the recipe.
        model: name of the network: of two recipes that are as near, the one made for it counts.
    """
    cards = [load_card(name) for name in list_recipes()]
    values = {key: value for key, value in asdict(recipe).items() if key not in ("mean", "std")}  # of the data
    changes = {
        card.name: {key: value for key, value in values.items() if value != getattr(card.recipe, key)} for card in cards
    }
    best = min(cards, key=lambda card: (len(changes[card.name]), card.model not in (None, model)))
    if len(changes[best.name]) > MOST_CHANGES:
        return "its own recipe"
    return ", ".join([best.name, *(f"{key.replace('_', ' ')} {value}" for key, value in changes[best.name].items())])


@functools.cache
def _shipped() -> dict[str, dict[str, Any]]:
    """What the shipped files say, by name; variants completed."""
    found = {}
    for path in (resources.files(__package__) / "recipes").iterdir():
        if path.name.endswith(".yml"):
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
            found[path.name.removesuffix(".yml")] = values
            for name, changes in values.get("variants", {}).items():
                found[name] = {**values, **changes}
    return found


def _read(file: str) -> dict[str, Any]:
    path = Path(file).expanduser()
    if not path.is_file():
        raise InputError(f"no recipe and no file is called {file!r}: {_suggestion(file)}")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise InputError(f"the recipe {file} is not valid YAML{where}: repair the file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the recipe {file} cannot be read ({error}): check the file") from None
    if not isinstance(values, dict | None):
        raise InputError(f"the recipe {file} must hold `name: value` lines")
    return values or {}


def _suggestion(name: str) -> str:
    begun = [shipped for shipped in list_recipes() if shipped.startswith(name)]
    near = begun or difflib.get_close_matches(name, list_recipes(), n=1)
    if len(near) > 1:
        return f"did you mean one of {', '.join(near)}?"
    return f"did you mean {near[0]}?" if near else "resnet-tutorial recipes lists those that are shipped"
