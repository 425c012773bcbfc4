"""Command lines from dataclasses: a field is a flag, its type says what may follow, its docstring is the help."""

import argparse
import ast
import difflib
import inspect
import itertools
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from types import NoneType
from typing import Any, Literal, NamedTuple, NoReturn, get_args, get_origin, get_type_hints

from .common import fail

# What a command line knows beside the fields: other flags than the field's name, and names for what follows a flag.
FLAGS = {
    "checkpoint": ["--checkpoint", "--weights"],
    "config": ["-c", "--config"],
    "epochs": ["--epochs", "--num-epochs"],
    "model": ["--model", "--model-name"],
    "pretrained": ["--weights", "--pretrained"],
    "seed": ["--seed", "--random-seed"],
}
METAVARS = {
    "checkpoint": "RUN",
    "classes": "NAMES",
    "csv": "FILE",
    "config": "RECIPE",
    "mirror": "URL",
    "model": "NETWORK",
    "freeze": "PARTS",
    "pretrained": "WEIGHTS",
}
WIDEST = 40  # characters of the choices behind a flag; where there are more, they stand in the help text


def parse(
    args_class: type,
    command: str,
    argv: list[str],
    start: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    everyday: str = "",
) -> Any:
    """Fill a dataclass, and those within it, from the words behind a command.

    A field is a flag, or, where its type is annotated with how the help writes it, a word that is given by its place.
    Of a dataclass within it, all fields are flags, or those that its annotation names.

    Args:
        args_class: the dataclass.
        command: name of the command, for help and errors.
        argv: the words.
        start: receives what was typed, by field, and returns what takes the place of the class's defaults.
        everyday: fields that the help explains; the other flags are only listed, until ``--help all``. All if empty.

    Raises:
        InputError: if a value is out of its range.
        SystemExit: with status 0 after the help, with 2 if the words make no sense.
    """
    settings = list(_settings(args_class))
    parser = _Parser(command, args_class.__doc__, settings, everyday.split())
    typed = parser.read(argv)
    help_asked = typed.pop("help", False)
    defaults = {setting.name: setting.default for setting in settings if setting.default is not MISSING}
    defaults |= start(typed) if start else {}
    if help_asked:
        parser.show_help(defaults, everything=help_asked == "all")
    values = defaults | typed
    missing = [setting.place or setting.flags[0] for setting in settings if setting.name not in values]
    if missing:
        parser.error(f"the following arguments are required: {', '.join(missing)}")
    return _filled(args_class, values)


def choose(argv: list[str], choices: Mapping[str, object], what: str, usage: str, *more: str) -> str:
    """Return the command or step that is named first; without one, list all, each with its docstring, and exit."""
    if not argv or argv[0] in ("-h", "--help"):
        lines = [f"  {name:10} {each.__doc__}" for name, each in choices.items()]
        print(f"usage: resnet-tutorial {usage} [OPTIONS]\n\neach with --help:", *lines, *more, sep="\n", flush=True)
        sys.exit(0)
    if argv[0] in choices:
        return argv[0]
    near = difflib.get_close_matches(argv[0], choices, n=1)
    hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(choices)}"
    sys.exit(fail(f"no {what} is called {argv[0]!r}: {hint}", status=2))


class _Setting(NamedTuple):
    """A field: how the help writes it, if it goes by its place; the ``# -- group`` above it; the docstring under it."""

    name: str
    kind: Any
    default: Any
    place: str
    group: str
    text: str

    @property
    def flags(self) -> list[str]:
        return FLAGS.get(self.name, [f"--{self.name.replace('_', '-')}"])


def _settings(args_class: type, only: str = "") -> Iterator[_Setting]:
    """The fields of a dataclass, and of those within it."""
    source = textwrap.dedent(inspect.getsource(args_class))
    body = ast.parse(source).body[0].body
    told = {node.target.id: below for node, below in itertools.pairwise(body) if isinstance(node, ast.AnnAssign)}
    for field, kind, note in _fields(args_class, only):
        if is_dataclass(kind):
            yield from _settings(kind, note)
            continue
        below = told[field.name]
        groups = ["", *re.findall("^ *# -- (.*)$", "\n".join(source.splitlines()[: below.lineno]), re.M)]
        text = " ".join(below.value.value.split()).replace("%", "%%")
        yield _Setting(field.name, kind, field.default, note, groups[-1], text)


