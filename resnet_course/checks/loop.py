"""Checks of training and evaluation: accuracy, evaluation, one epoch, schedule, resuming."""

import copy
import itertools
import math
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD, Optimizer, lr_scheduler

from . import compare
from .compare import Wrong
from .contain import contained
from .report import Finding, Result, grade

Batches = Sequence[tuple[Tensor, Tensor]]
SIZES = (6, 6, 2)  # the last batch is smaller
CLASSES = 3


def _right_answers(batches: Batches) -> list[Tensor]:
    return [(logits.argmax(dim=1) == labels).double() for logits, labels in batches]


def _accuracy(batches: Batches) -> float:
    return 100 * torch.cat(_right_answers(batches)).mean().item()


def _mean_of_batches(batches: Batches) -> float:
    return 100 * sum(hits.mean().item() for hits in _right_answers(batches)) / len(batches)


ACCURACY_MISTAKES = (
    Wrong(
        "mean_of_batches",
        _mean_of_batches,
        "You average over batches, so an image of the small last batch counts more than others.",
        "What should be added up, and what is it divided by at the end?",
    ),
    Wrong(
        "fraction_for_percent",
        lambda batches: _accuracy(batches) / 100,
        "Your accuracy lies between 0 and 1.",
        "In which unit does the task want it?",
    ),
    Wrong(
        "error_for_accuracy",
        lambda batches: 100 - _accuracy(batches),
        "You count the wrong answers.",
        "What does the comparison count?",
    ),
    Wrong(
        "count_for_percent",
        lambda batches: torch.cat(_right_answers(batches)).sum(),
        "You give the number of right answers.",
        "Divided by what?",
    ),
    Wrong(
        "last_batch_only",
        lambda batches: _accuracy(batches[-1:]),
        "Your accuracy is that of the last batch.",
        "Which variable is set anew in every turn of the loop?",
    ),
    Wrong(
        "last_batch_dropped",
        lambda batches: _accuracy(batches[:-1]),
        "The last batch is missing.",
        "How many images are there, and how many did you count?",
    ),
    Wrong(
        "least_likely_class",
        lambda batches: _accuracy([(-logits, labels) for logits, labels in batches]),
        "You take the class with the smallest logit.",
        "Which class does a network vote for?",
    ),
    Wrong(
        "divided_by_full_batches",
        lambda batches: 100 * torch.cat(_right_answers(batches)).sum() / (len(batches) * len(batches[0][1])),
        "You divide as if every batch were full.",
        "How many images has the last one?",
    ),
)


