"""Where in an image a network finds its answer (Selvaraju et al. 2017)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..weights.trace import evaluating
from .features import recorded


def grad_cam(model: nn.Module, images: Tensor, classes: Tensor | None = None, layer: str = "stages") -> Tensor:
    """Grad-CAM: how much each position speaks for a class (Selvaraju et al. 2017, section 3, equations 1 and 2).

    The feature maps of a layer are added up, each weighted with the mean of the gradient of the class's logit on it,
    and what is negative is cut off. The network is in evaluation mode; its mode is restored, and no ``.grad`` is
    written.

    Args:
        model: network that maps images to logits, N × classes.
        images: float32 N × C × H × W.
        classes: int64 N, the class that is asked about for each image; the network's own answers if not given.
        layer: name of a module that gives feature maps; of a `ResNet`, the last stage if not given.

    Returns:
        float32 N × h × w, at the resolution of the layer, 0 or larger: logit per position, not scaled to 1.

    Raises:
        InputError: if the network has no module of that name.
    """
    with evaluating(model), recorded(model, [layer]) as outputs, torch.enable_grad():
        logits = model(images.detach().requires_grad_())  # also where the weights are frozen
        maps = outputs[layer]
        classes = logits.argmax(dim=1) if classes is None else classes
        # No image looks at another in evaluation mode, so the sum has the gradients of all of them.
        (gradient,) = torch.autograd.grad(logits.gather(1, classes[:, None]).sum(), maps)
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    return F.relu((weights * maps).sum(dim=1)).detach()
