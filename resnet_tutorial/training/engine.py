"""The loop: one epoch of training, one pass of evaluation. The book prints this file.

Nothing in an epoch waits for the device: sums stay where the network is and are read once, at the end.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass(frozen=True)
class Device:
    """Where and how the arithmetic is done.

    Attributes:
        device: ``cpu``, ``cuda`` or ``mps``.
        precision: ``fp32``, ``bf16`` or ``fp16``; the two short ones by autocast, with float32 weights.
        channels_last: keep images as N × H × W × C in memory, which convolutions on most hardware prefer.
    """

    device: torch.device
    precision: str = "fp32"
    channels_last: bool = True

    def autocast(self) -> torch.autocast:
        """A context in which convolutions and matrix products run in the chosen precision."""
        dtype = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[self.precision]
        return torch.autocast(self.device.type, dtype=dtype, enabled=dtype is not None)

    def place(self, model: nn.Module) -> nn.Module:
        """Move the model there, in the chosen memory format."""
        memory_format = torch.channels_last if self.channels_last else torch.contiguous_format
        return model.to(self.device, memory_format=memory_format)

    def send(self, images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Move a batch there; from page-locked memory the copy overlaps with computation."""
        memory_format = torch.channels_last if self.channels_last else torch.contiguous_format
        images = images.to(self.device, non_blocking=True).contiguous(memory_format=memory_format)
        return images, labels.to(self.device, non_blocking=True)


def train_epoch(
    model: nn.Module,
    batches: Iterable[tuple[torch.Tensor, torch.Tensor]],
    optimizer: torch.optim.Optimizer,
    device: Device,
    *,
    scheduler: torch.optim.lr_scheduler.LRScheduler | None = None,
    scaler: torch.amp.GradScaler | None = None,
    label_smoothing: float = 0.0,
) -> dict[str, float]:
    """Train for one epoch.

    Args:
        model: network that maps N × 3 × H × W to logits.
        batches: images, and labels as class numbers (N) or as shares of the classes (N × classes).
        optimizer: takes one step per batch.
        device: where and how.
        scheduler: advanced after every step, if given.
        scaler: keeps the small gradients of fp16 from vanishing.
        label_smoothing: share of the target spread over all classes.

    Returns:
        ``loss``: mean over the images, in nats. ``accuracy``: top-1, in percent, on the augmented images while the
        network changes. ``images_per_second``.
    """
    model.train()
    scaler = scaler or torch.amp.GradScaler(enabled=False)
    loss_sum = torch.zeros((), device=device.device)
    correct = torch.zeros((), device=device.device, dtype=torch.int64)
    seen, started = 0, time.perf_counter()
    for images, labels in batches:
        images, labels = device.send(images, labels)
        with device.autocast():
            logits = model(images)
            loss = F.cross_entropy(logits.float(), labels, label_smoothing=label_smoothing)
        optimizer.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        if scheduler is not None:
            scheduler.step()
        loss_sum += loss.detach() * len(labels)
        classes = labels if labels.ndim == 1 else labels.argmax(dim=1)  # of mixed images, the larger share
        correct += (logits.detach().argmax(dim=1) == classes).sum()
        seen += len(labels)
    result = {"loss": loss_sum.item() / seen, "accuracy": 100 * correct.item() / seen}  # waits for the device, once
    return {**result, "images_per_second": seen / (time.perf_counter() - started)}


@torch.inference_mode()
def evaluate(
    model: nn.Module, batches: Iterable[tuple[torch.Tensor, torch.Tensor]], device: Device
) -> dict[str, float | torch.Tensor]:
    """Score a network on every image once.

    Args:
        model: network that maps N × 3 × H × W to logits. Its training mode is restored afterwards.
        batches: images and labels, not augmented.
        device: where and how.

    Returns:
        ``loss``: mean cross-entropy, in nats. ``accuracy``: top-1, in percent. ``confusion``: int64, classes × classes,
        true class by predicted class.
    """
    was_training = model.training
    model.eval()
    loss_sum, confusion, seen = torch.zeros((), device=device.device), None, 0
    for images, labels in batches:
        images, labels = device.send(images, labels)
        with device.autocast():
            logits = model(images)
        logits = logits.float()
        loss_sum += F.cross_entropy(logits, labels, reduction="sum")
        classes = logits.shape[1]
        pairs = torch.bincount(labels * classes + logits.argmax(dim=1), minlength=classes**2).view(classes, classes)
        confusion = pairs if confusion is None else confusion + pairs
        seen += len(labels)
    model.train(was_training)
    confusion = confusion.cpu()
    return {
        "loss": loss_sum.item() / seen,
        "accuracy": 100 * confusion.trace().item() / seen,
        "confusion": confusion,
    }
