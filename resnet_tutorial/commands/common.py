"""What the commands share: parsing, the one line of an error, the run that is meant if none is named."""

import contextlib
import difflib
import io
import re
import sys
from pathlib import Path
from typing import Any

import tyro

from ..training import distributed

RUNS = Path("runs")


def parse(args_class: type, command: str, argv: list[str], default: Any = None) -> Any:
    """Parse with tyro; turn the box that it draws around an error into one line, and tidy its help."""
    options = {} if default is None else {"default": default}

    def ask(argv: list[str]) -> tuple[Any, str, str]:
        """What was parsed, or else the help, or else the box."""
        page, boxed = _Page(), io.StringIO()
        try:
            with contextlib.redirect_stdout(page), contextlib.redirect_stderr(boxed):
                return tyro.cli(args_class, args=argv, prog=f"resnet-tutorial {command}", **options), "", ""
        except SystemExit:
            return None, page.getvalue(), boxed.getvalue()

    args, page, boxed = ask(argv)
    if boxed:
        problem = _one_line(_unbox(boxed), flags=re.findall(r"(?<=\s--)[a-z][a-z-]*[a-z]", ask(["--help"])[1]))
        sys.exit(
            fail(f"{problem}{' See' if problem[-1] == '?' else '; see'} resnet-tutorial {command} --help", status=2)
        )
    if page:
        print(_tidy(page), end="")
        sys.exit(0)
    return args


class _Page(io.StringIO):
    """What is printed later is written as for the terminal that it goes to."""

    encoding = property(lambda page: sys.__stdout__ and sys.__stdout__.encoding)

    def isatty(self) -> bool:
        return sys.__stdout__ is not None and sys.__stdout__.isatty()


def _tidy(page: str) -> str:
    """Help without tyro's names for None and for an empty tuple; the lines of a box keep their length."""
    lines = []
    for line in page.splitlines():
        short = re.sub(r"\{None\}\|(\{[^}]+\})?", lambda left: (left[1] or "")[1:-1], line)
        short = re.sub(r" ?\(default:((?:\x1b\[[\d;]*m)*) \)", r"\1", short.replace("{None,", "{"))
        missing = " " * (len(line) - len(short))
        lines.append(re.sub(r"(\S*│\S*)$", missing + r"\1", short) if line.endswith("│") else short)
    return "\n".join(lines) + "\n"


_WORDS = {
    r"invalid literal for int\(\) with base 10: (.*)": r"expected INT, got \1",
    r"could not convert string to float: (.*)": r"expected FLOAT, got \1",
    r"no type matching \{None\}\|\{?([^}]+?)\}? could be instantiated from \[(.*)\]\.?": r"expected \1, got \2",
    r"Could not find valid parse for arguments: \[(.*)\]": r"expected other values, got \1",
}


def _one_line(problem: str, flags: list[str]) -> str:
    """The first thing that is wrong, without tyro's words around it."""
    unknown = re.match(r"Unrecognized options: (.+?)(?: Perhaps you meant| Arguments? similar|$)", problem)
    if unknown is None:
        problem = problem.removeprefix("Error parsing ").partition(" Got errors:")[0]
        for pattern, words in _WORDS.items():
            problem = re.sub(pattern, words, problem)
        return problem
    words = unknown[1].split(", ")
    word = next((word for word in words if word.startswith("-")), words[0]).partition("=")[0]
    if not word.startswith("-"):
        return f"unexpected {word!r}"
    near = difflib.get_close_matches(word.lstrip("-").replace("_", "-"), flags, n=1)
    return f"unknown option {word}" + (f": did you mean --{near[0]}?" if near else "")


def _unbox(text: str) -> str:
    """The message in tyro's box, without its frame, its title and the help under it, on one line."""
    text = re.sub(r"\x1b\[[0-9;]*m|[╭╮╰╯│─]+|-{4,}", " ", text)
    body = " ".join(text.partition("\n")[2].split())
    return re.split(r"Argument helptext:|For full helptext", body)[0].strip().rstrip(".")


def data_of_run(state: dict, root: Path | None) -> tuple[str, Path | None]:
    """Name and folder of the data set that a run was trained on, unless another folder is named."""
    if root is not None:
        return "auto", root
    return state["run"]["dataset"], Path(state["root"]) if state["root"] else None


def fail(message: str, status: int = 1) -> int:
    """Print the one line of an error, once under torchrun, too; return the status to exit with."""
    if distributed.may_tell():
        print(f"error: {message}", file=sys.stderr)
    return status
