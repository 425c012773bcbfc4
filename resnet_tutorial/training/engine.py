"""The loop: one step, one epoch of training, one pass of evaluation. The book prints this file.

Nothing in an epoch waits for the device: what a step measures stays where the network is, and is read at the end.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import Optimizer, lr_scheduler, swa_utils

from .device import Device
from .distributed import all_sum
from .sums import Sums

Batches = Iterable[tuple[torch.Tensor, torch.Tensor]]


@dataclass
class Step:
    """One step of training: forward, backward, update. Call it with a batch that is on the device.

    Attributes:
        model, optimizer, device: what is trained, how, and where.
        scaler: keeps the small gradients of fp16 from vanishing; None for other precisions.
        label_smoothing: share of the target spread over all classes.
        class_weights: float32, a factor for the loss of each class's images; None for 1.
        clip_grad_norm: longest that the gradient of all parameters together may be; None for any length.
        accumulate: parts in which the batch goes through the network, one after the other, to save memory. Gradients
            are those of the whole batch, but BatchNorm sees the parts.
        fewest: images that a part has at least.
    """

    model: nn.Module
    optimizer: Optimizer
    device: Device
    scaler: torch.amp.GradScaler | None = None
    label_smoothing: float = 0.0
    class_weights: torch.Tensor | None = None
    clip_grad_norm: float | None = None
    accumulate: int = 1
    fewest: int = 1

    def __call__(self, images: torch.Tensor, labels: torch.Tensor, divisor: float) -> torch.Tensor:
        """Train on one batch; the gradient is that of the sum of its losses over ``divisor``.

        Returns:
            Sum of the losses, and number of correct answers, as one float32 tensor that nobody has waited for.
        """
        scaler = self.scaler or torch.amp.GradScaler(enabled=False)
        self.optimizer.zero_grad(set_to_none=True)
        parts = min(self.accumulate, int(divisor) // self.fewest)
        no_sync = getattr(self.model, "no_sync", contextlib.nullcontext)  # of several processes
        measured = torch.zeros(2, device=images.device)
        for i, (x, y) in enumerate(zip(images.tensor_split(parts), labels.tensor_split(parts), strict=True)):
            with no_sync() if i < parts - 1 else contextlib.nullcontext():  # they meet in the last part
                with self.device.autocast():
                    logits = self.model(x)
                    loss = F.cross_entropy(
                        logits, y, self.class_weights, reduction="sum", label_smoothing=self.label_smoothing
                    )
                scaler.scale(loss / divisor).backward()
            classes = y if y.ndim == 1 else y.argmax(dim=1)  # of mixed images, the larger share
            measured = measured + torch.stack((loss.detach(), (logits.detach().argmax(dim=1) == classes).sum())).float()
        if self.clip_grad_norm is not None:
            scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_grad_norm)
        scaler.step(self.optimizer)
        scaler.update()
        return measured


def train_mode(model: nn.Module) -> None:
    """Put a network into training mode, but for its frozen parts: their BatchNorms keep the statistics they have."""
    model.train()
    for module in model.modules():
        parameters = [*module.parameters()]
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()


def train_epoch(
    model: nn.Module,
    batches: Batches,
    optimizer: Optimizer,
    device: Device,
    *,
    scheduler: lr_scheduler.LRScheduler | None = None,
    ema: swa_utils.AveragedModel | None = None,
    step: Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor] | None = None,
    divisors: Sequence[float] | None = None,
    sums: Sums | None = None,
    stop: Callable[[], bool] = lambda: False,
    **options,
) -> dict[str, float]:
    """Train for one epoch, or for the rest of one.

    Args:
        model: network that maps N × 3 × H × W to logits.
        batches: images, and labels as class numbers (N) or as shares of the classes (N × classes).
        optimizer: takes one step per batch.
        device: where and how.
        scheduler: advanced after every step, if given.
        ema: moving average of the weights, updated after every step, if given.
        step: what to do with a batch; a `Step` made of model, optimizer, device and ``options``, if not given.
        divisors: for each batch, the number that the sum of its losses is divided by; its images, if not given.
        sums: receives what the steps measure; those of a broken-off epoch go on.
        stop: asked after every step whether to break off.
        **options: of `Step`, such as ``label_smoothing``.

    Returns:
        ``loss``: mean over the images, in nats. ``accuracy``: top-1, in percent, on the augmented images while the
        network changes. ``images_per_second``.
    """
    train_mode(model)
    step = step or Step(model, optimizer, device, **options)
    sums = sums or Sums()
    started = time.perf_counter()
    for i, (images, labels) in enumerate(batches):
        sums.rates.append(optimizer.param_groups[0]["lr"])
        sums.images.append(len(labels))
        sums.measured.append(step(*device.send(images, labels), divisors[i] if divisors else len(labels)))
        if scheduler is not None:
            scheduler.step()
        if ema is not None:
            ema.update_parameters(model)
        if stop():
            break
    loss, correct, seen = sums.table().sum(dim=0).tolist()  # waits for the device, once
    sums.seconds += time.perf_counter() - started
    return {"loss": loss / seen, "accuracy": 100 * correct / seen, "images_per_second": seen / sums.seconds}


@torch.inference_mode()
def validate(model: nn.Module, batches: Batches, device: Device) -> dict[str, float | torch.Tensor]:
    """Score a network on every image once. Several processes score each its share, and all get the whole result.

    Args:
        model: network that maps N × 3 × H × W to logits. Its training mode is restored afterwards.
        batches: images and labels, not augmented.
        device: where and how.

    Returns:
        ``loss``: mean, in nats. ``accuracy``: top-1, in percent. ``confusion``: int64, true class × predicted class.
    """
    was_training = model.training
    model.eval()
    losses, answers = [], []
    for images, labels in batches:
        images, labels = device.send(images, labels)
        with device.autocast():
            logits = model(images)
            losses.append(F.cross_entropy(logits, labels, reduction="sum"))
        answers.append(torch.stack((labels, logits.argmax(dim=1))))
    model.train(was_training)
    classes = logits.shape[1]
    true, predicted = torch.cat(answers, dim=1).cpu()
    pairs = torch.bincount(true * classes + predicted, minlength=classes**2).view(classes, classes)
    confusion, loss = all_sum(pairs), all_sum(torch.stack(losses).cpu().double().sum()).item()
    seen = confusion.sum().item()
    return {"loss": loss / seen, "accuracy": 100 * confusion.trace().item() / seen, "confusion": confusion}
