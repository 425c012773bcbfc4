"""Training and evaluation as learners write them."""

import copy
import math

import torch
import torch.nn.functional as F

from resnet_course import checks

from . import right, wrong


@right(checks.accuracy)
def accuracy(batches):
    hits = [logits.argmax(1) == labels for logits, labels in batches]
    return torch.cat(hits).float().mean().item() * 100


wrong(checks.accuracy, "tensor_returned")(lambda batches: torch.tensor(accuracy(batches)))


@right(checks.accuracy)
def counted(batches):
    right_ones = seen = 0
    for logits, labels in batches:
        right_ones += (logits.softmax(1).max(1).indices == labels).sum().item()
        seen += labels.size(0)
    return 100.0 * right_ones / seen


@wrong(checks.accuracy, "mean_of_batches")
def mean_of_batches(batches):
    return 100 * torch.stack([(z.argmax(1) == y).double().mean() for z, y in batches]).mean()


wrong(checks.accuracy, "fraction_for_percent")(lambda batches: counted(batches) / 100)
wrong(checks.accuracy, "error_for_accuracy")(lambda batches: 100 - counted(batches))
wrong(checks.accuracy, "count_for_percent")(lambda batches: sum((z.argmax(1) == y).sum() for z, y in batches))
wrong(checks.accuracy, "last_batch_only")(lambda batches: counted(batches[-1:]))
wrong(checks.accuracy, "last_batch_dropped")(lambda batches: counted(batches[:-1]))
wrong(checks.accuracy, "least_likely_class")(lambda batches: counted([(-z, y) for z, y in batches]))


@wrong(checks.accuracy, "divided_by_full_batches")
def full_batches(batches):
    return 100 * sum((z.argmax(1) == y).sum() for z, y in batches) / (len(batches) * len(batches[0][1]))


wrong(checks.accuracy, "fraction_for_percent+error_for_accuracy")(lambda batches: 1 - counted(batches) / 100)
wrong(checks.accuracy, "rounded")(lambda batches: round(counted(batches), 1))
wrong(checks.accuracy, "last_batch_only")(lambda batches: [counted([batch]) for batch in batches][-1])


@wrong(checks.accuracy, "crash")
def over_the_wrong_axis(batches):
    return counted([(z.T, y) for z, y in batches])


@right(checks.evaluate)
@torch.no_grad()
def evaluate(model, batches):
    mode = model.training
    model.eval()
    result = counted([(model(x), y) for x, y in batches])
    model.train(mode)
    return result


@right(checks.evaluate)
def evaluate_inference(model, batches):
    was = model.training
    try:
        model.train(False)
        with torch.inference_mode():
            pairs = [(y, model(x).argmax(-1)) for x, y in batches]
    finally:
        model.train(was)
    return sum(int((a == b).sum()) for a, b in pairs) / sum(len(a) for a, _ in pairs) * 100


@wrong(checks.evaluate, "eval_forgotten")
@torch.no_grad()
def eval_forgotten(model, batches):
    return counted([(model(x), y) for x, y in batches])


@wrong(checks.evaluate, "no_grad_forgotten")
def no_grad_forgotten(model, batches):
    mode = model.training
    model.eval()
    result = counted([(model(x), y) for x, y in batches])
    model.train(mode)
    return result


@wrong(checks.evaluate, "train_not_restored")
@torch.no_grad()
def train_not_restored(model, batches):
    model.eval()
    return counted([(model(x), y) for x, y in batches])


@wrong(checks.evaluate, "train_always")
@torch.no_grad()
def train_always(model, batches):
    model.eval()
    result = counted([(model(x), y) for x, y in batches])
    model.train()
    return result


@wrong(checks.evaluate, "mean_of_batches")
@torch.no_grad()
def evaluate_mean_of_batches(model, batches):
    mode = model.training
    model.eval()
    result = mean_of_batches([(model(x), y) for x, y in batches])
    model.train(mode)
    return result


@wrong(checks.evaluate, "evaluation_changes_model")
def evaluate_and_learn(model, batches):
    result = evaluate(model, batches)
    with torch.no_grad():
        next(model.parameters()).mul_(0.9)
    return result


@wrong(checks.evaluate, "grad_left_off")
def gradients_off_for_good(model, batches):
    torch.set_grad_enabled(False)
    return evaluate(model, batches)


@wrong(checks.evaluate, "gone_through_twice")
@torch.no_grad()
def counts_first(model, batches):
    images = sum(len(y) for _, y in batches)
    mode = model.training
    model.eval()
    hits = sum(int((model(x).argmax(1) == y).sum()) for x, y in batches)
    model.train(mode)
    return 100 * hits / images


