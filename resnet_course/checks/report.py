"""What a check found, and the points so far. Both show themselves, as text or in a notebook."""

import html
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One mistake: what was seen, and where to look. It does not give the answer away.

    Attributes:
        key: short name of the mistake, such as ``no_final_relu``.
        seen: what the check saw, one line.
        look: where to look, one line.
        heart: whether the answer misses what the task is about, and so keeps at most half of the points.
    """

    key: str
    seen: str
    look: str
    heart: bool = False


class Shown:
    """Something that is shown once, as HTML in a notebook and as text elsewhere."""

    _last = None  # what was shown last, and in which cell

    def show(self) -> None:
        """Show it now."""
        shell = _shell()
        if shell is None:
            print(self)
            return
        from IPython.display import display

        Shown._last = (id(self), shell.execution_count)
        display({"text/plain": str(self), "text/html": self._repr_html_()}, raw=True)

    def _ipython_display_(self) -> None:
        # A cell that ends with a check has shown it already.
        if Shown._last != (id(self), getattr(_shell(), "execution_count", None)):
            self.show()


@dataclass(frozen=True)
class Result(Shown):
    """What one check found.

    Attributes:
        task: what was checked.
        points: points earned. As the last line of a test cell, ``checks.basic_block(Block).points`` is a grade that
            nbgrader reads.
        possible: points of a right answer.
        findings: the mistakes, each once, the first to mend first; empty for a right answer.
        waits: who looks at it later, if nothing here could tell whether it is right.
    """

    task: str
    points: float
    possible: float
    findings: tuple[Finding, ...] = ()
    waits: str = ""

    @property
    def passed(self) -> bool:
        """Whether all points were earned."""
        return not self.findings and not self.waits

    @property
    def keys(self) -> tuple[str, ...]:
        """Short names of the mistakes."""
        return tuple(finding.key for finding in self.findings)

    @property
    def diagnosis(self) -> tuple[str, ...]:
        """What was seen, where to look, and whether more is waiting behind it, in one to three lines."""
        if self.waits:
            return (f"This is {self.waits}.",)
        if self.passed:
            return ("All as it should be.",)
        first, *later = self.findings
        more = f"When this is mended, look again: {_count(len(later), 'more thing')} differed." if later else ""
        return tuple(line for line in (first.seen, first.look, more) if line)

    def __str__(self) -> str:
        return "\n".join([_headline(self), *(f"  {line}" for line in self.diagnosis)])

    def __repr__(self) -> str:
        return f"<{self.task}: {_points(self.points, self.possible)}>"

    def _repr_html_(self) -> str:
        lines = "<br>".join(map(html.escape, self.diagnosis))
        style = "border-left: 4px solid currentColor; padding-left: 0.8em"
        return f'<div role="status" style="{style}"><strong>{html.escape(_headline(self))}</strong><br>{lines}</div>'


@dataclass(frozen=True)
class Report(Shown):
    """The newest result of every task that was checked.

    Attributes:
        results: in the order in which the tasks were first checked, and then the written parts.
        full: points that the checks of the whole notebook give, if known.
    """

    results: tuple[Result, ...]
    full: float | None = None

    @property
    def points(self) -> float:
        """Points earned so far."""
        return round(sum(result.points for result in self.results), 2)

    @property
    def possible(self) -> float:
        """Points of the tasks that were checked so far, without those that wait."""
        return round(sum(result.possible for result in self.results if not result.waits), 2)

    @property
    def unchecked(self) -> float:
        """Points of tasks that have not been checked yet."""
        waiting = sum(result.possible for result in self.results if result.waits == LATER)
        return max(0, round((self.full or 0) - self.possible - waiting, 2))

    @property
    def together(self) -> str:
        """The points in one line, with those that are still open."""
        waits = dict.fromkeys(result.waits for result in self.results if result.waits)
        open_ = {who: sum(r.possible for r in self.results if r.waits == who) for who in waits}
        open_ |= {"not checked yet": self.unchecked} if self.unchecked else {}
        more = [f"{_count(points, 'point')} {who}" for who, points in open_.items()]
        return "; ".join([_points(self.points, self.possible), *more])

    def __str__(self) -> str:
        if not self.results:
            return "Nothing has been checked yet."
        return "\n".join([*map(_headline, self.results), f"Together: {self.together}"])

    def _repr_html_(self) -> str:
        if not self.results:
            return f"<p>{self}</p>"
        rows = "".join(
            f"<tr><td>{_mark(r)}</td><td>{html.escape(r.task)}</td><td>{_worth(r)}</td></tr>" for r in self.results
        )
        head = "<tr><th>State</th><th>Task</th><th>Points</th></tr>"
        foot = f"<tr><td></td><th>Together</th><th>{self.together}</th></tr>"
        return f"<table>{head}{rows}{foot}</table>"


HALF = 0.5  # what an answer keeps at most that misses what a task is about
NOTHING = ("not_defined", "not_written")
LATER = "looked at when graded"
WRITTEN = "read by your instructor"
_results: dict[str, Result] = {}
_noticed: list[Finding] = []


def report(points: float | None = None, written: Mapping[str, float] | None = None) -> Report:
    """Show the points so far: for every task the newest result.

    Args:
        points: what the checks of the whole notebook give, so that those which have not run are counted as open.
        written: points of the parts that a person reads, by what they are about.
    """
    texts = [Result(task, 0, possible, waits=WRITTEN) for task, possible in (written or {}).items()]
    shown = Report((*_results.values(), *texts), points)
    shown.show()
    return shown


def forget() -> None:
    """Forget all results, as a fresh start of the notebook does."""
    _results.clear()


def grade(
    task: str,
    possible: float,
    steps: Sequence[Finding | None],
    weights: Sequence[float] | None = None,
    most: float = HALF,
) -> Result:
    """Make the result of a check, keep it for `report`, and show it.

    Args:
        task: what was checked.
        possible: points of a right answer.
        steps: for each step of the check what was wrong, or None.
        weights: of the steps; by default all weigh the same.
        most: the largest share of the points that an answer keeps which is wrong in any step.
    """
    weights = weights if weights and len(weights) == len(steps) else [1] * len(steps)
    share = sum(weight for step, weight in zip(steps, weights, strict=True) if step is None) / sum(weights)
    missing = [step for step in steps if step is not None and step.key in NOTHING]
    if missing:  # there is nothing else to say, and nothing to earn
        steps, share = missing[:1], 0.0
    share = min(share, most) if any(steps) else share
    if _noticed and not missing:  # a mistake like a step of its own
        steps, share = [*steps, *_noticed], share * len(steps) / (len(steps) + 1)
    share = min(share, HALF) if any(step and step.heart for step in steps) else share
    _noticed.clear()
    findings = {step.key: step for step in reversed(steps) if step is not None}
    result = Result(task, round(possible * share, 2), possible, tuple(reversed(findings.values())))
    _results[task] = result
    result.show()
    return result


def notice(finding: Finding) -> None:
    """Keep something for the next result: what an answer changed outside of itself."""
    if finding not in _noticed:
        _noticed.append(finding)


def wait(task: str, possible: float) -> Result:
    """Make, keep and show the result of a check that looks only when the notebook is graded."""
    _noticed.clear()
    result = Result(task, 0, possible, waits=LATER)
    _results[task] = result
    result.show()
    return result


def _shell():
    return sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None


def _mark(result: Result) -> str:
    if result.waits:
        return f"· {result.waits}"
    return "✓ right" if result.passed else "✗ not yet"


def _headline(result: Result) -> str:
    return f"{_mark(result)} · {result.task}: {_worth(result)}"


def _worth(result: Result) -> str:
    return _count(result.possible, "point") if result.waits else _points(result.points, result.possible)


def _points(earned: float, possible: float) -> str:
    return f"{earned:g} of {_count(possible, 'point')}"


def _count(n: float, noun: str) -> str:
    return f"{n:g} {noun}" if n == 1 else f"{n:g} {noun}s"