class Probe(nn.Module):
    """A small network with BatchNorm that remembers in which state it was called."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, CLASSES))
        self.modes: list[tuple[bool, bool]] = []

    def forward(self, x: Tensor) -> Tensor:
        """Map N × 5 to logits."""
        self.modes.append((self.training, torch.is_grad_enabled()))
        return self.layers(x)


def _train(
    model: nn.Module,
    batches: Batches,
    optimizer: Optimizer,
    *,
    zero: bool = True,
    loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
    training: bool = True,
    step_first: bool = False,
    every: bool = True,
) -> float:
    """One epoch; the options put a mistake into it."""
    model.train(training)
    total = 0.0
    for i, (x, y) in enumerate(batches):
        if zero:
            optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        if every or i == len(batches) - 1:
            optimizer.step()
        total += value.item() * len(y)
    return total / sum(len(y) for _, y in batches)


def _softmax_twice(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits.softmax(dim=1), labels)


def _likelihood(logits: Tensor, labels: Tensor) -> Tensor:
    return F.nll_loss(logits, labels)


def _summed(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits, labels, reduction="sum")


def _without_last(model: nn.Module, batches: Batches, optimizer: Optimizer) -> float:
    return _train(model, batches[:-1], optimizer)


def _first_only(model: nn.Module, batches: Batches, optimizer: Optimizer) -> float:
    return _train(model, batches[:1], optimizer)


TRAINING_MISTAKES = (
    Wrong(
        "gradients_not_zeroed",
        partial(_train, zero=False),
        "Each step also takes the gradients of the steps before.",
        "What does backward do with gradients that are already there?",
    ),
    Wrong(
        "softmax_twice",
        partial(_train, loss=_softmax_twice),
        "Your loss sees a softmax twice, so its gradients are far too small.",
        "What does cross_entropy expect: logits, or probabilities?",
    ),
    Wrong(
        "log_softmax_missing",
        partial(_train, loss=_likelihood),
        "Your loss takes the logits as if they were logarithms of probabilities.",
        "What does nll_loss expect?",
    ),
    Wrong(
        "sum_for_mean",
        partial(_train, loss=_summed),
        "Your gradients grow with the batch.",
        "Is the loss of a batch the sum or the mean over its images?",
    ),
    Wrong(
        "trained_in_evaluation_mode",
        partial(_train, training=False),
        "Your network was trained in evaluation mode, in which it was handed to you.",
        "Which mode lets BatchNorm learn its statistics?",
    ),
    Wrong(
        "one_step_for_epoch",
        partial(_train, every=False),
        "The weights change once in the whole epoch.",
        "Does the step stand inside the loop?",
    ),
    Wrong(
        "last_batch_dropped",
        _without_last,
        "The last batch is not trained on.",
        "How many batches are there, and how many steps did you take?",
    ),
    Wrong(
        "first_batch_only",
        _first_only,
        "Only the first batch is trained on.",
        "Where does return stand: inside the loop, or behind it?",
    ),
)


def accuracy(function: Callable[[Batches], float], *, points: float = 3) -> Result:
    """Check top-1 accuracy over batches of unequal size.

    Args:
        function: the learner's function of a list of (logits N × classes, labels N); it returns percent.
        points: points of a right answer.
    """
    with compare.seeded():
        cases = [
            ([_scored(n, share) for n, share in sizes],)
            for sizes in (((8, 0.8), (8, 0.5), (2, 0.0)), ((5, 0.5), (3, 1)))
        ]
    return grade("Accuracy", points, compare.compare_values(function, cases, _accuracy, ACCURACY_MISTAKES))


def evaluate(function: Callable[[nn.Module, Batches], float], *, points: float = 5) -> Result:
    """Check an evaluation: the figure, the network's mode in it and behind it, and no gradients.

    Args:
        function: the learner's function of a network and batches (inputs, labels); it returns accuracy in percent.
        points: points of a right answer.
    """
    with compare.seeded():
        batches = _make_batches()
        model = Probe().double()
        _train(model, batches, SGD(model.parameters(), lr=0.1))
    runs = [_evaluated(function, copy.deepcopy(model), batches, training) for training in (True, False)]
    return grade("Evaluation", points, [step for run in runs for step in run])


def train_epoch(function: Callable[[nn.Module, Batches, Optimizer], float], *, points: float = 5) -> Result:
    """Check one epoch of training with cross-entropy.

    Args:
        function: the learner's function of a network, batches (inputs, labels) and an optimizer; it returns the mean
            loss over the images, in nats.
        points: points of a right answer.
    """
    with compare.seeded():
        batches, model = _make_batches(), Probe().double()
    before = _state(model)
    student, outcome = _after(function, model, batches)
    if outcome.problem:
        return grade("One epoch", points, [outcome.problem])
    right, right_outcome = _after(_train, model, batches)
    weights = None if compare.same(student, right) else _explain_training(student, before, model, batches)
    return grade("One epoch", points, [weights, _explain_loss(outcome.value, right_outcome.value, model, batches)])


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
    epochs = 3
    with compare.seeded():
        batches, model = _make_batches(), Probe().double()
    optimizer = SGD(model.parameters(), lr=1.0)
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.9)
    rates = []
    optimizer.register_step_pre_hook(lambda opt, *_: rates.append(opt.param_groups[0]["lr"]))
    outcome = contained(function, model, batches, optimizer, scheduler, epochs)
    finding = outcome.problem or _explain_rates(rates, per, epochs, len(batches))
    return grade(f"Schedule, advanced every {per}", points, [finding])


def cosine(function: Callable[[int, int, float], float], *, points: float = 2) -> Result:
    """Check a cosine schedule without restarts, from its peak to 0 (Loshchilov and Hutter 2017, equation 5).

    Args:
        function: the learner's function of the step (from 0), the number of steps, and the highest rate.
        points: points of a right answer.
    """
    cases = [(0, 10, 0.1), (3, 10, 0.1), (5, 10, 0.4), (10, 10, 0.1), (7, 8, 1.0)]
    return grade("Cosine schedule", points, compare.compare_values(function, cases, _cosine, COSINE_MISTAKES))


def resume(save: Callable[..., Any], load: Callable[..., int], *, points: float = 5) -> Result:
    """Check that a run which is saved and resumed ends as one that was never stopped.

    Args:
        save: the learner's function of a path, a network, an optimizer, a schedule, and the number of epochs done.
        load: the learner's function of a path, and of a fresh network, optimizer and schedule, which it fills; it
            returns the number of epochs done.
        points: points of a right answer.
    """
    with compare.seeded():
        batches, model = _make_batches(), Probe().double()
        fresh = Probe().double()
    first = _run(model)
    _epochs(first, batches, 2)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.pt"
        second = _run(copy.deepcopy(fresh))
        loaded = contained(save, path, *first, 2)
        if not loaded.problem and not path.exists():
            finding = Finding(
                "nothing_saved", "No file stands at the path after save.", "What does save do with the path?"
            )
            return grade("Resume", points, [finding])
        if not loaded.problem:
            loaded = contained(load, path, *second)
    if loaded.problem:
        return grade("Resume", points, [loaded.problem])
    steps = [_explain_resumed(first, second, fresh, batches), _explain_epoch(loaded.value)]
    return grade("Resume", points, steps)


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
    if not (isinstance(answer, tuple | list) and len(answer) == 2 and isinstance(answer[0], torch.dtype)):
        seen = f"{where} you return no dtype of torch with True or False."
        return compare.none_returned(answer) or Finding("no_dtype", seen, "Which two things does the task want?")
    dtype, scaled = answer[0], bool(answer[1])
    if (dtype, scaled) == PRECISIONS[device, bf16]:
        return None
    if dtype is torch.float16 and not scaled:
        seen = f"{where} you take float16 and do not scale the gradients."
        return Finding("scaler_missing", seen, "What is 1e-8 in float16? Try torch.tensor(1e-8).half().")
    if dtype is not torch.float16 and scaled:
        seen = f"{where} you take {dtype} and scale the gradients."
        return Finding("scaler_not_needed", seen, "Which numbers would be lost otherwise? Print torch.finfo(…).tiny.")
    if dtype is torch.bfloat16:
        seen = f"{where} you take bfloat16."
        return Finding("bfloat16_emulated", seen, "What must the hardware do with a format that it does not have?")
    if dtype is torch.float16:
        seen = f"{where} you take float16."
        look = "Is it quicker there? And which of the two short formats has the range of float32?"
        return Finding("float16_not_needed", seen, look)
    seen = f"{where} you take {dtype}."
    return Finding("short_format_left_out", seen, "Which format of 16 bits does this hardware compute with quickly?")


def _cosine(step: int, steps: int, peak: float) -> float:
    return peak * (1 + math.cos(math.pi * step / steps)) / 2


COSINE_MISTAKES = (
    Wrong(
        "whole_wave",
        lambda step, steps, peak: peak * (1 + math.cos(2 * math.pi * step / steps)) / 2,
        "Your rate climbs back to its start in the second half.",
        "How much of a wave of the cosine goes down?",
    ),
    Wrong(
        "below_zero",
        lambda step, steps, peak: peak * math.cos(math.pi * step / steps),
        "Your rate becomes negative.",
        "Between which numbers does the cosine run, and between which should the rate?",
    ),
    Wrong(
        "quarter_wave",
        lambda step, steps, peak: peak * math.cos(math.pi * step / steps / 2),
        "Your rate falls steeply at the end.",
        "How flat should the curve be at its end?",
    ),
    Wrong(
        "degrees",
        lambda step, steps, peak: peak * (1 + math.cos(180 * step / steps)) / 2,
        "Your rate jumps up and down.",
        "Does math.cos take degrees?",
    ),
    Wrong(
        "straight_line",
        lambda step, steps, peak: peak * (1 - step / steps),
        "Your rate falls by the same amount in every step.",
        "Where is the cosine?",
    ),
    Wrong(
        "twice_the_peak",
        lambda step, steps, peak: peak * (1 + math.cos(math.pi * step / steps)),
        "Your rate starts at twice its peak.",
        "What is 1 + cos(0)?",
    ),
    Wrong(
        "climbs",
        lambda step, steps, peak: peak * (1 - math.cos(math.pi * step / steps)) / 2,
        "Your rate climbs from 0 to its peak.",
        "Where does the schedule start?",
    ),
)


def _scored(n: int, share: float) -> tuple[Tensor, Tensor]:
    labels = torch.randint(0, 4, (n,))
    answers = torch.where(torch.arange(n) < share * n, labels, (labels + 1) % 4)
    return torch.randn(n, 4, dtype=torch.float64).sigmoid() + 2 * F.one_hot(answers, 4), labels


def _make_batches() -> Batches:
    return [(2 * torch.randn(n, 5, dtype=torch.float64) + 1, torch.randint(0, CLASSES, (n,))) for n in SIZES]


def _state(model: nn.Module) -> Tensor:
    """All weights and running statistics, in a row."""
    return torch.cat([t.detach().flatten() for t in model.state_dict().values() if t.is_floating_point()])


def _answers(model: nn.Module, batches: Batches, training: bool) -> Batches:
    model = copy.deepcopy(model).train(training)
    with torch.no_grad():
        return [(model(x), y) for x, y in batches]


def _evaluated(
    function: Callable, model: Probe, batches: Batches, training: bool
) -> tuple[Finding | None, Finding | None]:
    """What is wrong with the figure, and with the state in which the network was evaluated and left."""
    model.train(training)
    before, wanted = _state(model), _answers(model, batches, False)
    model.modes.clear()
    outcome = contained(function, model, batches)
    problem = outcome.problem or compare.none_returned(outcome.value)
    if problem:
        return problem, problem
    state = _explain_mode(model, training, unchanged=compare.same(before, _state(model)))
    cases = [(wanted,)]
    (figure,) = compare.compare_values(lambda _: outcome.value, cases, _accuracy, ACCURACY_MISTAKES)
    # A figure in the wrong mode is explained by the mode.
    in_training = any(mode for mode, _ in model.modes)
    return (state if figure and in_training else figure), state


def _explain_mode(model: Probe, training: bool, unchanged: bool) -> Finding | None:
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


def _after(function: Callable, model: nn.Module, batches: Batches) -> tuple[Tensor, Any]:
    """All weights after one epoch by this function, and what it returned."""
    model = copy.deepcopy(model).eval()
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    outcome = contained(function, model, batches, optimizer)
    return _state(model), outcome


def _explain_training(student: Tensor, before: Tensor, model: nn.Module, batches: Batches) -> Finding:
    for wrong in TRAINING_MISTAKES:
        if compare.same(student, _after(wrong.answer, model, batches)[0]):
            return wrong.finding
    learned = torch.cat(
        [
            torch.full((t.numel(),), "running" not in name)
            for name, t in model.state_dict().items()
            if t.is_floating_point()
        ]
    )
    if compare.same(student[learned], before[learned]):
        seen = "No weight has changed after the epoch."
        return Finding("nothing_learned", seen, "In which order do zero_grad, backward and step follow each other?")
    gap = (student - _after(_train, model, batches)[0]).abs().max()
    seen = f"Your weights end up to {gap:.3g} away from the right ones."
    return Finding("other", seen, "Take one batch and one step: which line changes what?")


def _explain_loss(value: Any, wanted: float, model: nn.Module, batches: Batches) -> Finding | None:
    problem = compare.none_returned(value)
    if problem:
        return problem
    losses = _losses(model, batches)
    mistakes = (
        Wrong(
            "loss_of_batches",
            lambda: sum(losses) / len(losses),
            "You average the loss over batches, so an image of the small last batch counts more.",
            "What should be added up, and what is it divided by at the end?",
        ),
        Wrong(
            "loss_of_last_batch", lambda: losses[-1], "You return the loss of the last batch.", "Where do you add up?"
        ),
        Wrong("loss_summed", lambda: sum(losses), "You return a sum over batches.", "What is missing after the sum?"),
    )
    return compare.compare_values(lambda: value, [()], lambda: wanted, mistakes)[0]


def _losses(model: nn.Module, batches: Batches) -> list[float]:
    model, losses = copy.deepcopy(model), []
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    for batch in batches:
        losses.append(_train(model, [batch], optimizer))
    return losses


def _explain_rates(rates: list[float], per: str, epochs: int, steps: int) -> Finding | None:
    def rates_of(advanced: Callable[[int, int], int]) -> Tensor:
        turns = itertools.product(range(epochs), range(steps))
        return torch.tensor([0.9 ** advanced(epoch, i) for epoch, i in turns], dtype=torch.float64)

    by_epoch, by_step = rates_of(lambda e, i: e), rates_of(lambda e, i: e * steps + i)
    taken = torch.tensor(rates, dtype=torch.float64)
    mistakes = (
        (
            "schedule_per_batch",
            by_step,
            "Your rate falls with every batch.",
            "Is the schedule's unit a step or an epoch?",
        ),
        (
            "schedule_per_epoch",
            by_epoch,
            "Your rate falls once an epoch.",
            "Is the schedule's unit a step or an epoch?",
        ),
        ("schedule_never", rates_of(lambda e, i: 0), "Your rate never changes.", "Who tells the schedule to go on?"),
        (
            "schedule_before_optimizer",
            rates_of(lambda e, i: e * steps + i + 1 if per == "step" else e + 1),
            "Your first step does not have the schedule's first rate.",
            "Which of the two goes first: the optimizer's step, or the schedule's?",
        ),
    )
    if compare.same(taken, by_epoch if per == "epoch" else by_step):
        return None
    for key, wrong, seen, look in mistakes:
        if compare.same(taken, wrong):
            return Finding(key, seen, look)
    if len(taken) != epochs * steps:
        seen = f"The optimizer took {len(taken)} steps in {epochs} epochs of {steps} batches."
        return Finding("steps_off", seen, "How many loops are there, one inside the other?")
    shown = ", ".join(f"{rate:.3g}" for rate in rates[:7])
    return Finding(
        "other", f"The rates of your first steps are {shown}.", "Where in the two loops does the schedule step?"
    )


Training = tuple[nn.Module, Optimizer, lr_scheduler.LRScheduler]


def _run(model: nn.Module) -> Training:
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    return model, optimizer, lr_scheduler.MultiStepLR(optimizer, [1, 2, 4], gamma=0.5)


def _epochs(run: Training, batches: Batches, n: int) -> None:
    model, optimizer, scheduler = run
    for _ in range(n):
        _train(model, batches, optimizer)
        scheduler.step()


def _resumed(first: Training, fresh: nn.Module, batches: Batches, forget: Sequence[str]) -> Tensor:
    """What two more epochs end with if something was forgotten."""
    run = model, optimizer, scheduler = _run(copy.deepcopy(fresh))
    weights, moments, place = copy.deepcopy([part.state_dict() for part in first])
    if "weights" not in forget:
        kept = {n: t for n, t in weights.items() if "buffers" not in forget or "running" not in n}
        model.load_state_dict(kept, strict=False)
    if "optimizer" not in forget:
        optimizer.load_state_dict(moments)
    if "momentum" in forget:
        optimizer.state.clear()
    if "schedule" not in forget:
        scheduler.load_state_dict(place)
    _epochs(run, batches, 2)
    return _state(model)


FORGOTTEN = (
    (
        ("momentum",),
        "momentum",
        "The momentum starts at zero again.",
        "What does an optimizer remember beside its rate?",
    ),
    (("optimizer",), "momentum", "Rate and momentum start afresh.", "What does an optimizer remember?"),
    (
        ("schedule",),
        "schedule",
        "The schedule starts at its beginning again.",
        "Who knows how many epochs have passed?",
    ),
    (
        ("optimizer", "schedule"),
        "optimizer_and_schedule",
        "Only the weights come back.",
        "What else moves on in training?",
    ),
    (("weights",), "weights", "The weights are those of a fresh network.", "What becomes of the loaded state_dict?"),
    (("buffers",), "statistics", "The running statistics of BatchNorm are lost.", "What is there beside parameters()?"),
)


def _explain_resumed(first: Training, second: Training, fresh: nn.Module, batches: Batches) -> Finding | None:
    wanted = _resumed(first, fresh, batches, ())
    outcome = contained(_epochs, second, batches, 2)
    if outcome.problem:
        return outcome.problem
    ended = _state(second[0])
    if compare.same(ended, wanted):
        return None
    for forget, name, seen, look in FORGOTTEN:
        if compare.same(ended, _resumed(first, fresh, batches, forget)):
            return Finding(f"resume_without_{name}", seen, look)
    seen = f"Two epochs later, the resumed run is up to {(ended - wanted).abs().max():.3g} away from the other."
    return Finding("other", seen, "Which parts of a run change from step to step? Save each of them.")


def _explain_epoch(value: Any) -> Finding | None:
    if contained(float, value).value == 2:
        return None
    seen = f"After 2 epochs, your load says that {str(value)[:20]} are done."
    return compare.none_returned(value) or Finding(
        "resume_epoch_off", seen, "Which epoch comes next, and who counts it?"
    )
