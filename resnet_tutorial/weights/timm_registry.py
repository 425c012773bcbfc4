"""The networks as timm's own: ``timm.create_model("resnet_tutorial_resnet20")``; timm is imported on request."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from ..architectures import ARCHITECTURES, Architecture
from ..errors import InputError
from ..models.resnet import ResNet
from .file import read_weights
from .pretrained import list_pretrained, pretrained_file

PREFIX = "resnet_tutorial_"
CIFAR10_MEAN, CIFAR10_STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
default_cfgs: dict = {}  # timm looks for this name in the module of a registered function


def register_with_timm() -> list[str]:
    """Make timm know every network of the table, under its name with the prefix ``resnet_tutorial_``.

    After it ``timm.create_model`` takes timm's keywords (``num_classes``, ``in_chans``, ``drop_rate``,
    ``drop_path_rate``, ``global_pool``, ``features_only``) and this package's ``shortcut``, ``stem``, ``width`` and
    ``zero_init_residual``. The names of weights are those of `create_model`; ``pretrained=True`` is for the networks of
    `list_pretrained`. A second call changes nothing.

    Returns:
        The names that timm knows now.

    Raises:
        InputError: if timm is not installed.
    """
    try:
        import timm
        from timm.models import generate_default_cfgs, register_model
    except ImportError:
        raise InputError('timm is not installed: pip install "resnet-tutorial[timm]"') from None
    for arch in ARCHITECTURES.values():
        name = PREFIX + arch.name
        if not timm.is_model(name):
            default_cfgs.update(generate_default_cfgs(_default_cfgs(arch)))
            globals()[name] = register_model(_make_entry_point(arch))
    return [PREFIX + name for name in ARCHITECTURES]


class TimmResNet(ResNet):
    """A network of this package with the methods that timm's tools call.

    Args:
        arch: the record of the network.
        num_classes: number of classes; 0 leaves the linear layer out.
        in_chans: channels of the images.
        global_pool: timm's name of the pooling: ``avg``, ``max``, ``avgmax``, ``catavgmax``; empty for feature maps.
        drop_rate: probability of dropout in front of the linear layer.
        drop_path_rate: probability that the last block's branch is left out in training (stochastic depth).
        zero_init_residual: start every block as its shortcut.

    Attributes:
        num_features: channels of the feature maps.
        head_hidden_size: numbers that reach the linear layer.
        feature_info: channels and reduction of the stem and of each stage, for ``features_only``.
    """

    def __init__(
        self,
        arch: Architecture,
        num_classes: int = 10,
        in_chans: int = 3,
        global_pool: str = "avg",
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        zero_init_residual: bool = False,
    ):
        super().__init__(
            arch,
            max(num_classes, 1),
            in_channels=in_chans,
            zero_init_residual=zero_init_residual,
            stochastic_depth=drop_path_rate,
        )
        self.drop_rate = drop_rate
        self.num_features = arch.features
        self.feature_info = _feature_info(arch)
        self.reset_classifier(num_classes, global_pool)

    def get_classifier(self, name_only: bool = False) -> nn.Module | str:
        """The linear layer (the identity where it is left out), or its name."""
        return "fc" if name_only else self.fc

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Put a fresh linear layer in place of the old one.

        Args:
            num_classes: number of classes; 0 leaves the layer out.
            global_pool: pooling in front of it; None keeps it as it is.
        """
        from timm.layers import create_classifier

        pool_type = self.global_pool.pool_type if global_pool is None else global_pool
        pool, fc = create_classifier(self.num_features, num_classes, pool_type=pool_type)
        self.num_classes = num_classes
        self.head_hidden_size = self.num_features * pool.feat_mult()
        self.global_pool, self.fc = pool.train(self.training), fc.to(self.conv1.weight).train(self.training)

    def group_matcher(self, coarse: bool = False) -> dict:
        """Patterns by which timm groups parameters by depth, for learning rates layer by layer."""
        blocks = r"^stages\.(\d+)" if coarse else r"^stages\.(\d+)\.(\d+)"
        return {"stem": r"^(?:conv1|bn1)\.", "blocks": [(blocks, None), (r"^norm", (99_999,))]}

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Switch ``checkpoint_activations`` of `ResNet`."""
        self.checkpoint_activations = enable

    def forward_head(self, x: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        """Map feature maps N × C × h × w to logits, or to what the linear layer would read."""
        x = self.global_pool(x)
        if self.drop_rate > 0:
            x = F.dropout(x, self.drop_rate, training=self.training)
        return x if pre_logits else self.fc(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map images N × in_chans × H × W to logits N × num_classes."""
        return self.forward_head(self.forward_features(x))


def _feature_info(arch: Architecture) -> list[dict]:
    # What the pooling receives (or the identity in its place) has passed the ReLU, which is no module.
    stem = {"num_chs": arch.stem_channels, "reduction": 2 if arch.stem == "imagenet" else 1}
    stem |= {"module": "pool", "hook_type": "forward_pre"}
    size = 1024  # any that halves evenly
    return [stem] + [
        {"num_chs": stage.channels, "reduction": size // output, "module": f"stages.{i}"}
        for i, (stage, output) in enumerate(zip(arch.stages, arch.output_sizes(size)[1:], strict=True))
    ]


def _default_cfgs(arch: Architecture) -> dict[str, dict]:
    """What timm has to know, by name; with a tag behind it for each file of trained weights, which timm then loads."""
    usual = _default_cfg(arch)
    tagged = {}
    for name in list_pretrained(f"{arch.name}.*"):
        about = read_weights(pretrained_file(name)).metadata
        if about["architecture"]["shortcut"] == arch.shortcut:  # timm takes no other network for the file's sake
            numbers = {"mean": tuple(about["mean"]), "std": tuple(about["std"]), "num_classes": len(about["classes"])}
            tagged[PREFIX + name] = usual | numbers | {"file": str(pretrained_file(name))}
    return tagged or {PREFIX + arch.name: usual}


def _default_cfg(arch: Architecture) -> dict:
    return {
        "num_classes": 10,
        "input_size": (3, 32, 32),
        "min_input_size": (3, 8, 8),
        "pool_size": _pool_size(arch),
        "crop_pct": 1.0,
        "mean": CIFAR10_MEAN,
        "std": CIFAR10_STD,
        "first_conv": "conv1",
        "classifier": "fc",
        "license": "mit",
    }


def _pool_size(arch: Architecture) -> tuple[int, int]:
    """Height and width of the last feature maps for a 32×32 image."""
    return arch.output_sizes()[-1], arch.output_sizes()[-1]


def _make_entry_point(base: Architecture) -> Callable[..., nn.Module]:
    def entry_point(
        pretrained: bool = False,
        shortcut: str | None = None,
        stem: str = "cifar",
        width: float = 1.0,
        pretrained_cfg_overlay: dict | None = None,
        **options,
    ) -> nn.Module:
        from timm.models import build_model_with_cfg

        arch = base.with_options(shortcut, stem, width)
        return build_model_with_cfg(
            TimmResNet,
            PREFIX + base.name,
            pretrained,
            pretrained_cfg_overlay={"pool_size": _pool_size(arch)} | (pretrained_cfg_overlay or {}),
            feature_cfg={"feature_cls": "hook", "out_indices": tuple(range(1 + len(arch.blocks)))},
            arch=arch,
            **options,
        )

    entry_point.__name__ = entry_point.__qualname__ = PREFIX + base.name
    entry_point.__doc__ = f"{base.title} for small images; options as in `register_with_timm`."
    return entry_point