def _filled(args_class: type, values: dict[str, Any], only: str = "") -> Any:
    """The dataclass with its values; one within it takes its own from among the same."""
    taken = {}
    for field, kind, note in _fields(args_class, only):
        taken[field.name] = _filled(kind, values, note) if is_dataclass(kind) else values[field.name]
    return args_class(**taken)


def _fields(args_class: type, only: str) -> Iterator[tuple[Field, Any, str]]:
    """The fields, or the named ones only, each with its type and what that is annotated with."""
    kinds, annotated = get_type_hints(args_class), get_type_hints(args_class, include_extras=True)
    for field in fields(args_class):
        if not only or field.name in only.split():
            (note,) = getattr(annotated[field.name], "__metadata__", [""])
            yield field, kinds[field.name], note


def _dashed(argv: list[str]) -> list[str]:
    """``--batch_size`` is ``--batch-size``, ``--no_nesterov`` is ``--no-nesterov``; behind ``--`` are no flags."""
    end = argv.index("--") if "--" in argv else len(argv)
    return [re.sub("^--[^=]*", lambda flag: flag[0].replace("_", "-"), word) for word in argv[:end]] + argv[end:]


def _options(setting: _Setting) -> dict[str, Any]:
    """What argparse has to know of a type."""
    kind, parts = setting.kind, get_args(setting.kind)
    optional = NoneType in parts
    if optional:
        kind, parts = parts[0], get_args(parts[0])
    if kind is bool:
        return {"action": argparse.BooleanOptionalAction}
    if get_origin(kind) is Literal:
        return {"choices": parts, "metavar": "NAME" if len(", ".join(parts)) > WIDEST else None}
    if bool in parts:
        return {"action": _OrWord, "nargs": "?", "metavar": get_args(parts[1])[0]}
    if kind == tuple[int, ...]:
        return {"action": _Numbers, "nargs": "+", "metavar": "INT"}
    one = parts[0] if parts else kind
    several = {} if not parts else {"action": "extend", "nargs": "+"} if Ellipsis in parts else {"nargs": len(parts)}

    def read(word: str) -> Any:
        return None if optional and word == "None" else one(word)

    read.__name__ = one.__name__  # argparse names it where it fails
    return {"type": read, "metavar": METAVARS.get(setting.name, one.__name__.upper()), **several}


