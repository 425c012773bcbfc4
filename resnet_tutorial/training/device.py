"""Where and how the arithmetic is done: device, precision, memory format."""

from dataclasses import dataclass

import torch
from torch import nn

from ..errors import InputError

DTYPES = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


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

    @property
    def memory_format(self) -> torch.memory_format:
        """The order of images and weights in memory."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    @property
    def eval_batch(self) -> int:
        """Images scored at a time. On a CPU, memory for larger batches would be asked of the system again and again."""
        return 250 if self.device.type == "cpu" else 1000

    def autocast(self) -> torch.autocast:
        """A context with convolutions and matrix products in the chosen precision, and the loss in float32."""
        dtype = DTYPES[self.precision]
        return torch.autocast(self.device.type, dtype=dtype, enabled=dtype is not None)

    def place(self, model: nn.Module) -> nn.Module:
        """Move the model there, in the chosen memory format if all its filters have four axes."""
        if any(tensor.ndim == 5 for tensor in model.parameters()):
            return model.to(self.device)
        return model.to(self.device, memory_format=self.memory_format)

    def send(self, images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Move a batch there; from page-locked memory the copy overlaps with computation."""
        images = images.to(self.device, non_blocking=True).contiguous(memory_format=self.memory_format)
        return images, labels.to(self.device, non_blocking=True)


def choose_device(name: str = "auto", precision: str = "auto", channels_last: bool = True, number: int = 0) -> Device:
    """Turn settings into a device and a precision.

    Args:
        name: ``cpu``, ``cuda``, ``mps``, or ``auto``, which takes a GPU if there is one.
        precision: ``fp32``, ``bf16``, ``fp16``, or ``auto``, which takes the quickest that the hardware has.
        channels_last: see `Device`.
        number: which of the machine's GPUs.

    Raises:
        InputError: if the device asked for is not there.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    name = next(d for d in there if there[d]) if name == "auto" else name
    if not there[name]:
        raise InputError(f"no {name} device on this machine: use --device auto or --device cpu")
    if name == "cuda" and number >= torch.cuda.device_count():
        raise InputError(
            f"process {number} has no GPU of its own: start torchrun with --nproc-per-node {torch.cuda.device_count()}"
        )
    place = torch.device(name, number) if name == "cuda" else torch.device(name)
    return Device(place, _best_precision(name) if precision == "auto" else precision, channels_last)


def _best_precision(device: str) -> str:
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    if device == "cpu" and hasattr(torch.cpu, "get_capabilities"):
        capabilities = torch.cpu.get_capabilities()
        # Without these instructions bf16 is emulated, and slower than fp32.
        return "bf16" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else "fp32"
    return "fp32"
