import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils._python_dispatch import TorchDispatchMode

from resnet_tutorial import create_model
from resnet_tutorial.data import BatchLoader, Transform
from resnet_tutorial.training import Device, Step, Sums, train_epoch, validate
from resnet_tutorial.training.average import MovingAverage
from resnet_tutorial.training.graphs import GraphedStep
from tests.conftest import make_dataset

CPU = Device(torch.device("cpu"))
PLAIN = Transform((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


class Tiny(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(3 * 32 * 32, 2))


def test_one_epoch_is_plain_gradient_descent():
    """The engine's steps against the textbook's, written out."""
    torch.manual_seed(0)
    model, twin = Tiny(), Tiny()
    twin.load_state_dict(model.state_dict())
    loader = BatchLoader(make_dataset(20), 8, PLAIN, shuffle=True)
    scores = train_epoch(model, loader, torch.optim.SGD(model.parameters(), 0.01), CPU, label_smoothing=0.1)
    losses = []
    for images, labels in loader:
        loss = F.cross_entropy(twin(images), labels, label_smoothing=0.1)
        twin.zero_grad()
        loss.backward()
        with torch.no_grad():
            for p in twin.parameters():
                p -= 0.01 * p.grad
        losses += [loss.item()] * len(labels)
    torch.testing.assert_close(model[1].weight, twin[1].weight)
    assert scores["loss"] == pytest.approx(sum(losses) / 20, rel=1e-5)  # each image counts once, in uneven batches too


def test_mixed_labels_train_on_the_shares_of_the_classes():
    """The loss of a mixed image is the mix of the losses (Zhang et al. 2018); the larger share counts as its class."""
    torch.manual_seed(0)
    model = Tiny()
    loader = BatchLoader(make_dataset(20), 20, Transform((0.5,) * 3, (0.25,) * 3, mixup=1.0))
    ((images, shares),) = loader
    logits = model(images).detach()
    expected = -(shares * logits.log_softmax(dim=1)).sum(dim=1).mean()
    scores = train_epoch(model, loader, torch.optim.SGD(model.parameters(), 0.01), CPU)
    assert scores["loss"] == pytest.approx(expected.item(), rel=1e-5)
    right = (logits.argmax(dim=1) == shares.argmax(dim=1)).float().mean()
    assert scores["accuracy"] == pytest.approx(100 * right.item())


def test_evaluation_counts_every_image_once_and_leaves_the_network_as_it_was():
    model = create_model("resnet20", num_classes=2)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    dataset = make_dataset(21)
    scores = validate(model, BatchLoader(dataset, 8, PLAIN), CPU)
    assert model.training
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert torch.equal(scores["confusion"].sum(dim=1), dataset.counts())

    model.eval()
    with torch.no_grad():
        logits = model(PLAIN(dataset.images, torch.Generator()))
    accuracy = (logits.argmax(dim=1) == dataset.labels).double().mean().item()
    assert scores["accuracy"] == pytest.approx(100 * accuracy)
    assert scores["loss"] == pytest.approx(F.cross_entropy(logits, dataset.labels).item(), rel=1e-5)
    assert not model.training  # validate() restored what it found, and eval() here is ours


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_network_learns(precision):
    torch.manual_seed(0)
    device = Device(torch.device("cpu"), precision)
    model = device.place(create_model("resnet8", num_classes=2, width=0.5))
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    loader = BatchLoader(make_dataset(64), 16, PLAIN, shuffle=True)
    for epoch in range(12):
        loader.epoch = epoch
        train_epoch(model, loader, optimizer, device)
    assert validate(model, BatchLoader(make_dataset(40, "test", 1), 40, PLAIN), device)["accuracy"] > 90


def after_one_epoch(**options) -> tuple[nn.Module, dict]:
    """A linear network, whose gradients add up, after three batches of 8, 8 and 4 images."""
    torch.manual_seed(0)
    model = Tiny()
    loader = BatchLoader(make_dataset(20), 8, PLAIN, shuffle=True)
    return model, train_epoch(model, loader, torch.optim.SGD(model.parameters(), 0.01), CPU, **options)


@pytest.mark.parametrize("parts", [2, 3, 8, 100])
def test_a_batch_in_parts_gives_the_gradient_of_the_whole(parts):
    (whole, scores), (in_parts, again) = after_one_epoch(), after_one_epoch(accumulate=parts)
    torch.testing.assert_close(in_parts[1].weight, whole[1].weight)
    assert (again["loss"], again["accuracy"]) == (pytest.approx(scores["loss"]), scores["accuracy"])


def test_a_batch_in_parts_goes_through_the_network_in_parts():
    sizes = []
    model = Tiny()
    model.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    train_epoch(model, BatchLoader(make_dataset(20), 16, PLAIN), torch.optim.SGD(model.parameters()), CPU, accumulate=3)
    assert sizes == [6, 5, 5, 2, 1, 1]


@pytest.mark.parametrize("scaled", [False, True])
def test_the_gradient_is_clipped_as_one_vector_and_without_its_scale(scaled):
    model = Tiny()
    before = torch.cat([p.detach().flatten().clone() for p in model.parameters()])
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0) if scaled else None
    loader = BatchLoader(make_dataset(20), 20, PLAIN)
    train_epoch(model, loader, torch.optim.SGD(model.parameters(), 1.0), CPU, clip_grad_norm=0.01, scaler=scaler)
    after = torch.cat([p.detach().flatten() for p in model.parameters()])
    assert (after - before).norm().item() == pytest.approx(0.01, rel=1e-3)


def test_the_average_follows_every_step():
    model = Tiny()
    ema = MovingAverage(model, 0.5)
    weights, step = [], torch.optim.SGD(model.parameters(), 0.1)
    step.register_step_post_hook(lambda *args: weights.append(model[1].weight.detach().clone()))
    train_epoch(model, BatchLoader(make_dataset(20), 8, PLAIN), step, CPU, ema=ema)
    torch.testing.assert_close(ema.module[1].weight, 0.25 * weights[0] + 0.25 * weights[1] + 0.5 * weights[2])


def test_the_average_is_that_of_pytorch():
    torch.manual_seed(0)
    model = create_model("resnet8", num_classes=2, width=0.25)
    ours = MovingAverage(model, 0.9)
    theirs = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
    for _ in range(3):
        model(torch.randn(4, 3, 8, 8))  # moves the statistics
        for p in model.parameters():
            p.data += torch.randn_like(p)
        ours.update_parameters(model)
        theirs.update_parameters(model)
    for name, value in theirs.module.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(ours.module.state_dict()[name], value)
    assert ours.module.bn1.num_batches_tracked == 3 == ours.n_averaged


def test_an_epoch_in_two_pieces_is_the_epoch():
    whole = after_one_epoch()
    torch.manual_seed(0)
    model, loader, sums = Tiny(), BatchLoader(make_dataset(20), 8, PLAIN, shuffle=True), Sums()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    train_epoch(model, loader, optimizer, CPU, sums=sums, stop=lambda: True)
    assert loader.state_dict()["batch"] == 1
    saved, sums = sums.state_dict(), Sums()
    sums.load_state_dict(saved)
    loader.load_state_dict(loader.state_dict())
    scores = train_epoch(model, loader, optimizer, CPU, sums=sums)
    assert torch.equal(model[1].weight, whole[0][1].weight)
    assert (scores["loss"], scores["accuracy"]) == (whole[1]["loss"], whole[1]["accuracy"])


class Waits(TorchDispatchMode):
    """Counts what makes the host wait for a GPU: a number that Python reads, a copy whose size depends on the data."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        names = ("_local_scalar_dense", "nonzero", "equal", "masked_select", "bincount", "_unique2")
        self.count += function.overloadpacket.__name__ in names
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1, "clip_grad_norm": 1.0, "accumulate": 2}])
def test_no_step_waits_for_the_device(options):
    def waits(steps: int, work) -> int:
        torch.manual_seed(0)
        model = create_model("resnet8", num_classes=2, width=0.5)
        optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)
        batches = [(torch.randn(4, 3, 8, 8), torch.tensor([0, 1, 0, 1]))] * steps
        with Waits() as mode:
            work(model, batches, optimizer)
        return mode.count

    def train(model, batches, optimizer):
        train_epoch(model, batches, optimizer, CPU, **options)

    def read_every_loss(model, batches, optimizer):
        sums = Sums()
        train_epoch(model, batches, optimizer, CPU, sums=sums, stop=lambda: sums.measured[-1][0].item() < 0)

    def score(model, batches, optimizer):
        validate(model, batches, CPU)

    assert waits(4, train) == waits(2, train)
    assert waits(4, score) == waits(2, score)
    assert waits(4, read_every_loss) == waits(2, read_every_loss) + 2  # the count counts


def test_a_graph_keeps_to_the_groups_of_the_optimizer(monkeypatch):
    """Loading the optimizer's state, as a resumed run does, puts other groups into the place of the old ones."""
    monkeypatch.setattr(GraphedStep, "_check", lambda self, step: None)
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: None)
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    graphed = GraphedStep(Step(model, optimizer, Device(torch.device("cpu"))))
    optimizer.load_state_dict(optimizer.state_dict())
    assert graphed.groups[0] is optimizer.param_groups[0]
