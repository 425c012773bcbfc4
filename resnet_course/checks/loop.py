"""Checks of training and evaluation: accuracy, evaluation, one epoch, schedule, resuming."""

import copy
import math
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer, lr_scheduler

from .contain import contained
from .report import Finding, Result, grade
from .space import Space, mistake, mistakes, search
from .values import alike, argument_changed, check_values, compare_values, none_returned, same, to_tensor

Batches = Sequence[tuple[Tensor, Tensor]]
SIZES = (6, 6, 2)  # the last batch is smaller
START = 0.1
CLASSES = 3
# Of some batches: how many images, and which share of them is right.
SHARES = (((2, 0.5), (1, 1)), ((8, 0.8), (8, 0.5), (2, 0.0)), ((5, 0.5), (3, 1)), ((4, 0.3), (4, 1), (1, 1)))


def _accuracy(
    batches: Batches, *, over="images", unit=100, some=slice(None), vote=torch.argmax, errors=False, first=1,
    hits_of=slice(None), whole=float,
) -> float:  # fmt: skip
    batches = batches[some]
    ways = {
        1: lambda z, y: vote(z, dim=1) == y,
        2: lambda z, y: (z.topk(2).indices == y[:, None]).any(1),
        "over images": lambda z, y: vote(z.softmax(0), dim=1) == y,
        "never": lambda z, y: torch.zeros(len(y)),
        "sure": lambda z, y: z.softmax(1).gather(1, y[:, None])[:, 0] > 0.5,
    }
    hits = [ways[first](z, y).double() for z, y in batches]
    hits = [1 - hit for hit in hits] if errors else hits
    together, n = torch.cat(hits[hits_of]).sum(), sum(len(y) for _, y in batches)
    if over == "batches":
        return unit * sum(hit.mean().item() for hit in hits) / len(hits)
    full = len(batches) * len(batches[0][1])
    by = {
        "images": n,
        "full batches": full,
        "nothing": 1,
        "number of batches": len(hits),
        "logits": n * batches[0][0].shape[1],
    }
    return whole(round(unit * (together / by[over]).item(), 9))


ONCE = "What should be added up, and what is it divided by at the end?"
DIVIDED = "How many images are there, and what do you divide by?"
# fmt: off
ACCURACY = Space(
    _accuracy,
    (
        mistake("mean_of_batches",
                "You average over batches, so an image of the small last batch counts more than others.", ONCE,
                over="batches"),
        mistake("fraction_for_percent", "Your accuracy lies between 0 and 1.", "In which unit does the task want it?",
                unit=1),
        mistake("error_for_accuracy", "You count the wrong answers.", "What does the comparison count?", errors=True),
        mistake("count_for_percent", "You give the number of right answers.", "Divided by what?",
                over="nothing", unit=1),
        mistake("last_batch_only", "Your accuracy is that of the last batch.",
                "Which variable is set anew in every turn of the loop?", some=slice(-1, None)),
        mistake("first_batch_only", "Your accuracy is that of the first batch.",
                "Is return inside the loop, or after it?", some=slice(1)),
        mistake("last_batch_dropped", "The last batch is missing.",
                "How many images are there, and how many did you count?", some=slice(-1)),
        mistake("least_likely_class", "You take the class with the smallest logit.",
                "Which class does a network vote for?", vote=torch.argmin),
        mistake("divided_by_full_batches", "You divide as if every batch were full.",
                "How many images has the last one?", over="full batches"),
        mistake("divided_by_batches", "You divide the right answers by the number of batches.", DIVIDED,
                over="number of batches"),
        mistake("divided_by_logits", "You divide by the number of logits.", DIVIDED, over="logits"),
        mistake("not_divided", "You do not divide.", "Divided by what?", over="nothing"),
        mistake("hits_of_last_batch", "You count the right answers of the last batch alone, and all images.",
                "Which variable is set anew in every turn of the loop?", hits_of=slice(-1, None)),
        *mistakes("rounded", "You round.", "Does the task ask for whole numbers?", "whole",
                  (math.floor, round, lambda x: round(x, 1), lambda x: round(x, 2))),
        mistake("two_votes", "You count an answer as right if it is among the two likeliest.",
                "How many votes has a network?", first=2),
        mistake("softmax_over_images", "Your softmax runs over the images of a batch.",
                "Which of the two axes counts the classes?", first="over images"),
        mistake("never_right", "No answer counts as right.", "What do you compare with the labels: places, or logits?",
                first="never", errors=False),
        mistake("only_if_sure", "You count an answer only if its probability is above one half.",
                "How large must the largest logit be?", first="sure"),
    ),
)
# fmt: on


class Modes(list):
    """States in which a network was called; its copies write into the same list."""

    def __deepcopy__(self, _memo):
        return self


