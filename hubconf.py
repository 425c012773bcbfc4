"""Entry points of torch.hub: ``torch.hub.load(folder, "resnet20", source="local", num_classes=10)``.

Every network of the table under its name, and ``create_model`` for every other depth.
"""

from collections.abc import Callable as _Callable

from resnet_tutorial import ARCHITECTURES as _ARCHITECTURES
from resnet_tutorial import Architecture as _Architecture
from resnet_tutorial import ResNet as _ResNet
from resnet_tutorial import create_model

dependencies = [
    "torch",
    "torchvision",
    "numpy",
    "PIL",
    "filelock",
    "platformdirs",
    "safetensors",
    "scipy",
    "tqdm",
    "yaml",
]

__all__ = ["create_model", *_ARCHITECTURES]


def _entry_point(arch: _Architecture) -> _Callable[..., _ResNet]:
    def entry_point(num_classes: int = 10, **options) -> _ResNet:
        return create_model(arch.name, num_classes, **options)

    shortcut = "no shortcuts" if arch.kind == "plain" else f"shortcut option {arch.shortcut}"
    entry_point.__name__ = entry_point.__qualname__ = arch.name
    entry_point.__doc__ = f"""{arch.title} with fresh weights or trained ones, for small images.

    {len(arch.blocks)} stages of {", ".join(map(str, arch.blocks))} {arch.block} blocks, {shortcut}.

    Args:
        num_classes: number of classes.
        options: keyword arguments of `create_model`: pretrained, shortcut, stem, in_channels, width,
            zero_init_residual, stochastic_depth, checkpoint_activations.
    """
    return entry_point


for _arch in _ARCHITECTURES.values():
    globals()[_arch.name] = _entry_point(_arch)
