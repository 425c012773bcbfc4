"""The network in JavaScript against the one in PyTorch, in a browser."""

import re

import pytest
import torch

from resnet_tutorial import InputError, create_model, list_pretrained, save_weights
from resnet_tutorial.data import normalize
from resnet_tutorial.figures.classifier import browser_classifier, write_weights
from resnet_tutorial.figures.widgets import STATIC
from resnet_tutorial.training import load_trained
from resnet_tutorial.weights import pretrained, pretrained_file
from tests.book.browse_site import serve, start_browser
from tests.weights.others import shake

PICTURES = 20
SHIPPED = list_pretrained()
MADE = {"resnet8.a": ("resnet8", "A"), "resnet14.b": ("resnet14", "B")}


@pytest.fixture(scope="module")
def tab():
    try:
        with start_browser() as browser:
            yield browser.new_page()
    except LookupError as error:
        pytest.skip(str(error))


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Two small trained networks, with options A and B, of odd width."""
    folder = tmp_path / "pretrained"
    folder.mkdir()
    monkeypatch.setattr(pretrained, "FOLDER", folder)
    for name, (model, shortcut) in MADE.items():
        network = shake(create_model(model, 3, shortcut=shortcut, width=0.3))
        about = {"classes": ["<b>", "square", "star"], "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.25]}
        save_weights(network, folder / f"{name}.safetensors", **about, dtype=torch.float16)


def write_page(folder, name) -> None:
    html = browser_classifier(name)._repr_html_()
    (folder / "page.html").write_text(f'<!doctype html><html lang="en"><meta charset="utf-8"><title>x</title>{html}')
    write_weights(folder)


def open_and_load(tab, address) -> list[str]:
    """Open a page and press its button. Returns what was requested, and what the console says is wrong."""
    seen = []
    tab.on("request", lambda request: seen.append(request.url))
    tab.on("pageerror", lambda error: seen.append(f"error: {error}"))
    tab.goto(address)
    before = list(seen)
    tab.click("text=Load the network")
    tab.wait_for_function("document.querySelector('[role=status]').textContent.includes('Computed in')")
    return before


def ask(tab, images: torch.Tensor) -> torch.Tensor:
    rgba = torch.cat([images, torch.full_like(images[..., :1], 255)], dim=-1).flatten(1).tolist()
    script = """async (pictures) => {
      const root = document.querySelector(".rt-classifier"), found = [];
      for (const pixels of pictures) found.push(await root.logits(pixels));
      return found;
    }"""
    return torch.tensor(tab.evaluate(script, rgba))


def assert_same_logits(tab, name) -> None:
    trained = load_trained(pretrained_file(name))
    images = torch.randint(0, 256, (PICTURES, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = trained.model(normalize(images, trained.mean, trained.std))
    torch.testing.assert_close(ask(tab, images), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("way", ["http", "file", "in the page"])
def test_it_answers_as_pytorch_does(tab, made, tmp_path, monkeypatch, name, way):
    if way != "in the page":
        monkeypatch.setenv(STATIC, "1")
    write_page(tmp_path, name)
    with serve(tmp_path) as server:
        base = f"http://127.0.0.1:{server.server_port}" if way == "http" else tmp_path.as_uri()
        requested = open_and_load(tab, f"{base}/page.html")
        assert not [url for url in requested if "_weights" in url or url.startswith("error")]
        assert_same_logits(tab, name)


@pytest.mark.parametrize("name", SHIPPED)
def test_what_the_package_ships_answers_as_pytorch_does(tab, tmp_path, name):
    write_page(tmp_path, name)
    open_and_load(tab, f"{tmp_path.as_uri()}/page.html")
    assert_same_logits(tab, name)


def test_a_reader_chooses_and_uploads(tab, made, tmp_path):
    from PIL import Image

    write_page(tmp_path, "resnet8.a")
    open_and_load(tab, f"{tmp_path.as_uri()}/page.html")
    tab.get_by_label("a cat").check()
    tab.wait_for_function("document.querySelector('[role=status]').textContent.startsWith('a cat: ')")
    shares = [float(cell.strip(" %")) for cell in tab.locator(".rt-answers td").all_text_contents()]
    assert len(shares) == 3 and abs(sum(shares) - 100) < 2
    Image.new("RGB", (300, 100), (10, 200, 30)).save(tmp_path / "green.png")
    tab.set_input_files("input[type=file]", tmp_path / "green.png")
    tab.wait_for_function("document.querySelector('[role=status]').textContent.startsWith('green.png: ')")
    pixel = "[...document.querySelector('canvas').getContext('2d').getImageData(16, 16, 1, 1).data]"
    assert tab.evaluate(pixel) == [10, 200, 30, 255] and tab.locator("input:checked").count() == 0
    (tmp_path / "text.png").write_text("no picture")
    tab.set_input_files("input[type=file]", tmp_path / "text.png")
    tab.wait_for_function("document.querySelector('[role=status]').textContent.includes('no picture that')")


def test_its_page_holds_weights_only_where_there_is_no_site(made, monkeypatch):
    live = browser_classifier("resnet8.a")._repr_html_()
    monkeypatch.setenv(STATIC, "1")
    static = browser_classifier("resnet8.a")._repr_html_()
    assert 'type="text/plain" data-part="weights"' in live and 'type="text/plain"' not in static
    assert "<noscript>" in static and re.search(r"<form [^>]*hidden>", static) and "<b>" not in static


def test_other_networks_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    save_weights(create_model("preact8"), tmp_path / "preact8.x.safetensors", mean=[0.5] * 3, std=[0.5] * 3)
    with pytest.raises(InputError, match="residual networks of basic blocks"):
        browser_classifier("preact8.x")
