"""Several processes train one network, each on its share of every batch. ``torchrun`` starts them.

Each process of a machine has a GPU of its own. The batch size is that of all of them together, so a recipe means the
same on one GPU and on eight: the gradient is that of the whole batch. BatchNorm sees the share of its process, or with
``sync_batchnorm`` the whole batch.
"""

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.autograd import Function
from torch.distributed.elastic.multiprocessing import errors
from torch.nn.parallel import DistributedDataParallel

from ..data import BatchLoader
from ..errors import InputError
from .signals import Stopped

_meetings = itertools.count()


@dataclass(frozen=True)
class World:
    """The processes of a run.

    Attributes:
        rank: number of this one, from 0; process 0 writes and prints.
        size: how many there are, over all machines.
        local_rank: number of this one on its machine, and of its GPU.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0


def read_world() -> World:
    """The processes that torchrun started, if it did; alone otherwise. They need not have met yet."""
    rank, size, local_rank = (int(os.environ.get(name, "0")) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    return World(rank, size, local_rank) if size > 1 else World()


@contextlib.contextmanager
def joined(world: World, cuda: bool) -> Iterator[None]:
    """Meet the other processes, and part at the end; within another such context, nothing more happens.

    Args:
        world: of `read_world`.
        cuda: whether the network is on GPUs. What the host decides goes over gloo in any case, and waits for no GPU.
    """
    if world.size < 2 or dist.is_initialized():
        yield
        return
    if cuda:
        torch.cuda.set_device(world.local_rank)
    store, _, _ = next(dist.rendezvous("env://"))
    # The store still holds the addresses of an earlier meeting.
    store = dist.PrefixStore(f"{_attempt()}, meeting {next(_meetings)}", store)
    backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"
    dist.init_process_group(backend, store=store, rank=world.rank, world_size=world.size)
    try:
        yield
    except Stopped:  # by all of them
        dist.destroy_process_group()
        raise
    except RuntimeError as error:
        if "by peer" not in str(error):  # gloo's "Connection closed by peer"
            raise
        raise InputError("another process of this run has ended; with --resume auto the same command goes on") from None
    # After any other exception the process has to end, for torchrun to hear of it: to part could wait for the others.
    dist.destroy_process_group()


def _attempt() -> str:
    """A name for this start of the processes, under which they leave their addresses for each other.

    torchrun's store still holds those of the processes before a restart. On several machines torchrun counts restarts
    on each for itself, so the count is no common name: set ``TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1`` before torchrun.
    """
    alone = os.environ.get("GROUP_WORLD_SIZE", "1") == "1"
    return f"attempt {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0') if alone else '0'}"


def report_failure(function: Callable) -> Callable:
    """The function, such that torchrun can say which process failed first, and why; of our own errors, in one line."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return function

    @errors.record
    def reporting(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except InputError as error:
            raise error.with_traceback(None) from None

    return reporting


def may_tell() -> bool:
    """Whether this process prints an error: process 0 at once, another one if process 0 has none to tell soon after."""
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return True
    with contextlib.suppress(RuntimeError):  # no store any more, or nothing in it in time
        store, _, _ = next(dist.rendezvous("env://"))
        told = f"{_attempt()} told"
        if os.environ["RANK"] == "0":
            store.set(told, "")
        else:
            store.wait([told], timedelta(seconds=5))
            return False
    return True


def all_sum(tensor: torch.Tensor) -> torch.Tensor:
    """Sum of a tensor on the CPU over all processes, in place; as it is where one process trains alone."""
    if dist.is_initialized():
        dist.all_reduce(tensor)
    return tensor


def all_max(numbers: list[int]) -> list[int]:
    """The largest that any process has, number by number."""
    if not dist.is_initialized():
        return numbers
    tensor = torch.tensor(numbers)
    dist.all_reduce(tensor, dist.ReduceOp.MAX)
    return tensor.tolist()


def gather(value: Any) -> list[Any]:
    """The value of every process, by rank; all get the list."""
    if not dist.is_initialized():
        return [value]
    values = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def from_first(value: Any) -> Any:
    """The value that process 0 has, in all processes."""
    box = [value]
    if dist.is_initialized():
        dist.broadcast_object_list(box)
    return box[0]


def share_buffers(model: nn.Module) -> None:
    """Give all processes the BatchNorm statistics of process 0, which are the ones that are saved."""
    if dist.is_initialized():
        for tensor in model.buffers():
            dist.broadcast(tensor, 0)


@contextlib.contextmanager
def first_of_machine_first(world: World) -> Iterator[None]:
    """Let one process of each machine do what is inside before the others: it fills the cache that they read."""
    if world.size > 1 and world.local_rank > 0:
        all_sum(torch.zeros(1))  # waits for all others
    yield
    if world.size > 1 and world.local_rank == 0:
        all_sum(torch.zeros(1))


def wrap(model: nn.Module, device: torch.device) -> nn.Module:
    """The model as one of several: after a backward pass, gradients are means over the processes."""
    return DistributedDataParallel(model, device_ids=[device.index] if device.type == "cuda" else None)


def divisors(loader: BatchLoader) -> list[float]:
    """For each batch, the number that a process divides the sum of its losses by.

    It is the images of the whole batch over the processes. So the mean of the processes' gradients, which is what DDP
    makes, is the gradient of the whole batch, also where shares differ by an image.
    """
    whole = [loader.batch_size] * (len(loader) - 1)
    return [n / loader.world_size for n in (*whole, len(loader.dataset) - sum(whole))]


def sync_batchnorm(model: nn.Module, cuda: bool) -> nn.Module:
    """Make every BatchNorm normalize over the images of all processes. Names of the weights stay."""
    if cuda:
        return nn.SyncBatchNorm.convert_sync_batchnorm(model)
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = _SyncedBatchNorm  # PyTorch's own is for GPUs only
    return model


class _SyncedBatchNorm(nn.BatchNorm2d):
    """BatchNorm over the images of all processes (Ioffe and Szegedy 2015, algorithm 1)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return super().forward(x)
        wide = x if x.dtype == torch.float64 else x.float()
        count = all_sum(torch.tensor(float(x.numel() // x.shape[1])))
        mean = _SumOverProcesses.apply(wide.sum((0, 2, 3))) / count
        centered = wide - mean[:, None, None]
        var = _SumOverProcesses.apply(centered.square().sum((0, 2, 3))) / count
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(var * count / (count - 1), self.momentum)
        out = centered * (torch.rsqrt(var + self.eps) * self.weight)[:, None, None] + self.bias[:, None, None]
        return out.to(x.dtype)


class _SumOverProcesses(Function):
    """A sum over the processes through which gradients flow: each gets the sum of what the others pass back."""

    @staticmethod
    def forward(ctx, x: torch.Tensor) -> torch.Tensor:
        return all_sum(x.clone())

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> torch.Tensor:
        return all_sum(gradient.clone())