wrong(checks.evaluate, "model_not_called")(lambda model, batches: 57.0)


def epoch(model, batches, optimizer, zero=True, loss=F.cross_entropy, train=True):
    if train:
        model.train()
    total = seen = 0
    for x, y in batches:
        if zero:
            optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        total, seen = total + value.item() * len(y), seen + len(y)
    return total / seen


right(checks.train_epoch)(epoch)


@right(checks.train_epoch)
def by_log_softmax(model, batches, optimizer):
    model.train(True)
    losses = []
    for inputs, targets in batches:
        likelihood = F.log_softmax(model(inputs), -1)[torch.arange(len(targets)), targets]
        model.zero_grad(set_to_none=False)
        likelihood.mean().neg().backward()
        optimizer.step()
        losses.append(-likelihood.detach())
    return torch.cat(losses).mean().item()


wrong(checks.train_epoch, "gradients_not_zeroed")(lambda *given: epoch(*given, zero=False))
wrong(checks.train_epoch, "softmax_twice")(lambda *a: epoch(*a, loss=lambda z, y: F.cross_entropy(z.softmax(1), y)))
wrong(checks.train_epoch, "log_softmax_missing")(lambda *given: epoch(*given, loss=F.nll_loss))
wrong(checks.train_epoch, "trained_in_evaluation_mode")(lambda *given: epoch(*given, train=False))
wrong(checks.train_epoch, "last_batch_dropped")(lambda m, b, o: epoch(m, b[:-1], o))
wrong(checks.train_epoch, "first_batch_only")(lambda m, b, o: epoch(m, b[:1], o))


def averaged_twice(logits, labels):
    return F.cross_entropy(logits, labels) / len(labels)


def smoothed(logits, labels):
    return F.cross_entropy(logits, labels, label_smoothing=0.1)


wrong(checks.train_epoch, "averaged_twice")(lambda *given: epoch(*given, loss=averaged_twice))
wrong(checks.train_epoch, "labels_smoothed")(lambda *given: epoch(*given, loss=smoothed))
wrong(checks.train_epoch, "gradients_not_zeroed+trained_in_evaluation_mode")(
    lambda *a: epoch(*a, zero=False, train=False)
)
wrong(checks.train_epoch, "two_epochs")(lambda m, b, o: epoch(m, [*b, *b], o))
wrong(checks.train_epoch, "other")(lambda *given: epoch(*given, loss=lambda z, y: F.cross_entropy(3 * z, y)))
wrong(checks.train_epoch, "nothing_learned")(lambda *given: 1.0)
wrong(checks.train_epoch, "shape")(lambda *given: [epoch(*given)])


@wrong(checks.train_epoch, "right_if_full")
def fixed_size(model, batches, optimizer):
    return epoch(model, batches, optimizer, loss=lambda z, y: F.cross_entropy(z, y, reduction="sum") / 6)


@wrong(checks.train_epoch, "own_optimizer")
def optimizer_of_its_own(model, batches, optimizer):
    return epoch(model, batches, torch.optim.SGD(model.parameters(), lr=0.1))


@wrong(checks.train_epoch, "clipped")
def clipped(model, batches, optimizer):
    hook = optimizer.register_step_pre_hook(lambda *_: torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0) and None)
    loss = epoch(model, batches, optimizer)
    hook.remove()
    return loss


@wrong(checks.train_epoch, "two_steps")
def two_steps(model, batches, optimizer):
    hook = optimizer.register_step_post_hook(
        lambda opt, *_: twice.append(1) or (opt.step() if len(twice) % 2 else None)
    )
    twice = []
    loss = epoch(model, batches, optimizer)
    hook.remove()
    return loss


@wrong(checks.train_epoch, "looked_at_twice")
def looks_twice(model, batches, optimizer):
    def look_again(module, given, _):
        module.layers(given[0])

    hook = model.register_forward_hook(look_again)
    loss = epoch(model, batches, optimizer)
    hook.remove()
    return loss


@wrong(checks.train_epoch, "right_once")
def decaying(model, batches, optimizer):
    """The rate falls from batch to batch."""
    model.train()
    total = 0
    for x, y in batches:
        total += epoch(model, [(x, y)], optimizer) * len(y)
        optimizer.param_groups[0]["lr"] *= 0.9
    return total / 14


@wrong(checks.train_epoch, "sum_for_mean")
def summed(model, batches, optimizer):
    return epoch(model, batches, optimizer, loss=torch.nn.CrossEntropyLoss(reduction="sum"))


@wrong(checks.train_epoch, "one_step_for_epoch")
def one_step(model, batches, optimizer):
    model.train()
    total = 0
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        total += loss.item() * len(y)
    optimizer.step()
    return total / sum(len(y) for _, y in batches)


