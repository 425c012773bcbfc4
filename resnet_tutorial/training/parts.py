"""What trains: network, loaders, optimizer, schedule, average and step, made without a run."""

import contextlib
import copy
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim import Optimizer, lr_scheduler, swa_utils

from ..architectures import get_architecture
from ..data import BatchLoader, ImageDataset, Transform
from ..errors import InputError, first_line
from ..models import ResNet
from ..models.cost import count_macs
from ..weights import create_model
from ..weights.own import build_own, find_own, is_own, own_file
from ..weights.trace import evaluating
from . import distributed
from .config import TrainConfig
from .device import Device, choose_device
from .distributed import World
from .engine import Step
from .fine_tuning import find_weights, freeze, load_start
from .graphs import GraphedStep
from .optim import make_ema, make_optimizer, make_scheduler
from .recipe import IMAGENET_MEAN_STD, Recipe

ALONE = World()


@dataclass
class Parts:
    """What trains a network on data by a recipe.

    Attributes:
        model: the network, on its device.
        train_set, val_set: images to train on, and those held out of them; None if there are none.
        mean, std: of each color channel, by which images are normalized, on the scale 0 to 1.
        device: where and how.
        batches: the loader of ``train_set``, augmented.
        val_batches: the loader of ``val_set``; None if there is none.
        optimizer, scheduler: of the recipe; the scheduler steps once an ``interval``, ``step`` or ``epoch``.
        ema: the moving average of the weights, if the recipe has one. It is what is scored and what predicts.
        scaler: of the gradients, for fp16.
        step_model: the network as the step calls it, compiled if the settings say so.
        step: one step of training.
        macs: multiply-accumulates of the network for one image.
    """

    model: nn.Module
    train_set: ImageDataset
    val_set: ImageDataset | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    device: Device
    batches: BatchLoader
    val_batches: BatchLoader | None
    optimizer: Optimizer
    scheduler: lr_scheduler.LRScheduler
    interval: str
    ema: swa_utils.AveragedModel | None
    scaler: torch.amp.GradScaler | None
    step_model: nn.Module
    step: Step | GraphedStep
    macs: int

    @property
    def scored_model(self) -> nn.Module:
        """The network that is scored and saved, which is the average where there is one."""
        return self.model if self.ema is None else self.ema.module


def make_parts(
    config: TrainConfig, train_set: ImageDataset, model: nn.Module | None = None, world: World = ALONE
) -> Parts:
    """Make what trains. Nothing outside is changed, but that a given network moves to the device.

    Args:
        config: recipe, device and the like.
        train_set: training images; the validation part is held out of them.
        model: the network; if not given, it is built as the settings name it.
        world: the processes that will train together. They need not have met yet; see `connect`.

    Raises:
        InputError: if a setting does not fit the machine, or the network does not fit the images.
    """
    recipe = config.recipe
    if config.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it once, at its first product
    if config.cuda_graphs and world.size > 1:
        raise InputError("CUDA graphs are for one process here: leave --cuda-graphs out under torchrun")
    device = pick_device(config, world.local_rank)
    if config.train_size is not None:
        train_set = train_set.subset(config.train_size, seed=0)
    val_set, held = None, round(recipe.validation * len(train_set))
    if held:
        train_set, val_set = train_set.hold_out(held, seed=0)  # the same images for every seed
    model = build_model(config, train_set)[0] if model is None else model
    freeze(model, recipe.freeze)
    numbers, size = torch.get_rng_state(), train_set.images.shape[1]
    smallest = recipe.image_size(size, 0.0)
    macs = check_logits(model, train_set, smallest)
    synced = config.sync_batchnorm and world.size > 1
    fewest = 2 if not synced and _needs_two_images(model, smallest) else 1
    _check_batches(recipe, len(train_set), world, fewest)
    torch.set_rng_state(numbers)
    if synced:
        model = distributed.sync_batchnorm(model, device.device.type == "cuda")
    model = device.place(model)
    mean, std = _mean_std(recipe, train_set)
    augmented = augmentation(recipe, mean, std, train_set)
    batches = make_loader(config, device, train_set, augmented, world, train=True, fewest=fewest)
    plain = Transform(mean, std)
    optimizer = make_optimizer(recipe, model)
    scheduler, interval = make_scheduler(recipe, optimizer, len(batches))
    scaler = torch.amp.GradScaler(device.device.type) if device.precision == "fp16" else None
    step = Step(
        model,
        optimizer,
        device,
        scaler,
        label_smoothing=recipe.label_smoothing,
        class_weights=_class_weights(train_set).to(device.device) if recipe.class_weights else None,
        clip_grad_norm=recipe.clip_grad_norm,
        accumulate=recipe.accumulate,
        fewest=fewest,
    )
    parts = Parts(
        model=model,
        train_set=train_set,
        val_set=val_set,
        mean=mean,
        std=std,
        device=device,
        batches=batches,
        val_batches=None if val_set is None else make_loader(config, device, val_set, plain, world),
        optimizer=optimizer,
        scheduler=scheduler,
        interval=interval,
        ema=make_ema(recipe, model),
        scaler=scaler,
        step_model=model,
        step=GraphedStep(step) if config.cuda_graphs else step,
        macs=macs,
    )
    if config.compile and world.size == 1:
        _compile(parts)
    return parts


