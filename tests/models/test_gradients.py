"""Gradients of every convolution that a network can have, in both memory formats, on one thread and on two.

oneDNN, which computes them on a CPU, is wrong or crashes for some shapes on processors without AVX-512 (its issue
6035): so the check runs in a process of its own, once as this machine is and once kept to AVX2.
"""

import copy
import itertools
import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from resnet_tutorial import create_model
from resnet_tutorial.models.shortcuts import StridedConv1x1

WIDTHS = (0.125, 0.25, 0.375, 0.5, 0.75, 1.0)
NETWORKS = {  # the shallowest of each kind; deeper ones repeat their layers
    ("resnet8", "resnet11", "preact8", "preact11", "resnet18", "resnet50", "preact18", "preact50"): "ABC",
    ("plain8", "plain11", "plain18", "plain50"): (None,),
}
BOUND = 1e-4  # of the norm; float32 stays below 1e-5, a wrong gradient is off by half or more


def convolutions() -> list[nn.Conv2d]:
    """One convolution of each kind and shape that the networks hold, on the meta device."""
    found = {}
    for models, shortcuts in NETWORKS.items():
        for model, shortcut, stem, width in itertools.product(models, shortcuts, ("cifar", "imagenet"), WIDTHS):
            with torch.device("meta"):
                network = create_model(model, shortcut=shortcut, stem=stem, width=width)
            found |= {repr(m): m for m in network.modules() if isinstance(m, nn.Conv2d)}
    return list(found.values())


def pass_through(conv: nn.Conv2d, images: torch.Tensor, gradient: torch.Tensor) -> list[torch.Tensor]:
    """Output, gradient of the weights, gradient of the images."""
    images = images.clone(memory_format=torch.preserve_format).requires_grad_()
    out = conv(images)
    out.backward(gradient)
    return [out.detach(), conv.weight.grad, images.grad]


def report() -> None:
    """Print what is off: the process may end in the middle."""
    torch.manual_seed(0)
    layers = convolutions()
    for conv in layers:
        size = 8 if conv.in_channels * conv.out_channels <= 64 * 64 else 4
        images = torch.randn(2, conv.in_channels, size, size)
        gradient = torch.randn(conv(images.to("meta")).shape)
        conv = conv.to_empty(device="cpu").requires_grad_()
        nn.init.normal_(conv.weight)
        exact = pass_through(copy.deepcopy(conv).double(), images.double(), gradient.double())
        for memory_format, threads in itertools.product((torch.contiguous_format, torch.channels_last), (1, 2)):
            torch.set_num_threads(threads)
            parts = (x.to(memory_format=memory_format) for x in (copy.deepcopy(conv), images, gradient))
            off = [((a - b).norm() / b.norm()).item() for a, b in zip(pass_through(*parts), exact, strict=True)]
            if max(off) > BOUND:
                print(conv, memory_format, threads, off)
    print(f"{len(layers)} convolutions")


@pytest.mark.parametrize("instructions", ["DEFAULT", "AVX2"])
def test_every_convolution_has_the_gradients_of_float64(instructions):
    capability = {} if instructions == "DEFAULT" else {"ATEN_CPU_CAPABILITY": "avx2"}
    result = subprocess.run(
        [sys.executable, "-c", "from tests.models.test_gradients import report; report()"],
        env=os.environ | {"ONEDNN_MAX_CPU_ISA": instructions, "OMP_NUM_THREADS": "2"} | capability,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, f"it ended with {result.returncode}: {result.stdout}{result.stderr[-500:]}"
    lines = result.stdout.splitlines()
    assert len(lines) == 1 and int(lines[0].split()[0]) > 100


def test_the_sliced_projection_computes_what_a_strided_one_does():
    torch.manual_seed(0)
    sliced, strided = StridedConv1x1(5, 7, 2).double(), nn.Conv2d(5, 7, 1, 2, bias=False).double()
    strided.load_state_dict(sliced.state_dict())
    images = torch.randn(3, 5, 9, 8, dtype=torch.float64)  # an odd height: the last row counts
    gradient = torch.randn(3, 7, 5, 4, dtype=torch.float64)
    for a, b in zip(pass_through(sliced, images, gradient), pass_through(strided, images, gradient), strict=True):
        torch.testing.assert_close(a, b)