@wrong(checks.train_epoch, "zeroed_before_step")
def zeroed_too_late(model, batches, optimizer):
    model.train()
    total = 0
    for x, y in batches:
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.zero_grad()
        optimizer.step()
        total += loss.item() * len(y)
    return total / sum(len(y) for _, y in batches)


def epoch_losses(model, batches, optimizer):
    return [epoch(model, [batch], optimizer) for batch in batches]


wrong(checks.train_epoch, "loss_of_batches")(lambda *given: sum(epoch_losses(*given)) / len(given[1]))
wrong(checks.train_epoch, "loss_of_last_batch")(lambda *given: epoch_losses(*given)[-1])
wrong(checks.train_epoch, "loss_summed")(lambda *given: sum(epoch_losses(*given)))


def fit(model, batches, optimizer, scheduler, epochs, every_step=False, every_epoch=True):
    for _ in range(epochs):
        for batch in batches:
            epoch(model, [batch], optimizer)
            if every_step:
                scheduler.step()
        if every_epoch:
            scheduler.step()


def fit_by_step(*given):
    fit(*given, every_step=True, every_epoch=False)


right(checks.schedule)(fit)
right(checks.schedule, per="step")(fit_by_step)
wrong(checks.schedule, "schedule_per_batch")(fit_by_step)
wrong(checks.schedule, "schedule_per_epoch", per="step")(fit)
wrong(checks.schedule, "schedule_never")(lambda *given: fit(*given, every_epoch=False))
wrong(checks.schedule, "schedule_both")(lambda *given: fit(*given, every_step=True))
wrong(checks.schedule, "first_batch_only")(lambda m, b, o, s, n: fit(m, b[:1], o, s, n))


@wrong(checks.schedule, "schedule_before_optimizer")
def schedule_first(model, batches, optimizer, scheduler, epochs):
    for _ in range(epochs):
        scheduler.step()
        epoch(model, batches, optimizer)


rates = (
    ("whole_wave", lambda t, n, peak: peak / 2 * (1 + math.cos(2 * math.pi * t / n))),
    ("below_zero", lambda t, n, peak: peak * math.cos(math.pi * t / n)),
    ("quarter_wave", lambda t, n, peak: peak * math.cos(math.pi / 2 * t / n)),
    ("degrees", lambda t, n, peak: peak / 2 * (1 + math.cos(180 * t / n))),
    ("one_step_ahead", lambda t, n, peak: peak / 2 * (1 + math.cos(math.pi * (t + 1) / n))),
    ("bracket_around_pi", lambda t, n, peak: peak / 2 * (1 + math.cos(math.pi) * t / n)),
    ("final_rate", lambda t, n, peak: 0.01 * peak + 0.99 * peak / 2 * (1 + math.cos(math.pi * t / n))),
    ("twice_the_peak+one_step_behind", lambda t, n, peak: peak * (1 + math.cos(math.pi * (t - 1) / n))),
    ("half_way", lambda t, n, peak: peak / 2 * (1 + math.cos(math.pi * t / n / 2))),
    ("constant", lambda t, n, peak: 0.1),
    ("factor", lambda t, n, peak: 1.7 * peak / 2 * (1 + math.cos(math.pi * t / n))),
    ("straight_line", lambda t, n, peak: peak * (n - t) / n),
    ("twice_the_peak", lambda t, n, peak: peak * (1 + math.cos(math.pi * t / n))),
    ("climbs", lambda t, n, peak: peak / 2 * (1 - math.cos(math.pi * t / n))),
)
for key, answer in rates:
    wrong(checks.cosine, key)(answer)


@right(checks.cosine)
def squared_cosine(t, n, peak):
    return peak * math.cos(math.pi * t / n / 2) ** 2


def save(path, model, optimizer, scheduler, done, leave_out=()):
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    state = {name: part.state_dict() for name, part in parts.items() if name not in leave_out}
    torch.save({**state, "done": done}, path)


def load(path, model, optimizer, scheduler):
    state = torch.load(path)
    for name, part in (("model", model), ("optimizer", optimizer), ("scheduler", scheduler)):
        if name in state:
            part.load_state_dict(state[name])
    return state["done"]


right(checks.resume)(save, load)


def without(*names):
    return lambda *given: save(*given, leave_out=names)


wrong(checks.resume, "resume_without_momentum")(without("optimizer"), load)
wrong(checks.resume, "resume_without_schedule")(without("scheduler"), load)
wrong(checks.resume, "resume_without_optimizer_and_schedule")(without("optimizer", "scheduler"), load)
wrong(checks.resume, "resume_without_weights")(without("model"), load)
wrong(checks.resume, "resume_epoch_off")(save, lambda *given: load(*given) - 1)