class Probe(nn.Module):
    """A small network with BatchNorm that remembers in which state it was called."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, CLASSES))
        self.modes = Modes()

    def forward(self, x: Tensor) -> Tensor:
        """Map N × 5 to logits."""
        logits = self.layers(x)
        self.modes.append((any(module.training for module in self.modules()), logits.requires_grad))
        return logits


def _train(
    model: nn.Module, batches: Batches, optimizer: Optimizer, *, zero="each batch",
    loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy, training=True, step="each batch",
    some=lambda batches: batches, clip: Callable[[nn.Module], Any] | None = None, anew=False, looks=1, over="images",
    after=False,
) -> float:  # fmt: skip
    """One epoch; the options put mistakes into it."""
    model.train(training)
    optimizer.zero_grad()
    losses, batches = [], some(batches)
    for i, (x, y) in enumerate(batches):
        if step == "first":
            optimizer.step()
        if zero == "each batch":
            optimizer.zero_grad()
        value = loss(model(x), y)
        for _ in range(looks - 1):
            model(x)
        if step == "before backward":
            optimizer.step()
        value.backward()
        if zero == "after backward":
            optimizer.zero_grad()
        if clip:
            clip(model)
        if anew:
            optimizer.state.clear()
        for _ in range({"each batch": 1, "twice": 2, "once": i == len(batches) - 1}.get(step, 0)):
            optimizer.step()
        losses.append(loss(model(x), y).item() if after else value.item())
    sizes = [len(y) for _, y in batches]
    together = sum(loss * n for loss, n in zip(losses, sizes, strict=True))
    return {
        "images": lambda: together / sum(sizes),
        "batches": lambda: sum(losses) / len(losses),
        "last": lambda: losses[-1],
        "first": lambda: losses[0],
        "sum": lambda: sum(losses),
        "sum over images": lambda: together,
        "sum by images": lambda: sum(losses) / sum(sizes),
        "images by batches": lambda: together / len(sizes),
        "full batches": lambda: together / (len(sizes) * sizes[0]),
    }[over]()


EXPECTS = "What does cross_entropy expect: logits, or probabilities?"
CARRY = "What does backward do with gradients that are already there?"
STANDS = "Where is it: in the loop, before it, or after it?"
ASKED = "Does the task ask for it?"
# fmt: off
TRAINING = (
    mistake("gradients_not_zeroed", "Each step also takes the gradients of the steps before.", CARRY, zero="never"),
    mistake("softmax_twice", "Your loss sees a softmax twice, so its gradients are far too small.", EXPECTS,
            loss=lambda z, y: F.cross_entropy(z.softmax(1), y)),
    mistake("log_softmax_missing", "Your loss takes the logits as if they were logarithms of probabilities.",
            "What does nll_loss expect?", loss=F.nll_loss),
    mistake("sum_for_mean", "Your gradients grow with the batch.",
            "Is the loss of a batch the sum or the mean over its images?",
            loss=lambda z, y: F.cross_entropy(z, y, reduction="sum")),
    mistake("averaged_twice", "You divide the loss of a batch by its images once more.",
            "Is what cross_entropy returns a sum, or a mean?", loss=lambda z, y: F.cross_entropy(z, y) / len(y)),
    *mistakes("labels_smoothed", "Your loss smooths the labels.", ASKED, "loss",
              [lambda z, y, s=s: F.cross_entropy(z, y, label_smoothing=s) for s in (0.1, 0.2, 0.05)]),
    *mistakes("labels_shifted", "Each image is trained with the label of another one.", "Are both in the same order?",
              "loss", [lambda z, y: F.cross_entropy(z, y.roll(1)), lambda z, y: F.cross_entropy(z, y.roll(-1)),
                       lambda z, y: F.cross_entropy(z, y.flip(0))]),
    *mistakes("squared_error", "Your loss is a squared error{}.", "Which loss does the task name?", "loss",
              {"": lambda z, y: F.mse_loss(z, F.one_hot(y, CLASSES).to(z)),
               " of probabilities": lambda z, y: F.mse_loss(z.softmax(1), F.one_hot(y, CLASSES).to(z))}),
    mistake("loss_negated", "Your steps climb the loss.", "Which sign has the likelihood in the loss?",
            loss=lambda z, y: -F.cross_entropy(z, y)),
    mistake("trained_in_evaluation_mode", "Your network was trained in evaluation mode, in which it was handed to you.",
            "Which mode lets BatchNorm learn its statistics?", training=False),
    mistake("one_step_for_epoch", "The weights change once in the whole epoch.", "Does the step stand inside the loop?",
            step="once"),
    mistake("one_step_for_epoch", "One step is taken, with the gradients of all batches added up.",
            "Does the step stand inside the loop?", step="once", zero="never"),
    mistake("two_steps", "Every batch takes two steps.", "How often is step called for a batch?", step="twice"),
    mistake("step_before_backward", "Each step comes before the gradients of its batch.",
            "In which order do zero_grad, backward and step follow each other?", step="before backward",
            zero="never"),
    mistake("zeroed_before_step", "The gradients are gone when the step is taken.",
            "In which order do zero_grad, backward and step follow each other?", zero="after backward"),
    mistake("optimizer_anew", "The momentum is lost from batch to batch.",
            "How often is an optimizer built, and by whom?", anew=True),
    mistake("step_first", "Each step takes the gradients of the batch before.",
            "In which order do zero_grad, backward and step follow each other?", step="first"),
    *mistakes("clipped", "You clip the gradients.", ASKED, "clip",
              [lambda model, limit=limit, by=by: by(model.parameters(), limit)
               for by in (nn.utils.clip_grad_norm_, nn.utils.clip_grad_value_) for limit in (1, .5, .1, .01, .001)]),
    mistake("last_batch_dropped", "The last batch is not trained on.",
            "How many batches are there, and how many steps did you take?", some=lambda b: b[:-1]),
    mistake("first_batch_only", "Only the first batch is trained on.",
            "Is return inside the loop, or after it?", some=lambda b: b[:1]),
    mistake("last_batch_only", "Only the last batch is trained on.", STANDS, some=lambda b: b[-1:]),
    mistake("two_epochs", "Every batch is trained on twice.", "How many loops are there?", some=lambda b: [*b, *b]),
    mistake("batches_reversed", "The batches come in the reverse order.", "Who decides on the order?",
            some=lambda b: b[::-1]),
    mistake("looked_at_twice", "The network sees every batch twice, and BatchNorm's running statistics move twice.",
            "How often is the network called for a batch?", looks=2),
)
RETURNED = (
    mistake("loss_of_batches", "You average the loss over batches, so an image of the small last batch counts more.",
            ONCE, over="batches"),
    mistake("loss_of_last_batch", "You return the loss of the last batch.", "Where do you add up?", over="last"),
    mistake("loss_of_first_batch", "You return the loss of the first batch.", "Where does return stand?", over="first"),
    *mistakes("loss_summed", "You return a sum over {}.", "What is missing after the sum?", "over",
              {"batches": "sum", "images": "sum over images"}),
    mistake("loss_divided_twice", "You add up means, and divide by the number of images.", ONCE, over="sum by images"),
    mistake("loss_by_batches", "You divide the sum over images by the number of batches.", DIVIDED,
            over="images by batches"),
    mistake("loss_of_full_batches", "You divide as if every batch were full.", "How many images has the last one?",
            over="full batches"),
    mistake("loss_after_step", "Your loss is that after the step.", "Which loss was it that went backward?",
            after=True),
)
# fmt: on


def accuracy(function: Callable[[Batches], float], *, points: float = 3) -> Result:
    """Check top-1 accuracy over batches of unequal size.

    Args:
        function: the learner's function of a list of (logits N × classes, labels N); it returns percent.
        points: points of a right answer.
    """
    generator = torch.Generator().manual_seed(0)
    cases = [([_scored(n, share, generator) for n, share in batches],) for batches in SHARES]
    return check_values("Accuracy", points, function, ACCURACY, cases)


def evaluate(function: Callable[[nn.Module, Batches], float], *, points: float = 5) -> Result:
    """Check an evaluation: the figure, the network's mode in it and behind it, and no gradients.

    Args:
        function: the learner's function of a network and batches (inputs, labels), which can be gone through once; it
            returns accuracy in percent.
        points: points of a right answer.
    """
    batches, model = _make_batches(), _probe()
    _train(model, batches, SGD(model.parameters(), lr=0.1))
    # So many of each batch are right that no two ways of counting agree.
    votes = [z.argmax(dim=1) for z, _ in _answers(model, batches)]
    labels = [
        torch.where(torch.arange(len(v)) < n, v, (v + 1) % CLASSES) for v, n in zip(votes, (5, 3, 0), strict=True)
    ]
    batches = [(x, y) for (x, _), y in zip(batches, labels, strict=True)]
    runs = [_evaluated(function, copy.deepcopy(model), batches, training) for training in (True, False)]
    once = contained(function, copy.deepcopy(model), iter(batches))
    steps = [step for run in runs for step in run]
    if not any(steps) and (
        once.problem or not same(to_tensor(once.value), to_tensor(_accuracy(_answers(model, batches))))
    ):
        look = "Which of your lines needs a list? Count while you go through it."
        steps.append(
            Finding("gone_through_twice", "Batches that can be gone through once are not enough for you.", look)
        )
    return grade("Evaluation", points, steps)


def train_epoch(function: Callable[[nn.Module, Batches, Optimizer], float], *, points: float = 5) -> Result:
    """Check one epoch of training with cross-entropy.

    Args:
        function: the learner's function of a network, batches (inputs, labels) and an optimizer; it returns the mean
            loss over the images, in nats.
        points: points of a right answer.
    """
    batches, model = _make_batches(), _probe()
    student, outcome = _after(function, model, batches)
    if outcome.problem:
        return grade("One epoch", points, [outcome.problem])
    made: dict[str, Any] = {}

    def trains(**options: Any) -> bool:
        made.update(student=options)
        return same(student, _after(_train, model, batches, **options)[0])

    start = _after(lambda *_: 0.0, model, batches)[0]
    unchanged = same(student, start)
    weights = None if trains() or unchanged else search(TRAINING, trains, most=2)
    known = made["student"] if weights else {}
    if not weights and not trains():
        weights = _explain_weights(function, student, model, batches)
    used: list[int] = []

    def counted(model: nn.Module, batches: Batches, optimizer: Optimizer) -> None:
        optimizer.register_step_pre_hook(lambda *_: used.append(1))
        function(model, batches, optimizer)

    _after(counted, model, batches)
    if not used and not unchanged and (not weights or weights.key != "nothing_learned"):
        seen = "The optimizer that you were given takes no step."
        weights = Finding("own_optimizer", seen, "Which optimizer knows the momentum of the epochs before?")

    def loss(batches: Batches, **options: Any) -> float:
        return _after(_train, model, batches, **{**known, **options})[1].value

    (figure,) = compare_values(lambda _: outcome.value, Space(loss, RETURNED), [(batches,)], most=2)
    unknown = figure and figure.key == "value"
    return grade("One epoch", points, [weights, weights if weights and unknown else figure], [3, 2])


def schedule(
    function: Callable[[nn.Module, Batches, Optimizer, Any, int], Any], *, per: str = "epoch", points: float = 3
) -> Result:
    """Check how often the learning-rate schedule is advanced.

    Args:
        function: the learner's function of a network, batches (inputs, labels), an optimizer, a schedule of
            ``torch.optim.lr_scheduler``, and a number of epochs. What it returns is not looked at.
        per: how often the schedule should be advanced, every ``epoch`` or every ``step``.
        points: points of a right answer.
    """
    epochs, batches, model = 4, _make_batches(), _probe()  # no two mistakes take equally many steps
    wanted, rates = copy.deepcopy(model), []
    optimizer = SGD(model.parameters(), lr=START)
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.9)
    optimizer.register_step_pre_hook(lambda opt, *_: rates.append(opt.param_groups[0]["lr"] / START))
    step, told = scheduler.step, []

    def noted(*place: Any, **named: Any) -> None:
        told.append(bool(place or named))
        step(*place, **named)

    scheduler.step = noted
    outcome = contained(function, model, batches, optimizer, scheduler, epochs)
    rate = optimizer.param_groups[0]["lr"] / START
    advanced = round(math.log(rate, 0.9)) if rate > 0 else 0
    finding = outcome.problem or _explain_rates(rates, advanced, per, epochs, len(batches))
    if finding and any(told):
        seen = "You hand the schedule's step a number, which it takes for its place."
        finding = Finding("schedule_told", seen, "Does a schedule count by itself?")
    elif finding and not told and len(set(rates)) > 1:
        seen = "The schedule that you were given is never advanced; something else changes the rate."
        finding = Finding("own_schedule", seen, "Which object knows the rates that are wanted?")
    if not finding and not same(_state(model), _fit(copy.deepcopy(wanted), batches, per, epochs)):
        seen = "The rates are right, and the weights are not those that such a training gives."
        known = search(
            TRAINING, lambda **o: same(_state(model), _fit(copy.deepcopy(wanted), batches, per, epochs, **o))
        )
        look = "Is train_epoch, which you have written, what trains here?"
        finding = known or Finding("fit_trains_otherwise", seen, look)
    return grade(f"Schedule, advanced every {per}", points, [finding])


def _fit(model: nn.Module, batches: Batches, per: str, epochs: int, **options: Any) -> Tensor:
    """All weights after a training with the schedule of the check."""
    optimizer = SGD(model.parameters(), lr=START)
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.9)
    if options.get("zero") == "never":  # also not between the epochs
        optimizer.zero_grad = lambda *_, **__: None
    for _ in range(epochs):
        for part in [batches] if per == "epoch" else [[batch] for batch in batches]:
            _train(model, part, optimizer, **options)
            scheduler.step()
    return _state(model)


def _cosine(
    step: int, steps: int, peak: float, *, wave=1.0, ahead=0, longer=0, form="lowered", wrong_angle=None, low=0.0,
    start=0, again=False,
) -> float:  # fmt: skip
    step = step % steps if again else step
    share = (step + ahead) / (steps + longer)
    angle = wrong_angle(step + ahead, steps + longer) if wrong_angle else math.pi * wave * share
    if start and step < start:
        return peak * (step + 1) / start
    height = {
        "lowered": lambda: (1 + math.cos(angle)) / 2,
        "bare": lambda: math.cos(angle),
        "doubled": lambda: 1 + math.cos(angle),
        "turned": lambda: (1 - math.cos(angle)) / 2,
        "line": lambda: 1 - share,
        "sine": lambda: (1 + math.sin(angle)) / 2,
        "sine, doubled": lambda: 1 + math.sin(angle),
        "sine alone": lambda: math.sin(angle),
        "halved": lambda: math.cos(angle) / 2,
        "unbracketed": lambda: 1 + math.cos(angle) / 2,
        "positive": lambda: max(0.0, math.cos(angle)),
        "absolute": lambda: abs(math.cos(angle)),
        "outside": lambda: (1 + math.cos(math.pi) * share) / 2,
        "cut at peak": lambda: min(1, (1 + math.cos(angle)) / 2 / peak),
        "peak outside": lambda: 1 + math.cos(angle) / peak,
        "peak in half": lambda: (1 + math.cos(angle) / peak) / 2,
    }[form]()
    return low * peak + (1 - low) * peak * height


BETWEEN = "Between which numbers does the cosine run, and between which should the rate?"
INSIDE = "What, exactly, is the argument of the cosine?"
COUNTED = "At which step is the rate the peak, and at which 0?"
# fmt: off
COSINE = Space(
    _cosine,
    (
        mistake("whole_wave", "Your rate climbs back to its start in the second half.",
                "How much of a wave of the cosine goes down?", wave=2),
        mistake("below_zero", "Your rate becomes negative.", BETWEEN, form="bare"),
        mistake("quarter_wave", "Your rate falls steeply at the end.", "How flat should the curve be at its end?",
                wave=0.5, form="bare"),
        mistake("half_way", "Your rate comes down only half of the way.", "Which angle belongs to the last step?",
                wave=0.5),
        mistake("degrees", "Your rate jumps up and down.", "Does math.cos take degrees?",
                wrong_angle=lambda t, n: 180 * t / n),
        mistake("straight_line", "Your rate falls by the same amount in every step.", "Where is the cosine?",
                form="line"),
        mistake("twice_the_peak", "Your rate starts at twice its peak.", "What is 1 + cos(0)?", form="doubled"),
        mistake("climbs", "Your rate climbs from 0 to its peak.", "Where does the schedule start?", form="turned"),
        mistake("restarts", "At the last step your schedule begins again.", COUNTED, again=True),
        mistake("one_step_ahead", "Your schedule is one step ahead.", COUNTED, ahead=1),
        mistake("one_step_behind", "Your schedule is one step behind.", COUNTED, ahead=-1),
        mistake("ends_too_early", "Your rate is 0 one step too early.", COUNTED, longer=-1),
        mistake("ends_too_early", "Your rate is 0 one step too early.", COUNTED,
                wrong_angle=lambda t, n: math.pi * min(1, t / max(1, n - 1))),
        mistake("ends_too_late", "Your rate is not yet 0 at the last step.", COUNTED, longer=1),
        mistake("bracket_around_pi", "Your cosine is that of pi alone: nothing bends.", INSIDE, form="outside"),
        mistake("bracket_missing", "You halve the cosine, and not its sum with 1.", "What is halved?",
                form="unbracketed"),
        mistake("pi_missing", "Your angle has no pi.", INSIDE, wrong_angle=lambda t, n: t / n),
        mistake("angle_not_divided", "Your angle is pi times the step.", INSIDE, wrong_angle=lambda t, n: math.pi * t),
        *mistakes("whole_division", "Your angle {}.", "Which division keeps the fraction?", "wrong_angle",
                  {"is 0 until the last step": lambda t, n: math.pi * (t // n),
                   "jumps from one whole number to the next": lambda t, n: math.pi * t // n}),
        *mistakes("sine", "You take the sine{}.", "Sine, or cosine? And what is halved?", "form",
                  {"": "sine", ", and do not halve its sum with 1": "sine, doubled", " alone": "sine alone"}),
        mistake("cosine_halved", "Your rate begins at half of its peak and becomes negative.", BETWEEN, form="halved"),
        mistake("cut_at_zero", "Your rate is 0 for the whole second half.", BETWEEN, form="positive"),
        mistake("absolute", "Your rate climbs again in the second half.", BETWEEN, form="absolute"),
        mistake("peak_cuts", "The peak cuts your curve off, and does not scale it.",
                "What should double if the peak doubles?", form="cut at peak"),
        *mistakes("peak_not_multiplied", "The peak does not multiply the cosine.",
                  "What should double if the peak doubles?", "form", ("peak in half", "peak outside")),
        *mistakes("final_rate", "Your rate ends at {:g} of its peak.", "Where does the task let it end?", "low",
                  (0.1, 0.01, 0.001)),
        *mistakes("warm_up", "Your rate climbs before it falls.", "Where does the schedule start?", "start", (2, 3, 5)),
    ),
)
COSINE_CASES = (
    (0, 2, 1.0), (1, 2, 1.0), (2, 2, 1.0), (0, 10, 0.1), (3, 10, 0.1), (5, 10, 0.4), (10, 10, 0.1), (7, 8, 1.0),
)
# fmt: on


def cosine(function: Callable[[int, int, float], float], *, points: float = 2) -> Result:
    """Check a cosine schedule without restarts, from its peak to 0 (Loshchilov and Hutter 2017, equation 5).

    Args:
        function: the learner's function of the step (from 0), the number of steps, and the highest rate.
        points: points of a right answer.
    """
    return check_values("Cosine schedule", points, function, COSINE, COSINE_CASES)


def resume(save: Callable[..., Any], load: Callable[..., int], *, points: float = 5) -> Result:
    """Check that a run which is saved and resumed ends as one that was never stopped.

    Args:
        save: the learner's function of a path, a network, an optimizer, a schedule, and the number of epochs done.
        load: the learner's function of a path, and of a fresh network, optimizer and schedule, which it fills; it
            returns the number of epochs done.
        points: points of a right answer.
    """
    steps = []
    for make, done in ((_run, 2), (_adam_run, 3)):
        batches, first, fresh = _make_batches(), make(_probe()), _probe(1)
        _epochs(first, batches, 2)
        second, kept = make(copy.deepcopy(fresh)), _state(first[0])
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "run.pt"
            problem, value = _write_and_read(save, load, path, first, second, done)
        if not problem and not same(kept, _state(first[0])):
            problem = Finding(
                "save_changes_run", "Saving, or loading, changes the run that was saved.", "What should it only read?"
            )
        if problem:
            return grade("Resume", points, [*steps, problem])
        steps += [_explain_resumed(first, second, fresh, batches, make), _explain_epoch(value, done)]
    if steps[2] and not steps[0]:
        seen = "With SGD a resumed run goes on as before, with AdamW and another schedule it does not."
        steps[2] = Finding(
            "resume_other_optimizer", seen, "Does your file hold all that any optimizer and schedule remember?"
        )
    weights = [3, 1, 1, 1]
    return grade("Resume", points, steps, weights)


PRECISIONS = {
    ("cuda", True): (torch.bfloat16, False),
    ("cuda", False): (torch.float16, True),
    ("cpu", True): (torch.bfloat16, False),
    ("cpu", False): (torch.float32, False),
}


def precision(function: Callable[[str, bool], tuple[torch.dtype, bool]], *, points: float = 4) -> Result:
    """Check the choice of a number format: the quickest that the hardware has, with scaled gradients where needed.

    Args:
        function: the learner's function of the device (``cuda`` or ``cpu``), and of whether it computes with bfloat16;
            it returns a dtype of torch, and whether gradients are to be scaled.
        points: points of a right answer.
    """
    outcomes = {case: contained(function, *case) for case in PRECISIONS}
    steps = [outcome.problem or _explain_precision(*case, outcome.value) for case, outcome in outcomes.items()]
    return grade("Precision", points, steps)


def _explain_precision(device: str, bf16: bool, answer: Any) -> Finding | None:
    where = f"For {device} {'with' if bf16 else 'without'} bfloat16"
    pair = isinstance(answer, tuple | list) and len(answer) == 2
    if pair and isinstance(answer[1], torch.dtype):
        return Finding("other_order", f"{where} your dtype comes last.", "Which of the two does the task name first?")
    if not (pair and isinstance(answer[0], torch.dtype)):
        seen = f"{where} you return no dtype of torch with True or False."
        return none_returned(answer) or Finding("no_dtype", seen, "Which two things does the task want?")
    dtype, scaled = answer[0], bool(answer[1])
    if (dtype, scaled) == PRECISIONS[device, bf16]:
        return None
    if scaled != (dtype is torch.float16):
        key, does = ("scaler_not_needed", "scale") if scaled else ("scaler_missing", "do not scale")
        seen = f"{where} you take {dtype} and {does} the gradients."
        return Finding(key, seen, "Which gradients are 0 in which format? Try torch.tensor(1e-8).half().")
    key, look = {
        torch.bfloat16: ("bfloat16_emulated", "What must the hardware do with a format that it does not have?"),
        torch.float16: ("float16_not_needed", "Is it quicker there? Which short format has the range of float32?"),
    }.get(dtype, ("short_format_left_out", "Which format of 16 bits does this hardware compute with quickly?"))
    return Finding(key, f"{where} you take {dtype}.", look)


def _scored(n: int, share: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    labels = torch.randint(0, 4, (n,), generator=generator)
    answers = torch.where(torch.arange(n) < share * n, labels, (labels + 1) % 4)
    noise = torch.randn(n, 4, dtype=torch.float64, generator=generator)
    margin = 0.6 + 2 * (torch.arange(n) % 2)[:, None]  # only every other answer is sure
    return noise.sigmoid() / 2 + margin * F.one_hot(answers, 4), labels


def _make_batches() -> Batches:
    generator = torch.Generator().manual_seed(0)
    inputs = [2 * torch.randn(n, 5, dtype=torch.float64, generator=generator) + 1 for n in SIZES]
    return [(x, torch.randint(0, CLASSES, (len(x),), generator=generator)) for x in inputs]


def _probe(seed: int = 0) -> Probe:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Probe().double()


def _state(model: nn.Module) -> Tensor:
    """All weights and running statistics, in a row."""
    return torch.cat([t.detach().flatten() for t in model.state_dict().values() if t.is_floating_point()])


def _answers(model: nn.Module, batches: Batches) -> Batches:
    model = copy.deepcopy(model).eval()
    with torch.no_grad():
        return [(model(x), y) for x, y in batches]


def _evaluated(
    function: Callable, model: Probe, batches: Batches, training: bool
) -> tuple[Finding | None, Finding | None]:
    """What is wrong with the figure, and with the state in which the network was evaluated and left."""
    model.train(training)
    before, wanted, kept = _state(model), _answers(model, batches), copy.deepcopy(batches)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    model.modes.clear()
    outcome = contained(function, model, list(batches))
    problem = outcome.problem or none_returned(outcome.value)
    if not problem and not alike(kept, batches):
        problem = argument_changed("the batches")
        for (x, _), (old, _) in zip(batches, kept, strict=True):
            x.copy_(old)
    if problem:
        return problem, problem
    state = _explain_mode(model, training, unchanged=same(before, _state(model)))
    if not state and not all(p.requires_grad for p in model.parameters()):
        seen = "After your evaluation, the network cannot learn any more: its parameters are frozen."
        state = Finding("frozen", seen, "What, beside freezing, switches gradients off?")
    if not state and any(p.grad is None or not (p.grad == 1).all() for p in model.parameters()):
        seen = "The gradients that were stored in the network are gone after your evaluation."
        state = Finding("gradients_cleared", seen, "Whose gradients are they, and does scoring need to touch them?")
    if not model.modes:
        return state, state
    (figure,) = compare_values(lambda _: outcome.value, ACCURACY, [(wanted,)], most=2)
    # A figure in the wrong mode is explained by the mode.
    in_training = any(mode for mode, _ in model.modes)
    return (state if figure and in_training else figure), state


def _explain_mode(model: Probe, training: bool, unchanged: bool) -> Finding | None:
    if not model.modes:
        seen = "Your network was never called."
        return Finding("model_not_called", seen, "Which outputs do you compare with the labels?")
    if any(mode for mode, _ in model.modes):
        seen = "Your network was in training mode while it was scored: BatchNorm took the statistics of each batch."
        return Finding("eval_forgotten", seen, "What has to be said to a network before it is scored?")
    if not unchanged:
        seen = "The network has other weights after the evaluation."
        return Finding("evaluation_changes_model", seen, "What in your evaluation belongs to training?")
    if any(gradients for _, gradients in model.modes):
        seen = "Your evaluation keeps what a backward pass would need, and no such pass comes."
        return Finding("no_grad_forgotten", seen, "Which context or decorator switches that off?")
    if training and not model.training:
        seen = "The network came in training mode and is left in evaluation mode."
        return Finding("train_not_restored", seen, "What will the next epoch of training do?")
    if model.training and not training:
        seen = "The network came in evaluation mode and is left in training mode."
        return Finding("train_always", seen, "In which mode was it before? Who could remember?")
    return None


def _after(function: Callable, model: nn.Module, batches: Batches, **options: Any) -> tuple[Tensor, Any]:
    """All weights after one epoch by this function, and what it returned."""
    model = copy.deepcopy(model)
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    _train(model, batches[:1], optimizer)  # the optimizer remembers something
    optimizer.zero_grad()
    outcome = contained(function, model.eval(), list(batches), optimizer, **options)
    return _state(model), outcome


def _explain_weights(function: Callable, student: Tensor, model: nn.Module, batches: Batches) -> Finding:
    """What can be said about weights that no known mistake explains."""
    named = [(name, t) for name, t in model.state_dict().items() if t.is_floating_point()]
    learned = torch.cat([torch.full((t.numel(),), "running" not in name) for name, t in named])
    if same(student[learned], _after(lambda *_: 0.0, model, batches)[0][learned]):
        seen = "No weight has changed after the epoch."
        return Finding("nothing_learned", seen, "In which order do zero_grad, backward and step follow each other?")
    if same(student[learned], _after(_train, model, batches)[0][learned]):
        seen = "Your weights are right, and BatchNorm's running statistics are not."
        return Finding("statistics_off", seen, "How often, in which mode, and with what is the network called?")
    if same(_after(function, model, batches[:2])[0], _after(_train, model, batches[:2])[0]):
        seen = "Your weights are right as long as all batches are full."
        return Finding("right_if_full", seen, "What do you do with a batch that has fewer images?")
    if same(_after(function, model, batches[:1])[0], _after(_train, model, batches[:1])[0]):
        seen = "After one batch your weights are right, and after the next one they are not."
        return Finding("right_once", seen, "What is carried over from batch to batch, and what should not be?")
    seen = "Already after one batch and one step your weights are not the right ones."
    return Finding("other", seen, "Take one batch and one step: which line changes what?")


def _rates(
    epochs: int, steps: int, per: str, *, advance="", first=False, more=0, times=1, some=slice(None), extra=0, whole=1
) -> tuple[list[float], int]:
    """Rates of all steps of the optimizer, and how often the schedule has been advanced at the end."""
    rates, advanced, advance = [], 0, advance or per
    times = steps if times == "steps" else times
    for _ in range(1 if more == "one" else epochs + more):
        advanced += times if first and advance == "epoch" else 0
        for _ in range(steps)[some]:
            advanced += times if first and advance in ("step", "both") else 0
            rates += [0.9**advanced] * whole
            advanced += times if not first and advance in ("step", "both") else 0
        rates += [0.9**advanced] * extra
        advanced += times if advance in ("epoch", "both") and not (first and advance == "epoch") else 0
    return rates, advanced if advance != "end" else times


GOES_ON = "Who tells the schedule to go on, and how often?"
LOOPS = "How many loops are there, one inside the other?"
# fmt: off
RATES = (
    mistake("schedule_per_batch", "Your rate falls with every batch.", "Is the schedule's unit a step or an epoch?",
            advance="step"),
    mistake("schedule_per_epoch", "Your rate falls once an epoch.", "Is the schedule's unit a step or an epoch?",
            advance="epoch"),
    mistake("schedule_never", "Your rate never changes.", GOES_ON, advance="never"),
    mistake("schedule_at_end", "Your rate never changes while you train.", GOES_ON, advance="end"),
    mistake("schedule_both", "Your rate falls with every batch, and once more with every epoch.", GOES_ON,
            advance="both"),
    mistake("schedule_before_optimizer", "Your first step does not have the schedule's first rate.",
            "Which of the two goes first: the optimizer's step, or the schedule's?", first=True),
    mistake("schedule_twice", "The schedule goes on by two at a time.", GOES_ON, times=2),
    mistake("schedule_behind_epoch", "The schedule goes on by a whole epoch's steps, after that epoch.",
            "Which steps of the epoch have a rate of their own?", advance="epoch", times="steps"),
    mistake("optimizer_for_schedule", "Behind each epoch the optimizer takes another step, and the schedule none.",
            GOES_ON, advance="never", extra=1),
    mistake("epoch_for_batch", "For every batch you train a whole epoch.",
            "What does train_epoch do with the batches that it gets?", whole=3),
    mistake("one_epoch_more", "You train for one epoch more.", LOOPS, more=1),
    mistake("one_epoch_less", "You train for one epoch less.", LOOPS, more=-1),
    mistake("one_epoch", "You train for one epoch, whatever their number.", LOOPS, more="one"),
    mistake("one_epoch", "You train for one epoch, and let the schedule run on.", LOOPS, more="one", times=4),
    mistake("first_batch_only", "Of each epoch you train on the first batch alone.", LOOPS, some=slice(1)),
    mistake("last_batch_dropped", "Of each epoch you leave out the last batch.", LOOPS, some=slice(-1)),
)
# fmt: on


def _explain_rates(rates: list[float], advanced: int, per: str, epochs: int, steps: int) -> Finding | None:
    def explains(**options: Any) -> bool:
        wanted, end = _rates(epochs, steps, per, **options)
        return same(to_tensor(rates or [0.0]), to_tensor(wanted or [0.0])) and end == advanced

    if explains():
        return None
    known = search(RATES, explains, most=2)
    if known:
        return known
    if len(rates) != epochs * steps:
        seen = f"The optimizer took {len(rates)} steps in {epochs} epochs of {steps} batches."
        return Finding("steps_off", seen, LOOPS)
    wanted, end = _rates(epochs, steps, per)
    if same(to_tensor(rates), to_tensor(wanted)):
        seen = f"All rates are right, but at the end the schedule was advanced {advanced} times and not {end}."
        return Finding("schedule_end", seen, "What happens after the last step?")
    shown = ", ".join(f"{rate:.3g}" for rate in rates[:7])
    seen = f"The rates of your first steps are {shown}."
    return Finding("other", seen, "Where in the two loops does the schedule step?")


Training = tuple[nn.Module, Optimizer, lr_scheduler.LRScheduler]


def _run(model: nn.Module) -> Training:
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    return model, optimizer, lr_scheduler.MultiStepLR(optimizer, [1, 2, 4], gamma=0.5)


def _adam_run(model: nn.Module) -> Training:
    optimizer = AdamW(model.parameters(), lr=0.01)
    return model, optimizer, lr_scheduler.OneCycleLR(optimizer, 0.02, total_steps=30)


def _epochs(run: Training, batches: Batches, n: int) -> None:
    model, optimizer, scheduler = run
    for _ in range(n):
        _train(model, batches, optimizer)
        scheduler.step()


def _write_and_read(
    save: Callable, load: Callable, path: Path, first: Training, second: Training, done: int
) -> tuple[Finding | None, Any]:
    written = contained(save, path, *first, done)
    if written.problem:
        return written.problem, None
    if not path.exists():
        return Finding(
            "nothing_saved", "No file stands at the path after save.", "What does save do with the path?"
        ), None
    alone = path.parent / "elsewhere" / "moved.pt"
    alone.parent.mkdir()
    shutil.copy(path, alone)
    loaded = contained(load, alone, *second)
    if loaded.problem and not contained(load, path, *second).problem:
        seen = "Your file alone is not enough: where it is copied to, load cannot read it."
        look = "Tomorrow, in another process: what of all that load needs is still there?"
        return Finding("more_than_the_file", seen, look, heart=True), None
    return loaded.problem, loaded.value


def _resumed(first: Training, fresh: nn.Module, batches: Batches, make: Callable, **lost: Any) -> Tensor:
    """What two more epochs end with if something was lost."""
    run = model, optimizer, scheduler = make(copy.deepcopy(fresh))
    weights, moments, place = copy.deepcopy([part.state_dict() for part in first])
    learned = {name for name, _ in model.named_parameters()}
    kept = {n: t for n, t in weights.items() if not lost.get("weights" if n in learned else "buffers")}
    short = lost.get("digits")
    kept = {n: t.to(short) if short and t.is_floating_point() else t for n, t in kept.items()}
    model.load_state_dict(kept, strict=False)
    if not lost.get("optimizer"):
        optimizer.load_state_dict(moments)
    if lost.get("rate"):
        optimizer.param_groups[0]["lr"] = 0.1
    if lost.get("momentum"):
        optimizer.state.clear()
    if not lost.get("schedule"):
        scheduler.load_state_dict(place)
    _epochs(run, batches, 2)
    return _state(model)


REMEMBERS = "What does an optimizer remember beside its rate?"
# fmt: off
FORGOTTEN = (
    mistake("resume_without_momentum", "The momentum starts at zero again.", REMEMBERS, momentum=True),
    mistake("resume_without_momentum", "Rate and momentum start afresh.", "What does an optimizer remember?",
            optimizer=True),
    mistake("resume_without_schedule", "The schedule starts at its beginning again.",
            "Who knows how many epochs have passed?", schedule=True),
    mistake("resume_without_optimizer_and_schedule", "Only the weights come back.", "What else moves on in training?",
            optimizer=True, schedule=True),
    mistake("resume_without_weights", "The weights are those of a fresh network.",
            "What becomes of the loaded state_dict?", weights=True, buffers=True),
    mistake("resume_without_statistics", "The running statistics of BatchNorm are lost.",
            "What is there beside parameters()?", buffers=True),
    mistake("resume_nothing", "Nothing comes back: network, optimizer and schedule are fresh ones.",
            "What becomes of what you load?", weights=True, buffers=True, optimizer=True, schedule=True),
    mistake("resume_without_parameters", "The weights are those of a fresh network, and only its statistics come back.",
            "What becomes of the loaded state_dict?", weights=True),
    *mistakes("saved_short", "Your weights come back with the digits of {}.", "In which dtype are they, and saved?",
              "digits", (torch.float32, torch.bfloat16, torch.float16)),
    mistake("resume_without_rate", "The rate starts afresh.", "Who changes the rate, and when?", rate=True),
)
# fmt: on


def _explain_resumed(
    first: Training, second: Training, fresh: nn.Module, batches: Batches, make: Callable
) -> Finding | None:
    wanted = _resumed(first, fresh, batches, make)
    outcome = contained(_epochs, second, batches, 2)
    if outcome.problem:
        return outcome.problem
    ended = _state(second[0])
    if same(ended, wanted):
        return None
    known = search(FORGOTTEN, lambda **lost: same(ended, _resumed(first, fresh, batches, make, **lost)))
    seen = "Two epochs later, the weights of the resumed run are not those of the other."
    return known or Finding("other", seen, "Which parts of a run change from step to step? Save each of them.")


def _explain_epoch(value: Any, done: int) -> Finding | None:
    if contained(float, value).value == done:
        return None
    seen = f"After {done} epochs, your load says that {str(value)[:20]} are done."
    return none_returned(value, "load") or Finding(
        "resume_epoch_off", seen, "Which epoch comes next, and who counts it?"
    )