def _mean_std(recipe: Recipe, train_set: ImageDataset) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if recipe.mean is not None:
        return recipe.mean, recipe.std
    return IMAGENET_MEAN_STD if recipe.normalization == "imagenet" else train_set.mean_std()


def _class_weights(train_set: ImageDataset) -> torch.Tensor:
    """A weight for each class, float32, in inverse proportion to its images; over all images the mean is 1."""
    counts = train_set.counts()
    weights = len(train_set) / (int(counts.count_nonzero()) * counts.clamp(min=1))
    return weights.float()


def connect(parts: Parts, config: TrainConfig, world: World) -> None:
    """Let the step exchange gradients with the other processes, which have to have met by now."""
    if world.size > 1:
        parts.step_model = parts.step.model = distributed.wrap(parts.model, parts.device.device)
        if config.compile:
            _compile(parts)


def _compile(parts: Parts) -> None:
    # One fixed shape for whole batches and one for the last: dynamic shapes would be slower.
    parts.step_model = torch.compile(parts.step_model, dynamic=False)
    step = parts.step.step if isinstance(parts.step, GraphedStep) else parts.step
    step.model = parts.step_model


@contextlib.contextmanager
def chosen_kernels(deterministic: bool) -> Iterator[None]:
    """Kernels that give the same bits every time, if asked for, or else the fastest; as before at the end."""
    asked, warn = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark = torch.backends.cudnn.benchmark
    if deterministic:
        torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = not torch.are_deterministic_algorithms_enabled()
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(asked, warn_only=warn)
        torch.backends.cudnn.benchmark = benchmark


def pick_device(config: TrainConfig, number: int = 0) -> Device:
    """Turn the settings of a run into a device and a precision.

    Args:
        config: the run.
        number: which of the machine's GPUs.

    Raises:
        InputError: if the device asked for is not there.
    """
    return choose_device(config.device, config.precision, config.channels_last, number)


def build_model(config: TrainConfig, data: ImageDataset) -> tuple[nn.Module, torch.Tensor, str]:
    """The network that the settings name, the state of torch's random numbers after its weights were drawn, and a note.

    The weights are the first draws of the seed, but for those to start from, which the note names. The random numbers
    of the process stay where they are.

    Raises:
        InputError: if there is no such network, or an option does not fit it.
    """
    classes, options = len(data.classes), config.model_options()
    if is_own(config.model) and options:
        flag = next(iter(options)).replace("_", "-")
        raise InputError(f"--{flag} is for networks of the table: leave it out")
    own = find_own(config.model) if is_own(config.model) else None  # its file may seed, so it runs before
    before = torch.get_rng_state()
    try:
        torch.default_generator.manual_seed(config.seed)
        if own is None:
            model = create_model(config.model, classes, checkpoint_activations=config.checkpoint_activations, **options)
        else:
            model = build_own(config.model, classes, own)
            check_logits(model, data)  # lazy layers draw their weights at the first images
        starts = config.pretrained and config.resume is not True
        note = load_start(model, config.pretrained, data.classes) if starts else ""
        return model, torch.get_rng_state(), note
    finally:
        torch.set_rng_state(before)


def check_name(config: TrainConfig) -> None:
    """Refuse a network, or weights to start from, that are not there, without building one.

    Raises:
        InputError: if there is no such network or file, or the options do not fit.
    """
    if config.pretrained and config.resume is not True:
        find_weights(config.pretrained, config.model)
    if is_own(config.model):
        own_file(config.model)
    else:
        get_architecture(config.model).with_options(config.shortcut, config.stem, config.width)