def save_parameters(path, model, optimizer, scheduler, done):
    torch.save([list(model.parameters()), optimizer.state_dict(), scheduler.state_dict(), done], path)


def load_parameters(path, model, optimizer, scheduler):
    parameters, *states, done = torch.load(path, weights_only=False)
    with torch.no_grad():
        for mine, saved in zip(model.parameters(), parameters, strict=True):
            mine.copy_(saved)
    optimizer.load_state_dict(states[0])
    scheduler.load_state_dict(states[1])
    return done


wrong(checks.resume, "resume_without_statistics")(save_parameters, load_parameters)


def save_rate(path, model, optimizer, scheduler, done):
    """The rate is kept, the momentum is not."""
    state = optimizer.state_dict()
    torch.save([model.state_dict(), {**state, "state": {}}, scheduler.state_dict(), done], path)


def load_rate(path, *parts):
    *states, done = torch.load(path)
    for part, state in zip(parts, states, strict=True):
        part.load_state_dict(state)
    return done


wrong(checks.resume, "resume_without_momentum")(save_rate, load_rate)
wrong(checks.resume, "save_changes_run")(
    lambda path, model, *rest: (save(path, model, *rest), model.layers[0].reset_parameters()), load
)


def save_for_sgd(path, model, optimizer, scheduler, done):
    """Only what SGD keeps."""
    moments = [optimizer.state[p].get("momentum_buffer") for p in model.parameters()]
    rate = optimizer.param_groups[0]["lr"]
    torch.save([model.state_dict(), moments, rate, scheduler.state_dict(), done], path)


def load_for_sgd(path, model, optimizer, scheduler):
    weights, moments, rate, place, done = torch.load(path)
    model.load_state_dict(weights)
    for parameter, moment in zip(model.parameters(), moments, strict=True):
        optimizer.state[parameter]["momentum_buffer"] = moment
    optimizer.param_groups[0]["lr"] = rate
    scheduler.load_state_dict(place)
    return done


wrong(checks.resume, "resume_other_optimizer")(save_for_sgd, load_for_sgd)
wrong(checks.resume, "nothing_saved")(lambda *given: None, load)
wrong(checks.resume, "crash")(save, lambda path, *parts: torch.load(path)["epoch"])


@right(checks.precision)
def precision(device, bf16):
    if bf16:
        return torch.bfloat16, False
    return (torch.float16, True) if device == "cuda" else (torch.float32, False)


def changed(case, answer):
    return lambda *given: answer if given == case else precision(*given)


wrong(checks.precision, "scaler_missing")(changed(("cuda", False), (torch.float16, False)))
wrong(checks.precision, "scaler_not_needed")(lambda *given: (precision(*given)[0], True))
wrong(checks.precision, "bfloat16_emulated")(lambda *given: (torch.bfloat16, False))
wrong(checks.precision, "float16_not_needed")(changed(("cpu", True), (torch.float16, True)))
wrong(checks.precision, "short_format_left_out")(lambda *given: (torch.float32, False))
wrong(checks.precision, "no_dtype")(lambda *given: ("bf16", False))


@wrong(checks.evaluate, "gradients_cleared")
def forgets_gradients(model, batches):
    model.zero_grad()
    return evaluate(model, batches)


@wrong(checks.evaluate, "argument_changed")
@torch.no_grad()
def writes_into_inputs(model, batches):
    return evaluate(model, [(x.mul_(1.0001), y) for x, y in batches])


@right(checks.evaluate)
def scores_a_copy(model, batches):
    return evaluate(copy.deepcopy(model), batches)


@wrong(checks.schedule, "gradients_not_zeroed", per="step")
def fit_without_zeroing(model, batches, optimizer, scheduler, epochs):
    model.train()
    for _ in range(epochs):
        for x, y in batches:
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
            scheduler.step()


@wrong(checks.schedule, "own_schedule")
def another_schedule(model, batches, optimizer, scheduler, epochs):
    return fit(model, batches, optimizer, torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5), epochs)


@wrong(checks.evaluate, "frozen")
def frozen_for_good(model, batches):
    mode = model.training
    model.eval().requires_grad_(False)
    result = counted([(model(x), y) for x, y in batches])
    model.train(mode)
    return result


@wrong(checks.evaluate, "eval_forgotten")
@torch.no_grad()
def outermost_flag_alone(model, batches):
    mode, model.training = model.training, False
    result = counted([(model(x), y) for x, y in batches])
    model.training = mode
    return result
