import pytest
import torch
import torch.nn.functional as F
from torch import nn

from resnet_tutorial import create_model
from resnet_tutorial.data import BatchLoader, Transform
from resnet_tutorial.training import Device, evaluate, train_epoch
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
    scores = evaluate(model, BatchLoader(dataset, 8, PLAIN), CPU)
    assert model.training
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert torch.equal(scores["confusion"].sum(dim=1), dataset.counts())

    model.eval()
    with torch.no_grad():
        logits = model(PLAIN(dataset.images, torch.Generator()))
    accuracy = (logits.argmax(dim=1) == dataset.labels).double().mean().item()
    assert scores["accuracy"] == pytest.approx(100 * accuracy)
    assert scores["loss"] == pytest.approx(F.cross_entropy(logits, dataset.labels).item(), rel=1e-5)
    assert not model.training  # evaluate() restored what it found, and eval() here is ours


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_network_learns(precision):
    torch.manual_seed(0)
    device = Device(torch.device("cpu"), precision)
    model = device.place(create_model("resnet20", num_classes=2))
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    loader = BatchLoader(make_dataset(64), 16, PLAIN, shuffle=True)
    for epoch in range(12):
        loader.epoch = epoch
        train_epoch(model, loader, optimizer, device)
    assert evaluate(model, BatchLoader(make_dataset(40, "test", 1), 40, PLAIN), device)["accuracy"] > 90


def test_memory_format_and_precision_do_not_change_the_function():
    torch.manual_seed(0)
    model = create_model("resnet20").eval()
    images = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        expected = model(images)
        for precision, tolerance in (("fp32", 1e-4), ("bf16", 5e-2)):
            device = Device(torch.device("cpu"), precision)
            x, _ = device.send(images, torch.zeros(4, dtype=torch.int64))
            assert x.is_contiguous(memory_format=torch.channels_last)
            with device.autocast():
                out = device.place(model)(x)
            assert (out.float() - expected).norm() / expected.norm() < tolerance
