"""What the tests of `resnet_tutorial.training.distributed` run in two processes, under torchrun: PART FOLDER."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F

from resnet_tutorial import InputError, Recipe, TrainConfig, Trainer, create_model
from resnet_tutorial.data import BatchLoader, Transform
from resnet_tutorial.training import Device, Step, train_epoch, trainer, validate
from resnet_tutorial.training import distributed as d
from tests.conftest import make_dataset

CPU = Device(torch.device("cpu"))
PLAIN = Transform((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
TRAIN, TEST = make_dataset(45), make_dataset(21, "test", 1)  # 45 images in batches of 20: shares of 10, 3 and 2
RECIPE = Recipe(epochs=3, batch_size=20, lr=0.05, transform=False, validation=0.0)


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return create_model("resnet8", num_classes=2, width=0.25).double()


def gradients(model: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in model.parameters()])


def step(world: d.World, sync: bool, accumulate: int = 1) -> tuple[torch.Tensor, torch.nn.Module]:
    """Gradients of one batch of 15 images, 8 and 7 to each process, and the network after it."""
    dataset = make_dataset(15)
    loader = BatchLoader(dataset, 15, PLAIN, rank=world.rank, world_size=world.size)
    model = network()
    model = d.sync_batchnorm(model, cuda=False) if sync else model.eval()  # without statistics, rows are independent
    wrapped = d.wrap(model, CPU.device) if world.size > 1 else model
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    ((images, labels),) = loader
    (divisor,) = d.divisors(loader)
    Step(wrapped, optimizer, CPU, accumulate=accumulate)(images.double(), labels, divisor)
    return gradients(model), model


def check_gradients(world: d.World, folder: Path) -> dict:
    """The same as those of one process, written out with plain PyTorch."""
    images = PLAIN(make_dataset(15).images, torch.Generator()).double()
    found = {}
    for sync in (True, False):
        alone = network().train(sync)
        F.cross_entropy(alone(images), make_dataset(15).labels).backward()
        for accumulate in (1, 3) if not sync else (1,):
            shared, model = step(world, sync, accumulate)
            error = (shared - gradients(alone)).norm() / gradients(alone).norm()
            found[f"gradient, sync={sync}, accumulate={accumulate}"] = error.item()
        if sync:
            pairs = zip(model.buffers(), alone.buffers(), strict=True)
            found["statistics"] = max((a - b).abs().max().item() for a, b in pairs)
    return found


def check_images(world: d.World, folder: Path) -> dict:
    """Which images are trained on, and how many are scored."""
    seen = []
    loader = BatchLoader(TRAIN, 20, PLAIN, shuffle=True, rank=world.rank, world_size=world.size)
    model = create_model("resnet8", num_classes=2, width=0.25)
    model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].sum((1, 2, 3))))
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    scores = train_epoch(model, loader, optimizer, CPU, divisors=d.divisors(loader))
    seen = torch.cat([torch.tensor(part) for part in d.gather(torch.cat(seen).tolist())])
    every = PLAIN(TRAIN.images, torch.Generator()).sum((1, 2, 3))
    torch.manual_seed(0)
    model = create_model("resnet8", num_classes=2, width=0.25)
    shared = validate(model, BatchLoader(TEST, 6, PLAIN, rank=world.rank, world_size=world.size), CPU)
    return {
        "trained once each": torch.allclose(seen.sort().values, every.sort().values),
        "training accuracy": scores["accuracy"],
        "scored": int(shared["confusion"].sum()),
        "loss": shared["loss"],
        "confusion": shared["confusion"].tolist(),
    }


def check_run(world: d.World, folder: Path) -> dict:
    """A run, stopped by a signal that only the second process gets, and resumed."""
    config = TrainConfig("resnet8", recipe=RECIPE, precision="fp32", sync_batchnorm=True, ckpt_dir=folder / "whole")
    whole = Trainer(config, TRAIN, TEST, log=lambda line: None)
    whole.fit()
    cut = replace(config, ckpt_dir=folder / "cut")
    first = Trainer(cut, TRAIN, TEST, log=lambda line: None)
    ask = first._is_interrupted

    def ask_with_signal():
        if world.rank == 1 and first._polls == 3:
            first._signals.received = 15
        return ask()

    first._is_interrupted = ask_with_signal
    trainer.ASK_EVERY = 5  # of nine steps, so that the run is left in the middle of its second epoch
    try:
        first.fit()
        stopped = None
    except KeyboardInterrupt as stop:
        stopped = (stop.status, first.epoch, first.parts.batches.state_dict()["batch"])
    if world.rank == 0:
        shutil.copytree(folder / "cut", folder / "for one")
    resumed = Trainer(replace(cut, resume=True), TRAIN, TEST, log=lambda line: None)
    resumed.fit()
    same = all(map(torch.equal, whole.model.state_dict().values(), resumed.model.state_dict().values()))
    rows = [[row["loss"] for row in one.record.history] for one in (whole, resumed)]
    return {"stopped": stopped, "same": same and rows[0] == rows[1], "history": rows[0], "test": whole.record.test}


def check_failure(world: d.World, folder: Path) -> dict:
    if world.rank == 1:
        raise InputError("this one has no luck")
    d.all_sum(torch.zeros(1))  # would wait forever
    return {}


@d.report_failure
def main() -> None:
    part, folder = sys.argv[1], Path(sys.argv[2])
    torch.set_num_threads(1)
    world = d.read_world()
    with d.joined(world, cuda=False):
        found = {name: globals()[f"check_{name}"](world, folder) for name in part.split(",")}
        (folder / f"found-{world.rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