def check_logits(model: nn.Module, data: ImageDataset, smallest: int | None = None) -> int:
    """Ask a network for two images of the data's form; return its multiply-accumulates for one of them.

    One of this package is asked in evaluation. Of another, a copy is asked in training, too, and for the smallest
    images that the recipe makes; and its state has to survive a file that runs no code.

    Args:
        model: the network.
        data: the images, and how many classes there are.
        smallest: height and width of the smallest training images; those of the data if not given.

    Raises:
        InputError: if it cannot take the images, or gives another number of logits than there are classes.
    """
    height, width = data.images.shape[1:3]
    with evaluating(model):
        macs, logits = _ask(model, height, width)
        _check_shape(model, logits, data)
        if not isinstance(model, ResNet):
            trial = copy.deepcopy(model)
            _check_shape(model, _ask(trial.train(), smallest or height, smallest or width)[1], data)
            _check_state(model)
    return macs // 2


def _ask(model: nn.Module, height: int, width: int) -> tuple[int, object]:
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    try:
        with torch.no_grad():
            return count_macs(model, torch.zeros(2, 3, height, width).to(device))
    except Exception as error:  # whatever a stranger's code may raise
        where = f"images of 3 × {height} × {width}"
        raise InputError(f"{type(model).__name__} cannot take {where}: {first_line(error)}") from error


def _needs_two_images(model: nn.Module, size: int) -> bool:
    """Whether a BatchNorm sees a single value per channel of an image: in training, it cannot normalize that."""
    values = []
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    hooks = [norm.register_forward_pre_hook(lambda _, x: values.append(x[0][:1, 0].numel())) for norm in norms]
    try:
        with evaluating(model):
            _ask(model, size, size)
    finally:
        for hook in hooks:
            hook.remove()
    return 1 in values


def _check_batches(recipe: Recipe, images: int, world: World, fewest: int) -> None:
    """Refuse what would hand a single image to a BatchNorm that cannot normalize it."""
    share = min(recipe.batch_size, images) // world.size  # of a process
    if fewest == 1 or share // recipe.accumulate >= fewest:
        return
    enough = share >= fewest
    what = f"--accumulate {recipe.accumulate} makes parts" if enough else "a process would get batches"
    advice = f"use --accumulate {share // fewest} at most" if enough else "use a larger --batch-size, or more images"
    raise InputError(f"{what} of one image, of which a BatchNorm here sees one value per channel, too few: {advice}")


def _check_shape(model: nn.Module, logits: object, data: ImageDataset) -> None:
    shape = tuple(logits.shape) if isinstance(logits, torch.Tensor) else f"a {type(logits).__name__}"
    if shape != (2, len(data.classes)):
        raise InputError(
            f"{type(model).__name__} gives {shape} for two images: for {data.name} it should give "
            f"(2, {len(data.classes)}), a logit for each class"
        )


def _check_state(model: nn.Module) -> None:
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    try:
        torch.load(file, weights_only=True)
    except Exception:  # of the unpickler, in many ways
        raise InputError(
            f"the state_dict of {type(model).__name__} holds more than tensors and plain values, which no checkpoint "
            "could give back: leave that out of it (get_extra_state)"
        ) from None


def augmentation(
    recipe: Recipe, mean: tuple[float, ...], std: tuple[float, ...], train_set: ImageDataset, share: float = 1.0
) -> Transform:
    """What happens to the training images when this share of the run is over."""
    options = {name: getattr(recipe, name) for name in ("cutout", "rand_augment", "mixup", "cutmix")}
    options["size"] = recipe.image_size(train_set.images.shape[1], share)
    return Transform(mean, std, recipe.transform, recipe.random_erasing, **options)


def make_loader(
    config: TrainConfig,
    device: Device,
    dataset: ImageDataset,
    transform: Transform,
    world: World = ALONE,
    train: bool = False,
    fewest: int = 1,
) -> BatchLoader:
    """The loader of a data set, shuffled if it is for training; ``fewest`` as of `BatchLoader`."""
    data_device = _data_device(config, device.device, dataset)
    copies = device.device.type == "cuda" and data_device.type == "cpu"
    return BatchLoader(
        dataset,
        min(config.recipe.batch_size, len(dataset)) if train else device.eval_batch,
        transform,
        shuffle=train,
        balanced=train and config.recipe.balanced,
        seed=config.seed,
        num_workers=(2 if copies else 0) if config.num_workers is None else config.num_workers,
        pin_memory=config.pin_memory and copies,
        rank=world.rank,
        world_size=world.size,
        fewest=fewest,
        device=data_device,
    )


def _data_device(config: TrainConfig, device: torch.device, dataset: ImageDataset) -> torch.device:
    wanted = config.data_on_device
    if wanted is None and device.type == "cuda":
        wanted = 4 * dataset.images.nbytes < torch.cuda.get_device_properties(device).total_memory
    return device if wanted else torch.device("cpu")