class _Parser(argparse.ArgumentParser):
    """argparse's parser, which tells what was typed from the defaults, and has one line for an error."""

    def __init__(self, command: str, about: str, settings: list[_Setting], everyday: list[str]):
        self.everyday = everyday
        self.places = [setting for setting in settings if setting.place]
        super().__init__(
            prog=f"resnet-tutorial {command}",
            usage=" ".join(["%(prog)s [OPTIONS]", *(setting.place for setting in self.places)]),
            description=about,
            add_help=False,
            formatter_class=_Help,
            allow_abbrev=False,
            argument_default=argparse.SUPPRESS,  # only what was typed is in the answer
        )
        # Older versions of Python take -1e-3 for a flag.
        self._negative_number_matcher = re.compile(r"-\.?\d[\d.]*(e[-+]?\d+)?$", re.I)
        self.left: list[str] = []  # words behind a flag that are not for it
        words = {"action": _OrWord, "nargs": "?", "metavar": "all"} if everyday else {"action": "store_true"}
        self.add_argument(
            "-h", "--help", **words, help="Print this; all explains all flags." if everyday else "Print this."
        )
        groups = {"": self}
        for setting in settings:
            if setting.group not in groups:
                groups[setting.group] = self.add_argument_group(setting.group)
            if not setting.place:
                flag = groups[setting.group].add_argument(*setting.flags, dest=setting.name, **_options(setting))
                listed = f" NAME: {', '.join(flag.choices)}." if flag.metavar == "NAME" else ""
                flag.help = setting.text + listed

    def read(self, argv: list[str]) -> dict[str, Any]:
        """What was typed, by field; ``help`` among it, if it was."""
        # Flags first, wherever they stand: argparse takes an optional word for missing as soon as it sees a flag.
        typed, words = self.parse_known_args(_dashed(argv))
        for setting in self.places:
            options = _options(setting) | {"action": "store", "metavar": setting.place, "help": setting.text}
            options["nargs"] = "*" if get_origin(setting.kind) is tuple else "?"
            self.add_argument(setting.name, **options, default=None)
        typed, words = vars(typed), self.left + words
        if "help" not in typed:
            self._refuse_flags(words)
            placed, surplus = self.parse_known_args(words)
            if surplus:
                self.error(f"unexpected {surplus[0]!r}")
            typed |= {name: value for name, value in vars(placed).items() if value not in (None, [])}
        return {name: tuple(value) if isinstance(value, list) else value for name, value in typed.items()}

    def show_help(self, defaults: dict[str, Any], everything: bool) -> NoReturn:
        """Print the help, with the defaults that say something, and exit."""
        listed = "" if everything or not self.everyday else self._list_rare(defaults)
        for flag in self._actions:
            default = defaults.get(flag.dest) if flag.option_strings else None
            told = flag.help != argparse.SUPPRESS
            if told and default is not None and default is not False and default not in ("", ()):
                shown = " ".join(map(str, default)) if isinstance(default, tuple) else str(default)
                flag.help += f" (default: {shown})".replace("%", "%%")
        print(self.format_help() + listed, end="", flush=True)
        sys.exit(0)

    def _list_rare(self, defaults: dict[str, Any]) -> str:
        """Leave the flags that are not for every day out of the help; return their names, by group."""
        lines = ["", "more, which --help all explains:"]
        for group in self._action_groups:
            rare = [flag for flag in group._group_actions if flag.dest not in (*self.everyday, "help")]
            rare = [flag for flag in rare if flag.option_strings]
            for flag in rare:
                flag.help = argparse.SUPPRESS
            names = " ".join(flag.option_strings[-1 if defaults.get(flag.dest) is True else 0] for flag in rare)
            if names:
                lines += textwrap.wrap(
                    f"{group.title}: {names}", 98, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False
                )
        return "\n".join(lines) + "\n"

    def error(self, message: str) -> NoReturn:
        """One line, and the status 2."""
        sys.exit(fail(f"{message}{' See' if message.endswith('?') else '; see'} {self.prog} --help", status=2))

    def _refuse_flags(self, words: list[str]) -> None:
        """What is left for the fields with a place may hold no flag."""
        typed = (word.partition("=")[0] for word in itertools.takewhile("--".__ne__, words))
        unknown = next(filter(re.compile("--?[A-Za-z]").match, typed), None)
        if unknown:
            near = difflib.get_close_matches(unknown, self._option_string_actions, n=1)
            self.error(f"unknown option {unknown}" + (f": did you mean {near[0]}?" if near else ""))


class _Help(argparse.HelpFormatter):
    """What follows a flag stands once, behind all its spellings."""

    def __init__(self, prog: str):
        super().__init__(prog, max_help_position=36)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        names = action.option_strings
        if isinstance(action, argparse.BooleanOptionalAction):
            return f"--[no-]{names[0].removeprefix('--')}"
        if not names or action.nargs == 0:
            return super()._format_action_invocation(action)
        return f"{', '.join(names)} {self._format_args(action, self._get_default_metavar_for_optional(action))}"


class _Numbers(argparse.Action):
    """``--seeds 3 DATA``: the whole numbers behind the flag are its own, and the rest has a place."""

    def __call__(self, parser, namespace, values, option_string=None):
        numbers = list(itertools.takewhile(re.compile("-?[0-9]+").fullmatch, values))
        if not numbers:
            raise argparse.ArgumentError(self, f"expected whole numbers, got {values[0]!r}")
        setattr(namespace, self.dest, tuple(map(int, numbers)))
        parser.left += values[len(numbers) :]


class _OrWord(argparse.Action):
    """``--resume auto``; ``--resume`` is True, and another word behind it has a place."""

    def __call__(self, parser, namespace, value, option_string=None):
        given = value == self.metavar
        setattr(namespace, self.dest, value if given else True)
        parser.left += [] if given or value is None else [value]
